"""How the article fits the customer: its price against what they pay, its buyers' age against theirs, its channel."""

import numpy as np

from features.group import Group
from features.groups import item_profile, user_profile
from retail.log import Array
from retail.params import Positive
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.pairs import Pairs


class Params(Group):
    window: Positive  # days of sales that make an article's means


def compute(history: History, shop: Shop, pairs: Pairs, params: Params) -> dict[str, Array]:
    """Per pair: ratios of prices, differences of age, channel and basket size; NaN where either side is unknown."""
    profile = item_profile.Params(use=True, within=(), window=params.window)
    item = history.once(
        ("match", profile), lambda: item_profile.compute(history, shop, np.arange(shop.log.items), profile)
    )
    user = user_profile.compute(history, shop, pairs.users, user_profile.Params(use=True, within=()))
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
