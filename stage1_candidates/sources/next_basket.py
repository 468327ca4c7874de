"""Propose articles that other customers bought after the articles of this customer.

follows(i, j) = sum over pairs of purchases of 2^(-age / half_life) / size / (sales(i)^(1 - popularity)
sales(j)^popularity): (items, items). A pair is one customer's purchase of i in a basket of ``size`` articles, and one
of j in a later basket, at most ``within`` days later and ``age`` days before the cutoff. Of each purchase, only its
first ``followers`` followers count. A basket that counts in part counts with a random sample of its articles.
score = customer's decayed counts times follows: (users, items) @ (items, items).
"""

import numba
import numpy as np

from retail.log import Array
from retail.params import Days, Positive, Share
from retail.ragged import offsets, positions
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine import lists, runs
from stage1_candidates.engine.blocks import Source
from stage1_candidates.engine.lists import Lists
from stage1_candidates.engine.runs import Runs
from stage1_candidates.engine.sparse_product import Factors


class Params(Source):
    half_life: Days  # of the pairs of baskets in the training data
    within: Positive  # largest number of days between the two baskets
    followers: Positive  # purchases of later baskets that are paired with a purchase: the first ones
    profile_half_life: Days  # of the customer's own baskets
    neighbours: Positive  # following articles kept per article
    popularity: Share  # exponent on the follower's sales


def fit(history: History, shop: Shop, params: Params) -> dict[str, Array]:
    """Find the ``neighbours`` articles with the largest follows(i, j) of each article i."""
    log, known = history.log, history.known
    user, day, item = log.user[known], log.day[known], log.item[known]
    decay = np.exp2(-np.arange(history.cutoff + 1) / params.half_life)  # (ages,) indexed by age in days
    sales = np.maximum(np.bincount(item, weights=decay[history.cutoff - day], minlength=log.items), 1e-9)
    follower = runs.shuffle_baskets(user, day, item)
    worth = decay[history.cutoff - day] * (sales**-params.popularity)[follower]
    first, last, size = _followers(user, day, params.within, params.followers)
    ptr, order = _by_article(history)
    lead = np.repeat(sales ** -(1 - params.popularity), np.diff(ptr)) / size[order]
    near = runs.best_targets(
        ptr[:-1], ptr[1:], order, lead.astype(np.float32), Runs(first, last, follower, worth.astype(np.float32)),
        params.neighbours, itself=True,
    )  # fmt: skip
    return near.arrays("near")


def factors(history: History, shop: Shop, state: dict[str, Array], users: Array, params: Params) -> Factors:
    """Map customers to their own articles, and articles to their followers."""
    return lists.own(history, users, params.profile_half_life), Lists.of(state, "near"), None


def _by_article(history: History) -> tuple[Array, Array]:
    """Return (ptr, order): article i has the entries ``order[ptr[i]:ptr[i + 1]]``, numbered as in ``history.known``."""
    log = history.log
    sizes = history.item_stop - log.item_start[:-1]
    entry = log.by_item[positions(log.item_start[:-1], sizes)]
    unknown = log.start[:-1] - offsets(history.stop - log.start[:-1])[:-1]  # entries of earlier customers, by customer
    return offsets(sizes), entry - unknown[log.user[entry]]


@numba.njit(nogil=True, cache=True)
def _followers(user: Array, day: Array, within: int, most: int) -> tuple[Array, Array, Array]:
    """Find the run first:last of the followers of each entry, at most ``most``, and the size of the entry's basket.

    The followers are the customer's entries of later days, at most ``within`` days later, earliest first.
    """
    n = len(user)
    first, last, size = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    begin, end, stop = 0, 0, 0  # of the basket, and of its followers
    while begin < n:
        end = begin + 1
        while end < n and user[end] == user[begin] and day[end] == day[begin]:
            end += 1
        stop = max(stop, end)
        while stop < n and user[stop] == user[begin] and day[stop] - day[begin] <= within:
            stop += 1
        for k in range(begin, end):
            first[k], last[k], size[k] = end, min(stop, end + most), end - begin
        begin = end
    return first, last, size
