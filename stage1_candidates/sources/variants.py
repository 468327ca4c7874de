"""Propose other articles of the product_codes that the customer bought, such as another colour or size."""

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
    sales_half_life: Days  # of the variants' sales
    depth: Positive  # variants kept per product_code


def fit(history: History, shop: Shop, params: Params) -> dict[str, Array]:
    """List each product_code's articles, weighted by their share of the code's decayed sales."""
    return by_group(history, shop.attributes["product_code"], params.sales_half_life, params.depth).arrays("articles")


def factors(history: History, shop: Shop, state: dict[str, Array], users: Array, params: Params) -> Factors:
    """Multiply (customers, product_codes) by (product_codes, articles); leave out articles bought before."""
    own = lists.own(history, users, params.half_life)
    codes = shop.attributes["product_code"][own.target].astype(np.uint32)
    return Lists(own.ptr, codes, own.weight), Lists.of(state, "articles"), own
