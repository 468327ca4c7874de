"""The two lists that any recommender must beat, computed beside it on the same weeks and customers."""

import numpy as np

from retail.log import Array
from retail.metrics import K
from retail.weeks import History
from stage1_candidates import lists
from stage1_candidates.lists import Lists
from stage2_ranker import answer


def popular(history: History, users: Array) -> Array:
    """(users, 12) int64: the best sellers of the last 7 days for everyone."""
    return np.tile(answer.best_sellers(history)[:K].astype(np.int64), (len(users), 1))


def repurchase(history: History, users: Array, half_life: float) -> Array:
    """(users, 12) int64: own articles by sum of 2^(-age / half_life), then the best sellers of the last 7 days."""
    items = history.log.items
    best = lists.walk_top(lists.own(history, users, half_life), lists.identity(items), items, K)
    return filled(best, answer.best_sellers(history))


def filled(best: Lists, filler: Array) -> Array:
    """(keys, 12) int64: each key's targets, best first, then those of ``filler`` that it lacks."""
    found = np.full((best.keys, K), -1, np.int64)
    rank = np.arange(len(best.target)) - np.repeat(best.ptr[:-1], np.diff(best.ptr))
    found[best.key_of_rows()[rank < K], rank[rank < K]] = best.target[rank < K]
    return answer.fill(found, filler)
