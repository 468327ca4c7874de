"""Candidate pairs of a label week: its customers, each with a run of articles, and what compares within a run."""

from dataclasses import dataclass
from functools import cached_property

import numba
import numpy as np

from retail.log import Array
from retail.ragged import row_of


@dataclass(frozen=True)
class Pairs:
    """Customer ``users[r]`` with the articles ``items[ptr[r]:ptr[r+1]]``, ascending; ``n`` rows in all."""

    users: Array  # (r,) uint32, ascending
    ptr: Array  # (r + 1,) int64
    items: Array  # (n,) uint32

    @cached_property
    def run(self) -> Array:
        """(n,) int64 index into ``users`` of each row."""
        return row_of(self.ptr)

    @property
    def user(self) -> Array:
        """(n,) uint32 customer of each row."""
        return self.users[self.run]


def build_pairs(user: Array, item: Array) -> Pairs:
    """Pairs of two columns sorted by customer, then article."""
    users = np.unique(user)
    ptr = np.concatenate([np.searchsorted(user, users), [len(user)]]).astype(np.int64)
    return Pairs(users, ptr, item)


@numba.njit(parallel=True, cache=True)
def divide_by_best(ptr: Array, values: Array) -> Array:
    """(n,) float32: each value over the largest of its run; 0 where that is not positive, NaN counts as 0."""
    out = np.zeros(len(values), np.float32)
    for r in numba.prange(len(ptr) - 1):
        best = 0.0
        for k in range(ptr[r], ptr[r + 1]):
            if values[k] > best:
                best = values[k]
        if best > 0.0:
            for k in range(ptr[r], ptr[r + 1]):
                out[k] = values[k] / best if values[k] > 0 else 0.0
    return out


@numba.njit(parallel=True, cache=True)
def rank_in_run(ptr: Array, values: Array) -> Array:
    """(n,) float32: 1 + the number of larger values in the run; NaN counts as -infinity. Ties share a place."""
    out = np.zeros(len(values), np.float32)
    for r in numba.prange(len(ptr) - 1):
        low, high = ptr[r], ptr[r + 1]
        run = np.empty(high - low, np.float32)
        for k in range(low, high):
            run[k - low] = values[k] if not np.isnan(values[k]) else -np.inf
        ascending = np.sort(run)
        for k in range(high - low):
            out[low + k] = 1 + (high - low) - np.searchsorted(ascending, run[k], side="right")
    return out
