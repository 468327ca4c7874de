"""Compare the article with the customer: price, age of its buyers, sales channel, basket size.

price_to_mean        article's latest price / mean price that the customer paid
price_to_last        article's latest price / price of the customer's last purchase
channel_difference   article's share of sales channel 2 (online) minus the customer's, -1 to 1
basket_difference    mean basket size of the article's sales minus that of the customer, in articles
age_difference       customer's age minus the mean age of the article's buyers, in years
age_z                age_difference / standard deviation of the buyers' ages (at least 1 year)

The article's figures cover the last ``window`` days. A column is NaN if either side is unknown. The two age columns
exist only in a shop with ages.
"""

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
    window: Positive  # days of sales that an article's means cover


def compute(history: History, shop: Shop, pairs: Pairs, params: Params) -> dict[str, Array]:
    """Compute the columns of each pair."""
    item = profiles.describe_articles(history, shop, params.window)
    user = profiles.describe_customers(history, shop, pairs.users)
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
