"""Weighted lists, the one shape behind every source: a key (customer, article, segment ...) and its targets.

A source walks from customers over keys to articles: customer -> own articles -> their neighbours, or customer ->
segment -> its best sellers. Each such walk is a sparse product, computed here row by row in a dense scratch of a few
bytes per target and thread, so that no table of all pairs is ever made.
"""

from dataclasses import dataclass

import numba
import numpy as np

from retail.log import Array
from retail.weeks import History

CHUNKS = 64  # units of parallel work: enough to balance threads, few enough to keep scratch space small


@dataclass(frozen=True)
class Lists:
    """Sparse rows: key k has ``target[ptr[k]:ptr[k+1]]`` with ``weight`` alongside, targets unique within a key."""

    ptr: Array  # (keys + 1,) int64
    target: Array  # (n,) uint32
    weight: Array  # (n,) float32

    @property
    def keys(self) -> int:
        return len(self.ptr) - 1

    def key_of_rows(self) -> Array:
        """(n,) int64 key of each entry."""
        return np.repeat(np.arange(self.keys), np.diff(self.ptr))

    def arrays(self, name: str) -> dict[str, Array]:
        """As named arrays, to be stored in a source's state."""
        return {f"{name}_ptr": self.ptr, f"{name}_target": self.target, f"{name}_weight": self.weight}

    @staticmethod
    def of(state: dict[str, Array], name: str) -> "Lists":
        """The inverse of ``arrays``."""
        return Lists(state[f"{name}_ptr"], state[f"{name}_target"], state[f"{name}_weight"])


def gather(key: Array, target: Array, weight: Array, keys: int, top: int | None = None) -> Lists:
    """Sum ``weight`` over equal (key, target) and keep each key's ``top`` targets, heaviest first, ties by id.

    Entries with a negative key (a missing attribute) are left out. With ``top=None`` targets ascend instead.
    """
    seen = key >= 0
    code = (key[seen].astype(np.uint64) << np.uint64(32)) | target[seen].astype(np.uint64)
    code, place = np.unique(code, return_inverse=True)
    total = np.bincount(place, weights=weight[seen], minlength=len(code))
    key_of, target_of = (code >> np.uint64(32)).astype(np.int64), (code & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    if top is not None:
        order = np.lexsort((target_of, -total, key_of))
        key_of, target_of, total = key_of[order], target_of[order], total[order]
        rank = np.arange(len(key_of)) - np.searchsorted(key_of, key_of)
        key_of, target_of, total = key_of[rank < top], target_of[rank < top], total[rank < top]
    return Lists(np.searchsorted(key_of, np.arange(keys + 1)), target_of, total.astype(np.float32))


def transposed(lists: Lists, targets: int) -> Lists:
    """Keys and targets exchanged: (keys x targets) becomes (targets x keys)."""
    order = np.argsort(lists.target, kind="stable")
    target = lists.key_of_rows()[order].astype(np.uint32)
    return Lists(np.searchsorted(lists.target[order], np.arange(targets + 1)), target, lists.weight[order])


def identity(n: int) -> Lists:
    """Each key is its own only target, weight 1."""
    return Lists(np.arange(n + 1), np.arange(n, dtype=np.uint32), np.ones(n, np.float32))


def own(history: History, users: Array, half_life: float) -> Lists:
    """Row: a customer of ``users``; targets: the articles bought before the cutoff, ascending.

    Weight: sum over purchase days of 2^(-age / half_life), age in days before the cutoff (1 = the day before).
    """
    log = history.log
    begin, end = log.start[users], history.stop[users]
    sizes = _distinct(begin, end, log.item, log.items)
    ptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    decay = np.exp2(-np.arange(history.cutoff + 1) / half_life)  # (ages,) indexed by age in days
    target, weight = np.empty(ptr[-1], np.uint32), np.empty(ptr[-1], np.float32)
    _decayed(begin, end, log.item, log.day, history.cutoff, decay, log.items, ptr, target, weight)
    return Lists(ptr, target, weight)


def walk_top(rows: Lists, step: Lists, targets: int, top: int, skip: Lists | None = None) -> Lists:
    """The ``top`` targets of each row of the sparse product rows @ step, best first, ties by id.

    Row r scores target t with the sum over its keys k of rows.weight[r, k] * step.weight[k, t]: (R, K) @ (K, T).
    Targets of ``skip``'s row r are left out.
    """
    nothing = Lists(np.zeros(rows.keys + 1, np.int64), np.zeros(0, np.uint32), np.zeros(0, np.float32))
    skip = skip or nothing
    target = np.zeros((rows.keys, top), np.uint32)
    weight = np.zeros((rows.keys, top), np.float32)
    count = np.zeros(rows.keys, np.int64)
    _walk_top(
        rows.ptr, rows.target, rows.weight, step.ptr, step.target, step.weight,
        skip.ptr, skip.target, targets, target, weight, count,
    )  # fmt: skip
    filled = np.arange(top) < count[:, None]
    return Lists(np.concatenate([np.zeros(1, np.int64), np.cumsum(count)]), target[filled], weight[filled])


def walk_at(rows: Lists, step: Lists, targets: int, ptr: Array, wanted: Array) -> Array:
    """(n,) float32 score rows @ step at ``wanted[ptr[r]:ptr[r+1]]`` of each row r."""
    score = np.zeros(len(wanted), np.float32)
    _walk_at(
        rows.ptr, rows.target, rows.weight, step.ptr, step.target, step.weight, targets, ptr, wanted, score
    )  # fmt: skip
    return score


@numba.njit(cache=True)
def _bounds(chunk: int, rows: int) -> tuple[int, int]:
    return chunk * rows // CHUNKS, (chunk + 1) * rows // CHUNKS


@numba.njit(parallel=True, cache=True)
def _distinct(begin: Array, end: Array, item: Array, items: int) -> Array:
    sizes = np.zeros(len(begin), np.int64)
    for chunk in numba.prange(CHUNKS):
        low, high = _bounds(chunk, len(begin))
        seen_by = np.full(items, -1, np.int64)
        for r in range(low, high):
            for p in range(begin[r], end[r]):
                if seen_by[item[p]] != r:
                    seen_by[item[p]] = r
                    sizes[r] += 1
    return sizes


@numba.njit(parallel=True, cache=True)
def _decayed(begin: Array, end: Array, item: Array, day: Array, cutoff: int, decay: Array, items: int,
             ptr: Array, target: Array, weight: Array) -> None:  # fmt: skip
    for chunk in numba.prange(CHUNKS):
        low, high = _bounds(chunk, len(begin))
        total = np.zeros(items, np.float64)
        for r in range(low, high):
            n = ptr[r]
            for p in range(begin[r], end[r]):
                if total[item[p]] == 0.0:
                    target[n] = item[p]
                    n += 1
                total[item[p]] += decay[cutoff - day[p]] + 1e-30  # never 0, so that each article is listed once
            target[ptr[r] : n].sort()
            for k in range(ptr[r], n):
                weight[k] = total[target[k]]
                total[target[k]] = 0.0


@numba.njit(cache=True)
def _worse(score: float, item: int, other_score: float, other_item: int) -> bool:
    return score < other_score or (score == other_score and item > other_item)


@numba.njit(cache=True)
def _sift_down(scores: Array, items: Array, hole: int, size: int) -> None:
    """Restore the heap whose root is the worst of the kept targets."""
    score, item = scores[hole], items[hole]
    while 2 * hole + 1 < size:
        child = 2 * hole + 1
        if child + 1 < size and _worse(scores[child + 1], items[child + 1], scores[child], items[child]):
            child += 1
        if not _worse(scores[child], items[child], score, item):
            break
        scores[hole], items[hole] = scores[child], items[child]
        hole = child
    scores[hole], items[hole] = score, item


@numba.njit(parallel=True, cache=True)
def _walk_top(row_ptr: Array, row_key: Array, row_weight: Array, ptr: Array, step_target: Array, step_weight: Array,
              skip_ptr: Array, skip: Array, targets: int,
              target: Array, weight: Array, count: Array) -> None:  # fmt: skip
    top = target.shape[1]
    for chunk in numba.prange(CHUNKS):
        low, high = _bounds(chunk, len(row_ptr) - 1)
        if low == high:
            continue
        total = np.zeros(targets, np.float32)
        state = np.zeros(targets, np.uint8)  # 0 not met, 1 met, 2 to be skipped
        touched = np.empty(targets, np.uint32)
        for r in range(low, high):
            n = 0
            for k in range(skip_ptr[r], skip_ptr[r + 1]):
                state[skip[k]] = 2
            for k in range(row_ptr[r], row_ptr[r + 1]):
                for p in range(ptr[row_key[k]], ptr[row_key[k] + 1]):
                    t = step_target[p]
                    if state[t] == 0:
                        state[t] = 1
                        touched[n] = t
                        n += 1
                    total[t] += row_weight[k] * step_weight[p]
            kept = min(n, top)
            for k in range(n):
                t = touched[k]
                if k < kept:
                    weight[r, k], target[r, k] = total[t], t
                    if k == kept - 1:
                        for hole in range(kept // 2 - 1, -1, -1):
                            _sift_down(weight[r], target[r], hole, kept)
                elif _worse(weight[r, 0], target[r, 0], total[t], t):
                    weight[r, 0], target[r, 0] = total[t], t
                    _sift_down(weight[r], target[r], 0, kept)
            for size in range(kept - 1, 0, -1):  # heap sort: the worst moves to the end
                weight[r, 0], weight[r, size] = weight[r, size], weight[r, 0]
                target[r, 0], target[r, size] = target[r, size], target[r, 0]
                _sift_down(weight[r], target[r], 0, size)
            count[r] = kept
            for k in range(n):
                total[touched[k]] = 0.0
                state[touched[k]] = 0
            for k in range(skip_ptr[r], skip_ptr[r + 1]):
                state[skip[k]] = 0
                total[skip[k]] = 0.0


@numba.njit(parallel=True, cache=True)
def _walk_at(row_ptr: Array, row_key: Array, row_weight: Array, ptr: Array, step_target: Array, step_weight: Array,
             targets: int, wanted_ptr: Array, wanted: Array, score: Array) -> None:  # fmt: skip
    for chunk in numba.prange(CHUNKS):
        low, high = _bounds(chunk, len(row_ptr) - 1)
        if low == high:
            continue
        total = np.zeros(targets, np.float32)
        for r in range(low, high):
            for k in range(row_ptr[r], row_ptr[r + 1]):
                for p in range(ptr[row_key[k]], ptr[row_key[k] + 1]):
                    total[step_target[p]] += row_weight[k] * step_weight[p]
            for k in range(wanted_ptr[r], wanted_ptr[r + 1]):
                score[k] = total[wanted[k]]
            for k in range(row_ptr[r], row_ptr[r + 1]):
                for p in range(ptr[row_key[k]], ptr[row_key[k] + 1]):
                    total[step_target[p]] = 0.0
