"""Read the Ta-Feng split of the CASE paper (Table 1) and compute the paper's metrics.

A user's candidates are the items bought before. The label says whether the target basket, the next one, holds the item.
The files count days back from the date of the target basket. Every method that reads the days thus knows this date.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from retail.errors import InputError
from retail.log import Array
from retail.metrics import bootstrap_means, interval
from retail.ragged import offsets, place_in_row, positions, row_of

Part = Literal["train", "validate", "test"]
Metric = Literal["P", "R", "N"]  # precision, recall, NDCG
PARTS: tuple[Part, ...] = ("train", "validate", "test")
METRICS: tuple[Metric, ...] = ("P", "R", "N")
CUTOFFS = (1, 3, 5, 10)
DAYS = 364  # length of the purchase signal of each candidate
COLUMNS = ("cid", "item_id_idx_arr", "label_arr", "member_day_arr")


@dataclass(frozen=True)
class Split:
    """The users of one file, sorted by customer id, and their ``n`` candidates, sorted by item within each user."""

    ptr: Array  # (users + 1,) int64: user u has the candidates ptr[u]:ptr[u+1]
    item: Array  # (n,) int32, 1..items (the file counts from 0); 0 is reserved for padding
    label: Array  # (n,) uint8, 1: in the target basket
    day_ptr: Array  # (n + 1,) int64: candidate c was bought on the days day_ptr[c]:day_ptr[c+1]
    day: Array  # (m,) int16, ascending: 0 is one day before the target basket
    items: int  # V, the number of items in all three files

    @property
    def users(self) -> int:
        """Return the number of users."""
        return len(self.ptr) - 1

    @property
    def user(self) -> Array:
        """Return the user (n,) int64 of each candidate."""
        return row_of(self.ptr)

    @property
    def times(self) -> Array:
        """Return the number of days (n,) int64 on which each candidate was bought."""
        return np.diff(self.day_ptr)


@dataclass(frozen=True)
class Figures:
    """The metrics of one ranking by user and cutoff.

    A user counts at cutoff k if the user has at least k candidates and at least one positive.
    """

    by_user: dict[Metric, Array]  # each (users, 4) float64, one column per cutoff in CUTOFFS
    counted: Array  # (users, 4) bool, whether the user counts at the cutoff

    @property
    def mean(self) -> dict[int, dict[Metric, float]]:
        """Return the means over the users that count at k, as ``mean[k]["P"]``; NaN if no user counts."""
        users = np.where(self.counted.any(axis=0), self.counted.sum(axis=0), np.nan)
        means = {metric: (values * self.counted).sum(axis=0) / users for metric, values in self.by_user.items()}
        return {k: {metric: float(means[metric][c]) for metric in METRICS} for c, k in enumerate(CUTOFFS)}

    def values_at(self, metric: Metric, k: int) -> tuple[Array, Array]:
        """Return (user, value) of the users that count at ``k``, the input of ``retail.metrics.bootstrap_means``."""
        column = CUTOFFS.index(k)
        user = np.flatnonzero(self.counted[:, column])
        return user, self.by_user[metric][user, column]


@dataclass(frozen=True)
class Visits:
    """The days on which a user bought anything, sorted by user and oldest first."""

    ptr: Array  # (users + 1,) int64: user u has the visits ptr[u]:ptr[u+1]
    visit: Array  # (m,) int64, the visit of each purchase of the split


Result = tuple[Array, Array, dict[str, Any]]  # validation scores, test scores, facts about the run
Row = Callable[[Split, Split, Split, int, Path], Result]  # (train, validate, test, seed, folder of checkpoints)


def locate(folder: Path, part: Part) -> Path:
    """Locate the file of one part of the data."""
    return folder / f"tafeng_{part}.parquet"


def read(folder: Path, part: Part) -> Split:
    """Read one file of ``folder``; raise InputError if it is absent or malformed."""
    items = 1 + max(int(_read_columns(folder, name, "item_id_idx_arr").explode("item_id_idx_arr").max().item())
                    for name in PARTS)  # fmt: skip
    table = _read_columns(folder, part, *COLUMNS).sort("cid")
    size = table["item_id_idx_arr"].list.len().to_numpy().astype(np.int64)
    ptr = offsets(size)
    signal = table["member_day_arr"].explode()
    item = table["item_id_idx_arr"].explode().to_numpy().astype(np.int32) + np.int32(1)
    label = table["label_arr"].explode().to_numpy().astype(np.uint8)
    if not len(item) == len(label) == len(signal):
        raise InputError(f"{locate(folder, part)}: the lists of a user differ in length; use the file as released")
    width = signal.list.len().to_numpy()
    if len(width) and width.min() != width.max():
        raise InputError(f"{locate(folder, part)}: member_day_arr differs in length; use the file as released")
    dense = signal.explode().to_numpy().reshape(len(item), -1) != 0  # (n, 364)
    order = np.lexsort((item, np.repeat(np.arange(len(size)), size)))
    dense = dense[order]
    day_ptr = offsets(dense.sum(axis=1))
    return Split(ptr, item[order], label[order], day_ptr, np.nonzero(dense)[1].astype(np.int16), items)


def evaluate(split: Split, score: Array) -> Figures:
    """Compute the metrics of ``score`` (n,), higher is better, ties by ascending item (CASE, section 4.1).

    P = hits among the k best / k. R = hits / positives. The ideal list of NDCG has min(positives, k) hits at its top.
    These definitions reproduce a row of the paper's Table 1 to four digits. Raises ValueError for scores of a wrong
    shape or that are not finite.
    """
    if score.shape != split.item.shape or not np.isfinite(score).all():
        raise ValueError(f"expected {len(split.item)} finite scores, got {score.shape} or a NaN or infinity")
    user = split.user
    order = np.lexsort((split.item, -score.astype(np.float64), user))
    rank = place_in_row(split.ptr)  # (n,) 0 is the best candidate
    hit = split.label[order].astype(np.float64)
    gain = 1.0 / np.log2(rank + 2.0)
    candidates = np.diff(split.ptr)
    positives = np.bincount(user, weights=hit, minlength=split.users)
    by_user: dict[Metric, Array] = {metric: np.zeros((split.users, len(CUTOFFS))) for metric in METRICS}
    counted = np.zeros((split.users, len(CUTOFFS)), bool)
    for c, k in enumerate(CUTOFFS):
        in_top = rank < k
        hits = np.bincount(user, weights=hit * in_top, minlength=split.users)
        gained = np.bincount(user, weights=hit * gain * in_top, minlength=split.users)
        ideal_hits = np.minimum(positives, k).astype(np.int64)
        ideal = np.concatenate([np.zeros(1), np.cumsum(1.0 / np.log2(np.arange(k) + 2.0))])[ideal_hits]
        counted[:, c] = (candidates >= k) & (positives > 0)
        by_user["P"][:, c] = hits / k
        by_user["R"][:, c] = hits / np.maximum(positives, 1)
        by_user["N"][:, c] = gained / np.where(ideal > 0, ideal, 1)
    return Figures(by_user, counted)


def group_visits(split: Split) -> Visits:
    """Group the purchases of each user by day."""
    user = np.repeat(split.user, split.times)
    key, visit = np.unique(user * DAYS + (DAYS - 1 - split.day), return_inverse=True)
    return Visits(np.searchsorted(key // DAYS, np.arange(split.users + 1)), visit)


def make_training_batches(length: Array, users: int, seed: int, epoch: int) -> list[Array]:
    """Split all users into shuffled batches of at most ``users`` users of similar ``length``, so that padding is short.

    The users are shuffled, then sorted by length within pools of eight batches. The batches are shuffled again.
    """
    rng = np.random.default_rng([seed, epoch])
    shuffled = rng.permutation(len(length))
    pools = [shuffled[at : at + 8 * users] for at in range(0, len(shuffled), 8 * users)]
    ordered = [pool[np.argsort(length[pool], kind="stable")] for pool in pools]
    batches = [pool[at : at + users] for pool in ordered for at in range(0, len(pool), users)]
    return [batches[k] for k in rng.permutation(len(batches))]


def make_scoring_batches(length: Array, users: int) -> list[Array]:
    """Split all users, sorted by ``length``, into batches of at most ``users`` users."""
    order = np.argsort(length, kind="stable")
    return [order[at : at + users] for at in range(0, len(order), users)]


def expand_rows(ptr: Array, rows: Array) -> Array:
    """Return the positions ptr[r]:ptr[r+1] of each of ``rows``, row after row."""
    return positions(ptr[rows], ptr[rows + 1] - ptr[rows])


def average_runs(figures: Sequence[Figures]) -> Figures:
    """Average several runs, user by user."""
    by_user: dict[Metric, Array] = {metric: np.mean([run.by_user[metric] for run in figures], 0) for metric in METRICS}
    return Figures(by_user, figures[0].counted)


def bootstrap_difference(
    figures: Figures, baseline: Figures, metric: Metric, k: int, draws: int, seed: int
) -> dict[str, float]:
    """Estimate the mean of ``figures`` minus ``baseline`` and its 95% interval by a paired bootstrap over users."""
    user, value = figures.values_at(metric, k)
    change = value - baseline.values_at(metric, k)[1]
    low, high = interval(bootstrap_means([(user, change)], draws, seed))
    return {"mean": float(change.mean()), "low": low, "high": high}


def bootstrap_standard_error(figures: Figures, metric: Metric, k: int, draws: int, seed: int) -> float:
    """Estimate the standard error of a mean by a bootstrap over users."""
    return float(bootstrap_means([figures.values_at(metric, k)], draws, seed).std())


def _read_columns(folder: Path, part: Part, *columns: str) -> pl.DataFrame:
    file = locate(folder, part)
    if not file.exists():
        raise InputError(f"{file}: no such file; put the CASE paper's files there or name their folder with --data")
    try:
        return pl.read_parquet(file, columns=list(columns))
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{file}: not the CASE paper's file ({error}); use the file as released") from error
