"""Fuse the sources' ranked lists by reciprocal rank (Cormack et al., SIGIR 2009), and look up ranks.

weight(u, i) = sum over the sources that propose i of 1 / (rrf + rank), with ranks from 1. Each kernel keeps one dense
buffer (items,) per thread and resets it after each customer. No sort over all customers is needed.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from retail import chunks
from retail.chunks import kernel
from retail.log import Array
from retail.params import Pool
from retail.ragged import offsets, place_in_row
from retail.selection import push, sort_best, sort_codes
from stage1_candidates.engine.lists import Lists


def fuse(proposed: Mapping[str, Lists], settings: Pool) -> Lists:
    """Fuse the lists of each customer into its ``take`` best articles, best first, ties by id."""
    all_lists = list(proposed.values())
    rows = all_lists[0].keys
    target = np.concatenate([best.target for best in all_lists])
    sizes = np.array([len(best.target) for best in all_lists])
    start = np.stack([best.ptr for best in all_lists]) + offsets(sizes)[:-1, None]  # (sources, rows + 1)
    fused = np.zeros((rows, settings.take), np.uint32)
    weight = np.zeros((rows, settings.take), np.float32)
    count = np.zeros(rows, np.int64)
    articles, top = _articles(target), settings.take
    chunks.run(
        _fuse, rows, (start, target, float(settings.rrf)), (fused, weight, count),
        lambda: (np.zeros(articles), np.empty(articles, np.uint32), np.empty(top), np.empty(top, np.uint32)),
    )  # fmt: skip
    filled = np.arange(settings.take) < count[:, None]
    return Lists(offsets(count), fused[filled], weight[filled])


def ascending(best: Lists) -> Lists:
    """Sort the targets of each row in ascending order."""
    target, weight = np.empty_like(best.target), np.empty_like(best.weight)
    longest = int(np.diff(best.ptr).max(initial=0))
    chunks.run(
        _ascending, best.keys, (best.ptr, best.target, best.weight), (target, weight),
        lambda: (np.empty(longest, np.uint64), np.empty(longest, np.uint64)),
    )  # fmt: skip
    return Lists(best.ptr, target, weight)


def ranks(best: Lists) -> Array:
    """Compute the rank from 1 of each entry within its key: (n,) int64."""
    rank: Array = place_in_row(best.ptr) + 1
    return rank


def ranks_at(ptr: Array, items: Array, best: Lists) -> Array:
    """Look up the ranks of ``items[ptr[r]:ptr[r+1]]`` in row r of ``best``: (n,) float32, NaN if absent."""
    rank = np.full(len(items), np.nan, np.float32)
    articles = max(_articles(items), _articles(best.target))
    chunks.run(
        _ranks_at, best.keys, (ptr, items, best.ptr, best.target), (rank,), lambda: (np.zeros(articles, np.int32),)
    )
    return rank


def _articles(target: Array) -> int:
    return int(target.max(initial=0)) + 1


@kernel
def _fuse(low: int, high: int, start: Array, target: Array, rrf: float, fused: Array, weight: Array, count: Array,
          total: Array, met: Array, scores: Array, ids: Array) -> None:  # fmt: skip
    for r in range(low, high):
        n = 0
        for s in range(len(start)):
            begin = start[s, r]
            for k in range(begin, start[s, r + 1]):
                t = target[k]
                if total[t] == 0.0:
                    met[n] = t
                    n += 1
                total[t] += 1.0 / (rrf + (k - begin + 1))
        size: Any = np.int64(0)
        for k in range(n):
            t = met[k]
            if size < len(scores) or total[t] >= scores[0]:
                size = push(scores, ids, size, total[t], t)
            total[t] = 0.0
        sort_best(scores, ids, size)
        count[r] = size
        for k in range(size):
            fused[r, k], weight[r, k] = ids[k], scores[k]


@kernel
def _ascending(low: int, high: int, ptr: Array, best: Array, worth: Array, target: Array, weight: Array, codes: Array,
               spare: Array) -> None:  # fmt: skip
    """Sort each row's targets, packed into one number with their positions."""
    for r in range(low, high):
        begin, n = ptr[r], ptr[r + 1] - ptr[r]
        for k in range(n):
            codes[k] = (np.uint64(best[begin + k]) << np.uint64(32)) | np.uint64(k)
        sort_codes(codes, n, spare)
        for k in range(n):
            target[begin + k] = codes[k] >> np.uint64(32)
            weight[begin + k] = worth[begin + np.int64(codes[k] & np.uint64(0xFFFFFFFF))]


@kernel
def _ranks_at(low: int, high: int, ptr: Array, items: Array, best_ptr: Array, best: Array, rank: Array,
              place: Array) -> None:  # fmt: skip
    for r in range(low, high):
        for k in range(best_ptr[r], best_ptr[r + 1]):
            place[best[k]] = k - best_ptr[r] + 1  # 0: not proposed to this customer
        for k in range(ptr[r], ptr[r + 1]):
            if place[items[k]] > 0:
                rank[k] = place[items[k]]
        for k in range(best_ptr[r], best_ptr[r + 1]):
            place[best[k]] = 0
