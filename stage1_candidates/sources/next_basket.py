"""Propose articles that other customers bought soon after a basket like this customer's last ones."""

import numba
import numpy as np

from retail.chunks import CHUNKS, bounds
from retail.log import Array
from retail.params import Days, Positive, Share
from retail.ragged import offsets
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine import lists
from stage1_candidates.engine.blocks import Source
from stage1_candidates.engine.lists import Lists
from stage1_candidates.engine.sparse_product import Factors


class Params(Source):
    half_life: Days  # of the pairs of baskets that are counted
    within: Positive  # days between the two baskets, at most
    profile_half_life: Days  # of the customer's own baskets
    neighbours: Positive  # following articles kept per article
    popularity: Share  # exponent on the follower's sales


def fit(history: History, shop: Shop, params: Params) -> dict[str, Array]:
    """Compute for each article the articles that followed it most.

    follows(i, j) = sum over pairs of baskets of one customer, 1..within days apart, the first with i and the second
    with j, of 2^(-age of the second / half_life) / size of the first, over sales(i)^(1 - popularity)
    sales(j)^popularity.
    """
    log, known = history.log, history.known
    items = log.items
    worth = history.decay(params.half_life)
    sales = np.maximum(np.bincount(log.item[known], weights=worth, minlength=items), 1e-9)
    basket = _baskets(log.user[known], log.day[known])
    first, last = _followers(log.user[known], log.day[known], basket, params.within)
    size = np.bincount(basket)
    # article -> entries it was bought in; entry -> the entries of the baskets that follow
    order = np.argsort(log.item[known], kind="stable")
    ptr = np.searchsorted(log.item[known][order], np.arange(items + 1))
    lead = sales ** -(1 - params.popularity)
    leaders = Lists(ptr, order.astype(np.uint32), (lead[log.item[known]] / size[basket])[order].astype(np.float32))
    near = _follow(leaders, first, last, log.item[known], (worth / sales[log.item[known]] ** params.popularity), items,
                   params.neighbours)  # fmt: skip
    return near.arrays("near")


def factors(history: History, shop: Shop, state: dict[str, Array], users: Array, params: Params) -> Factors:
    """Multiply (customers, articles) by (articles, articles): own decayed purchases times what follows them."""
    return lists.own(history, users, params.profile_half_life), Lists.of(state, "near"), None


def _baskets(user: Array, day: Array) -> Array:
    """Number the basket of each entry: (k,) int64."""
    new = np.concatenate([[False], (np.diff(user) != 0) | (np.diff(day) != 0)])
    return np.cumsum(new[: len(user)])


@numba.njit(cache=True)
def _followers(user: Array, day: Array, basket: Array, within: int) -> tuple[Array, Array]:
    """Find each entry's run first:last of its customer's later entries, at most ``within`` days later."""
    n = len(user)
    first, last = np.empty(n, np.int64), np.empty(n, np.int64)
    end, begin = 0, 0
    for k in range(n):
        begin = max(begin, k)
        while begin < n and basket[begin] == basket[k]:
            begin += 1
        end = max(end, begin)
        while end < n and user[end] == user[k] and day[end] - day[k] <= within:
            end += 1
        same = begin < n and user[begin] == user[k]
        first[k] = begin if same else 0
        last[k] = end if same else 0
    return first, last


def _follow(leaders: Lists, first: Array, last: Array, item: Array, weight: Array, items: int, top: int) -> Lists:
    """Compute ``best_targets`` where an entry's targets are the run first:last, without a copy of the runs."""
    target = np.zeros((items, top), np.uint32)
    score = np.zeros((items, top), np.float32)
    count = np.zeros(items, np.int64)
    _follow_kernel(
        leaders.ptr, leaders.target, leaders.weight, first, last, item, weight.astype(np.float32), items, target, score,
        count,
    )  # fmt: skip
    filled = np.arange(top) < count[:, None]
    return Lists(offsets(count), target[filled], score[filled])


@numba.njit(parallel=True, cache=True)
def _follow_kernel(ptr: Array, entry: Array, weight: Array, first: Array, last: Array, item: Array, worth: Array,
                   items: int, target: Array, score: Array, count: Array) -> None:  # fmt: skip
    top = target.shape[1]
    for chunk in numba.prange(CHUNKS):
        low, high = bounds(chunk, items)
        if low == high:
            continue
        total = np.zeros(items, np.float32)
        touched = np.empty(items, np.uint32)
        for i in range(low, high):
            n = 0
            for k in range(ptr[i], ptr[i + 1]):
                for p in range(first[entry[k]], last[entry[k]]):
                    if total[item[p]] == 0:
                        touched[n] = item[p]
                        n += 1
                    total[item[p]] += weight[k] * worth[p] + np.float32(1e-30)
            met = np.sort(touched[:n])
            value = total[met]
            best = np.argsort(-value, kind="mergesort")[:top]
            for k in range(len(best)):
                target[i, k], score[i, k] = met[best[k]], value[best[k]]
            count[i] = len(best)
            for k in range(n):
                total[touched[k]] = 0.0
