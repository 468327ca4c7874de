"""Score articles: the probability of the category times the customer's share of the article within the category.

    score(u, i) = p(c | u) (n_ui + smoothing s_i) / (n_uc + smoothing),   c the category of i

n_ui is the customer's decayed count of the article, and n_uc its sum over the category. s_i is the article's share of
the decayed sales of the category. Articles without a category have no score.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from retail import chunks
from retail.chunks import kernel
from retail.log import Array
from stage1_candidates.engine.lists import Lists


@dataclass(frozen=True)
class Shelf:
    """The articles of each category that have sales, best sellers first, ties by id."""

    category: Array  # (items,) int32, -1 for an article without a category
    share: Array  # (items,) float32, the article's share of the category's sales
    order: Array  # (sold,) uint32, articles sorted by category
    ptr: Array  # (V + 1,) int64: category c has the articles order[ptr[c]:ptr[c+1]]

    @property
    def categories(self) -> int:
        """Return the number of categories V."""
        return len(self.ptr) - 1


def build_shelf(category: Array, sales: Array, categories: int) -> Shelf:
    """Build the shelf: sort the articles of each category by ``sales`` (items,)."""
    has = category >= 0
    total = np.bincount(category[has], weights=sales[has], minlength=categories)
    share = np.zeros(len(category), np.float32)
    share[has] = sales[has] / np.maximum(total[category[has]], 1e-30)
    order = np.lexsort((-share, category))
    order = order[share[order] > 0]
    ptr = np.searchsorted(category[order], np.arange(categories + 1))
    return Shelf(category, share, order.astype(np.uint32), ptr.astype(np.int64))


def score_into(
    out: Array, rows: Array, p: Array, shelf: Shelf, own: Lists, smoothing: float, ptr: Array, items: Array
) -> None:
    """Write to ``out`` the scores of ``items[ptr[r]:ptr[r+1]]`` for the block's ``rows``; ``p``: (rows, V)."""
    chunks.run(
        _score, len(rows),
        (rows, p, shelf.category, shelf.share, own.ptr, own.target, own.weight, smoothing, ptr, items), (out,),
        lambda: (np.zeros(len(shelf.category)), np.zeros(p.shape[1])),
    )  # fmt: skip


def select_best(
    rows: Array, p: Array, shelf: Shelf, own: Lists, smoothing: float, top: int
) -> tuple[Array, Array, Array]:
    """Select the best articles and their scores, each (rows, top), ties by id, and count them (rows,)."""
    target, weight = np.zeros((len(rows), top), np.uint32), np.zeros((len(rows), top), np.float32)
    count = np.zeros(len(rows), np.int64)
    chunks.run(
        _select_best, len(rows),
        (rows, p, shelf.category, shelf.share, shelf.order, shelf.ptr, own.ptr, own.target, own.weight, smoothing),
        (target, weight, count), lambda: (np.zeros(len(shelf.category)), np.zeros(p.shape[1])),
    )  # fmt: skip
    return target, weight, count


@kernel
def _score_article(p: float, times: float, in_category: float, share: float, smoothing: float) -> Any:
    return np.float32(p * (times + smoothing * share) / (in_category + smoothing))


@kernel
def _set_counts(r: int, category: Array, own_ptr: Array, own_item: Array, own_times: Array, sign: float,
             times: Array, in_category: Array) -> None:  # fmt: skip
    """Write the counts of customer r into the scratch arrays (sign 1), or reset them to zero (sign 0)."""
    for k in range(own_ptr[r], own_ptr[r + 1]):
        i = own_item[k]
        times[i] = sign * own_times[k]
        if category[i] >= 0:
            in_category[category[i]] = sign * (in_category[category[i]] + own_times[k])


@kernel
def _score(low: int, high: int, rows: Array, p: Array, category: Array, share: Array, own_ptr: Array, own_item: Array,
           own_times: Array, smoothing: float, ptr: Array, items: Array, out: Array, times: Array,
           in_category: Array) -> None:  # fmt: skip
    for b in range(low, high):
        r = rows[b]
        _set_counts(r, category, own_ptr, own_item, own_times, 1.0, times, in_category)
        for k in range(ptr[r], ptr[r + 1]):
            i = items[k]
            c = category[i]
            if c >= 0:
                out[k] = _score_article(p[b, c], times[i], in_category[c], share[i], smoothing)
        _set_counts(r, category, own_ptr, own_item, own_times, 0.0, times, in_category)


@kernel
def _select_best(low: int, high: int, rows: Array, p: Array, category: Array, share: Array, order: Array, first: Array,
                 own_ptr: Array, own_item: Array, own_times: Array, smoothing: float, target: Array, weight: Array,
                 count: Array, times: Array, in_category: Array) -> None:  # fmt: skip
    top = target.shape[1]
    for b in range(low, high):
        r, n = rows[b], 0
        _set_counts(r, category, own_ptr, own_item, own_times, 1.0, times, in_category)
        for k in range(own_ptr[r], own_ptr[r + 1]):
            i = own_item[k]
            c = category[i]
            if c >= 0:
                score = _score_article(p[b, c], times[i], in_category[c], share[i], smoothing)
                n = _insert(target[b], weight[b], n, i, score)
        for c in range(p.shape[1]):
            for k in range(first[c], first[c + 1]):
                i = order[k]
                if times[i] > 0:
                    continue
                score = _score_article(p[b, c], 0.0, in_category[c], share[i], smoothing)
                if n == top and score < weight[b, n - 1]:
                    break  # shares descend, so no later article of the category has a higher score
                n = _insert(target[b], weight[b], n, i, score)
        count[b] = n
        _set_counts(r, category, own_ptr, own_item, own_times, 0.0, times, in_category)


@kernel
def _insert(target: Array, weight: Array, n: int, item: int, score: float) -> int:
    """Insert ``item`` into the ``n`` best, drop the worst if the list is full, and return the new ``n``."""
    top = len(target)
    if score <= 0 or (n == top and _ranks_before(weight[n - 1], target[n - 1], score, item)):
        return n
    place = min(n, top - 1)
    while place > 0 and _ranks_before(score, item, weight[place - 1], target[place - 1]):
        weight[place], target[place] = weight[place - 1], target[place - 1]
        place -= 1
    weight[place], target[place] = score, item
    return min(n + 1, top)


@kernel
def _ranks_before(score: float, item: int, other_score: float, other: int) -> bool:
    return score > other_score or (score == other_score and item < other)
