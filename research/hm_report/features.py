"""Compute the report's twelve features from the entries before a cutoff: seven of customers, five of articles.

The favourite colour is the colour itself; the author's code takes its count. The garment group is missing unless more
than half of the purchases belong to it. Counts enter as logarithms. Prices are divided by the shop's mean price. Ranks
are scaled to 0..1, because the author's training did not progress with unscaled ranks. Numbers of a customer or an
article without an entry are 0.
"""

from collections.abc import Callable, Mapping

import numpy as np

from research.hm_report.shops import KIDS, LADIES, MENS, Past
from retail.log import Array

MONTH = 31  # days; the author's code keeps the dates after 2020-08-22
CHANNELS = (1, 2)  # codes of the sales channels
AGE_ENDS = (25, 40, 55)  # young, adult and middle customers are below these ages; the rest are senior
PREFERRED_SHARE = 0.5  # a garment group is preferred above this share of the purchases

Feature = Callable[[Past], Array]  # (n,) integer codes, -1 where missing, or (n, c) float numbers


def compute_shares(row: Array, column: Array, rows: int, columns: int) -> Array:
    """Compute the share (rows, columns) float32 of each row's entries by column.

    ``row``, ``column``: (n,), of each entry. Entries of column -1 count in the denominator only.
    """
    total = np.maximum(np.bincount(row, minlength=rows), 1)[:, None]
    return (count_entries(row, column, rows, columns) / total).astype(np.float32)


def count_entries(row: Array, column: Array, rows: int, columns: int) -> Array:
    """Count the entries (rows, columns) int64; those of column -1 are left out."""
    known = column >= 0
    cells = np.bincount(row[known] * columns + column[known], minlength=rows * columns)
    return cells.reshape(rows, columns)


def compute_mean_price(past: Past, row: Array, n: int) -> Array:
    """Compute the mean price (n, 1) of each row's entries, divided by that of the shop.

    ``row``: the customer or article of each entry, below ``n``.
    """
    mean = past.price.mean() if len(past.price) else 1.0
    paid = np.bincount(row, past.price, n) / np.maximum(np.bincount(row, minlength=n), 1)
    return (paid / mean)[:, None].astype(np.float32)


def compute_channel_shares(past: Past, row: Array, n: int) -> Array:
    """Compute the shares (n, 2) of the sales channels 1 and 2 in each row's entries."""
    return compute_shares(row, np.where(np.isin(past.channel, CHANNELS), past.channel - 1, -1), n, len(CHANNELS))


def find_favourite_colour(past: Past) -> Array:
    """Find the colour (users,) that each customer bought most in this season of all years; -1 without a purchase."""
    colour, same_season = past.store.colour, past.quarter % 4 == past.cutoff_quarter % 4
    user, item = past.user[same_season], past.item[same_season]
    bought = count_entries(user, colour[item], past.store.shop.log.users, _count_codes(colour))
    return np.where(bought.any(1), bought.argmax(1), -1)


def find_garment_group(past: Past) -> Array:
    """Find the garment group (users,) of more than half of a customer's purchases; -1 where there is none."""
    group = read_garment_groups(past)
    share = compute_shares(past.user, group[past.item], past.store.shop.log.users, _count_codes(group))
    return np.where(share.max(1, initial=0) > PREFERRED_SHARE, share.argmax(1), -1)


def count_recent(past: Past) -> Array:
    """Count each customer's purchases in the last MONTH days; return log(1 + count) (users, 1)."""
    user = past.user[past.day >= past.cutoff - MONTH]
    return np.log1p(np.bincount(user, minlength=past.store.shop.log.users))[:, None].astype(np.float32)


def compute_section_shares(past: Past, sections: list[int]) -> Array:
    """Compute the shares (users, len(sections)) of the sections in each customer's purchases."""
    share = compute_shares(past.user, past.store.section[past.item], past.store.shop.log.users, 5)
    return share[:, sections]


def compute_seasonal_shares(past: Past) -> Array:
    """Compute the shares (items, 4) of winter, spring, summer and autumn in each article's sales."""
    return compute_shares(past.item, past.quarter % 4, past.store.shop.log.items, 4)


def compute_seasonal_ranks(past: Past) -> Array:
    """Rank the articles by sales in this quarter and the one before, (items, 2): 0 is the best seller, 1 the last."""
    items, now = past.store.shop.log.items, past.cutoff_quarter
    sales = [np.bincount(past.item[past.quarter == quarter], minlength=items) for quarter in (now, now - 1)]
    return np.column_stack([rank_dense(-row) for row in sales]).astype(np.float32)


def rank_dense(values: Array) -> Array:
    """Rank ascending values densely and scale the ranks (n,) to 0..1.

    >>> rank_dense(np.array([-5, 0, -5, -2])).tolist()
    [0.0, 1.0, 0.0, 0.5]
    """
    rank = np.unique(values, return_inverse=True)[1]
    scaled: Array = rank / max(int(rank.max(initial=0)), 1)
    return scaled


def compute_age_shares(past: Past) -> Array:
    """Compute the shares (items, 4) of the age groups in each article's sales.

    Purchases at an unknown age count in the denominator only.
    """
    return compute_shares(past.item, assign_age_groups(past)[past.user], past.store.shop.log.items, len(AGE_ENDS) + 1)


def assign_age_groups(past: Past) -> Array:
    """Assign age groups (users,) int64: 0 young, 1 adult, 2 middle, 3 senior; -1 where the age is missing."""
    age = past.store.shop.age
    if age is None:
        return np.full(past.store.shop.log.users, -1)
    return np.where(np.isnan(age), -1, np.digitize(age, AGE_ENDS))


def read_garment_groups(past: Past) -> Array:
    """Read the garment group (items,) of each article, -1 where missing."""
    missing = np.full(past.store.shop.log.items, -1, np.int32)
    return past.store.shop.attributes.get("garment_group_no", missing)


def _count_codes(code: Array) -> int:
    """Return one more than the largest code, at least 1."""
    return int(code.max(initial=-1)) + 1 or 1


CUSTOMER_FEATURES: Mapping[str, Feature] = {
    "channel of the customer": lambda past: compute_channel_shares(past, past.user, past.store.shop.log.users),
    "favourite colour": find_favourite_colour,
    "garment group": find_garment_group,
    "mean price of the customer": lambda past: compute_mean_price(past, past.user, past.store.shop.log.users),
    "recent purchases": count_recent,
    "sex": lambda past: compute_section_shares(past, [MENS, LADIES]),
    "kids": lambda past: compute_section_shares(past, [KIDS]),
}
ARTICLE_FEATURES: Mapping[str, Feature] = {
    "seasonal sales": compute_seasonal_shares,
    "seasonal best seller": compute_seasonal_ranks,
    "age groups": compute_age_shares,
    "mean price of the article": lambda past: compute_mean_price(past, past.item, past.store.shop.log.items),
    "channel of the article": lambda past: compute_channel_shares(past, past.item, past.store.shop.log.items),
}
CODE_COUNTS: Mapping[str, Callable[[Past], int]] = {  # feature that is a code -> number of codes
    "favourite colour": lambda past: _count_codes(past.store.colour),
    "garment group": lambda past: _count_codes(read_garment_groups(past)),
}
