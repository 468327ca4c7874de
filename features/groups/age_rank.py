"""Describe how the article sells in the customer's age bin.

share   the article's part of the bin's decayed sales, per 10,000; a sale weighs 2^(-its age in days / half_life)
rank    its rank by these sales in the bin; 1 sells most, ties share a rank
lift    (share + 0.5) / (the article's part of the whole shop's decayed sales, per 10,000, + 0.5)

Customers of unknown age form a bin of their own. In a shop without ages this bin contains all customers.
"""

from typing import Literal

import numpy as np

from features.engine.group import Group
from retail.log import Array
from retail.pairs import Pairs
from retail.params import Days
from retail.shop import Shop
from retail.weeks import History

KEY: Literal["pair"] = "pair"


class Params(Group):
    half_life: Days  # days after which a sale counts half


def compute(history: History, shop: Shop, pairs: Pairs, params: Params) -> dict[str, Array]:
    """Compute the columns of each pair."""
    age_bin = np.zeros(shop.log.users, np.int64) if shop.age_bin is None else shop.age_bin.astype(np.int64) + 1
    tables = history.once(("age_rank", params.half_life), lambda: _compute_tables(history, age_bin, params.half_life))
    return {name: table[age_bin[pairs.users][pairs.run], pairs.items] for name, table in tables.items()}


def _compute_tables(history: History, age_bin: Array, half_life: float) -> dict[str, Array]:
    """Compute each column for every bin and article: column -> (bins, items) float32."""
    log, known = history.log, history.known
    bins = int(age_bin.max(initial=0)) + 1
    sales = history.decay(half_life)
    code = age_bin[log.user[known]] * log.items + log.item[known]
    table = np.bincount(code, weights=sales, minlength=bins * log.items).reshape(bins, log.items)
    share = table * (1e4 / np.maximum(table.sum(axis=1, keepdims=True), 1e-9))
    shop_share = table.sum(axis=0) * (1e4 / max(table.sum(), 1e-9))
    rank = np.empty_like(share)
    for row in range(bins):
        ascending = np.sort(share[row])
        rank[row] = 1 + log.items - np.searchsorted(ascending, share[row], side="right")
    lift = (share + 0.5) / (shop_share + 0.5)
    return {"share": share.astype(np.float32), "rank": rank.astype(np.float32), "lift": lift.astype(np.float32)}
