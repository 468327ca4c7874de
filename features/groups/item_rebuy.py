"""Describe how often the article's owners buy it again. An owner is a customer who bought it.

hazard_<d>d   owners' rebuys / owners' visits after their first purchase, both in the last d days, smoothed
rebuy_rate    owners who bought the article again / owners, smoothed
rebuy_gap     mean days between a customer's purchases of the article, NaN if no one bought it twice
owners        number of owners
"""

from typing import Literal

from features.engine.group import Group
from features.engine.rebuy import estimate_rebuys
from retail.log import Array
from retail.params import Days, Positive
from retail.shop import Shop
from retail.weeks import History

KEY: Literal["item"] = "item"


class Params(Group):
    windows: tuple[Positive, ...]  # days that the hazards cover
    smoothing: Days  # visits, or owners, at the average rate that are added to those of each article


def compute(history: History, shop: Shop, keys: Array, params: Params) -> dict[str, Array]:
    """Compute the columns of the articles ``keys``."""
    columns = estimate_rebuys(history, params.windows, params.smoothing)
    return {name: values[keys] for name, values in columns.items()}
