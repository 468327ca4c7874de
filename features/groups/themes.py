"""Describe how well articles with the article's words sell. A theme can be in season before the article sells.

"Similarity" is the mean cosine between the article's words and those of the sales in a period, 0 to 1.

<d>d               similarity to the sales of the last d days
trend_<d>d_<e>d    (<d>d + 0.0001) / (<e>d + 0.0001), for each pair of successive windows
year_ago           similarity to the sales of the label week a year ago
year_ago_week      year_ago / similarity to the four weeks before that week; 0.0001 is added to both
year_ago_month     similarity to the four weeks from that week on / similarity to the four weeks before; likewise

An article without words has similarity 0.
"""

from typing import Literal

from pydantic import Field

from features.engine import word_kernels
from features.engine.group import Group
from retail.log import Array
from retail.params import Positive
from retail.shop import Shop
from retail.weeks import History

KEY: Literal["item"] = "item"
FLOOR = 1e-4  # added to numerator and denominator, so that rare words give a ratio near 1


class Params(Group):
    windows: tuple[Positive, ...] = Field(min_length=1)  # days, ascending


def compute(history: History, shop: Shop, keys: Array, params: Params) -> dict[str, Array]:
    """Compute the columns of the articles ``keys``."""
    similarity = [_compare_words(shop, sales) for sales in word_kernels.count_sales(history, params.windows).T]
    recent, (week, month, month_before) = similarity[: len(params.windows)], similarity[-3:]
    out = {f"{window}d": values for window, values in zip(params.windows, recent, strict=True)}
    for k in range(len(recent) - 1):
        out[f"trend_{params.windows[k]}d_{params.windows[k + 1]}d"] = _divide(recent[k], recent[k + 1])
    out["year_ago"] = week
    out["year_ago_week"] = _divide(week, month_before)
    out["year_ago_month"] = _divide(month, month_before)
    return {name: values[keys] for name, values in out.items()}


def _compare_words(shop: Shop, sales: Array) -> Array:
    """Compute the mean cosine of each article's words with those of ``sales`` (items,): (items,) float64."""
    mean: Array = shop.wording.sum_by_article(shop.wording.sum_by_word(sales)) / max(sales.sum(), 1.0)
    return mean


def _divide(numerator: Array, denominator: Array) -> Array:
    """Divide two arrays after adding ``FLOOR`` to both."""
    ratio: Array = (numerator + FLOOR) / (denominator + FLOOR)
    return ratio
