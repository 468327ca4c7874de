"""The twelve features of the report, each from the entries before a cutoff: seven of customers, five of articles.

Feature 2 is the favourite colour itself (the author's code took its count), feature 3 names no garment group unless
more than half of the purchases are of it. Counts are logarithms, prices are over the shop's mean price, ranks lie in
0..1: unscaled ranks froze the author's training. A customer or an article without an entry has zeros.
"""

from collections.abc import Callable, Mapping

import numpy as np

from research.hm_report.shops import KIDS, LADIES, MENS, Past
from retail.log import Array

MONTH = 31  # days; the author's "after 2020-08-22"
CHANNELS = (1, 2)
AGES = (25, 40, 55)  # ends of the age groups young, adult and middle; the rest is senior
PREFERRED = 0.5  # share of purchases from which on a garment group is preferred

Feature = Callable[[Past], Array]  # (n,) integers are codes, -1 where there is none; (n, c) floats are numbers


def shares(row: Array, column: Array, rows: int, columns: int) -> Array:
    """(rows, columns) float32 share of each row's entries by column; a column of -1 counts for the sum alone."""
    total = np.maximum(np.bincount(row, minlength=rows), 1)[:, None]
    return (counts(row, column, rows, columns) / total).astype(np.float32)


def counts(row: Array, column: Array, rows: int, columns: int) -> Array:
    """(rows, columns) int64 number of entries."""
    known = column >= 0
    cells = np.bincount(row[known] * columns + column[known], minlength=rows * columns)
    return cells.reshape(rows, columns)


def mean_price(past: Past, of: Array, n: int) -> Array:
    """(n, 1) mean price of the entries ``of`` each, over the shop's."""
    mean = past.price.mean() if len(past.price) else 1.0
    paid = np.bincount(of, past.price, n) / np.maximum(np.bincount(of, minlength=n), 1)
    return (paid / mean)[:, None].astype(np.float32)


def channel(past: Past, of: Array, n: int) -> Array:
    """(n, 2) shares of the sales channels 1 and 2."""
    return shares(of, np.where(np.isin(past.channel, CHANNELS), past.channel - 1, -1), n, len(CHANNELS))


def favourite_colour(past: Past) -> Array:
    """(users,) the colour bought most in this season of all years."""
    colour, here = past.store.colour, past.quarter % 4 == past.now % 4
    bought = counts(past.user[here], colour[past.item[here]], past.store.shop.log.users, _kinds(colour))
    return np.where(bought.any(1), bought.argmax(1), -1)


def garment_group(past: Past) -> Array:
    """(users,) the garment group with more than half of the purchases."""
    group = garments(past)
    part = shares(past.user, group[past.item], past.store.shop.log.users, _kinds(group))
    return np.where(part.max(1, initial=0) > PREFERRED, part.argmax(1), -1)


def recent(past: Past) -> Array:
    """(users, 1) log of purchases in the last MONTH days."""
    lately = past.user[past.day >= past.cutoff - MONTH]
    return np.log1p(np.bincount(lately, minlength=past.store.shop.log.users))[:, None].astype(np.float32)


def section_shares(past: Past, wanted: list[int]) -> Array:
    """(users, len(wanted)) shares of index groups."""
    found = shares(past.user, past.store.section[past.item], past.store.shop.log.users, 5)[:, wanted]
    return found


def seasonal_shares(past: Past) -> Array:
    """(items, 4) shares of an article's sales in winter, spring, summer and autumn."""
    return shares(past.item, past.quarter % 4, past.store.shop.log.items, 4)


def seasonal_ranks(past: Past) -> Array:
    """(items, 2) dense rank by sales in this quarter and in the one before: 0 the best seller, 1 the least."""
    items = past.store.shop.log.items
    sales = [np.bincount(past.item[past.quarter == q], minlength=items) for q in (past.now, past.now - 1)]
    return np.column_stack([scaled_rank(-each) for each in sales]).astype(np.float32)


def scaled_rank(values: Array) -> Array:
    """(n,) dense rank of ascending values over the last one, in 0..1.

    >>> scaled_rank(np.array([-5, 0, -5, -2])).tolist()
    [0.0, 1.0, 0.0, 0.5]
    """
    rank = np.unique(values, return_inverse=True)[1]
    scaled: Array = rank / max(int(rank.max(initial=0)), 1)
    return scaled


def age_shares(past: Past) -> Array:
    """(items, 4) shares of an article's sales by age group; purchases at an unknown age count for the sum alone."""
    return shares(past.item, age_group(past)[past.user], past.store.shop.log.items, len(AGES) + 1)


def age_group(past: Past) -> Array:
    """(users,) int64 0 young, 1 adult, 2 middle, 3 senior; -1 where the age is missing."""
    age = past.store.shop.age
    if age is None:
        return np.full(past.store.shop.log.users, -1)
    return np.where(np.isnan(age), -1, np.digitize(age, AGES))


def garments(past: Past) -> Array:
    """(items,) garment group, -1 where missing."""
    missing = np.full(past.store.shop.log.items, -1, np.int32)
    return past.store.shop.attributes.get("garment_group_no", missing)


def _kinds(code: Array) -> int:
    return int(code.max(initial=-1)) + 1 or 1


CUSTOMER: Mapping[str, Feature] = {
    "channel of the customer": lambda past: channel(past, past.user, past.store.shop.log.users),
    "favourite colour": favourite_colour,
    "garment group": garment_group,
    "mean price of the customer": lambda past: mean_price(past, past.user, past.store.shop.log.users),
    "recent purchases": recent,
    "sex": lambda past: section_shares(past, [MENS, LADIES]),
    "kids": lambda past: section_shares(past, [KIDS]),
}
ARTICLE: Mapping[str, Feature] = {
    "seasonal sales": seasonal_shares,
    "seasonal best seller": seasonal_ranks,
    "age groups": age_shares,
    "mean price of the article": lambda past: mean_price(past, past.item, past.store.shop.log.items),
    "channel of the article": lambda past: channel(past, past.item, past.store.shop.log.items),
}
KINDS: Mapping[str, Callable[[Past], int]] = {  # of the features that are codes
    "favourite colour": lambda past: _kinds(past.store.colour),
    "garment group": lambda past: _kinds(garments(past)),
}
