"""Describe the article's sales: recent sales, trend, forecast, and sales a year ago.

A sale is a customer's purchase of the article on a day. "Share" is the article's part of the shop's sales in the same
period, per 10,000, which makes weeks comparable.

share_<d>d             share in the last d days
rank_<d>d              rank by sales in the last d days; 1 sells most, ties share a rank
decayed_<h>d           share of sales decayed with a half-life of h days
trend_<d>d_<e>d        (share_<d>d + 0.5) / (share_<e>d + 0.5), for each pair of successive windows
forecast               next week's sales on the line fitted to the last four weeks' sales, at least 0
days_on_sale           days since the first sale, NaN before it
days_since_sale        days since the last sale, NaN if there is none
year_ago_week          share in the label week a year ago
year_ago_4_weeks       share in the four weeks a year ago that begin with it
year_ago_growth        (year_ago_week + 0.5) / (share in the four weeks before it + 0.5)
category_share         part of its category's sales, both decayed with the last half-life, 0 to 1
"""

from typing import Literal

import numpy as np
from pydantic import Field

from features.engine import kernels
from features.engine.group import Group
from retail.log import Array
from retail.params import Days, Positive
from retail.shop import Shop
from retail.weeks import History

KEY: Literal["item"] = "item"


class Params(Group):
    windows: tuple[Positive, ...]  # days, ascending
    half_lives: tuple[Days, ...] = Field(min_length=1)  # days; category_share uses the last


def compute(history: History, shop: Shop, keys: Array, params: Params) -> dict[str, Array]:
    """Compute the columns of the articles ``keys``."""
    log = history.log
    windows, lives = np.asarray(params.windows), np.asarray(params.half_lives, np.float64)
    table = kernels.count_item_sales(log.item_start, history.item_stop, log.item_day, history.cutoff, windows, lives)
    first = len(windows) + len(lives)  # column of the days since the first sale
    total = np.maximum(table.sum(axis=0, dtype=np.float64), 1.0)
    share = (table * (1e4 / total)).astype(np.float32)  # per 10,000 sales of the shop
    out: dict[str, Array] = {}
    for k, window in enumerate(params.windows):
        out[f"share_{window}d"] = share[:, k]
        out[f"rank_{window}d"] = _rank(table[:, k])
    for k, life in enumerate(params.half_lives):
        out[f"decayed_{life:g}d"] = share[:, len(windows) + k]
    for k in range(len(windows) - 1):
        short, long = share[:, k], share[:, k + 1]
        out[f"trend_{params.windows[k]}d_{params.windows[k + 1]}d"] = (short + 0.5) / (long + 0.5)
    out["forecast"] = _forecast(history)
    out["days_on_sale"] = table[:, first]
    out["days_since_sale"] = table[:, first + 1]
    out["year_ago_week"] = share[:, first + 2]
    out["year_ago_4_weeks"] = share[:, first + 3]
    out["year_ago_growth"] = (share[:, first + 2] + 0.5) / (
        share[:, first + 4] + 0.5
    )  # column 4: the four weeks before
    out["category_share"] = _divide_by_category(shop.category, table[:, first - 1])  # the last half-life
    return {name: values[keys] for name, values in out.items()}


def _forecast(history: History) -> Array:
    """Forecast next week's sales with a least-squares line through the last four weeks': (items,) float32, at least 0.

    With sales c1 (latest week) to c4, the line's next value is c1 + c2 / 2 - c4 / 2.
    """
    log, windows = history.log, np.array([7, 14, 21, 28])
    table = kernels.count_item_sales(
        log.item_start, history.item_stop, log.item_day, history.cutoff, windows, np.zeros(0)
    )
    c1, c2, _, c4 = np.diff(table[:, :4], axis=1, prepend=0).T
    line: Array = np.maximum(c1 + c2 / 2 - c4 / 2, 0).astype(np.float32)
    return line


def _rank(values: Array) -> Array:
    """Rank values: 1 for the largest; equal values share a rank."""
    ascending = np.sort(values)
    return (1 + len(values) - np.searchsorted(ascending, values, side="right")).astype(np.float32)


def _divide_by_category(category: Array, sales: Array) -> Array:
    """Divide each article's sales by its category's sales."""
    groups = category.astype(np.int64) + 1
    total = np.bincount(groups, weights=sales)
    return (sales / np.maximum(total[groups], 1.0)).astype(np.float32)
