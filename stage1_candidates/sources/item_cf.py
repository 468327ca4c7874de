"""Propose similar articles with time-decayed item-based collaborative filtering (Sarwar et al., WWW 2001).

similarity(i, j) = sum_u w_ui w_uj / (|u|^basket |j|^popularity |i|^(1 - popularity)): (items, users) @ (users, items).
w_ui is the decayed count of purchases. |i| and |u| are the Euclidean norms of an article's column and a customer's row.
score = customer's decayed counts times similarity: (users, items) @ (items, items).
"""

import numpy as np

from retail.log import Array
from retail.params import Days, Positive, Share
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine import lists, sparse_product
from stage1_candidates.engine.blocks import Source
from stage1_candidates.engine.lists import Lists
from stage1_candidates.engine.sparse_product import Factors


class Params(Source):
    half_life: Days  # of purchases, for the similarities
    profile_half_life: Days  # of the customer's purchases, in scoring
    neighbours: Positive  # kept per article
    popularity: Share  # exponent on the neighbour's norm: 0 favours best sellers, 1 penalises them
    basket: Share  # exponent on the customer's norm: larger values reduce the weight of frequent buyers


def fit(history: History, shop: Shop, params: Params) -> dict[str, Array]:
    """Find the ``neighbours`` most similar articles of each article."""
    items = history.log.items
    bought = lists.own(history, np.arange(history.log.users), params.half_life)  # (users, items)
    user_norm = np.sqrt(np.bincount(bought.key_of_rows(), weights=bought.weight**2, minlength=bought.keys))
    item_norm = np.sqrt(np.bincount(bought.target, weights=bought.weight**2, minlength=items))
    user_norm, item_norm = np.maximum(user_norm, 1e-9), np.maximum(item_norm, 1e-9)
    buyers = lists.transpose(bought, items)
    from_item = buyers.weight / (
        user_norm[buyers.target] ** params.basket * item_norm[buyers.key_of_rows()] ** (1 - params.popularity)
    )
    to_item = bought.weight / item_norm[bought.target] ** params.popularity
    near = sparse_product.best_targets(
        Lists(buyers.ptr, buyers.target, from_item.astype(np.float32)),
        Lists(bought.ptr, bought.target, to_item.astype(np.float32)),
        items,
        params.neighbours,
        skip=lists.identity(items),
    )  # (items, users) @ (users, items) -> (items, neighbours)
    return near.arrays("near")


def factors(history: History, shop: Shop, state: dict[str, Array], users: Array, params: Params) -> Factors:
    """Map customers to their own articles, and articles to their neighbours; skip articles bought before."""
    own = lists.own(history, users, params.profile_half_life)
    return own, Lists.of(state, "near"), own
