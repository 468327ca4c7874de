"""Compute the figures of a shop: MAP@12 and AUC of each row, differences between rows, and ratios."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from benchmarks import paired
from research.hm_report.ranking import LabelWeek
from retail import metrics
from retail.log import Array

ByWeek = Mapping[int, Array]  # label week -> (b, 12) lists, or (b,) values


@dataclass(frozen=True)
class Row:
    """Hold a row of the table: values per seed, and training time and losses.

    Each table of ``ap`` and ``auc`` belongs to a seed, has a row per buyer and the columns week, user, twelve.
    """

    ap: list[pl.DataFrame]  # twelve: AP@12
    auc: list[pl.DataFrame] = field(default_factory=list)  # twelve: AUC
    seconds: float = 0.0
    held_out: list[float] = field(default_factory=list)  # per training: lowest loss on the held-out customers
    loss: list[float] = field(default_factory=list)  # per training: loss of the last epoch


def score_lists(label_weeks: Sequence[LabelWeek], lists: ByWeek) -> pl.DataFrame:
    """Compute the AP@12 of each buyer: rows (week, user, twelve)."""
    ap = {
        each.past.week: metrics.average_precision(each.start, each.items, lists[each.past.week]) for each in label_weeks
    }
    return tabulate_values(label_weeks, ap)


def tabulate_values(label_weeks: Sequence[LabelWeek], values: ByWeek) -> pl.DataFrame:
    """Tabulate the buyers' ``values`` as rows (week, user, twelve), without NaN."""
    parts = [
        pl.DataFrame({"week": each.past.week, "user": each.users, "twelve": values[each.past.week]})
        for each in label_weeks
    ]
    return pl.concat(parts).filter(pl.col("twelve").is_not_nan())


def join_blocks(blocks: Iterable[Row]) -> Row:
    """Join the rows of several blocks into one; the seeds come in the same order in each."""
    parts = list(blocks)

    def concatenate(tables: list[list[pl.DataFrame]]) -> list[pl.DataFrame]:
        return [pl.concat(by_block) for by_block in zip(*tables, strict=True)]

    return Row(
        concatenate([part.ap for part in parts]),
        concatenate([part.auc for part in parts]),
        sum(part.seconds for part in parts),
        [value for part in parts for value in part.held_out],
        [value for part in parts for value in part.loss],
    )


def average_seeds(tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Average each buyer's values over the seeds."""
    values = np.mean([table["twelve"].to_numpy() for table in tables], axis=0)
    return tables[0].with_columns(twelve=pl.Series(values))


def build_table(rows: Mapping[str, Row], base: str) -> dict[str, dict[str, Any]]:
    """Build the table: row name -> MAP@12, its difference from ``base``, and AUC, each with a 95% interval.

    The intervals are over customers. Further keys are MAP@12 by seed, seconds, and the mean losses.
    """
    ap = paired.compare_variants({name: average_seeds(row.ap) for name, row in rows.items()}, base)
    auc = paired.compare_variants({name: average_seeds(row.auc) for name, row in rows.items() if row.auc}, base)
    return {
        name: {
            **ap[name],
            "auc": auc[name]["map12"] if name in auc else None,
            "by_seed": [float(_average_weeks(frame)) for frame in row.ap],
            "seconds": round(row.seconds, 1),
            "held": float(np.mean(row.held_out)) if row.held_out else None,
            "loss": float(np.mean(row.loss)) if row.loss else None,
        }
        for name, row in rows.items()
    }


def compare_neighbours(rows: Mapping[str, Row], order: Sequence[str]) -> list[dict[str, Any]]:
    """Subtract from each row of ``order`` the row before it, by MAP@12 and AUC; adjust p by Holm's method."""
    steps = []
    for less, more in pairwise(order):
        ap = {name: average_seeds(rows[name].ap) for name in (less, more)}
        auc = {name: average_seeds(rows[name].auc) for name in (less, more)}
        map12 = paired.compare_variants(ap, less)[more]["minus"]
        steps.append(
            {"less": less, "more": more, "map12": map12, "auc": paired.compare_variants(auc, less)[more]["minus"]}
        )
    for measure in ("map12", "auc"):
        adjusted = paired.adjust_holm({k: step[measure]["p"] for k, step in enumerate(steps)})
        for k, step in enumerate(steps):
            step[measure]["holm"] = adjusted[k]
    return steps


def compute_ratio(row: Row, base: Row) -> dict[str, float]:
    """Divide the MAP@12 of ``row`` by that of ``base``; the 95% interval is a bootstrap over customers, paired."""
    row_ap, base_ap = average_seeds(row.ap), average_seeds(base.ap)
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = np.nanquantile(_bootstrap(row_ap) / _bootstrap(base_ap), [0.025, 0.975])
    return {"fold": _average_weeks(row_ap) / _average_weeks(base_ap), "low": float(low), "high": float(high)}


def _bootstrap(frame: pl.DataFrame) -> Array:
    """Draw the bootstrap's means (DRAWS,) over weeks; equal seeds draw the same customers."""
    weeks = frame.partition_by("week", maintain_order=True)
    pairs = [(week["user"].to_numpy(), week["twelve"].to_numpy()) for week in weeks]
    return metrics.bootstrap_means(pairs, paired.DRAWS, 1)


def _average_weeks(frame: pl.DataFrame) -> float:
    """Average the column twelve within each week, then over weeks."""
    weeks = frame.group_by("week", maintain_order=True).agg(pl.col("twelve").mean())
    return float(np.mean(weeks["twelve"].to_numpy()))
