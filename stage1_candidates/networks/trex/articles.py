"""From categories to articles: a customer's chance of a category times the article's share of it for this customer.

    score(u, i) = p(c | u) (n_ui + smoothing s_i) / (n_uc + smoothing),   c the category of i

n_ui is the customer's decayed count of the article, n_uc its sum over the category, s_i the article's share of the
category's decayed sales. The lists are in the order of this score; articles without a category have none.
"""

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from retail.chunks import CHUNKS, bounds
from retail.log import Array
from stage1_candidates.engine.lists import Lists


@dataclass(frozen=True)
class Shelf:
    """The articles of each category: those that sell, the best first, ties by id."""

    category: Array  # (items,) int32, -1 where there is none
    share: Array  # (items,) float32 of the category's sales
    order: Array  # (sold,) uint32 articles by category
    ptr: Array  # (V + 1,) int64: category c sells order[ptr[c]:ptr[c+1]]

    @property
    def categories(self) -> int:
        return len(self.ptr) - 1


def shelf(category: Array, sales: Array, categories: int) -> Shelf:
    """The shelf of ``sales`` (items,) within each category."""
    has = category >= 0
    total = np.bincount(category[has], weights=sales[has], minlength=categories)
    share = np.zeros(len(category), np.float32)
    share[has] = sales[has] / np.maximum(total[category[has]], 1e-30)
    order = np.lexsort((-share, category))
    order = order[share[order] > 0]
    ptr = np.searchsorted(category[order], np.arange(categories + 1))
    return Shelf(category, share, order.astype(np.uint32), ptr.astype(np.int64))


def score_into(
    out: Array, rows: Array, p: Array, of: Shelf, own: Lists, smoothing: float, ptr: Array, items: Array
) -> None:
    """Write the scores of ``items[ptr[r]:ptr[r+1]]`` for the block's ``rows`` with probabilities ``p`` (rows, V)."""
    _score(rows, p, of.category, of.share, own.ptr, own.target, own.weight, smoothing, ptr, items, out)


def best(rows: Array, p: Array, of: Shelf, own: Lists, smoothing: float, top: int) -> tuple[Array, Array, Array]:
    """(rows, top) articles and scores, best first, ties by id, and how many of them there are."""
    target, weight = np.zeros((len(rows), top), np.uint32), np.zeros((len(rows), top), np.float32)
    count = np.zeros(len(rows), np.int64)
    _best(rows, p, of.category, of.share, of.order, of.ptr, own.ptr, own.target, own.weight, smoothing, target, weight,
          count)  # fmt: skip
    return target, weight, count


@numba.njit(cache=True)
def _worth(p: float, times: float, in_category: float, share: float, smoothing: float) -> Any:
    return np.float32(p * (times + smoothing * share) / (in_category + smoothing))


@numba.njit(cache=True)
def _lay_out(r: int, category: Array, own_ptr: Array, own_item: Array, own_times: Array, sign: float,
             times: Array, in_category: Array) -> None:  # fmt: skip
    """Customer r's counts into the scratch (sign 1), or zeros again (sign 0)."""
    for k in range(own_ptr[r], own_ptr[r + 1]):
        i = own_item[k]
        times[i] = sign * own_times[k]
        if category[i] >= 0:
            in_category[category[i]] = sign * (in_category[category[i]] + own_times[k])


@numba.njit(parallel=True, cache=True)
def _score(rows: Array, p: Array, category: Array, share: Array, own_ptr: Array, own_item: Array, own_times: Array,
           smoothing: float, ptr: Array, items: Array, out: Array) -> None:  # fmt: skip
    for chunk in numba.prange(CHUNKS):
        low, high = bounds(chunk, len(rows))
        if low == high:
            continue
        times, in_category = np.zeros(len(category), np.float64), np.zeros(p.shape[1], np.float64)
        for b in range(low, high):
            r = rows[b]
            _lay_out(r, category, own_ptr, own_item, own_times, 1.0, times, in_category)
            for k in range(ptr[r], ptr[r + 1]):
                i = items[k]
                c = category[i]
                if c >= 0:
                    out[k] = _worth(p[b, c], times[i], in_category[c], share[i], smoothing)
            _lay_out(r, category, own_ptr, own_item, own_times, 0.0, times, in_category)


@numba.njit(parallel=True, cache=True)
def _best(rows: Array, p: Array, category: Array, share: Array, order: Array, first: Array, own_ptr: Array,
          own_item: Array, own_times: Array, smoothing: float, target: Array, weight: Array,
          count: Array) -> None:  # fmt: skip
    top = target.shape[1]
    for chunk in numba.prange(CHUNKS):
        low, high = bounds(chunk, len(rows))
        if low == high:
            continue
        times, in_category = np.zeros(len(category), np.float64), np.zeros(p.shape[1], np.float64)
        for b in range(low, high):
            r, n = rows[b], 0
            _lay_out(r, category, own_ptr, own_item, own_times, 1.0, times, in_category)
            for k in range(own_ptr[r], own_ptr[r + 1]):
                i = own_item[k]
                c = category[i]
                if c >= 0:
                    worth = _worth(p[b, c], times[i], in_category[c], share[i], smoothing)
                    n = _insert(target[b], weight[b], n, i, worth)
            for c in range(p.shape[1]):
                for k in range(first[c], first[c + 1]):
                    i = order[k]
                    if times[i] > 0:
                        continue
                    worth = _worth(p[b, c], 0.0, in_category[c], share[i], smoothing)
                    if n == top and worth < weight[b, n - 1]:
                        break  # shares descend: the rest of the category is no better
                    n = _insert(target[b], weight[b], n, i, worth)
            count[b] = n
            _lay_out(r, category, own_ptr, own_item, own_times, 0.0, times, in_category)


@numba.njit(cache=True)
def _insert(target: Array, weight: Array, n: int, item: int, worth: float) -> int:
    """Put ``item`` in its place among the ``n`` best, dropping the worst where there is no room; the new ``n``."""
    top = len(target)
    if worth <= 0 or (n == top and _before(weight[n - 1], target[n - 1], worth, item)):
        return n
    place = min(n, top - 1)
    while place > 0 and _before(worth, item, weight[place - 1], target[place - 1]):
        weight[place], target[place] = weight[place - 1], target[place - 1]
        place -= 1
    weight[place], target[place] = worth, item
    return min(n + 1, top)


@numba.njit(cache=True)
def _before(worth: float, item: int, other_worth: float, other: int) -> bool:
    return worth > other_worth or (worth == other_worth and item < other)
