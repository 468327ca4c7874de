"""The report's groups of customers, the articles each is offered, and who wins where a customer is in several."""

from collections.abc import Mapping, Sequence

import numpy as np

from research.hm_report.features import AGES, MONTH, age_group, counts, scaled_rank, shares
from research.hm_report.shops import AUTUMN, DIVIDED, KIDS, LADIES, MENS, SPORT, Past
from retail.log import Array

LEAST = 3  # purchases without which a customer is in no group
TRENDY, FOCUSED = 0.6, 0.8  # thresholds of the best-seller index and of every other
TOP = 0.05  # share of the recent articles that are the best sellers of a group; the report takes 1000
BANDS = ("young", "adult", "middle", "senior")
SECTIONS = {"mens": MENS, "ladies": LADIES, "kids": KIDS, "divided": DIVIDED, "sport": SPORT}
REST = "global"
NAMES = (*BANDS, *SECTIONS, "discount", "autumn", REST)
GLOBAL_DAYS = 21  # of the best sellers that the rest is offered


def members(past: Past) -> Mapping[str, Array]:
    """Group -> (users,) bool; a customer of no group is in the last one, ``REST``."""
    users = past.store.shop.log.users
    enough = np.bincount(past.user, minlength=users) >= LEAST
    trendy, band = best_seller_index(past) > TRENDY, age_group(past)
    section = shares(past.user, past.store.section[past.item], users, 5) > FOCUSED
    season = shares(past.user, past.quarter % 4, users, 4)[:, AUTUMN] > FOCUSED
    found = {name: enough & trendy & (band == k) for k, name in enumerate(BANDS)}
    found |= {name: enough & section[:, k] for name, k in SECTIONS.items()}
    found |= {"discount": enough & (_mean(discounted(past), past) > FOCUSED), "autumn": enough & season}
    return {**found, REST: ~np.any(list(found.values()), axis=0)}


def best_seller_index(past: Past) -> Array:
    """(users,) mean over purchases of the article's rank within age group and season: 1 the best seller, 0 the last."""
    items = past.store.shop.log.items
    part = (age_group(past)[past.user] + 1) * 4 + past.quarter % 4  # (n,)
    sales = counts(part, past.item, (len(AGES) + 2) * 4, items)  # (parts, items)
    rank = np.stack([scaled_rank(each) for each in sales])
    return _mean(rank[part, past.item], past)


def discounted(past: Past) -> Array:
    """(n,) bool: paid less than the median price of the article in that season."""
    pair = past.item * 4 + past.quarter % 4
    order = np.lexsort((past.price, pair))
    first = np.flatnonzero(np.concatenate([[True], np.diff(pair[order]) > 0])) if len(pair) else np.zeros(0, int)
    length = np.diff(np.append(first, len(pair)))
    price = past.price[order]
    median = (price[first + (length - 1) // 2] + price[first + length // 2]) / 2
    out = np.zeros(len(pair), bool)
    out[order] = price < np.repeat(median, length)
    return out


def _mean(values: Array, past: Past) -> Array:
    users = past.store.shop.log.users
    total: Array = np.bincount(past.user, values, users) / np.maximum(np.bincount(past.user, minlength=users), 1)
    return total


def candidates(past: Past, recent: Array, group: str) -> Array:
    """(r,) bool: which of the ``recent`` articles are offered to the group's customers; all where that is none."""
    items = past.store.shop.log.items
    late = past.day >= past.cutoff - MONTH
    if group in BANDS:
        allowed = best(past, late & (age_group(past)[past.user] == BANDS.index(group)), recent)
    elif group in SECTIONS:
        allowed = past.store.section[recent] == SECTIONS[group]
    elif group == "discount":
        allowed = np.bincount(past.item[late & discounted(past)], minlength=items)[recent] > 0
    elif group == "autumn":
        allowed = shares(past.item, past.quarter % 4, items, 4)[recent, AUTUMN] > FOCUSED
    else:
        allowed = best(past, past.day >= past.cutoff - GLOBAL_DAYS, recent)
    return allowed if allowed.any() else np.ones(len(recent), bool)


def best(past: Past, rows: Array, recent: Array) -> Array:
    """(r,) bool: the TOP share of ``recent`` that sold most in ``rows``, ties by article."""
    sales = np.bincount(past.item[rows], minlength=past.store.shop.log.items)[recent]
    order = np.argsort(-sales, kind="stable")[: max(round(TOP * len(recent)), 1)]
    allowed = np.zeros(len(recent), bool)
    allowed[order] = sales[order] > 0
    return allowed


def overlaid(lists: Sequence[Array], member: Sequence[Array], precision: Sequence[float]) -> Array:
    """(b, k): the rows of the groups written over each other in order of ascending precision, the better one last.

    ``lists[g]`` (b, k) are those of group g's model, ``member[g]`` (b,) its customers; each customer is in some group.
    """
    out = np.empty_like(lists[0])
    for g in np.argsort(precision, kind="stable"):
        out[member[g]] = lists[g][member[g]]
    return out
