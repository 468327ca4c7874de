"""Fuse the sources' ranked lists by reciprocal rank (Cormack et al., SIGIR 2009), and look up ranks.

weight(u, i) = sum over the sources that propose i of 1 / (rrf + rank), with ranks from 1. Each kernel keeps one dense
buffer (items,) per thread and resets it after each customer. No sort over all customers is needed.
"""

from collections.abc import Mapping

import numba
import numpy as np

from retail.chunks import CHUNKS, bounds
from retail.log import Array
from retail.params import Pool
from retail.ragged import offsets, place_in_row
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
    _fuse(start, target, float(settings.rrf), _articles(target), fused, weight, count)
    filled = np.arange(settings.take) < count[:, None]
    return Lists(offsets(count), fused[filled], weight[filled])


def ascending(best: Lists) -> Lists:
    """Sort the targets of each row in ascending order."""
    target, weight = best.target.copy(), best.weight.copy()
    _ascending(best.ptr, target, weight)
    return Lists(best.ptr, target, weight)


def ranks(best: Lists) -> Array:
    """Compute the rank from 1 of each entry within its key: (n,) int64."""
    rank: Array = place_in_row(best.ptr) + 1
    return rank


def ranks_at(ptr: Array, items: Array, best: Lists) -> Array:
    """Look up the ranks of ``items[ptr[r]:ptr[r+1]]`` in row r of ``best``: (n,) float32, NaN if absent."""
    rank = np.full(len(items), np.nan, np.float32)
    _ranks_at(ptr, items, best.ptr, best.target, max(_articles(items), _articles(best.target)), rank)
    return rank


def _articles(target: Array) -> int:
    return int(target.max(initial=0)) + 1


@numba.njit(parallel=True, cache=True)
def _fuse(start: Array, target: Array, rrf: float, articles: int, fused: Array, weight: Array, count: Array) -> None:
    sources, rows, top = start.shape[0], start.shape[1] - 1, fused.shape[1]
    for chunk in numba.prange(CHUNKS):
        low, high = bounds(chunk, rows)
        if low == high:
            continue
        total = np.zeros(articles)
        met = np.empty(articles, np.uint32)
        for r in range(low, high):
            n = 0
            for s in range(sources):
                begin = start[s, r]
                for k in range(begin, start[s, r + 1]):
                    t = target[k]
                    if total[t] == 0.0:
                        met[n] = t
                        n += 1
                    total[t] += 1.0 / (rrf + (k - begin + 1))
            order = np.sort(met[:n])  # with the stable sort below, ties stay in the order of their ids
            negative_weight = np.empty(n)
            for k in range(n):
                negative_weight[k] = -total[order[k]]
                total[order[k]] = 0.0
            best = np.argsort(negative_weight, kind="mergesort")
            count[r] = min(n, top)
            for k in range(count[r]):
                fused[r, k], weight[r, k] = order[best[k]], -negative_weight[best[k]]


@numba.njit(parallel=True, cache=True)
def _ascending(ptr: Array, target: Array, weight: Array) -> None:
    """Sort each row's targets and their positions, packed into one number.

    numba gives the inner functions of sort and argsort the same names. A cached kernel may thus be linked to the wrong
    one, so this kernel avoids argsort.
    """
    for r in numba.prange(len(ptr) - 1):
        low = ptr[r]
        code = np.empty(ptr[r + 1] - low, np.uint64)
        for k in range(len(code)):
            code[k] = (np.uint64(target[low + k]) << np.uint64(32)) | np.uint64(k)
        code.sort()
        before = weight[low : ptr[r + 1]].copy()
        for k in range(len(code)):
            target[low + k] = np.uint32(code[k] >> np.uint64(32))
            weight[low + k] = before[np.int64(code[k] & np.uint64(0xFFFFFFFF))]


@numba.njit(parallel=True, cache=True)
def _ranks_at(ptr: Array, items: Array, best_ptr: Array, best: Array, articles: int, rank: Array) -> None:
    rows = len(ptr) - 1
    for chunk in numba.prange(CHUNKS):
        low, high = bounds(chunk, rows)
        if low == high:
            continue
        place = np.zeros(articles, np.int32)  # 0: not proposed to this customer
        for r in range(low, high):
            for k in range(best_ptr[r], best_ptr[r + 1]):
                place[best[k]] = k - best_ptr[r] + 1
            for k in range(ptr[r], ptr[r + 1]):
                if place[items[k]] > 0:
                    rank[k] = place[items[k]]
            for k in range(best_ptr[r], best_ptr[r + 1]):
                place[best[k]] = 0
