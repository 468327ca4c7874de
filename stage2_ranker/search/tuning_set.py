"""Score models on the tuning weeks: MAP@12 of raw scores of whole candidate pools."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from retail import metrics
from retail.log import Array
from retail.ragged import offsets, place_in_row
from stage2_ranker.model.ranker import to_matrix


@dataclass(frozen=True)
class TuningWeek:
    """One tuning week: its customers' candidates and all their purchases, in the pool or not."""

    users: Array  # (u,) uint32, ascending
    cell: Array  # (n,) int64 place of each candidate in a (u, width) grid, ascending by user, then article
    item: Array  # (n,) int64
    width: int
    start: Array  # (u + 1,) int64
    bought: Array  # (b,) runs of the users' articles

    @staticmethod
    def from_table(table: pl.DataFrame, users: Array, truth: tuple[Array, Array]) -> "TuningWeek":
        """Build a week from ``table``, every candidate of ``users``, and ``truth``, pairs sorted by user.

        A customer may have no candidate.
        """
        row = np.searchsorted(users, table["user"].to_numpy())
        size = np.bincount(row, minlength=len(users))
        width = max(int(size.max()), metrics.K)
        return TuningWeek(
            users, row * width + place_in_row(offsets(size)), table["item"].to_numpy().astype(np.int64), width,
            *metrics.truth_runs(*truth, users),
        )  # fmt: skip

    def compute_ap(self, score: Array) -> Array:
        """Compute AP@12 (u,) float64 of each customer's twelve highest scores; ties break by article."""
        scores = np.full((len(self.users), self.width), -np.inf)  # (u, width)
        items = np.full(scores.shape, -1, np.int64)
        scores.ravel()[self.cell], items.ravel()[self.cell] = score, self.item
        best = np.argsort(-scores, axis=1, kind="stable")[:, : metrics.K]
        return metrics.average_precision(self.start, self.bought, np.take_along_axis(items, best, axis=1))


@dataclass(frozen=True)
class TuningSet:
    """All tuning weeks: ``features`` (n, f) float32 and ``weeks``, whose rows follow each other."""

    features: Array
    weeks: dict[int, TuningWeek]

    @staticmethod
    def from_tables(
        tables: dict[int, pl.DataFrame], users: dict[int, Array], truths: dict[int, tuple[Array, Array]]
    ) -> "TuningSet":
        """Build the tuning set from the rows of each week's ``users``, sampled for training or not."""
        parts = {week: table.filter(pl.col("user").is_in(users[week])) for week, table in tables.items()}
        weeks = {week: TuningWeek.from_table(part, users[week], truths[week]) for week, part in parts.items()}
        return TuningSet(np.concatenate([to_matrix(part) for part in parts.values()]), weeks)

    @property
    def run(self) -> Array:
        """(n,) int64, ascending: a number for each row's customer and week."""
        parts, before = [], 0
        for week in self.weeks.values():
            parts.append(before + week.cell // week.width)
            before += len(week.users)
        return np.concatenate(parts)

    def compute_ap(self, score: Array) -> list[Array]:
        """Compute AP@12 of each week's customers; ``score`` (n,)."""
        ends = np.cumsum([len(week.cell) for week in self.weeks.values()])
        parts = np.split(score, ends[:-1])
        return [week.compute_ap(part) for week, part in zip(self.weeks.values(), parts, strict=True)]

    def compute_map12(self, score: Array) -> float:
        """Compute MAP@12: the mean over weeks of the mean over customers."""
        return mean_over_weeks(self.compute_ap(score))


def mean_over_weeks(ap: list[Array]) -> float:
    """Return the mean over weeks of the mean over customers."""
    return float(np.mean([week_ap.mean() for week_ap in ap]))
