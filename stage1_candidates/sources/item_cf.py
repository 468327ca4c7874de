"""Propose similar articles with time-decayed item-based collaborative filtering (Sarwar et al., WWW 2001).

similarity(i, j) = sum_u w_ui w_uj / (|u|^basket |j|^popularity |i|^(1 - popularity)): (items, users) @ (users, items).
w_ui is the decayed count of purchases. |i| and |u| are the Euclidean norms of an article's column and a customer's row.
Only the last ``purchases`` of a customer count in w. A basket that counts in part counts with a random sample of it.
score = customer's decayed counts times similarity: (users, items) @ (items, items).
"""

import numba
import numpy as np

from retail.log import Array
from retail.params import Days, Positive, Share
from retail.ragged import offsets
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine import lists, runs
from stage1_candidates.engine.blocks import Source
from stage1_candidates.engine.lists import Lists
from stage1_candidates.engine.runs import Runs
from stage1_candidates.engine.sparse_product import Factors


class Params(Source):
    half_life: Days  # of purchases, for the similarities
    purchases: Positive  # of a customer that similarities are learned from: the last ones
    profile_half_life: Days  # of the customer's purchases, in scoring
    neighbours: Positive  # kept per article
    popularity: Share  # exponent on the neighbour's norm: 0 favours best sellers, 1 penalises them
    basket: Share  # exponent on the customer's norm: larger values reduce the weight of frequent buyers


def fit(history: History, shop: Shop, params: Params) -> dict[str, Array]:
    """Find the ``neighbours`` most similar articles of each article."""
    items = history.log.items
    bought = _recent(history, params.half_life, params.purchases)  # (users, items)
    user_norm = np.sqrt(np.bincount(bought.key_of_rows(), weights=bought.weight**2, minlength=bought.keys))
    item_norm = np.sqrt(np.bincount(bought.target, weights=bought.weight**2, minlength=items))
    user_norm, item_norm = np.maximum(user_norm, 1e-9), np.maximum(item_norm, 1e-9)
    buyers = lists.transpose(bought, items)
    from_item = buyers.weight / (
        user_norm[buyers.target] ** params.basket * item_norm[buyers.key_of_rows()] ** (1 - params.popularity)
    )
    to_item = bought.weight / item_norm[bought.target] ** params.popularity
    near = runs.best_targets(
        buyers.ptr[:-1], buyers.ptr[1:], buyers.target, from_item.astype(np.float32),
        Runs(bought.ptr[:-1], bought.ptr[1:], bought.target, to_item.astype(np.float32)), params.neighbours,
        itself=False,
    )  # (items, users) @ (users, items) -> (items, neighbours)  # fmt: skip
    return near.arrays("near")


def factors(history: History, shop: Shop, state: dict[str, Array], users: Array, params: Params) -> Factors:
    """Map customers to their own articles, and articles to their neighbours; skip articles bought before."""
    own = lists.own(history, users, params.profile_half_life)
    return own, Lists.of(state, "near"), own


def _recent(history: History, half_life: float, most: int) -> Lists:
    """List the articles of each customer's last ``most`` purchases with decayed counts, as ``lists.own`` does."""
    log, known = history.log, history.known
    user, day = log.user[known], log.day[known]
    item = runs.shuffle_baskets(user, day, log.item[known])
    stop = offsets(history.stop - log.start[:-1])
    begin = np.maximum(stop[:-1], stop[1:] - most)
    decay = np.exp2(-np.arange(history.cutoff + 1) / half_life)[history.cutoff - day]  # (k,)
    ptr = offsets(stop[1:] - begin)
    target, weight = np.empty(ptr[-1], np.uint32), np.zeros(ptr[-1], np.float32)
    count = np.zeros(len(begin), np.int64)
    _sum_by_item(0, len(begin), begin, stop[1:], item, decay, ptr, target, weight, count, np.zeros(log.items, np.int64))
    filled = np.arange(ptr[-1]) < np.repeat(ptr[:-1] + count, np.diff(ptr))
    return Lists(offsets(count), target[filled], weight[filled])


@numba.njit(nogil=True, cache=True)
def _sum_by_item(low: int, high: int, begin: Array, end: Array, item: Array, decay: Array, ptr: Array, target: Array,
                 weight: Array, count: Array, place: Array) -> None:  # fmt: skip
    """Sum ``decay`` over equal items of each row's entries ``begin[r]:end[r]``, from position ``ptr[r]``."""
    for r in range(low, high):
        n = ptr[r]
        for p in range(begin[r], end[r]):
            k = place[item[p]]  # 1 + the item's position; of another row where it lies outside this one's
            if k <= ptr[r] or k > n or target[k - 1] != item[p]:
                target[n], weight[n] = item[p], 0.0
                n += 1
                k = n
                place[item[p]] = k
            weight[k - 1] += decay[p]
        count[r] = n - ptr[r]
