"""Stage ``evaluate``: MAP@12 of the validation weeks beside the baselines, with intervals and by recency.

Writes data/evaluation/: ap.parquet (week, user, recency, then AP@12 of each list) and evaluation.json.
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
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.merge import loaded
from stage2_ranker import answer
from stage2_ranker.ranker import Blend
from submissions import baselines

LISTS = ("twelve", "popular", "repurchase_popular")
SEGMENTS = {"7 d": 7, "30 d": 30, "90 d": 90, "older": 10**6}  # days since the last purchase, at most


def one_week(shop: Shop, week: int, blend: Blend, params: Params) -> pl.DataFrame:
    """One row per buyer of ``week``: its recency segment and the AP@12 of every list of LISTS."""
    history = weeks.history(shop.log, week)
    users = weeks.buyers(shop.log, week)
    start, items = metrics.truth_runs(*weeks.truth(shop.log, week), users)
    sources = loaded(week, params)
    answered = [
        answer.answer(history, shop, part, sources, blend, params) for part in answer.shards(users, params.submit.shard)
    ]
    predicted = {
        "twelve": np.concatenate(answered),
        "popular": baselines.popular(history, users),
        "repurchase_popular": baselines.repurchase(history, users, params.evaluate.half_life),
    }
    found = {name: metrics.average_precision(start, items, lists) for name, lists in predicted.items()}
    keys = {"week": np.full(len(users), week, np.int32), "user": users, "recency": recency(history, users)}
    return pl.DataFrame({**keys, **found})


def recency(history: History, users: Array) -> list[str]:
    """Segment of each customer by days since the last purchase: 7 d, 30 d, 90 d, older, never."""
    log = history.log
    none = history.stop[users] == log.start[users]
    last = log.day[np.maximum(history.stop[users] - 1, 0)].astype(np.int64)
    days = history.cutoff - last
    names = np.array([*SEGMENTS, "never"])
    return list(names[np.where(none, len(SEGMENTS), np.searchsorted(list(SEGMENTS.values()), days))])


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
            for name in [*SEGMENTS, "never"]
            if name in rows
        },
    }


def main() -> None:
    params = parameters.read()
    shop = shops.read()
    plan = weeks.plan(shop.log, params.weeks)
    blend = Blend.load(paths.MODEL)
    parts = [one_week(shop, week, blend, params) for week in tqdm(plan.validation, desc="evaluate", unit="week")]
    ap = pl.concat(parts)
    with stage.whole_folder(paths.EVALUATION) as folder:
        ap.write_parquet(folder / "ap.parquet")
        figures = summary(ap, params.evaluate.bootstrap, params.seed)
        (folder / "evaluation.json").write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    stage.run(main, "evaluate")
