"""Stage ``evaluate``: MAP@12 of the validation weeks beside the baselines, with intervals and by recency.

Writes data/evaluation/: ap.parquet (week, user, recency, then AP@12 of each list), evaluation.json, and for the page of
figures intervals.csv (MAP@12 of each week and segment), by_score.csv, by_place.csv and variety.csv.
"""

import json

import numpy as np
import polars as pl
from tqdm import tqdm

from retail import metrics, paths, stage, weeks
from retail import params as parameters
from retail import shop as shops
from retail.log import Array
from retail.params import Params
from retail.ragged import pair_codes
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.pool import labels, loaded
from stage2_ranker.model.blend import Blend
from submissions.answering import answer
from submissions.scoring import baselines, calibration
from submissions.scoring.recency import NEVER, SEGMENTS, segments
from submissions.scoring.variety import variety

LISTS = ("twelve", "popular", "repurchase_popular")


def one_week(shop: Shop, week: int, blend: Blend, params: Params) -> dict[str, pl.DataFrame]:
    """The tables of a label week: ``ap``, one row per buyer, its recency segment and the AP@12 of every list of LISTS;
    ``by_score``, ``by_place`` and ``variety`` as their functions say, each with the column ``week``."""
    history, truth = weeks.history(shop.log, week), weeks.truth(shop.log, week)
    users = weeks.buyers(shop.log, week)
    start, items = metrics.truth_runs(*truth, users)
    sources = loaded(week, params)
    answered, score, label = [], [], []
    for shard in answer.shards(users, params.submit.shard):
        pairs, _, found = answer.scored(history, shop, shard, sources, blend, params)
        answered.append(answer.top(pairs, found, answer.fillers(history)))
        score.append(found)
        label.append(labels(pairs, truth))
    predicted = {
        "twelve": np.concatenate(answered),
        "popular": baselines.popular(history, users),
        "repurchase_popular": baselines.repurchase(history, users, params.evaluate.half_life),
    }
    ap = {name: metrics.average_precision(start, items, lists) for name, lists in predicted.items()}
    entries = {name: (np.repeat(users, metrics.K), lists.ravel()) for name, lists in predicted.items()}
    tables = {
        "ap": pl.DataFrame({"user": users, "recency": recency(history, users), **ap}),
        "by_score": calibration.by_score(np.concatenate(score), np.concatenate(label)),
        "by_place": places(predicted, users, truth),
        "variety": variety(history, {**entries, "bought": truth}),
    }
    return {name: table.select(pl.lit(week, pl.Int32).alias("week"), pl.all()) for name, table in tables.items()}


def places(predicted: dict[str, Array], users: Array, truth: tuple[Array, Array]) -> pl.DataFrame:
    """list, place, customers, bought: how often the article at each place of each list was bought."""
    bought = pair_codes(*truth)
    parts = []
    for name, lists in predicted.items():
        hit = np.isin(pair_codes(np.repeat(users, metrics.K), lists.ravel()), bought).reshape(lists.shape)
        parts.append(calibration.by_place(hit).insert_column(0, pl.Series("list", [name] * metrics.K)))
    return pl.concat(parts)


def recency(history: History, users: Array) -> list[str]:
    """Segment of each customer by days since the last purchase: 7 d, 30 d, 90 d, older, never."""
    log = history.log
    none = history.stop[users] == log.start[users]
    last = log.day[np.maximum(history.stop[users] - 1, 0)].astype(np.int64)
    return segments(np.where(none, -1, history.cutoff - last))


def intervals(ap: pl.DataFrame, draws: int, seed: int) -> pl.DataFrame:
    """by, name, list, customers, mean, low, high: MAP@12 of each week and recency segment, with its 95% interval."""
    rows = []
    for by in ("week", "recency"):
        for (name,), part in ap.group_by(by, maintain_order=True):
            user = part["user"].to_numpy()
            for which in LISTS:
                value = part[which].to_numpy()
                low, high = metrics.interval(metrics.bootstrap_means([(user, value)], draws, seed))
                rows.append((by, str(name), which, part.height, float(value.mean()), low, high))
    return pl.DataFrame(rows, schema=["by", "name", "list", "customers", "mean", "low", "high"], orient="row")


def summary(ap: pl.DataFrame, draws: int, seed: int) -> dict[str, object]:
    """Mean over weeks of each list with its 95% interval, the paired differences, by week and by recency."""
    by_week = {week[0]: rows for week, rows in ap.group_by("week", maintain_order=True)}
    users = [rows["user"].to_numpy() for rows in by_week.values()]

    def over_weeks(values: list[Array]) -> dict[str, object]:
        means = metrics.bootstrap_means(list(zip(users, values, strict=True)), draws, seed)
        low, high = metrics.interval(means)
        mean = float(np.mean([v.mean() for v in values]))
        return {"mean": round(mean, 6), "low": round(low, 6), "high": round(high, 6)}

    values = {name: [rows[name].to_numpy() for rows in by_week.values()] for name in LISTS}
    minus = {
        name: over_weeks([a - b for a, b in zip(values["twelve"], values[name], strict=True)]) for name in LISTS[1:]
    }
    segments = ap.group_by("recency").agg(pl.len().alias("customers"), *[pl.col(name).mean() for name in LISTS])
    rows = {row["recency"]: row for row in segments.to_dicts()}
    return {
        "map12": {name: over_weeks(values[name]) for name in LISTS},
        "twelve_minus": minus,
        "by_week": {
            str(week): {"buyers": part.height, **{name: round(float(part[name].mean()), 6) for name in LISTS}}  # type: ignore[arg-type]
            for week, part in by_week.items()
        },
        "by_recency": {
            name: {"customers": rows[name]["customers"], **{key: round(rows[name][key], 6) for key in LISTS}}
            for name in [*SEGMENTS, NEVER]
            if name in rows
        },
    }


def main() -> None:
    params = parameters.read()
    shop = shops.read()
    plan = weeks.plan(shop.log, params.weeks)
    blend = Blend.load(paths.MODEL)
    parts = [one_week(shop, week, blend, params) for week in tqdm(plan.validation, desc="evaluate", unit="week")]
    tables = {name: pl.concat([part[name] for part in parts]) for name in parts[0]}
    ap = tables.pop("ap")
    with stage.whole_folder(paths.EVALUATION) as folder:
        ap.write_parquet(folder / "ap.parquet")
        for name, table in tables.items():
            table.write_csv(folder / f"{name}.csv")
        intervals(ap, params.evaluate.bootstrap, params.seed).write_csv(folder / "intervals.csv")
        figures = summary(ap, params.evaluate.bootstrap, params.seed)
        (folder / "evaluation.json").write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    stage.run(main, "evaluate")
