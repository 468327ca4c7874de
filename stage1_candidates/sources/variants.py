"""Propose other variants, such as colours, of the products that the customer bought.

score(u, i) = n(u, c) p(i | c), c the product_code of article i: (users, codes) @ (codes, items). n(u, c) sums the
customer's decayed purchases of the code. p(i | c) is the article's share of the code's decayed sales.
"""

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
    """Rank the articles of each product_code by their share of its decayed sales."""
    return by_group(history, shop.attributes["product_code"], params.sales_half_life, params.depth).arrays("articles")


def factors(history: History, shop: Shop, state: dict[str, Array], users: Array, params: Params) -> Factors:
    """Map customers to their product_codes, and codes to their articles; skip articles bought before."""
    own = lists.own(history, users, params.half_life)
    codes = shop.attributes["product_code"][own.target].astype(np.uint32)
    return Lists(own.ptr, codes, own.weight), Lists.of(state, "articles"), own
