"""Build weighted lists: sparse matrices whose rows are keys, such as customers, articles or segments.

A source multiplies two of them with stage1_candidates/engine/sparse_product.py. An example is customers x own articles
times articles x neighbours.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from retail import chunks
from retail.chunks import kernel
from retail.log import Array
from retail.ragged import offsets, row_of
from retail.selection import push, sort_best, sort_ids
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
    key, target, weight = (
        key.astype(np.int64, copy=False),
        target.astype(np.uint32, copy=False),
        weight.astype(float, copy=False),
    )
    start, order = np.zeros(keys + 1, np.int64), np.empty(np.count_nonzero(key >= 0), np.uint32)
    _sort_by_key(chunks.freeze(key), start, np.zeros_like(start), order)
    targets = int(target.max(initial=0)) + 1
    sizes = np.zeros(keys, np.int64)
    chunks.run(_count_targets, keys, (start, order, target), (sizes,), lambda: (np.full(targets, -1),))
    ptr = offsets(sizes if top is None else np.minimum(sizes, top))
    unique, total = np.empty(ptr[-1], np.uint32), np.empty(ptr[-1], np.float32)
    inputs, outputs, most = (start, order, target, weight, ptr), (unique, total), int(sizes.max(initial=0))
    if top is None:
        chunks.run(
            _sum_weights, keys, inputs, outputs,
            lambda: (np.empty(targets), np.full(targets, -1), np.empty(most, np.uint64), np.empty(most, np.uint64)),
        )  # fmt: skip
    else:
        best = min(most, top)
        chunks.run(
            _sum_best, keys, inputs, outputs,
            lambda: (
                np.empty(targets), np.full(targets, -1), np.empty(most, np.uint32), np.empty(best),
                np.empty(best, np.uint32),
            ),
        )  # fmt: skip
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
    sizes = np.zeros(len(users), np.int64)
    chunks.run(_count_articles, len(users), (begin, end, log.item), (sizes,), lambda: (np.full(log.items, -1),))
    ptr, most = offsets(sizes), int(sizes.max(initial=0))
    decay = np.exp2(-np.arange(history.cutoff + 1) / half_life)  # (ages,) indexed by age in days
    target, weight = np.empty(ptr[-1], np.uint32), np.empty(ptr[-1], np.float32)
    chunks.run(
        _sum_decayed, len(users), (begin, end, log.item, log.day, history.cutoff, decay, ptr), (target, weight),
        lambda: (np.zeros(log.items), np.empty(most, np.uint64), np.empty(most, np.uint64)),
    )  # fmt: skip
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


@kernel
def _sort_by_key(key: Array, start: Array, place: Array, order: Array) -> None:
    """Sort the positions of the entries by key, stable; ``start`` (keys + 1,) and ``place`` are zeros at first."""
    for k in range(len(key)):
        if key[k] >= 0:
            start[key[k] + 1] += 1
    for k in range(1, len(start)):
        start[k] += start[k - 1]
        place[k] = start[k]
    for k in range(len(key)):
        if key[k] >= 0:
            order[place[key[k]]] = k
            place[key[k]] += 1


@kernel
def _count_targets(
    low: int, high: int, start: Array, order: Array, target: Array, sizes: Array, seen_by: Array
) -> None:
    """Count the distinct targets of each key."""
    for key in range(low, high):
        for p in range(start[key], start[key + 1]):
            t = target[order[p]]
            if seen_by[t] != key:
                seen_by[t] = key
                sizes[key] += 1


@kernel
def _sum_weights(low: int, high: int, start: Array, order: Array, target: Array, weight: Array, ptr: Array,
                 unique: Array, total: Array, sums: Array, seen_by: Array, codes: Array,
                 spare: Array) -> None:  # fmt: skip
    """Fill ``unique[ptr[k]:ptr[k+1]]`` with each key's targets, ascending, and ``total`` with their sums."""
    for key in range(low, high):
        n = ptr[key]
        for p in range(start[key], start[key + 1]):
            t = target[order[p]]
            if seen_by[t] != key:
                seen_by[t] = key
                sums[t] = 0.0
                unique[n] = t
                n += 1
            sums[t] += weight[order[p]]
        sort_ids(unique, ptr[key], n, codes, spare)
        for k in range(ptr[key], n):
            total[k] = sums[unique[k]]


@kernel
def _sum_best(low: int, high: int, start: Array, order: Array, target: Array, weight: Array, ptr: Array,
              unique: Array, total: Array, sums: Array, seen_by: Array, met: Array, scores: Array,
              ids: Array) -> None:  # fmt: skip
    """Fill ``unique[ptr[k]:ptr[k+1]]`` with each key's targets of the largest sums, largest first, ties by id."""
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
        size: Any = np.int64(0)
        for k in range(n):
            if size < len(scores) or sums[met[k]] >= scores[0]:
                size = push(scores, ids, size, sums[met[k]], met[k])
        sort_best(scores, ids, size)
        for k in range(size):
            unique[ptr[key] + k], total[ptr[key] + k] = ids[k], scores[k]


@kernel
def _count_articles(low: int, high: int, begin: Array, end: Array, item: Array, sizes: Array, seen_by: Array) -> None:
    for r in range(low, high):
        for p in range(begin[r], end[r]):
            if seen_by[item[p]] != r:
                seen_by[item[p]] = r
                sizes[r] += 1


@kernel
def _sum_decayed(low: int, high: int, begin: Array, end: Array, item: Array, day: Array, cutoff: int, decay: Array,
                 ptr: Array, target: Array, weight: Array, total: Array, codes: Array,
                 spare: Array) -> None:  # fmt: skip
    for r in range(low, high):
        n = ptr[r]
        for p in range(begin[r], end[r]):
            if total[item[p]] == 0.0:
                target[n] = item[p]
                n += 1
            total[item[p]] += decay[cutoff - day[p]] + 1e-30  # never 0, so that each article appears once
        sort_ids(target, ptr[r], n, codes, spare)
        for k in range(ptr[r], n):
            weight[k] = total[target[k]]
            total[target[k]] = 0.0
