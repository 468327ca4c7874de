"""Assign customers to the report's groups, select the articles of each group, and combine the groups' lists."""

from collections.abc import Mapping, Sequence

import numpy as np

from research.hm_report.features import AGE_ENDS, MONTH, assign_age_groups, compute_shares, count_entries, rank_dense
from research.hm_report.shops import AUTUMN, DIVIDED, KIDS, LADIES, MENS, SPORT, Past
from retail.log import Array

MIN_PURCHASES = 3  # a customer with fewer is in no group
TRENDY, FOCUSED = 0.6, 0.8  # thresholds: of the best-seller index, of each share
TOP = 0.05  # best sellers of a group, as a share of the recent articles; the report takes 1000 articles
BANDS = ("young", "adult", "middle", "senior")
SECTIONS = {"mens": MENS, "ladies": LADIES, "kids": KIDS, "divided": DIVIDED, "sport": SPORT}
REST = "global"
NAMES = (*BANDS, *SECTIONS, "discount", "autumn", REST)
GLOBAL_DAYS = 21  # days of sales whose best sellers group REST gets


def find_members(past: Past) -> Mapping[str, Array]:
    """Find each group's members: group -> (users,) bool. A customer of no other group is in ``REST``, the last."""
    users = past.store.shop.log.users
    enough = np.bincount(past.user, minlength=users) >= MIN_PURCHASES
    trendy, band = compute_best_seller_index(past) > TRENDY, assign_age_groups(past)
    section = compute_shares(past.user, past.store.section[past.item], users, 5) > FOCUSED
    season = compute_shares(past.user, past.quarter % 4, users, 4)[:, AUTUMN] > FOCUSED
    member = {name: enough & trendy & (band == k) for k, name in enumerate(BANDS)}
    member |= {name: enough & section[:, k] for name, k in SECTIONS.items()}
    discount = _average_by_customer(find_discounted(past), past) > FOCUSED
    member |= {"discount": enough & discount, "autumn": enough & season}
    return {**member, REST: ~np.any(list(member.values()), axis=0)}


def compute_best_seller_index(past: Past) -> Array:
    """Average over a customer's purchases (users,) the article's rank by sales within age group and season.

    The rank is 1 for the best seller and 0 for the last.
    """
    items = past.store.shop.log.items
    stratum = (assign_age_groups(past)[past.user] + 1) * 4 + past.quarter % 4  # (n,)
    sales = count_entries(stratum, past.item, (len(AGE_ENDS) + 2) * 4, items)  # (strata, items)
    rank = np.stack([rank_dense(row) for row in sales])
    return _average_by_customer(rank[stratum, past.item], past)


def find_discounted(past: Past) -> Array:
    """Mark the entries (n,) bool below the article's median price in that season."""
    pair = past.item * 4 + past.quarter % 4
    order = np.lexsort((past.price, pair))
    first = np.flatnonzero(np.concatenate([[True], np.diff(pair[order]) > 0])) if len(pair) else np.zeros(0, int)
    length = np.diff(np.append(first, len(pair)))
    price = past.price[order]
    median = (price[first + (length - 1) // 2] + price[first + length // 2]) / 2
    below = np.zeros(len(pair), bool)
    below[order] = price < np.repeat(median, length)
    return below


def _average_by_customer(values: Array, past: Past) -> Array:
    """Average ``values`` (n,) of the entries by customer (users,); 0 without an entry."""
    users = past.store.shop.log.users
    mean: Array = np.bincount(past.user, values, users) / np.maximum(np.bincount(past.user, minlength=users), 1)
    return mean


def select_candidates(past: Past, recent: Array, group: str) -> Array:
    """Select the articles for the group's customers: a mask (r,) bool of ``recent`` (r,), all where none qualifies."""
    items = past.store.shop.log.items
    last_month = past.day >= past.cutoff - MONTH
    if group in BANDS:
        in_band = assign_age_groups(past)[past.user] == BANDS.index(group)
        allowed = select_best_sellers(past, last_month & in_band, recent)
    elif group in SECTIONS:
        allowed = past.store.section[recent] == SECTIONS[group]
    elif group == "discount":
        allowed = np.bincount(past.item[last_month & find_discounted(past)], minlength=items)[recent] > 0
    elif group == "autumn":
        allowed = compute_shares(past.item, past.quarter % 4, items, 4)[recent, AUTUMN] > FOCUSED
    else:
        allowed = select_best_sellers(past, past.day >= past.cutoff - GLOBAL_DAYS, recent)
    return allowed if allowed.any() else np.ones(len(recent), bool)


def select_best_sellers(past: Past, entries: Array, recent: Array) -> Array:
    """Select the share TOP of ``recent`` (r,) that sold most in ``entries`` (n,) bool: a mask (r,); ties by article."""
    sales = np.bincount(past.item[entries], minlength=past.store.shop.log.items)[recent]
    order = np.argsort(-sales, kind="stable")[: max(round(TOP * len(recent)), 1)]
    allowed = np.zeros(len(recent), bool)
    allowed[order] = sales[order] > 0
    return allowed


def overlay_lists(lists: Sequence[Array], member: Sequence[Array], precision: Sequence[float]) -> Array:
    """Give each customer the list (b, k) of the customer's group with the highest precision; the later one if equal.

    ``lists[g]`` (b, k): from group g's model; ``member[g]`` (b,) bool: its customers. Each customer is in a group.
    """
    out = np.empty_like(lists[0])
    for g in np.argsort(precision, kind="stable"):
        out[member[g]] = lists[g][member[g]]
    return out
