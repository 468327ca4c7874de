"""How the article fits the customer: its price against what they pay, its buyers' age against theirs, its channel."""

from typing import Literal

import numpy as np

from features.engine import profiles
from features.engine.group import Group
from retail.log import Array
from retail.pairs import Pairs
from retail.params import Positive
from retail.shop import Shop
from retail.weeks import History

KEY: Literal["pair"] = "pair"


class Params(Group):
    window: Positive  # days of sales that make an article's means


def compute(history: History, shop: Shop, pairs: Pairs, params: Params) -> dict[str, Array]:
    """Per pair: ratios of prices, differences of age, channel and basket size; NaN where either side is unknown."""
    item = profiles.articles(history, shop, params.window)
    user = profiles.customers(history, shop, pairs.users)
    i, r = pairs.items, pairs.run
    out = {
        "price_to_mean": item["price_last"][i] / np.maximum(user["price_mean"], 1e-9)[r],
        "price_to_last": item["price_last"][i] / np.maximum(user["price_last"], 1e-9)[r],
        "channel_difference": item["channel_mean"][i] - user["online_share"][r],
        "basket_difference": item["basket_mean"][i] - user["basket_mean"][r],
    }
    if "age" in user:
        out["age_difference"] = user["age"][r] - item["age_mean"][i]
        out["age_z"] = out["age_difference"] / np.maximum(item["age_sd"][i], 1)
    return out
