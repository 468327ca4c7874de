"""Store the candidate pairs of a label week: a run of articles per customer. Compare values within a run."""

from dataclasses import dataclass
from functools import cached_property

import numba
import numpy as np

from retail.log import Array
from retail.ragged import row_of


@dataclass(frozen=True)
class Pairs:
    """Pair customer ``users[r]`` with the articles ``items[ptr[r]:ptr[r+1]]``, ascending; ``n`` rows in all."""

    users: Array  # (r,) uint32, ascending
    ptr: Array  # (r + 1,) int64
    items: Array  # (n,) uint32

    @cached_property
    def run(self) -> Array:
        """Return the index (n,) int64 into ``users`` of each row."""
        return row_of(self.ptr)

    @property
    def user(self) -> Array:
        """Return the customer (n,) uint32 of each row."""
        return self.users[self.run]


def build_pairs(user: Array, item: Array) -> Pairs:
    """Build the pairs of two columns that are sorted by customer, then article."""
    users = np.unique(user)
    ptr = np.concatenate([np.searchsorted(user, users), [len(user)]]).astype(np.int64)
    return Pairs(users, ptr, item)


@numba.njit(parallel=True, cache=True)
def divide_by_best(ptr: Array, values: Array) -> Array:
    """Divide each value by the largest of its run: (n,) float32. Negative values and NaN count as 0; 0 / 0 is 0."""
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
    """Rank each value in its run: (n,) float32, 1 is the largest; ties share a rank. NaN counts as -infinity."""
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
