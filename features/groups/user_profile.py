"""Describe the customer: age, club status, visits, baskets and prices.

A purchase is an article bought on a day; a visit is a day with a purchase.

visits                        all visits
visits_7d, _28d, _91d         visits in the last 7, 28, 91 days
days_since_last, _first       days since the last and the first visit, NaN if there is none
gap_mean, gap_sd              mean and standard deviation of the days between visits
due_ratio                     days_since_last / gap_mean (at least 1 day)
basket_mean, basket_last      articles per visit: mean, last visit
distinct                      distinct articles bought
repeat_share                  part of the purchases that repeat an article bought before, 0 to 1
price_mean, price_sd          mean and standard deviation of the price paid, in the log's currency
price_last                    price of the last purchase, in the log's currency
online_share                  part of the purchases in sales channel 2, 0 to 1
pieces_mean                   pieces per purchase
FN, Active, ...               number or code of each trait that the shop has, except postal_code; -1: missing
age                           years; only in a shop with ages

Means are NaN for a customer without a purchase.
"""

from typing import Literal

from features.engine import profiles
from features.engine.group import Group
from retail.log import Array
from retail.shop import Shop
from retail.weeks import History

KEY: Literal["user"] = "user"


class Params(Group):
    pass


def compute(history: History, shop: Shop, keys: Array, params: Params) -> dict[str, Array]:
    """Compute the columns of the customers ``keys``."""
    return profiles.describe_customers(history, shop, keys)
