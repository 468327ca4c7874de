"""A shop's figures: every row's MAP@12 and order of the articles that sell, and the differences that are asked for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from benchmarks import paired
from research.hm_report.answers import Asked
from retail import metrics
from retail.log import Array

Weeks = Mapping[int, Array]  # label week -> (b, 12) lists, or (b,) values


@dataclass(frozen=True)
class Told:
    """One row of the table: a table (week, user, twelve) of values for each seed, and what the trainings left."""

    ap: list[pl.DataFrame]
    auc: list[pl.DataFrame] = field(default_factory=list)
    seconds: float = 0.0
    held: list[float] = field(default_factory=list)  # least loss on the held customers, a number for each training
    loss: list[float] = field(default_factory=list)  # training loss of the last epoch


def of_lists(asked: Sequence[Asked], lists: Weeks) -> pl.DataFrame:
    """AP@12 of every buyer."""
    return of_values(
        asked, {of.past.week: metrics.average_precision(of.start, of.items, lists[of.past.week]) for of in asked}
    )


def of_values(asked: Sequence[Asked], values: Weeks) -> pl.DataFrame:
    """(week, user, twelve) rows of the buyers' ``values``, those without one left out."""
    parts = [pl.DataFrame({"week": of.past.week, "user": of.users, "twelve": values[of.past.week]}) for of in asked]
    return pl.concat(parts).filter(pl.col("twelve").is_not_nan())


def joined(told: Iterable[Told]) -> Told:
    """The row of several blocks, whose seeds come in the same order."""
    parts = list(told)

    def glued(tables: list[list[pl.DataFrame]]) -> list[pl.DataFrame]:
        return [pl.concat(of_seed) for of_seed in zip(*tables, strict=True)]

    return Told(
        glued([part.ap for part in parts]),
        glued([part.auc for part in parts]),
        sum(part.seconds for part in parts),
        [value for part in parts for value in part.held],
        [value for part in parts for value in part.loss],
    )


def mean(tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Each buyer's mean over the seeds."""
    values = np.mean([table["twelve"].to_numpy() for table in tables], axis=0)
    return tables[0].with_columns(twelve=pl.Series(values))


def table(told: Mapping[str, Told], base: str) -> dict[str, dict[str, Any]]:
    """Row -> MAP@12 and its difference from ``base``, AUC, each with a 95% interval over customers; seeds, seconds."""
    ap = paired.compared({name: mean(of.ap) for name, of in told.items()}, base)
    ranked = {name: mean(of.auc) for name, of in told.items() if of.auc}
    auc = paired.compared(ranked, base)
    return {
        name: {
            **ap[name],
            "auc": auc[name]["map12"] if name in auc else None,
            "by_seed": [float(_by_week(one)) for one in of.ap],
            "seconds": round(of.seconds, 1),
            "held": float(np.mean(of.held)) if of.held else None,
            "loss": float(np.mean(of.loss)) if of.loss else None,
        }
        for name, of in told.items()
    }


def chain(told: Mapping[str, Told], order: Sequence[str]) -> list[dict[str, Any]]:
    """Each row of ``order`` minus the one before it, by both measures; p after Holm over the chain's differences."""
    out = []
    for less, more in pairwise(order):
        both = {name: mean(told[name].ap) for name in (less, more)}
        ranked = {name: mean(told[name].auc) for name in (less, more)}
        map12 = paired.compared(both, less)[more]["minus"]
        out.append({"less": less, "more": more, "map12": map12, "auc": paired.compared(ranked, less)[more]["minus"]})
    for measure in ("map12", "auc"):
        raised = paired.holm({k: step[measure]["p"] for k, step in enumerate(out)})
        for k, step in enumerate(out):
            step[measure]["holm"] = raised[k]
    return out


def fold(few: Told, many: Told) -> dict[str, float]:
    """MAP@12 of ``many`` over that of ``few``, customers drawn again together for the interval."""
    left, right = (_means(mean(told.ap)) for told in (few, many))
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = np.nanquantile(right / left, [0.025, 0.975])
    return {"fold": _by_week(mean(many.ap)) / _by_week(mean(few.ap)), "low": float(low), "high": float(high)}


def _means(frame: pl.DataFrame) -> Array:
    weeks = frame.partition_by("week", maintain_order=True)
    pairs = [(week["user"].to_numpy(), week["twelve"].to_numpy()) for week in weeks]
    return metrics.bootstrap_means(pairs, paired.DRAWS, 1)


def _by_week(frame: pl.DataFrame) -> float:
    weeks = frame.group_by("week", maintain_order=True).agg(pl.col("twelve").mean())
    return float(np.mean(weeks["twelve"].to_numpy()))
