"""What an article is and who buys it: price and its course, buyers' age and channel, its attributes as codes."""

import numpy as np

from features import kernels
from features.group import Group
from retail.log import Array
from retail.params import Positive
from retail.shop import Shop
from retail.weeks import History

KEY = "item"


class Params(Group):
    window: Positive  # days of sales that are averaged


def compute(history: History, shop: Shop, keys: Array, params: Params) -> dict[str, Array]:
    """Per article of ``keys``; NaN where it has no sale in the window or the data lack the column."""
    log = history.log
    basket = _basket_sizes(history)
    columns = {"price": log.price, "channel": np.where(log.channel == 0, np.nan, log.channel == 2), "basket": basket}
    if shop.age is not None:
        columns["age"] = shop.age[log.user]
    out: dict[str, Array] = {}
    for name, value in columns.items():
        table = kernels.item_means(
            log.item_start, history.item_stop, log.by_item, log.day, value.astype(np.float32), history.cutoff,
            params.window,
        )  # fmt: skip
        out[f"{name}_mean"], out[f"{name}_sd"], latest = table.T
        if name == "price":
            out["price_last"] = latest
            out["price_last_to_mean"] = latest / np.maximum(table[:, 0], 1e-9)
    for name, codes in shop.attributes.items():
        if name != "product_code":  # thousands of codes: no rank order, and sources cover it
            out[name] = codes.astype(np.float32)
    return {what: values[keys] for what, values in out.items()}


def _basket_sizes(history: History) -> Array:
    """(n,) float32 number of articles in each entry's basket, NaN for entries that are not known."""
    log, known = history.log, history.known
    size = np.full(len(log.user), np.nan, np.float32)
    basket = np.cumsum(np.concatenate([[True], (np.diff(log.user[known]) != 0) | (np.diff(log.day[known]) != 0)]))
    size[known] = np.bincount(basket)[basket[: len(known)]]
    return size
