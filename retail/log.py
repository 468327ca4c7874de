"""Store the shop's log as arrays, sorted by customer and by article. A binary search finds any cutoff."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from retail.chunks import freeze, kernel

Array = np.ndarray[Any, np.dtype[Any]]

CODES = ("user", "item", "day")


@dataclass(frozen=True)
class Log:
    """Hold ``n`` entries, one per (customer, article, day), in (user, day, item) order; index them by article, too.

    ``start[u]:start[u+1]`` are the entries of customer u. ``by_item[item_start[i]:item_start[i+1]]`` are the
    positions of the entries of article i, oldest first. ``visit`` numbers the customer's days with a purchase, from 0.
    """

    user: Array  # (n,) uint32
    item: Array  # (n,) uint32
    day: Array  # (n,) int16, days since the first day of the data
    price: Array  # (n,) float32
    channel: Array  # (n,) uint8, 0 where unknown
    quantity: Array  # (n,) uint16
    visit: Array  # (n,) uint16
    start: Array  # (users + 1,) int64
    by_item: Array  # (n,) uint32
    item_day: Array  # (n,) int16, day[by_item]
    item_start: Array  # (items + 1,) int64
    days: int  # length of the data in days; the last day is days - 1

    @property
    def users(self) -> int:
        return len(self.start) - 1

    @property
    def items(self) -> int:
        return len(self.item_start) - 1

    @property
    def weeks(self) -> int:
        """Return the number of weeks; the last seven days are one week. The submission's label week has this number."""
        return -(-self.days // 7)


def build(tx: pl.DataFrame, users: int, items: int, days: int) -> Log:
    """Build the log of ``tx`` (rows as in schema.LOG, in any order) for dense codes below ``users`` and ``items``."""
    user, item, day = (tx[name].to_numpy() for name in CODES)
    if not _is_sorted(freeze(user), freeze(item), freeze(day)):  # the prepared log is sorted
        tx = tx.sort("user", "day", "item")
        user, item, day = (tx[name].to_numpy() for name in CODES)
    by_day = _sort_stably(day, days, np.arange(len(day), dtype=np.uint32))
    by_item = _sort_stably(item, items, by_day)  # by article, day, customer
    return Log(
        user=user,
        item=item,
        day=day,
        price=tx["price"].to_numpy(),
        channel=tx["channel"].to_numpy(),
        quantity=tx["quantity"].to_numpy(),
        visit=_number_visits(user, day),
        start=_find_starts(user, users),
        by_item=by_item,
        item_day=day[by_item],
        item_start=_find_starts(item[by_item], items),
        days=days,
    )


def _find_starts(sorted_codes: Array, n: int) -> Array:
    """Return (n + 1,) positions: code c lies at ``[c]:[c + 1]`` of ``sorted_codes``."""
    return np.searchsorted(sorted_codes, np.arange(n + 1)).astype(np.int64)


@kernel
def _is_sorted(user: Array, item: Array, day: Array) -> bool:
    """Return whether the entries ascend by user, day, item."""
    for k in range(1, len(user)):
        if user[k] < user[k - 1]:
            return False
        if user[k] == user[k - 1] and (day[k] < day[k - 1] or (day[k] == day[k - 1] and item[k] < item[k - 1])):
            return False
    return True


def _sort_stably(key: Array, keys: int, order: Array) -> Array:
    """Sort ``order`` (n,) by key[order] and keep the order of equal keys: a counting sort in two passes."""
    out = np.empty_like(order)
    _sort_by_counting(freeze(key), freeze(order), np.zeros(keys + 1, np.int64), out)
    return out


@kernel
def _sort_by_counting(key: Array, order: Array, place: Array, out: Array) -> None:
    for k in range(len(key)):
        place[key[k] + 1] += 1
    for k in range(1, len(place)):
        place[k] += place[k - 1]
    for k in range(len(order)):
        entry = order[k]
        out[place[key[entry]]] = entry
        place[key[entry]] += 1


def _number_visits(user: Array, day: Array) -> Array:
    """Number each customer's days with a purchase from 0: (n,) uint16."""
    visit = np.zeros(len(user), np.uint16)
    _number_visits_of(freeze(user), freeze(day), visit)
    return visit


@kernel
def _number_visits_of(user: Array, day: Array, visit: Array) -> None:
    for k in range(1, len(user)):
        if user[k] == user[k - 1]:
            visit[k] = visit[k - 1] + (1 if day[k] != day[k - 1] else 0)
