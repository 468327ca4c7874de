"""How the words of an article's name and description sell: a theme comes into season before each of its articles."""

from typing import Literal

from pydantic import Field

from features.engine import word_kernels
from features.engine.group import Group
from retail.log import Array
from retail.params import Positive
from retail.shop import Shop
from retail.weeks import History

KEY: Literal["item"] = "item"
FLOOR = 1e-4  # added to both sides of a ratio: what hardly sells has no trend


class Params(Group):
    windows: tuple[Positive, ...] = Field(min_length=1)  # days, ascending


def compute(history: History, shop: Shop, keys: Array, params: Params) -> dict[str, Array]:
    """Per article of ``keys``: mean cosine to what was sold, of all articles; 0 for an article without words.

    ``<window>d`` of the trailing windows, ``trend_<short>d_<long>d`` their ratios, ``year_ago`` of the label week a
    year before, ``year_ago_week`` and ``year_ago_month`` that week and the four weeks from it over the four before.
    """
    near = [_nearness(shop, sold) for sold in word_kernels.sales(history, params.windows).T]
    of_windows, (week, from_it, before) = near[: len(params.windows)], near[-3:]
    out = {f"{window}d": found for window, found in zip(params.windows, of_windows, strict=True)}
    for k in range(len(of_windows) - 1):
        out[f"trend_{params.windows[k]}d_{params.windows[k + 1]}d"] = _ratio(of_windows[k], of_windows[k + 1])
    out |= {"year_ago": week, "year_ago_week": _ratio(week, before), "year_ago_month": _ratio(from_it, before)}
    return {what: values[keys] for what, values in out.items()}


def _nearness(shop: Shop, sold: Array) -> Array:
    """(items,) float64 mean cosine of each article's words to those of the ``sold`` (items,) sales."""
    near: Array = shop.wording.of_articles(shop.wording.of_words(sold)) / max(sold.sum(), 1.0)
    return near


def _ratio(over: Array, under: Array) -> Array:
    ratio: Array = (over + FLOOR) / (under + FLOOR)
    return ratio
