"""The Ta-Feng split of the CASE paper (Table 1): reading its three files, and the paper's metric.

A user's candidates are the items bought before; the label says whether the next basket holds the item again. The files
count days back from the date of that basket, so the date itself is known to every method that reads the days.
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

Part = Literal["train", "validate", "test"]
Letter = Literal["P", "R", "N"]  # precision, recall, NDCG
PARTS: tuple[Part, ...] = ("train", "validate", "test")
LETTERS: tuple[Letter, ...] = ("P", "R", "N")
CUTOFFS = (1, 3, 5, 10)
DAYS = 364  # of the signal
COLUMNS = ("cid", "item_id_idx_arr", "label_arr", "member_day_arr")


@dataclass(frozen=True)
class Split:
    """The users of one file, by customer id, and their ``n`` candidates, each user's by ascending item."""

    ptr: Array  # (users + 1,) int64: user u has the candidates ptr[u]:ptr[u+1]
    item: Array  # (n,) int32, 1..items (the file counts from 0); 0 is free for padding
    label: Array  # (n,) uint8, 1: in the target basket
    day_ptr: Array  # (n + 1,) int64: candidate c was bought on the days day_ptr[c]:day_ptr[c+1]
    day: Array  # (m,) int16, ascending: 0 is one day before the target basket
    items: int  # V, the number of items in all three files

    @property
    def users(self) -> int:
        return len(self.ptr) - 1

    @property
    def user(self) -> Array:
        """(n,) int64, the user of each candidate."""
        return np.repeat(np.arange(self.users), np.diff(self.ptr))

    @property
    def times(self) -> Array:
        """(n,) int64, on how many days the candidate was bought."""
        return np.diff(self.day_ptr)


@dataclass(frozen=True)
class Figures:
    """A list's figures by user and cut-off; a user counts at k who has at least k candidates and one positive."""

    by_user: dict[Letter, Array]  # each (users, 4) float64, columns as CUTOFFS
    counted: Array  # (users, 4) bool

    @property
    def mean(self) -> dict[int, dict[Letter, float]]:
        """``mean[k]["P"]``: over the users that count at k; NaN where there is none."""
        users = np.where(self.counted.any(axis=0), self.counted.sum(axis=0), np.nan)
        means = {letter: (values * self.counted).sum(axis=0) / users for letter, values in self.by_user.items()}
        return {k: {letter: float(means[letter][c]) for letter in LETTERS} for c, k in enumerate(CUTOFFS)}

    def of(self, letter: Letter, k: int) -> tuple[Array, Array]:
        """(user, value) of the users that count at ``k``, in the form of ``retail.metrics.bootstrap_means``."""
        column = CUTOFFS.index(k)
        user = np.flatnonzero(self.counted[:, column])
        return user, self.by_user[letter][user, column]


@dataclass(frozen=True)
class Visits:
    """Days with a purchase, by user and oldest first."""

    ptr: Array  # (users + 1,) int64: user u came on the visits ptr[u]:ptr[u+1]
    of: Array  # (m,) int64, the visit of each of the split's purchases


Answer = tuple[Array, Array, dict[str, Any]]  # validation scores, test scores, what is worth knowing about the run
Row = Callable[[Split, Split, Split, int, Path], Answer]  # of (train, validate, test, seed, folder of checkpoints)


def path(folder: Path, split: Part) -> Path:
    return folder / f"tafeng_{split}.parquet"


def read(folder: Path, split: Part) -> Split:
    """One file of ``folder``; an InputError says what is absent or wrong with it."""
    items = 1 + max(int(_frame(folder, part, "item_id_idx_arr").explode("item_id_idx_arr").max().item())
                    for part in PARTS)  # fmt: skip
    table = _frame(folder, split, *COLUMNS).sort("cid")
    size = table["item_id_idx_arr"].list.len().to_numpy().astype(np.int64)
    ptr = _pointers(size)
    signal = table["member_day_arr"].explode()
    item = table["item_id_idx_arr"].explode().to_numpy().astype(np.int32) + np.int32(1)
    label = table["label_arr"].explode().to_numpy().astype(np.uint8)
    if not len(item) == len(label) == len(signal):
        raise InputError(f"{path(folder, split)}: the lists of a user differ in length; take the file as released")
    width = signal.list.len().to_numpy()
    if len(width) and width.min() != width.max():
        raise InputError(f"{path(folder, split)}: member_day_arr differs in length; take the file as released")
    dense = signal.explode().to_numpy().reshape(len(item), -1) != 0  # (n, 364)
    order = np.lexsort((item, np.repeat(np.arange(len(size)), size)))
    dense = dense[order]
    day_ptr = _pointers(dense.sum(axis=1))
    return Split(ptr, item[order], label[order], day_ptr, np.nonzero(dense)[1].astype(np.int16), items)


def evaluate(split: Split, score: Array) -> Figures:
    """Figures of ``score`` (n,), higher is better, ties by ascending item (CASE, section 4.1; Table 1 to four digits).

    P = hits among the k best / k; R = hits / positives; NDCG's ideal list has min(positives, k) hits at its top.
    """
    if score.shape != split.item.shape or not np.isfinite(score).all():
        raise ValueError(f"expected {len(split.item)} finite scores, got {score.shape} or a NaN or infinity")
    user = split.user
    order = np.lexsort((split.item, -score.astype(np.float64), user))
    place = np.arange(len(user)) - split.ptr[user]  # (n,) 0 is the best candidate
    hit = split.label[order].astype(np.float64)
    gain = 1.0 / np.log2(place + 2.0)
    candidates = np.diff(split.ptr)
    positives = np.bincount(user, weights=hit, minlength=split.users)
    by_user: dict[Letter, Array] = {letter: np.zeros((split.users, len(CUTOFFS))) for letter in LETTERS}
    counted = np.zeros((split.users, len(CUTOFFS)), bool)
    for c, k in enumerate(CUTOFFS):
        near = place < k
        hits = np.bincount(user, weights=hit * near, minlength=split.users)
        gained = np.bincount(user, weights=hit * gain * near, minlength=split.users)
        top = np.minimum(positives, k).astype(np.int64)
        ideal = np.concatenate([np.zeros(1), np.cumsum(1.0 / np.log2(np.arange(k) + 2.0))])[top]
        counted[:, c] = (candidates >= k) & (positives > 0)
        by_user["P"][:, c] = hits / k
        by_user["R"][:, c] = hits / np.maximum(positives, 1)
        by_user["N"][:, c] = gained / np.where(ideal > 0, ideal, 1)
    return Figures(by_user, counted)


def visits(split: Split) -> Visits:
    user = np.repeat(split.user, split.times)
    key, of = np.unique(user * DAYS + (DAYS - 1 - split.day), return_inverse=True)
    return Visits(np.searchsorted(key // DAYS, np.arange(split.users + 1)), of)


def batches(length: Array, users: int, seed: int, epoch: int) -> list[Array]:
    """All users in batches of at most ``users``, shuffled; those of a batch are alike in ``length``, to pad little.

    The users are shuffled, sorted by length within pools of eight batches, and the batches shuffled again.
    """
    rng = np.random.default_rng([seed, epoch])
    shuffled = rng.permutation(len(length))
    pools = [shuffled[at : at + 8 * users] for at in range(0, len(shuffled), 8 * users)]
    ordered = [pool[np.argsort(length[pool], kind="stable")] for pool in pools]
    cut = [pool[at : at + users] for pool in ordered for at in range(0, len(pool), users)]
    return [cut[place] for place in rng.permutation(len(cut))]


def in_order(length: Array, users: int) -> list[Array]:
    """All users by ``length`` in batches of at most ``users``, for scoring."""
    order = np.argsort(length, kind="stable")
    return [order[at : at + users] for at in range(0, len(order), users)]


def runs(ptr: Array, rows: Array) -> Array:
    """The positions ptr[r]:ptr[r+1] of each of ``rows``, one after the other."""
    size = ptr[rows + 1] - ptr[rows]
    end = np.cumsum(size)
    places: Array = np.arange(size.sum()) + np.repeat(ptr[rows] - end + size, size)
    return places


def together(figures: Sequence[Figures]) -> Figures:
    """The mean of several runs, user by user."""
    by_user: dict[Letter, Array] = {letter: np.mean([one.by_user[letter] for one in figures], 0) for letter in LETTERS}
    return Figures(by_user, figures[0].counted)


def difference(one: Figures, other: Figures, letter: Letter, k: int, draws: int, seed: int) -> dict[str, float]:
    """Mean of ``one`` minus ``other`` and its 95% interval, the users drawn again in pairs."""
    user, value = one.of(letter, k)
    change = value - other.of(letter, k)[1]
    low, high = interval(bootstrap_means([(user, change)], draws, seed))
    return {"mean": float(change.mean()), "low": low, "high": high}


def standard_error(figures: Figures, letter: Letter, k: int, draws: int, seed: int) -> float:
    """Spread of the figure's mean when the users are drawn again."""
    return float(bootstrap_means([figures.of(letter, k)], draws, seed).std())


def _frame(folder: Path, split: Part, *columns: str) -> pl.DataFrame:
    file = path(folder, split)
    if not file.exists():
        raise InputError(f"{file}: no such file; put the CASE paper's files there or name their folder by --data")
    try:
        return pl.read_parquet(file, columns=list(columns))
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{file}: not the CASE paper's file ({error}); take the file as released") from error


def _pointers(size: Array) -> Array:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(size, dtype=np.int64)])
