"""Compare the article's price with the price that the customer last paid. A lower price brings owners back.

now_to_paid    article's latest price / price last paid
mean_to_paid   article's mean price / price last paid

The article's prices cover the last ``window`` days. A column is NaN if the customer never bought the article, or if
nobody bought it in these days.
"""

from typing import Literal

import numpy as np

from features.engine import kernels, profiles
from features.engine.group import Group
from retail.log import Array
from retail.pairs import Pairs
from retail.params import Positive
from retail.shop import Shop
from retail.weeks import History

KEY: Literal["pair"] = "pair"


class Params(Group):
    window: Positive  # days of sales that an article's prices cover


def compute(history: History, shop: Shop, pairs: Pairs, params: Params) -> dict[str, Array]:
    """Compute the columns of each pair."""
    log = history.log
    paid = kernels.find_last_paid(
        log.start[pairs.users], history.stop[pairs.users], log.item, log.price, log.items, pairs.ptr, pairs.items
    )
    article = profiles.describe_articles(history, shop, params.window)
    paid = np.maximum(paid, 1e-9)
    return {
        "now_to_paid": article["price_last"][pairs.items] / paid,
        "mean_to_paid": article["price_mean"][pairs.items] / paid,
    }
