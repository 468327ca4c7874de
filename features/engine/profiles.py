"""Describe articles and customers, for the groups ``item_profile``, ``user_profile``, ``match`` and ``paid``."""

import numpy as np

from features.engine import kernels
from features.engine.kernels import (
    C_D7,
    C_D28,
    C_D91,
    C_DISTINCT,
    C_ENTRIES,
    C_FIRST,
    C_GAP_SQUARES,
    C_LAST,
    C_LAST_BASKET,
    C_LAST_PRICE,
    C_ONLINE,
    C_PRICE,
    C_PRICE_SQUARES,
    C_QUANTITY,
    C_VISITS,
)
from retail.log import Array
from retail.shop import Shop
from retail.weeks import History


def describe_articles(history: History, shop: Shop, window: int) -> dict[str, Array]:
    """Describe every article: column -> (items,). ``features.groups.item_profile`` lists the columns.

    Means cover the entries of the last ``window`` days; NaN if there is none.
    """
    columns: dict[str, Array] = history.once(("articles", window), lambda: _compute_profiles(history, shop, window))
    return columns


def describe_customers(history: History, shop: Shop, users: Array) -> dict[str, Array]:
    """Describe the customers ``users`` (u,): column -> (u,). ``features.groups.user_profile`` lists the columns.

    Means are NaN for a customer without a purchase. A missing trait has the code -1.
    """
    log = history.log
    t = kernels.summarise_customers(
        log.start[users], history.stop[users], log.item, log.day, log.price, log.channel, log.quantity, history.cutoff,
        log.items,
    ).T  # fmt: skip
    visits = np.where(t[C_VISITS] > 0, t[C_VISITS], np.nan)
    entries = np.where(t[C_ENTRIES] > 0, t[C_ENTRIES], np.nan)
    gaps = np.where(t[C_VISITS] > 1, t[C_VISITS] - 1, np.nan)
    mean_gap = (t[C_FIRST] - t[C_LAST]) / gaps
    price = t[C_PRICE] / entries
    out = {
        "visits": t[C_VISITS],
        "visits_7d": t[C_D7],
        "visits_28d": t[C_D28],
        "visits_91d": t[C_D91],
        "days_since_last": t[C_LAST],
        "days_since_first": t[C_FIRST],
        "gap_mean": mean_gap,
        "gap_sd": np.sqrt(np.maximum(t[C_GAP_SQUARES] / gaps - mean_gap**2, 0)),
        "due_ratio": t[C_LAST] / np.maximum(mean_gap, 1),
        "basket_mean": t[C_ENTRIES] / visits,
        "basket_last": t[C_LAST_BASKET],
        "distinct": t[C_DISTINCT],
        "repeat_share": 1 - t[C_DISTINCT] / entries,
        "price_mean": price,
        "price_sd": np.sqrt(np.maximum(t[C_PRICE_SQUARES] / entries - price**2, 0)),
        "price_last": t[C_LAST_PRICE],
        "online_share": t[C_ONLINE] / entries,
        "pieces_mean": t[C_QUANTITY] / entries,
    }
    for name, codes in shop.traits.items():
        if name != "postal_code":  # too many codes for a feature; the source ``segment`` uses them
            out[name] = codes[users]
    if shop.age is not None:
        out["age"] = shop.age[users]
    return out


def _compute_profiles(history: History, shop: Shop, window: int) -> dict[str, Array]:
    log = history.log
    basket = _count_basket(history)
    columns = {"price": log.price, "channel": np.where(log.channel == 0, np.nan, log.channel == 2), "basket": basket}
    if shop.age is not None:
        columns["age"] = shop.age[log.user]
    out: dict[str, Array] = {}
    for name, value in columns.items():
        table = kernels.average_by_item(
            log.item_start, history.item_stop, log.by_item, log.day, value.astype(np.float32), history.cutoff,
            window,
        )  # fmt: skip
        out[f"{name}_mean"], out[f"{name}_sd"], latest = table.T
        if name == "price":
            out["price_last"] = latest
            out["price_last_to_mean"] = latest / np.maximum(table[:, 0], 1e-9)
    for name, codes in shop.attributes.items():
        if name != "product_code":  # thousands of codes without an order; sources use them
            out[name] = codes.astype(np.float32)
    return out


def _count_basket(history: History) -> Array:
    """Count the articles in each entry's basket: (n,) float32, NaN for entries after the cutoff."""
    log, known = history.log, history.known
    size = np.full(len(log.user), np.nan, np.float32)
    basket = np.cumsum(np.concatenate([[True], (np.diff(log.user[known]) != 0) | (np.diff(log.day[known]) != 0)]))
    size[known] = np.bincount(basket)[basket[: len(known)]]
    return size
