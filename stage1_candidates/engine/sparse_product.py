"""Multiply weighted lists, customer -> keys -> articles, and keep the best targets of each row.

Each thread computes one row at a time in a dense buffer of a few bytes per target. No dense matrix of all
pairs is needed.
"""

from typing import Any

import numpy as np

from retail import chunks
from retail.chunks import kernel
from retail.log import Array
from retail.ragged import offsets
from retail.selection import push, sort_best
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
    chunks.run(
        _best_targets, rows.keys,
        (rows.ptr, rows.target, rows.weight, step.ptr, step.target, step.weight, skip.ptr, skip.target),
        (target, weight, count),
        lambda: (
            np.zeros(targets, np.float32), np.zeros(targets, np.uint8), np.empty(targets, np.uint32), np.empty(top),
            np.empty(top, np.uint32),
        ),
    )  # fmt: skip
    filled = np.arange(top) < count[:, None]
    return Lists(offsets(count), target[filled], weight[filled])


def scores_at(rows: Lists, step: Lists, targets: int, ptr: Array, wanted: Array) -> Array:
    """Compute rows @ step at ``wanted[ptr[r]:ptr[r+1]]`` of each row r: (n,) float32."""
    score = np.zeros(len(wanted), np.float32)
    chunks.run(
        _scores_at, rows.keys,
        (rows.ptr, rows.target, rows.weight, step.ptr, step.target, step.weight, ptr, wanted),
        (score,), lambda: (np.zeros(targets, np.float32),),
    )  # fmt: skip
    return score


@kernel
def _best_targets(
    low: int, high: int, row_ptr: Array, row_key: Array, row_weight: Array, ptr: Array, step_target: Array,
    step_weight: Array, skip_ptr: Array, skip: Array, target: Array, weight: Array, count: Array, total: Array,
    state: Array, touched: Array, scores: Array, ids: Array,
) -> None:  # fmt: skip
    for r in range(low, high):  # state: 0 not met, 1 met, 2 to be skipped
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
        size: Any = np.int64(0)
        for k in range(n):
            t = touched[k]
            score = np.float64(total[t])
            if size < len(scores) or score >= scores[0]:
                size = push(scores, ids, size, score, t)
            total[t] = 0.0
            state[t] = 0
        sort_best(scores, ids, size)
        count[r] = size
        for k in range(size):
            target[r, k], weight[r, k] = ids[k], scores[k]
        for k in range(skip_ptr[r], skip_ptr[r + 1]):
            state[skip[k]] = 0
            total[skip[k]] = 0.0


@kernel
def _scores_at(low: int, high: int, row_ptr: Array, row_key: Array, row_weight: Array, ptr: Array, step_target: Array,
               step_weight: Array, wanted_ptr: Array, wanted: Array, score: Array, total: Array) -> None:  # fmt: skip
    for r in range(low, high):
        for k in range(row_ptr[r], row_ptr[r + 1]):
            for p in range(ptr[row_key[k]], ptr[row_key[k] + 1]):
                total[step_target[p]] += row_weight[k] * step_weight[p]
        for k in range(wanted_ptr[r], wanted_ptr[r + 1]):
            score[k] = total[wanted[k]]
        for k in range(row_ptr[r], row_ptr[r + 1]):
            for p in range(ptr[row_key[k]], ptr[row_key[k] + 1]):
                total[step_target[p]] = 0.0
