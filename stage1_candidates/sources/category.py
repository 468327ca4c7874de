"""Propose best sellers of the customer's favourite categories: P(category | customer) x P(article | category)."""

import numpy as np

from retail.log import Array
from retail.params import Days, Positive
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine import lists
from stage1_candidates.engine.best_sellers import by_group
from stage1_candidates.engine.blocks import Source
from stage1_candidates.engine.lists import Lists
from stage1_candidates.engine.sparse_product import Factors


class Params(Source):
    half_life: Days  # of the customer's purchases
    sales_half_life: Days  # of the articles' sales
    depth: Positive  # articles kept per category


def fit(history: History, shop: Shop, params: Params) -> dict[str, Array]:
    """List each category's best sellers, weighted by their share of its decayed sales."""
    return by_group(history, shop.category, params.sales_half_life, params.depth).arrays("articles")


def factors(history: History, shop: Shop, state: dict[str, Array], users: Array, params: Params) -> Factors:
    """Multiply (customers, categories) by (categories, articles): own categories times their best sellers."""
    own = lists.own(history, users, params.half_life)
    category = shop.category[own.target]
    key = np.maximum(category, 0).astype(np.uint32)
    return (
        Lists(own.ptr, key, np.where(category >= 0, own.weight, 0).astype(np.float32)),
        Lists.of(state, "articles"),
        None,
    )
