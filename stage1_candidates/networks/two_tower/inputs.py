"""Build the inputs of the two towers at a cutoff: bags of bought articles, and numbers of customers and articles.

Training and prediction build the inputs of a label week in the same way, from the history before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from retail.chunks import call, kernel
from retail.log import Array
from retail.ragged import offsets, positions
from retail.shop import Shop
from retail.weeks import History

CUSTOMER_NUMBERS = 6
WINDOWS = (7, 28, 91)  # days: windows of an article's recent sales
PRICE_DAYS = 91  # days: window of an article's mean price
ARTICLE_NUMBERS = 4 + len(WINDOWS)
NEVER = 2000.0  # days since the last purchase if there is none
SCALE = 4.0  # divisor of logs of days and counts, so that they lie in about 0..2
NO_PRICE = 1e-6  # least price, so that the log of a free article is finite


class Customers(NamedTuple):
    """b customers at a cutoff and their e entries, customer after customer, oldest first."""

    entry: Tensor  # (e,) int64 article of each entry, as a row of a table of articles
    start: Tensor  # (b,) int64 first entry of each customer
    weight: Tensor  # (half-lives, e) weight of each entry
    traits: Tensor  # (b, traits) int64 rows of the table of traits
    numbers: Tensor  # (b, CUSTOMER_NUMBERS)


@dataclass(frozen=True)
class Bag:
    """The settings of a customer's bags; an entry has the weight 2^(-age / half-life) / (sum of these powers)^mass."""

    entries: int  # maximum number of a customer's entries, the latest
    half_lives: Sequence[float]  # days, one bag each
    mass: float  # 1: a bag is the mean of its articles, 0: their sum


def build_customers(history: History, shop: Shop, users: Array, bag: Bag, entry: Array) -> Customers:
    """Build the tensors of ``users``; ``entry`` (e,): the rows of their ``list_bought`` in a table of articles."""
    log = history.log
    begin, stop = _find_latest(history, users, bag.entries)
    weight = np.empty((len(bag.half_lives), int((stop - begin).sum())))
    half_lives = np.array(bag.half_lives, np.float64)
    call(_compute_weights, (begin, stop, log.day, history.cutoff, half_lives, float(bag.mass)), (weight,))
    numbers = np.zeros((len(users), CUSTOMER_NUMBERS))
    entries = log.start[users], history.stop[users], log.day, log.visit, log.price
    call(_compute_customer_numbers, (*entries, history.cutoff), (numbers,))
    return Customers(
        entry=torch.from_numpy(entry.astype(np.int64)),
        start=torch.from_numpy(offsets(stop - begin)[:-1]),
        weight=torch.from_numpy(weight.astype(np.float32)),
        traits=torch.from_numpy(_stack_codes(_list_traits(shop), users)),
        numbers=torch.from_numpy(numbers.astype(np.float32)),
    )


def list_bought(history: History, users: Array, most: int) -> Array:
    """List the articles (e,) int64 of each customer's latest ``most`` entries, oldest first."""
    begin, stop = _find_latest(history, users, most)
    return history.log.item[positions(begin, stop - begin)].astype(np.int64)


def count_trait_rows(shop: Shop) -> int:
    """Count the rows of the table of traits: one per code of each trait, and one per trait for a missing value."""
    return _count_rows(_list_traits(shop))


def drop_rare_traits(shop: Shop, least: int) -> Shop:
    """Drop rare traits from ``shop``: a value with fewer than ``least`` customers counts as missing.

    Each value has a vector that every training step updates, and most postal codes have few customers.
    """
    if least <= 1:
        return shop
    traits = {}
    for name, code in shop.traits.items():
        common = np.bincount(code[code >= 0]) >= least  # (values,)
        dense = np.append(np.where(common, np.cumsum(common) - 1, -1), -1)  # the last entry is for code -1
        traits[name] = dense[code].astype(np.int32)
    return replace(shop, traits=traits)


def encode_attributes(shop: Shop) -> Array:
    """Encode attributes (items, attributes) int64 as rows of one table, with a row per attribute for missing values."""
    return _stack_codes([*shop.attributes.values()], np.arange(shop.log.items))


def compute_article_numbers(history: History) -> Array:
    """Compute the numbers (items, ARTICLE_NUMBERS) float32 of all articles at the cutoff.

    Columns: log days since the first and the last sale; mean log price minus its mean over articles, 0 if unknown;
    whether the article was ever sold; per window, log1p sales minus log1p of the mean over the articles sold in it.
    """
    log = history.log
    first, last = (np.full(log.items, NEVER) for _ in range(2))
    price = np.full(log.items, np.nan)
    entries = log.item_start, history.item_stop, log.by_item, log.item_day, log.price
    call(_compute_article_numbers, (*entries, history.cutoff), (first, last, price))
    known = np.isfinite(price)
    mean_price = price[known].mean() if known.any() else 0.0
    columns = [np.log1p(first) / SCALE, np.log1p(last) / SCALE, np.where(known, price - mean_price, 0.0), known]
    for window in WINDOWS:
        sales = count_sales(history, window)
        columns.append(np.log1p(sales) - np.log1p(sales.sum() / max(np.count_nonzero(sales), 1)))
    return np.column_stack(columns).astype(np.float32)


def count_sales(history: History, days: int) -> Array:
    """Count the entries (items,) int64 of each article in the last ``days`` before the cutoff."""
    log, counts = history.log, np.zeros(history.log.items, np.int64)
    call(_count_sales, (log.item_start, history.item_stop, log.item_day, history.cutoff, days), (counts,))
    return counts


def _find_latest(history: History, users: Array, most: int) -> tuple[Array, Array]:
    stop = history.stop[users]
    return np.maximum(history.log.start[users], stop - most), stop


def _list_traits(shop: Shop) -> list[Array]:
    return [*shop.traits.values(), *([] if shop.age_bin is None else [shop.age_bin])]


def _count_rows(columns: list[Array]) -> int:
    return sum(int(column.max(initial=-1)) + 2 for column in columns)


def _stack_codes(columns: list[Array], rows: Array) -> Array:
    """Stack the codes (-1 is missing) of ``rows`` as int64 rows of one table, which holds column after column."""
    out = np.empty((len(rows), len(columns)), np.int64)
    for k, column in enumerate(columns):
        out[:, k] = column[rows].astype(np.int64) + 1 + _count_rows(columns[:k])
    return out


@kernel
def _compute_weights(begin: Array, stop: Array, day: Array, cutoff: int, half_lives: Array, mass: float,
                     weight: Array) -> None:  # fmt: skip
    for h in range(len(half_lives)):
        n = 0
        for r in range(len(begin)):
            total = 0.0
            for p in range(begin[r], stop[r]):
                weight[h, n + p - begin[r]] = 2.0 ** (-(cutoff - day[p]) / half_lives[h])
                total += weight[h, n + p - begin[r]]
            for k in range(n, n + stop[r] - begin[r]):
                weight[h, k] /= max(total, 1e-30) ** mass  # the sum may be 0 for entries decades back
            n += stop[r] - begin[r]


@kernel
def _compute_customer_numbers(start: Array, stop: Array, day: Array, visit: Array, price: Array, cutoff: int,
                              out: Array) -> None:  # fmt: skip
    """Compute log days since the last and first purchase, log visits, log entries, mean log price, any purchase."""
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


@kernel
def _compute_article_numbers(start: Array, stop: Array, by_item: Array, item_day: Array, price: Array, cutoff: int,
                             first: Array, last: Array, mean: Array) -> None:  # fmt: skip
    """Compute days since the first and last sale, and the mean log price of the last PRICE_DAYS or the last sale."""
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


@kernel
def _count_sales(start: Array, stop: Array, item_day: Array, cutoff: int, days: int, sales: Array) -> None:
    for i in range(len(stop)):
        for p in range(stop[i] - 1, start[i] - 1, -1):
            if cutoff - item_day[p] > days:
                break
            sales[i] += 1
