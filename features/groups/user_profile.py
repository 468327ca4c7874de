"""Who the customer is: age, club and postal codes, rhythm of visits, size and price of baskets, share of repeats."""

import numpy as np

from features import kernels
from features.group import Group
from features.kernels import (
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
)  # fmt: skip
from retail.log import Array
from retail.shop import Shop
from retail.weeks import History

KEY = "user"


class Params(Group):
    pass


def compute(history: History, shop: Shop, keys: Array, params: Params) -> dict[str, Array]:
    """Per customer of ``keys``; a missing FN, Active or club status stays a state of its own (-1)."""
    log = history.log
    t = kernels.customers(
        log.start[keys], history.stop[keys], log.item, log.day, log.price, log.channel, log.quantity, history.cutoff,
        log.items,
    ).T  # fmt: skip
    visits, entries = np.maximum(t[C_VISITS], 1), np.maximum(t[C_ENTRIES], 1)
    gaps = np.maximum(t[C_VISITS] - 1, 1)
    mean_gap = np.where(t[C_VISITS] > 1, (t[C_FIRST] - t[C_LAST]) / gaps, np.nan)
    price = t[C_PRICE] / entries
    out = {
        "visits": t[C_VISITS],
        "visits_7d": t[C_D7],
        "visits_28d": t[C_D28],
        "visits_91d": t[C_D91],
        "days_since_last": t[C_LAST],
        "days_since_first": t[C_FIRST],
        "gap_mean": mean_gap,
        "gap_sd": np.sqrt(np.maximum(t[C_GAP_SQUARES] / gaps - np.nan_to_num(mean_gap) ** 2, 0)),
        "due_ratio": t[C_LAST] / np.maximum(mean_gap, 1),
        "basket_mean": t[C_ENTRIES] / visits,
        "basket_last": t[C_LAST_BASKET],
        "distinct": t[C_DISTINCT],
        "repeat_share": 1 - t[C_DISTINCT] / entries,
        "price_mean": np.where(t[C_ENTRIES] > 0, price, np.nan),
        "price_sd": np.sqrt(np.maximum(t[C_PRICE_SQUARES] / entries - price**2, 0)),
        "price_last": t[C_LAST_PRICE],
        "online_share": t[C_ONLINE] / entries,
        "pieces_mean": t[C_QUANTITY] / entries,
    }
    for name, codes in shop.traits.items():
        if name != "postal_code":  # hundreds of thousands of codes: the segment source covers them
            out[name] = codes[keys]
    if shop.age is not None:
        out["age"] = shop.age[keys]
    return out
