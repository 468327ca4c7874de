"""Multiply weighted lists, customer -> keys -> articles, and keep the best targets of each row.

Each thread computes one row at a time in a dense buffer of a few bytes per target. No dense matrix of all
pairs is needed.
"""

import numba
import numpy as np

from retail.chunks import CHUNKS, bounds
from retail.log import Array
from retail.ragged import offsets
from stage1_candidates.engine.lists import Lists

Factors = tuple[Lists, Lists, Lists | None]  # rows, step, skip: the first two and the last argument of best_targets


def best_targets(rows: Lists, step: Lists, targets: int, top: int, skip: Lists | None = None) -> Lists:
    """Find the ``top`` targets of each row of the sparse product rows @ step, best first, ties by id.

    Row r scores target t with the sum over its keys k of rows.weight[r, k] * step.weight[k, t]: (R, K) @ (K, T).
    The targets in row r of ``skip`` are excluded.
    """
    empty = Lists(np.zeros(rows.keys + 1, np.int64), np.zeros(0, np.uint32), np.zeros(0, np.float32))
    skip = skip or empty
    target = np.zeros((rows.keys, top), np.uint32)
    weight = np.zeros((rows.keys, top), np.float32)
    count = np.zeros(rows.keys, np.int64)
    _best_targets(
        rows.ptr, rows.target, rows.weight, step.ptr, step.target, step.weight,
        skip.ptr, skip.target, targets, target, weight, count,
    )  # fmt: skip
    filled = np.arange(top) < count[:, None]
    return Lists(offsets(count), target[filled], weight[filled])


def scores_at(rows: Lists, step: Lists, targets: int, ptr: Array, wanted: Array) -> Array:
    """Compute rows @ step at ``wanted[ptr[r]:ptr[r+1]]`` of each row r: (n,) float32."""
    score = np.zeros(len(wanted), np.float32)
    _scores_at(
        rows.ptr, rows.target, rows.weight, step.ptr, step.target, step.weight, targets, ptr, wanted, score
    )  # fmt: skip
    return score


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
def _best_targets(row_ptr: Array, row_key: Array, row_weight: Array, ptr: Array, step_target: Array, step_weight: Array,
              skip_ptr: Array, skip: Array, targets: int,
              target: Array, weight: Array, count: Array) -> None:  # fmt: skip
    top = target.shape[1]
    for chunk in numba.prange(CHUNKS):
        low, high = bounds(chunk, len(row_ptr) - 1)
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
def _scores_at(row_ptr: Array, row_key: Array, row_weight: Array, ptr: Array, step_target: Array, step_weight: Array,
             targets: int, wanted_ptr: Array, wanted: Array, score: Array) -> None:  # fmt: skip
    for chunk in numba.prange(CHUNKS):
        low, high = bounds(chunk, len(row_ptr) - 1)
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
