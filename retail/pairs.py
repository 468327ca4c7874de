"""Store the candidate pairs of a label week: a run of articles per customer. Compare values within a run."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from retail import chunks
from retail.chunks import kernel
from retail.log import Array
from retail.ragged import row_of
from retail.selection import sort_codes

SIGN, NO_SIGN, INFINITY = np.uint64(0x80000000), np.uint64(0x7FFFFFFF), np.uint64(0x7F800000)  # bits of a float32
HALF, LOW_HALF = np.uint64(32), np.uint64(0xFFFFFFFF)


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


def divide_by_best(ptr: Array, values: Array) -> Array:
    """Divide each value by the largest of its run: (n,) float32. Negative values and NaN count as 0; 0 / 0 is 0."""
    out = np.zeros(len(values), np.float32)
    chunks.run(_divide_by_best, len(ptr) - 1, (ptr, values.astype(np.float32, copy=False)), (out,))
    return out


@kernel
def _divide_by_best(low: int, high: int, ptr: Array, values: Array, out: Array) -> None:
    for r in range(low, high):
        best = 0.0
        for k in range(ptr[r], ptr[r + 1]):
            if values[k] > best:
                best = values[k]
        if best > 0.0:
            for k in range(ptr[r], ptr[r + 1]):
                out[k] = values[k] / best if values[k] > 0 else 0.0


def rank_in_run(ptr: Array, values: Array) -> Array:
    """Rank each value in its run: (n,) float32, 1 is the largest; ties share a rank. NaN counts as -infinity."""
    out = np.zeros(len(values), np.float32)
    longest = int(np.diff(ptr).max(initial=0))
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    chunks.run(
        _rank_in_run, len(ptr) - 1, (ptr, bits), (out,),
        lambda: (np.empty(longest, np.uint64), np.empty(longest, np.uint64)),
    )  # fmt: skip
    return out


@kernel
def _rank_in_run(low: int, high: int, ptr: Array, bits: Array, out: Array, codes: Array, spare: Array) -> None:
    """Sort each run by codes: 32 bits that grow as the float32 value falls, then the value's position in the run."""
    for r in range(low, high):
        begin, n = ptr[r], ptr[r + 1] - ptr[r]
        for k in range(n):
            value = np.uint64(bits[begin + k])
            if value & NO_SIGN > INFINITY:  # NaN
                value = SIGN | INFINITY
            elif value == SIGN:  # -0 is as large as 0
                value = np.uint64(0)
            falling = value if value & SIGN else value ^ NO_SIGN
            codes[k] = falling << HALF | np.uint64(k)
        sort_codes(codes, n, spare)
        rank = 1
        for k in range(n):
            if k > 0 and codes[k] >> HALF != codes[k - 1] >> HALF:
                rank = k + 1
            out[begin + np.int64(codes[k] & LOW_HALF)] = rank
