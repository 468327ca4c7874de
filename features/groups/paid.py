"""What the customer paid for the article before, against what it costs now: a price that fell brings owners back."""

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
    window: Positive  # days of sales that make an article's mean price


def compute(history: History, shop: Shop, pairs: Pairs, params: Params) -> dict[str, Array]:
    """Per pair: the article's latest and mean price over the price last paid; NaN where it was never bought."""
    log = history.log
    paid = kernels.last_paid(
        log.start[pairs.users], history.stop[pairs.users], log.item, log.price, log.items, pairs.ptr, pairs.items
    )
    article = profiles.articles(history, shop, params.window)
    paid = np.maximum(paid, 1e-9)
    return {
        "now_to_paid": article["price_last"][pairs.items] / paid,
        "mean_to_paid": article["price_mean"][pairs.items] / paid,
    }
