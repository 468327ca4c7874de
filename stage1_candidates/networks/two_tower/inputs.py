"""What the two towers read at a cutoff: a customer's bag of bought articles, and numbers of customers and articles.

Every label week of the training, and the week that is answered, is read in the same way from its own history.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numba
import numpy as np
import torch
from torch import Tensor

from retail.log import Array
from retail.ragged import offsets, positions
from retail.shop import Shop
from retail.weeks import History

CUSTOMER_NUMBERS = 6
WINDOWS = (7, 28, 91)  # days before the cutoff over which an article's sales are counted
PRICE_DAYS = 91  # over which its price is averaged
ARTICLE_NUMBERS = 4 + len(WINDOWS)
NEVER = 2000.0  # days since a purchase that never was
SCALE = 4.0  # logarithms of days and counts are divided by it, to lie about 0..2
NO_PRICE = 1e-6  # an article given away has a logarithm too


class Customers(NamedTuple):
    """b customers at a cutoff; their e entries stand one customer after another, oldest first."""

    entry: Tensor  # (e,) int64 article of each entry, as a row of the articles given with it
    start: Tensor  # (b,) int64 first entry of each customer
    weight: Tensor  # (half-lives, e) of each entry
    traits: Tensor  # (b, traits) int64 rows of the table of traits
    numbers: Tensor  # (b, CUSTOMER_NUMBERS)


@dataclass(frozen=True)
class Bag:
    """Which entries stand for a customer, and what each weighs: 2^(-age / half-life) / (sum of these)^mass."""

    entries: int  # the most recent ones, at most
    half_lives: Sequence[float]  # days; a bag for each
    mass: float  # 1: a bag is a mean of its articles, 0: a sum


def customers(history: History, shop: Shop, users: Array, bag: Bag, entry: Array) -> Customers:
    """Tensors of ``users``, float32; ``entry``: (e,) rows of their ``bought`` articles in some table of articles."""
    log = history.log
    begin, stop = _latest(history, users, bag.entries)
    weight = _weights(begin, stop, log.day, history.cutoff, np.array(bag.half_lives, np.float64), bag.mass)
    numbers = _customer_numbers(log.start[users], history.stop[users], log.day, log.visit, log.price, history.cutoff)
    return Customers(
        entry=torch.from_numpy(entry.astype(np.int64)),
        start=torch.from_numpy(offsets(stop - begin)[:-1]),
        weight=torch.from_numpy(weight.astype(np.float32)),
        traits=torch.from_numpy(_stacked(_traits(shop), users)),
        numbers=torch.from_numpy(numbers.astype(np.float32)),
    )


def bought(history: History, users: Array, most: int) -> Array:
    """(e,) int64 articles of each customer's latest ``most`` entries, one customer after another, oldest first."""
    begin, stop = _latest(history, users, most)
    return history.log.item[positions(begin, stop - begin)].astype(np.int64)


def trait_rows(shop: Shop) -> int:
    """Rows of the table of traits: for each trait its codes and one that says it is missing."""
    return _rows(_traits(shop))


def with_common_traits(shop: Shop, least: int) -> Shop:
    """``shop``; a trait's value that fewer than ``least`` customers have counts as missing.

    Each value costs a vector that every step of the training moves, and most postal codes are those of a few customers.
    """
    if least <= 1:
        return shop
    traits = {}
    for name, code in shop.traits.items():
        often = np.bincount(code[code >= 0]) >= least  # (values,)
        dense = np.append(np.where(often, np.cumsum(often) - 1, -1), -1)  # its last entry is that of code -1
        traits[name] = dense[code].astype(np.int32)
    return replace(shop, traits=traits)


def attribute_codes(shop: Shop) -> Array:
    """(items, attributes) int64 rows of one table in which each attribute has its own, a missing value one of them."""
    return _stacked([*shop.attributes.values()], np.arange(shop.log.items))


def article_numbers(history: History) -> Array:
    """(items, ARTICLE_NUMBERS) float32: what was known of every article on the eve of the cutoff, as logarithms.

    Days since the first and since the last sale; the mean price of the last sales over that of the shop's mean article,
    0 where unknown; whether it was ever sold; per window its sales over those of the mean article sold in it.
    """
    log = history.log
    first, last, price = _article_numbers(
        log.item_start, history.item_stop, log.by_item, log.item_day, log.price, history.cutoff
    )
    known = np.isfinite(price)
    middle = price[known].mean() if known.any() else 0.0
    columns = [np.log1p(first) / SCALE, np.log1p(last) / SCALE, np.where(known, price - middle, 0.0), known]
    for window in WINDOWS:
        sales = sales_in(history, window)
        columns.append(np.log1p(sales) - np.log1p(sales.sum() / max(np.count_nonzero(sales), 1)))
    return np.column_stack(columns).astype(np.float32)


def sales_in(history: History, days: int) -> Array:
    """(items,) int64 entries of each article in the last ``days`` before the cutoff."""
    counts: Array = _sales(history.log.item_start, history.item_stop, history.log.item_day, history.cutoff, days)
    return counts


def _latest(history: History, users: Array, most: int) -> tuple[Array, Array]:
    stop = history.stop[users]
    return np.maximum(history.log.start[users], stop - most), stop


def _traits(shop: Shop) -> list[Array]:
    return [*shop.traits.values(), *([] if shop.age_bin is None else [shop.age_bin])]


def _rows(columns: list[Array]) -> int:
    return sum(int(column.max(initial=-1)) + 2 for column in columns)


def _stacked(columns: list[Array], of: Array) -> Array:
    """(len(of), columns) int64: codes from -1 on, as rows of a table that holds one column's after another's."""
    out = np.empty((len(of), len(columns)), np.int64)
    for k, column in enumerate(columns):
        out[:, k] = column[of].astype(np.int64) + 1 + _rows(columns[:k])
    return out


@numba.njit(cache=True)
def _weights(begin: Array, stop: Array, day: Array, cutoff: int, half_lives: Array, mass: float) -> Array:
    weight = np.empty((len(half_lives), (stop - begin).sum()))
    for h in range(len(half_lives)):
        n = 0
        for r in range(len(begin)):
            total = 0.0
            for p in range(begin[r], stop[r]):
                weight[h, n + p - begin[r]] = 2.0 ** (-(cutoff - day[p]) / half_lives[h])
                total += weight[h, n + p - begin[r]]
            for k in range(n, n + stop[r] - begin[r]):
                weight[h, k] /= max(total, 1e-30) ** mass  # what lies decades back may weigh 0
            n += stop[r] - begin[r]
    return weight


@numba.njit(cache=True)
def _customer_numbers(start: Array, stop: Array, day: Array, visit: Array, price: Array, cutoff: int) -> Array:
    """Days since the last and the first purchase, visits, entries, mean log price, whether there is any purchase."""
    out = np.zeros((len(start), CUSTOMER_NUMBERS))
    for r in range(len(start)):
        if start[r] == stop[r]:
            out[r, 0] = out[r, 1] = np.log1p(NEVER) / SCALE
            continue
        total = 0.0
        for p in range(start[r], stop[r]):
            total += np.log(max(price[p], NO_PRICE))
        out[r, 0] = np.log1p(cutoff - day[stop[r] - 1]) / SCALE
        out[r, 1] = np.log1p(cutoff - day[start[r]]) / SCALE
        out[r, 2] = np.log1p(visit[stop[r] - 1] + 1) / SCALE
        out[r, 3] = np.log1p(stop[r] - start[r]) / SCALE
        out[r, 4] = total / (stop[r] - start[r])
        out[r, 5] = 1.0
    return out


@numba.njit(cache=True)
def _article_numbers(start: Array, stop: Array, by_item: Array, item_day: Array, price: Array,
                     cutoff: int) -> tuple[Array, Array, Array]:  # fmt: skip
    """Days since the first and the last sale; mean log price of the last PRICE_DAYS, or else of the last sale."""
    first, last = np.full(len(stop), NEVER), np.full(len(stop), NEVER)
    mean = np.full(len(stop), np.nan)
    for i in range(len(stop)):
        if start[i] == stop[i]:
            continue
        first[i], last[i] = cutoff - item_day[start[i]], cutoff - item_day[stop[i] - 1]
        total, n = 0.0, 0
        for p in range(stop[i] - 1, start[i] - 1, -1):
            if n > 0 and cutoff - item_day[p] > PRICE_DAYS:
                break
            total += np.log(max(price[by_item[p]], NO_PRICE))
            n += 1
        mean[i] = total / n
    return first, last, mean


@numba.njit(cache=True)
def _sales(start: Array, stop: Array, item_day: Array, cutoff: int, days: int) -> Array:
    sales = np.zeros(len(stop), np.int64)
    for i in range(len(stop)):
        for p in range(stop[i] - 1, start[i] - 1, -1):
            if cutoff - item_day[p] > days:
                break
            sales[i] += 1
    return sales
