"""Propose the current best sellers, the same for every customer.

score(u, i) = sum over the sales of article i of 2^(-age / half_life): (users, 1) @ (1, items).
"""

import numpy as np

from retail.log import Array
from retail.params import Days, Positive
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine import lists
from stage1_candidates.engine.blocks import Source
from stage1_candidates.engine.lists import Lists
from stage1_candidates.engine.sparse_product import Factors


class Params(Source):
    half_life: Days  # of the sales
    depth: Positive  # length of the stored list; articles beyond it score 0


def fit(history: History, shop: Shop, params: Params) -> dict[str, Array]:
    """Rank the articles by their decayed sales."""
    log, known = history.log, history.known
    sales = history.decay(params.half_life)
    best = lists.gather(np.zeros(len(known), np.int64), log.item[known], sales, 1, params.depth)
    return best.arrays("best")


def factors(history: History, shop: Shop, state: dict[str, Array], users: Array, params: Params) -> Factors:
    """Map each customer to the list of best sellers."""
    all_users = Lists(np.arange(len(users) + 1), np.zeros(len(users), np.uint32), np.ones(len(users), np.float32))
    return all_users, Lists.of(state, "best"), None
