"""Propose the best sellers of the last days, the same for every customer."""

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
    half_life: Days  # days after which a sale counts half
    depth: Positive  # length of the stored list; an article beyond it scores 0


def fit(history: History, shop: Shop, params: Params) -> dict[str, Array]:
    """Build one list: buyers per article, each purchase day weighted 2^(-age / half_life)."""
    log, known = history.log, history.known
    sales = history.decay(params.half_life)
    best = lists.gather(np.zeros(len(known), np.int64), log.item[known], sales, 1, params.depth)
    return best.arrays("best")


def factors(history: History, shop: Shop, state: dict[str, Array], users: Array, params: Params) -> Factors:
    """Multiply (customers, 1) by (1, articles): every customer gets the one list."""
    everybody = Lists(np.arange(len(users) + 1), np.zeros(len(users), np.uint32), np.ones(len(users), np.float32))
    return everybody, Lists.of(state, "best"), None
