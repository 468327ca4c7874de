"""Compute the two baselines that a recommender must beat, for the same weeks and customers."""

import numpy as np

from retail.log import Array
from retail.metrics import K
from retail.weeks import History
from stage1_candidates.engine import lists, sparse_product
from stage1_candidates.engine.lists import Lists
from stage1_candidates.pooling import fusion
from submissions.answering import answer

TIE = 1e-4  # largest share that sales add to a count; less than a day of decay, so that sales only break ties


def recommend_popular(history: History, users: Array) -> Array:
    """Recommend the best sellers of the last 7 days (users, 12) int64, the same list for every customer."""
    return np.tile(answer.list_best_sellers(history)[:K].astype(np.int64), (len(users), 1))


def recommend_repurchase(history: History, users: Array, half_life: float) -> Array:
    """Recommend each customer's own articles by decayed purchase count, then best sellers: (users, 12) int64.

    The count is the sum of 2^(-age / half_life) over the purchases, age in days. Many articles tie because they were
    bought once in one basket; ties are ordered by sales of the last 7 days.
    """
    log, known = history.log, history.known
    sales = np.bincount(log.item[known[log.day[known] >= history.cutoff - 7]], minlength=log.items)
    same = lists.identity(log.items)
    ties = Lists(same.ptr, same.target, (1 + TIE * sales / max(sales.max(), 1)).astype(np.float32))
    best = sparse_product.best_targets(lists.own(history, users, half_life), ties, log.items, K)
    return fill_lists(best, answer.list_best_sellers(history))


def fill_lists(best: Lists, filler: Array) -> Array:
    """Fill each key's targets, best first, up to 12 with articles of ``filler`` not among them: (keys, 12)."""
    full = np.full((best.keys, K), -1, np.int64)
    rank = fusion.ranks(best) - 1
    full[best.key_of_rows()[rank < K], rank[rank < K]] = best.target[rank < K]
    return answer.fill(full, filler)
