"""Propose articles the customer bought before: recent and repeated ones first, ties by the shop's sales."""

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
    half_life: Days  # days after which a purchase counts half
    sales_half_life: Days  # the same for the shop's sales of the article
    lift: Days  # how much more the best seller counts than an article that no longer sells


def fit(history: History, shop: Shop, params: Params) -> dict[str, Array]:
    """Compute ``lift`` (items,): 1 + lift * sales / the largest sales, each sale weighted 2^(-age / sales_half_life).

    Most articles were bought once, many of them in one basket, and tie; the shop's present sales decide among them.
    """
    log, known = history.log, history.known
    worth = history.decay(params.sales_half_life)
    sales = np.bincount(log.item[known], weights=worth, minlength=log.items)
    return {"lift": (1 + params.lift * sales / max(sales.max(), 1e-12)).astype(np.float32)}


def factors(history: History, shop: Shop, state: dict[str, Array], users: Array, params: Params) -> Factors:
    """Multiply (customers, articles), sums of 2^(-age / half_life), by the diagonal (articles, articles) ``lift``."""
    same = lists.identity(shop.log.items)
    return lists.own(history, users, params.half_life), Lists(same.ptr, same.target, state["lift"]), None
