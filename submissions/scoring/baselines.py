"""The two lists that any recommender must beat, computed beside it on the same weeks and customers."""

import numpy as np

from retail.log import Array
from retail.metrics import K
from retail.weeks import History
from stage1_candidates.engine import lists, sparse_product
from stage1_candidates.engine.lists import Lists
from stage1_candidates.pooling import fusion
from submissions.answering import answer

TIE = 1e-4  # small beside a day of decay, so that sales decide among ties only


def popular(history: History, users: Array) -> Array:
    """(users, 12) int64: the best sellers of the last 7 days for everyone."""
    return np.tile(answer.best_sellers(history)[:K].astype(np.int64), (len(users), 1))


def repurchase(history: History, users: Array, half_life: float) -> Array:
    """(users, 12) int64: own articles by sum of 2^(-age / half_life), then the best sellers of the last 7 days.

    Most articles were bought once, many in one basket, and tie: those that sold more in the last 7 days go first.
    """
    log, known = history.log, history.known
    sales = np.bincount(log.item[known[log.day[known] >= history.cutoff - 7]], minlength=log.items)
    same = lists.identity(log.items)
    ties = Lists(same.ptr, same.target, (1 + TIE * sales / max(sales.max(), 1)).astype(np.float32))
    best = sparse_product.best_targets(lists.own(history, users, half_life), ties, log.items, K)
    return filled(best, answer.best_sellers(history))


def filled(best: Lists, filler: Array) -> Array:
    """(keys, 12) int64: each key's targets, best first, then those of ``filler`` that it lacks."""
    found = np.full((best.keys, K), -1, np.int64)
    rank = fusion.ranks(best) - 1
    found[best.key_of_rows()[rank < K], rank[rank < K]] = best.target[rank < K]
    return answer.fill(found, filler)
