"""Propose the articles that the customer bought before.

score(u, i) = w_ui lift_i: (users, items) @ diagonal (items, items). w_ui sums 2^(-age / half_life) over the customer's
purchases of article i. lift_i = 1 + lift * sales_i / max sales, with sales decayed by ``sales_half_life``.
"""

import numpy as np

from retail.log import Array
from retail.params import Days
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine import lists
from stage1_candidates.engine.blocks import Source
from stage1_candidates.engine.lists import Lists
from stage1_candidates.engine.sparse_product import Factors


class Params(Source):
    half_life: Days  # of the customer's purchases
    sales_half_life: Days  # of the article's sales
    lift: Days  # relative gain of the best seller over an article without sales


def fit(history: History, shop: Shop, params: Params) -> dict[str, Array]:
    """Compute ``lift`` (items,), which increases with an article's current sales.

    Most customers buy an article once, so purchases of one basket tie. The lift breaks these ties.
    """
    log, known = history.log, history.known
    worth = history.decay(params.sales_half_life)
    sales = np.bincount(log.item[known], weights=worth, minlength=log.items)
    return {"lift": (1 + params.lift * sales / max(sales.max(), 1e-12)).astype(np.float32)}


def factors(history: History, shop: Shop, state: dict[str, Array], users: Array, params: Params) -> Factors:
    """Map customers to their own articles, and each article to itself with weight ``lift``."""
    same = lists.identity(shop.log.items)
    return lists.own(history, users, params.half_life), Lists(same.ptr, same.target, state["lift"]), None
