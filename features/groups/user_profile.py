"""Who the customer is: age, club status, rhythm of visits, size and price of baskets, share of repeats."""

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
    """Per customer of ``keys``; a missing FN, Active or club status stays a state of its own (-1)."""
    return profiles.customers(history, shop, keys)
