"""The tuning weeks as a judge: MAP@12 of raw scores of their customers' whole pools."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from retail import metrics
from retail.log import Array
from retail.ragged import offsets, place_in_row
from stage2_ranker.model.ranker import matrix


@dataclass(frozen=True)
class Week:
    """One tuning week: its customers' candidates and all they bought, in the pool or not."""

    users: Array  # (u,) uint32, ascending
    cell: Array  # (n,) int64 place of each candidate in a (u, width) grid, ascending by user, then article
    item: Array  # (n,) int64
    width: int
    start: Array  # (u + 1,) int64
    bought: Array  # (b,) runs of the users' articles

    @staticmethod
    def of(table: pl.DataFrame, users: Array, truth: tuple[Array, Array]) -> "Week":
        """``table``: every candidate of ``users``, who may also have none; ``truth``: pairs sorted by user."""
        row = np.searchsorted(users, table["user"].to_numpy())
        size = np.bincount(row, minlength=len(users))
        width = max(int(size.max()), metrics.K)
        return Week(
            users, row * width + place_in_row(offsets(size)), table["item"].to_numpy().astype(np.int64), width,
            *metrics.truth_runs(*truth, users),
        )  # fmt: skip

    def ap(self, score: Array) -> Array:
        """(u,) float64 AP@12 of the twelve best scored of each customer; ties break by article."""
        scores = np.full((len(self.users), self.width), -np.inf)  # (u, width)
        items = np.full(scores.shape, -1, np.int64)
        scores.ravel()[self.cell], items.ravel()[self.cell] = score, self.item
        best = np.argsort(-scores, axis=1, kind="stable")[:, : metrics.K]
        return metrics.average_precision(self.start, self.bought, np.take_along_axis(items, best, axis=1))


@dataclass(frozen=True)
class Judge:
    """All tuning weeks, one after another: ``features`` (n, f) float32 and ``weeks``, whose rows follow each other."""

    features: Array
    weeks: dict[int, Week]

    @staticmethod
    def of(tables: dict[int, pl.DataFrame], users: dict[int, Array], truths: dict[int, tuple[Array, Array]]) -> "Judge":
        """Of each week the rows of ``users`` count, sampled for training or not."""
        parts = {week: table.filter(pl.col("user").is_in(users[week])) for week, table in tables.items()}
        weeks = {week: Week.of(part, users[week], truths[week]) for week, part in parts.items()}
        return Judge(np.concatenate([matrix(part) for part in parts.values()]), weeks)

    @property
    def run(self) -> Array:
        """(n,) int64, ascending: a number for each row's customer and week."""
        parts, before = [], 0
        for week in self.weeks.values():
            parts.append(before + week.cell // week.width)
            before += len(week.users)
        return np.concatenate(parts)

    def ap(self, score: Array) -> list[Array]:
        """AP@12 of each week's customers; ``score`` (n,)."""
        ends = np.cumsum([len(week.cell) for week in self.weeks.values()])
        return [week.ap(part) for week, part in zip(self.weeks.values(), np.split(score, ends[:-1]), strict=True)]

    def map12(self, score: Array) -> float:
        """Mean over weeks of the mean over customers."""
        return mean(self.ap(score))


def mean(ap: list[Array]) -> float:
    """Mean over weeks of the mean over customers."""
    return float(np.mean([of_week.mean() for of_week in ap]))
