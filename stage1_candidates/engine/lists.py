"""Build weighted lists: sparse matrices whose rows are keys, such as customers, articles or segments.

A source multiplies two of them with stage1_candidates/engine/sparse_product.py. An example is customers x own articles
times articles x neighbours.
"""

from dataclasses import dataclass

import numba
import numpy as np

from retail.chunks import CHUNKS, bounds
from retail.log import Array
from retail.ragged import offsets, row_of
from retail.weeks import History


@dataclass(frozen=True)
class Lists:
    """Hold sparse rows: key k has targets ``target[ptr[k]:ptr[k+1]]``, unique within a key, and their weights."""

    ptr: Array  # (keys + 1,) int64
    target: Array  # (n,) uint32
    weight: Array  # (n,) float32

    @property
    def keys(self) -> int:
        return len(self.ptr) - 1

    def key_of_rows(self) -> Array:
        """Return the key of each entry: (n,) int64."""
        return row_of(self.ptr)

    def arrays(self, name: str) -> dict[str, Array]:
        """Return the arrays by name, for the state of a source."""
        return {f"{name}_ptr": self.ptr, f"{name}_target": self.target, f"{name}_weight": self.weight}

    @staticmethod
    def of(state: dict[str, Array], name: str) -> "Lists":
        """Invert ``arrays``."""
        return Lists(state[f"{name}_ptr"], state[f"{name}_target"], state[f"{name}_weight"])


def gather(key: Array, target: Array, weight: Array, keys: int, top: int | None = None) -> Lists:
    """Sum ``weight`` over equal (key, target) and keep each key's ``top`` targets, largest first, ties by id.

    Entries with a negative key (a missing attribute) are skipped. With ``top=None`` targets ascend instead.
    """
    order, start = _sort_by_key(key, keys)
    targets = int(target.max(initial=0)) + 1
    sizes = _count_targets(start, order, target, targets)
    ptr = offsets(sizes if top is None else np.minimum(sizes, top))
    unique, total = np.empty(ptr[-1], np.uint32), np.empty(ptr[-1], np.float32)
    _sum_weights(start, order, target, weight, targets, top is not None, ptr, unique, total)
    return Lists(ptr, unique, total)


def transpose(lists: Lists, targets: int) -> Lists:
    """Transpose (keys x targets) to (targets x keys)."""
    order = np.argsort(lists.target, kind="stable")
    target = lists.key_of_rows()[order].astype(np.uint32)
    return Lists(np.searchsorted(lists.target[order], np.arange(targets + 1)), target, lists.weight[order])


def identity(n: int) -> Lists:
    """Map each key to itself with weight 1."""
    return Lists(np.arange(n + 1), np.arange(n, dtype=np.uint32), np.ones(n, np.float32))


def own(history: History, users: Array, half_life: float) -> Lists:
    """List the articles that each of ``users`` bought before the cutoff, ascending.

    The weight is the sum over purchase days of 2^(-age / half_life). The age counts days before
    the cutoff, 1 for the day before.
    """
    log = history.log
    begin, end = log.start[users], history.stop[users]
    sizes = _count_articles(begin, end, log.item, log.items)
    ptr = offsets(sizes)
    decay = np.exp2(-np.arange(history.cutoff + 1) / half_life)  # (ages,) indexed by age in days
    target, weight = np.empty(ptr[-1], np.uint32), np.empty(ptr[-1], np.float32)
    _sum_decayed(begin, end, log.item, log.day, history.cutoff, decay, log.items, ptr, target, weight)
    return Lists(ptr, target, weight)


def favourites(history: History, group: Array, weight: Array) -> Array:
    """Return each customer's favourite group (users,) int64, -1 without a known entry in any.

    ``group`` (items,): the group of each article, -1 for none; ``weight`` (k,): of each entry of ``history.known``.
    The favourite has the largest sum of weights, ties by the group's number.
    """
    log, known = history.log, history.known
    bought = group[log.item[known]].astype(np.int64)
    inside = bought >= 0
    best = gather(log.user[known][inside].astype(np.int64), bought[inside], weight[inside], log.users, 1)
    favourite = np.full(log.users, -1, np.int64)
    favourite[np.diff(best.ptr) > 0] = best.target
    return favourite


@numba.njit(cache=True)
def _sort_by_key(key: Array, keys: int) -> tuple[Array, Array]:
    """Sort the positions of the entries by key, stable; also return the start of each key (keys + 1,)."""
    start = np.zeros(keys + 1, np.int64)
    for k in range(len(key)):
        if key[k] >= 0:
            start[key[k] + 1] += 1
    start = np.cumsum(start)
    place = start[:-1].copy()
    order = np.empty(start[-1], np.uint32)
    for k in range(len(key)):
        if key[k] >= 0:
            order[place[key[k]]] = k
            place[key[k]] += 1
    return order, start


@numba.njit(parallel=True, cache=True)
def _count_targets(start: Array, order: Array, target: Array, targets: int) -> Array:
    """Count the distinct targets of each key: (keys,)."""
    sizes = np.zeros(len(start) - 1, np.int64)
    for chunk in numba.prange(CHUNKS):
        low, high = bounds(chunk, len(start) - 1)
        if low == high:
            continue
        seen_by = np.full(targets, -1, np.int64)
        for key in range(low, high):
            for p in range(start[key], start[key + 1]):
                t = target[order[p]]
                if seen_by[t] != key:
                    seen_by[t] = key
                    sizes[key] += 1
    return sizes


@numba.njit(parallel=True, cache=True)
def _sum_weights(start: Array, order: Array, target: Array, weight: Array, targets: int, best_first: bool, ptr: Array,
            unique: Array, total: Array) -> None:  # fmt: skip
    """Fill ``unique[ptr[k]:ptr[k+1]]`` with each key's targets, ascending or largest first, and their sums."""
    for chunk in numba.prange(CHUNKS):
        low, high = bounds(chunk, len(start) - 1)
        if low == high:
            continue
        sums = np.zeros(targets)
        seen_by = np.full(targets, -1, np.int64)
        met = np.empty(targets, np.uint32)
        for key in range(low, high):
            n = 0
            for p in range(start[key], start[key + 1]):
                t = target[order[p]]
                if seen_by[t] != key:
                    seen_by[t] = key
                    sums[t] = 0.0
                    met[n] = t
                    n += 1
                sums[t] += weight[order[p]]
            rows = np.sort(met[:n])
            if best_first:
                rows = rows[np.argsort(-sums[rows], kind="mergesort")]  # stable: ties stay in the order of their ids
            for k in range(ptr[key + 1] - ptr[key]):
                unique[ptr[key] + k], total[ptr[key] + k] = rows[k], sums[rows[k]]


@numba.njit(parallel=True, cache=True)
def _count_articles(begin: Array, end: Array, item: Array, items: int) -> Array:
    sizes = np.zeros(len(begin), np.int64)
    for chunk in numba.prange(CHUNKS):
        low, high = bounds(chunk, len(begin))
        seen_by = np.full(items, -1, np.int64)
        for r in range(low, high):
            for p in range(begin[r], end[r]):
                if seen_by[item[p]] != r:
                    seen_by[item[p]] = r
                    sizes[r] += 1
    return sizes


@numba.njit(parallel=True, cache=True)
def _sum_decayed(begin: Array, end: Array, item: Array, day: Array, cutoff: int, decay: Array, items: int,
             ptr: Array, target: Array, weight: Array) -> None:  # fmt: skip
    for chunk in numba.prange(CHUNKS):
        low, high = bounds(chunk, len(begin))
        total = np.zeros(items, np.float64)
        for r in range(low, high):
            n = ptr[r]
            for p in range(begin[r], end[r]):
                if total[item[p]] == 0.0:
                    target[n] = item[p]
                    n += 1
                total[item[p]] += decay[cutoff - day[p]] + 1e-30  # never 0, so that each article appears once
            target[ptr[r] : n].sort()
            for k in range(ptr[r], n):
                weight[k] = total[target[k]]
                total[target[k]] = 0.0
