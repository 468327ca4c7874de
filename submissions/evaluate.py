"""Stage ``evaluate``: measure MAP@12 on the validation weeks, compared with two baselines.

Writes data/evaluation/: ap.parquet (week, user, recency, then AP@12 of each list) and evaluation.json (MAP@12 with
intervals, by week and by recency). The HTML report reads intervals.csv (MAP@12 of each week and recency segment),
by_score.csv, by_place.csv and variety.csv.
"""

import json

import numpy as np
import polars as pl
from tqdm import tqdm

from retail import metrics, paths, stage, weeks
from retail import params as parameters
from retail import shop as shops
from retail.log import Array
from retail.params import Cascade, Params
from retail.ragged import pair_codes
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.pool import label_pairs, load_sources
from stage2_ranker.model.blend import Blend
from submissions.answering import answer
from submissions.scoring import baselines, calibration
from submissions.scoring.recency import NEVER, SEGMENTS, name_segments
from submissions.scoring.variety import measure_variety

SAME = "same_without_cascade"  # column: is the list the same if all trees score all candidates?
ALL_CANDIDATES = Cascade(rounds=1, keep=0)
EVALUATED_LISTS = ("twelve", "popular", "repurchase_popular")  # this recommender first, then the baselines


def evaluate_week(shop: Shop, week: int, blend: Blend, params: Params) -> dict[str, pl.DataFrame]:
    """Evaluate a label week: return its tables by name, each with the column ``week``.

    ``ap``: one row per buyer, with the recency segment and the AP@12 of each list of EVALUATED_LISTS. ``by_score``,
    ``by_place`` and ``variety``: see ``count_by_score``, ``count_by_place`` and ``measure_variety``.
    """
    history, truth = weeks.history(shop.log, week), weeks.truth(shop.log, week)
    users = weeks.buyers(shop.log, week)
    start, items = metrics.truth_runs(*truth, users)
    sources = load_sources(week, params)
    top_lists, scores, purchases, same = [], [], [], []
    for shard in answer.split_shards(users, params.submit.shard):
        pairs, rows, cut_score = answer.score_candidates(history, shop, shard, sources, blend, params)
        filler = answer.list_cached_best_sellers(history)
        top_lists.append(answer.select_top(pairs, cut_score, filler))
        score = answer.score_rows(pairs, rows, blend, ALL_CANDIDATES)
        same.append((top_lists[-1] == answer.select_top(pairs, score, filler)).all(axis=1))
        scores.append(score)
        purchases.append(label_pairs(pairs, truth))
    predicted = {
        "twelve": np.concatenate(top_lists),
        "popular": baselines.recommend_popular(history, users),
        "repurchase_popular": baselines.recommend_repurchase(history, users, params.evaluate.half_life),
    }
    ap = {name: metrics.average_precision(start, items, lists) for name, lists in predicted.items()}
    ap[SAME] = np.concatenate(same)
    entries = {name: (np.repeat(users, metrics.K), lists.ravel()) for name, lists in predicted.items()}
    tables = {
        "ap": pl.DataFrame({"user": users, "recency": assign_segments(history, users), **ap}),
        "by_score": calibration.count_by_score(np.concatenate(scores), np.concatenate(purchases)),
        "by_place": count_by_place(predicted, users, truth),
        "variety": measure_variety(history, {**entries, "bought": truth}),
    }
    return {name: table.select(pl.lit(week, pl.Int32).alias("week"), pl.all()) for name, table in tables.items()}


def count_by_place(predicted: dict[str, Array], users: Array, truth: tuple[Array, Array]) -> pl.DataFrame:
    """Count how often the article at each place of each list was bought: columns list, place, customers, bought."""
    bought = pair_codes(*truth)
    parts = []
    for name, lists in predicted.items():
        hit = np.isin(pair_codes(np.repeat(users, metrics.K), lists.ravel()), bought).reshape(lists.shape)
        parts.append(calibration.count_by_place(hit).insert_column(0, pl.Series("list", [name] * metrics.K)))
    return pl.concat(parts)


def assign_segments(history: History, users: Array) -> list[str]:
    """Assign each customer to a recency segment by days since the last purchase: 7 d, 30 d, 90 d, older or never."""
    log = history.log
    never_bought = history.stop[users] == log.start[users]
    last = log.day[np.maximum(history.stop[users] - 1, 0)].astype(np.int64)
    return name_segments(np.where(never_bought, -1, history.cutoff - last))


def bootstrap_intervals(ap: pl.DataFrame, draws: int, seed: int) -> pl.DataFrame:
    """Compute MAP@12 of each list with its 95% bootstrap interval, for each week and each recency segment.

    Columns: by ("week" or "recency"), name (of the week or segment), list, customers, mean, low, high.
    """
    rows = []
    for by in ("week", "recency"):
        for (name,), part in ap.group_by(by, maintain_order=True):
            user = part["user"].to_numpy()
            for list_name in EVALUATED_LISTS:
                value = part[list_name].to_numpy()
                low, high = metrics.interval(metrics.bootstrap_means([(user, value)], draws, seed))
                rows.append((by, str(name), list_name, part.height, float(value.mean()), low, high))
    return pl.DataFrame(rows, schema=["by", "name", "list", "customers", "mean", "low", "high"], orient="row")


def summarise(ap: pl.DataFrame, draws: int, seed: int) -> dict[str, object]:
    """Summarise ``ap`` as evaluation.json: MAP@12 of each list, paired differences, by week and by recency segment.

    ``map12`` is the mean over weeks, so each week counts equally; its 95% interval resamples customers.
    """
    by_week = {week[0]: rows for week, rows in ap.group_by("week", maintain_order=True)}
    users = [rows["user"].to_numpy() for rows in by_week.values()]

    def average_over_weeks(values: list[Array]) -> dict[str, object]:
        means = metrics.bootstrap_means(list(zip(users, values, strict=True)), draws, seed)
        low, high = metrics.interval(means)
        mean = float(np.mean([v.mean() for v in values]))
        return {"mean": round(mean, 6), "low": round(low, 6), "high": round(high, 6)}

    values = {name: [rows[name].to_numpy() for rows in by_week.values()] for name in EVALUATED_LISTS}
    minus = {
        name: average_over_weeks([a - b for a, b in zip(values["twelve"], values[name], strict=True)])
        for name in EVALUATED_LISTS[1:]
    }
    columns = [pl.col(name).mean() for name in EVALUATED_LISTS]
    segments = ap.group_by("recency").agg(pl.len().alias("customers"), *columns)
    rows = {row["recency"]: row for row in segments.to_dicts()}
    return {
        "cascade": {
            "customers": ap.height,
            "same_lists": round(float(ap[SAME].to_numpy().mean()), 6),
        },
        "map12": {name: average_over_weeks(values[name]) for name in EVALUATED_LISTS},
        "twelve_minus": minus,
        "by_week": {
            str(week): {
                "buyers": part.height,
                **{name: round(float(part[name].mean()), 6) for name in EVALUATED_LISTS},  # type: ignore[arg-type]
            }
            for week, part in by_week.items()
        },
        "by_recency": {
            name: {"customers": rows[name]["customers"], **{key: round(rows[name][key], 6) for key in EVALUATED_LISTS}}
            for name in [*SEGMENTS, NEVER]
            if name in rows
        },
    }


def main() -> None:
    """Evaluate every validation week and write data/evaluation."""
    params = parameters.read()
    shop = shops.read()
    plan = weeks.plan(shop.log, params.weeks)
    blend = Blend.load(paths.MODEL)
    parts = [evaluate_week(shop, week, blend, params) for week in tqdm(plan.validation, desc="evaluate", unit="week")]
    tables = {name: pl.concat([part[name] for part in parts]) for name in parts[0]}
    ap = tables.pop("ap")
    with stage.whole_folder(paths.EVALUATION) as folder:
        ap.write_parquet(folder / "ap.parquet")
        for name, table in tables.items():
            table.write_csv(folder / f"{name}.csv")
        bootstrap_intervals(ap, params.evaluate.bootstrap, params.seed).write_csv(folder / "intervals.csv")
        figures = summarise(ap, params.evaluate.bootstrap, params.seed)
        same = float(ap[SAME].to_numpy().mean())
        print(f"evaluate: the cascade leaves the lists of {same:.2%} of {ap.height:,} customers unchanged")
        (folder / "evaluation.json").write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    stage.run(main, "evaluate")
