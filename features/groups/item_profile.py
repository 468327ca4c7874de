"""Describe the article: its prices, buyers and attributes.

price_mean, price_sd       mean and standard deviation of the price paid, in the log's currency
price_last                 latest price, in the log's currency
price_last_to_mean         price_last / price_mean
channel_mean, channel_sd   share of sales in sales channel 2 (online), and the standard deviation
basket_mean, basket_sd     mean and standard deviation of the articles per basket with the article
age_mean, age_sd           mean and standard deviation of the buyers' age in years; only in a shop with ages
product_type_no, ...       code of each attribute that the shop has, except product_code; -1: missing

All but the attributes describe the sales of the last ``window`` days; NaN if there is none.
"""

from typing import Literal

from features.engine import profiles
from features.engine.group import Group
from retail.log import Array
from retail.params import Positive
from retail.shop import Shop
from retail.weeks import History

KEY: Literal["item"] = "item"


class Params(Group):
    window: Positive  # days of sales that the means cover


def compute(history: History, shop: Shop, keys: Array, params: Params) -> dict[str, Array]:
    """Compute the columns of the articles ``keys``."""
    return {name: values[keys] for name, values in profiles.describe_articles(history, shop, params.window).items()}
