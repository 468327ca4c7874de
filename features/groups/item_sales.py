"""How an article sells: counts in trailing windows, trend, ranks, age in the shop, the same weeks a year ago."""

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
    windows: tuple[Positive, ...]  # days
    half_lives: tuple[Days, ...] = Field(min_length=1)  # the last one: of an article's share of its category


def compute(history: History, shop: Shop, keys: Array, params: Params) -> dict[str, Array]:
    """Per article of ``keys``; sales are shares of the whole shop's in the same window, so that weeks compare."""
    log = history.log
    windows, lives = np.asarray(params.windows), np.asarray(params.half_lives, np.float64)
    table = kernels.item_sales(log.item_start, history.item_stop, log.item_day, history.cutoff, windows, lives)
    counted = len(windows) + len(lives)
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
    out["days_on_sale"] = table[:, counted]
    out["days_since_sale"] = table[:, counted + 1]
    out["year_ago_week"] = share[:, counted + 2]
    out["year_ago_4_weeks"] = share[:, counted + 3]
    out["year_ago_growth"] = (share[:, counted + 2] + 0.5) / (share[:, counted + 4] + 0.5)  # week over the month before
    out["category_share"] = _share_within(shop.category, table[:, counted - 1])  # sales by the last half-life
    return {what: values[keys] for what, values in out.items()}


def _forecast(history: History) -> Array:
    """(items,) float32: next week's sales on the least-squares line through the last four weeks', at least 0.

    For weeks c1 (the latest) to c4 that line stands at c1 + c2 / 2 - c4 / 2.
    """
    log, windows = history.log, np.array([7, 14, 21, 28])
    table = kernels.item_sales(
        log.item_start, history.item_stop, log.item_day, history.cutoff, windows, np.zeros(0)
    )  # fmt: skip
    c1, c2, _, c4 = np.diff(table[:, :4], axis=1, prepend=0).T
    line: Array = np.maximum(c1 + c2 / 2 - c4 / 2, 0).astype(np.float32)
    return line


def _rank(values: Array) -> Array:
    """1 for the largest; equal values share a rank."""
    ascending = np.sort(values)
    return (1 + len(values) - np.searchsorted(ascending, values, side="right")).astype(np.float32)


def _share_within(category: Array, sales: Array) -> Array:
    groups = category.astype(np.int64) + 1
    total = np.bincount(groups, weights=sales)
    return (sales / np.maximum(total[groups], 1.0)).astype(np.float32)
