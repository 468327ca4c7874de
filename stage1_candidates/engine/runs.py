"""Relate articles through runs of purchases, such as a customer's latest ones: bounded work per purchase.

Two sources count pairs of purchases of one customer, whose number grows with the square of a history. They bound the
purchases that one is paired with, so that the work grows with the rows of the log.
"""

from dataclasses import dataclass

import numba
import numpy as np

from retail.log import Array
from retail.ragged import offsets
from stage1_candidates.engine.lists import Lists


@dataclass(frozen=True)
class Runs:
    """Hold runs of entries ``first[r]:last[r]`` of flat arrays; runs may overlap and need not be copied."""

    first: Array  # (runs,) int64
    last: Array  # (runs,) int64
    target: Array  # (n,) uint32
    weight: Array  # (n,) float32, positive


def best_targets(begin: Array, end: Array, run: Array, weight: Array, runs: Runs, top: int, itself: bool) -> Lists:
    """Find ``top`` targets of each of T rows with the largest scores, ties by id; within a row they are in no order.

    Row i has the entries ``begin[i]:end[i]`` of ``run`` and ``weight`` (float32, positive). Its score of target t sums
    weight * runs.weight over the entries with target t of its runs: (T, runs) @ (runs, T). With ``itself=False`` no
    row has itself as a target.
    """
    rows = len(begin)
    target, score = np.empty((rows, top), np.uint32), np.empty((rows, top), np.float32)
    count, total = np.zeros(rows, np.int64), np.zeros(rows, np.float32)
    _best_targets(
        0, rows, begin, end, run, weight, runs.first, runs.last, runs.target, runs.weight, itself, target,
        score.view(np.uint32), count, total, total.view(np.uint32), np.empty(rows + 1, np.uint32),
        np.empty(rows + 1, np.uint64),
    )  # fmt: skip
    filled = np.arange(top) < count[:, None]
    return Lists(offsets(count), target[filled], score[filled])


def shuffle_baskets(user: Array, day: Array, item: Array) -> Array:
    """Return ``item`` (n,), shuffled within each (user, day), so that a part of a basket is a random sample of it.

    The entries ascend by user and day. The order depends on the basket alone: later entries cannot change it.
    """
    shuffled = item.copy()
    _shuffle_baskets(user, day, shuffled)
    return shuffled


@numba.njit(nogil=True, cache=True)
def _best_targets(low: int, high: int, begin: Array, end: Array, run: Array, lead: Array, first: Array, last: Array,
                  run_target: Array, run_weight: Array, itself: bool, target: Array, score: Array, count: Array,
                  total: Array, bits: Array, touched: Array, codes: Array) -> None:  # fmt: skip
    """Fill rows ``low:high``; ``score`` holds bits of float32, and ``bits`` is the memory of ``total``, all 0."""
    top = target.shape[1]
    for row in range(low, high):
        n = 0
        for k in range(begin[row], end[row]):
            for p in range(first[run[k]], last[run[k]]):
                t = run_target[p]
                touched[n] = t  # stays if it is new; has room for one more than all targets
                n += total[t] == 0
                total[t] += lead[k] * run_weight[p] + np.float32(1e-30)  # never 0, so that each target appears once
        size = 0
        for k in range(n):  # positive floats ascend as their bits do; a smaller id is larger among equals
            t = touched[k]
            codes[size] = (np.uint64(bits[t]) << np.uint64(32)) | np.uint64(0xFFFFFFFF - t)
            size += itself or t != row
            total[t] = 0
        count[row] = min(size, top)
        _move_largest(codes, size, top)
        for k in range(count[row]):
            target[row, k] = 0xFFFFFFFF - (codes[k] & np.uint64(0xFFFFFFFF))
            score[row, k] = codes[k] >> np.uint64(32)


@numba.njit(nogil=True, cache=True)
def _move_largest(codes: Array, n: int, most: int) -> None:
    """Move the ``most`` largest of the unique ``codes[:n]`` to the front, in no order: quickselect without branches."""
    low, high = 0, n
    while low < most < high:
        if high - low < 3:
            if codes[high - 1] > codes[low]:
                codes[low], codes[high - 1] = codes[high - 1], codes[low]
            return
        a, b, c = codes[low], codes[(low + high) // 2], codes[high - 1]
        pivot = max(min(a, b), min(max(a, b), c))  # the median of three: one code is larger, and one is smaller
        middle = low
        for k in range(low, high):
            code = codes[k]
            codes[k] = codes[middle]
            codes[middle] = code
            middle += code > pivot
        if middle <= most:
            low = middle
        else:
            high = middle


@numba.njit(nogil=True, cache=True)
def _shuffle_baskets(user: Array, day: Array, item: Array) -> None:
    """Shuffle as Fisher and Yates do, with the random numbers of splitmix64, seeded by the customer and the day."""
    begin = 0
    for k in range(1, len(item) + 1):
        if k < len(item) and user[k] == user[begin] and day[k] == day[begin]:
            continue
        state = (np.uint64(user[begin]) << np.uint64(16)) + np.uint64(day[begin])
        for size in range(k - begin, 1, -1):
            state += np.uint64(0x9E3779B97F4A7C15)
            z = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z ^= z >> np.uint64(31)
            place = begin + np.int64(z % np.uint64(size))
            item[place], item[begin + size - 1] = item[begin + size - 1], item[place]
        begin = k
