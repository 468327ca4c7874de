"""Propose articles with the same buyers as the customer's own (item-based CF, Sarwar et al., WWW 2001), with decay."""

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
    half_life: Days  # of the purchases from which similarities are computed
    profile_half_life: Days  # of the customer's own purchases
    neighbours: Positive  # kept per article
    popularity: Share  # exponent on the neighbour's norm: 0 favours best sellers, 1 penalises them most
    basket: Share  # exponent on the customer's norm: a larger one gives customers with many articles less weight


def fit(history: History, shop: Shop, params: Params) -> dict[str, Array]:
    """Compute each article's ``neighbours`` most similar articles.

    similarity(i, j) = sum_u w_ui w_uj / (|u|^basket |j|^popularity |i|^(1 - popularity)), w the decayed purchase
    counts; |i|, |u| the Euclidean norms of an article's column and a customer's row.
    """
    items = history.log.items
    bought = lists.own(history, np.arange(history.log.users), params.half_life)  # (users, items)
    user_norm = np.sqrt(np.bincount(bought.key_of_rows(), weights=bought.weight**2, minlength=bought.keys))
    item_norm = np.sqrt(np.bincount(bought.target, weights=bought.weight**2, minlength=items))
    user_norm, item_norm = np.maximum(user_norm, 1e-9), np.maximum(item_norm, 1e-9)
    buyers = lists.transposed(bought, items)
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
    """Multiply (customers, articles) by (articles, articles); leave out articles bought before (see repurchase)."""
    own = lists.own(history, users, params.profile_half_life)
    return own, Lists.of(state, "near"), own
