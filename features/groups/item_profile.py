"""What an article is and who buys it: price and its course, buyers' age and channel, its attributes as codes."""

from typing import Literal

from features.engine import profiles
from features.engine.group import Group
from retail.log import Array
from retail.params import Positive
from retail.shop import Shop
from retail.weeks import History

KEY: Literal["item"] = "item"


class Params(Group):
    window: Positive  # days of sales that are averaged


def compute(history: History, shop: Shop, keys: Array, params: Params) -> dict[str, Array]:
    """Per article of ``keys``; NaN where it has no sale in the window or the data lack the column."""
    return {what: values[keys] for what, values in profiles.articles(history, shop, params.window).items()}
