"""How often an article's owners buy it again: rate over owners, hazard per later visit, gap between purchases."""

from typing import Literal

from features.engine.group import Group
from features.engine.rebuy import hazards
from retail.log import Array
from retail.params import Days, Positive
from retail.shop import Shop
from retail.weeks import History

KEY: Literal["item"] = "item"


class Params(Group):
    windows: tuple[Positive, ...]  # days over which visits count
    smoothing: Days  # visits (or owners) of the average article that are added to each


def compute(history: History, shop: Shop, keys: Array, params: Params) -> dict[str, Array]:
    """Per article of ``keys``: ``hazard_<d>d``, ``rebuy_rate``, ``rebuy_gap`` (days), ``owners``."""
    return {what: values[keys] for what, values in hazards(history, params.windows, params.smoothing).items()}
