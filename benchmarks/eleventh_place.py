"""The seven candidate sources of the competition's 11th place, their rules computed from a shop's log.

What its authors published is a table: a name, rows, recall and hit ratio of each in the week of 2020-09-16. Where the
name leaves a choice (which departments, which neighbours first, which articles are near), the choice here is named.
Each rule answers Lists: row r is a customer of ``users``, its articles stand best first.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from retail.log import Array
from retail.shop import ATTRIBUTES, Shop
from retail.weeks import History
from stage1_candidates.engine import lists, sparse_product
from stage1_candidates.engine.lists import Lists
from stage1_candidates.networks.base import ann

BUYERS, PAIRS = 68_984, 213_728  # of their week
UNION = 0.1788  # recall of the seven together
BUDGETS = {12: 0.051, 50: 0.117, 100: 0.167, 200: 0.227, 300: 0.274, 500: 0.336}  # another place's union, by candidates
WEEK = 7  # days whose sales say what is popular
RECENT = 30.0  # half-life in days by which a customer's purchases are ordered
EACH = 6  # best sellers of a department
TOGETHER = 32 * 7  # days in which two articles are bought by one customer
COMPANY = 50  # articles kept per article by the number of customers who bought both
SOLD = 60  # days: only articles sold so lately are near
LONGEST = 1000  # articles of a list
PROFILE = tuple(name for name in ATTRIBUTES if name != "product_code")


@dataclass(frozen=True)
class Theirs:
    """A row of their table."""

    rows: int
    recall: float
    hit_ratio: float
    nearest: str  # source or network of ours that is most like it
    rule: Callable[[History, Shop, Array], Lists]


def popular(history: History, shop: Shop, users: Array) -> Lists:
    """The 60 best sellers of the last 7 days, the same for all."""
    everybody = Lists(np.arange(len(users) + 1), np.zeros(len(users), np.uint32), np.ones(len(users), np.float32))
    return sparse_product.best_targets(
        everybody, _best_sellers(history, np.zeros(history.log.users, np.int64), 1, 60), *_to(shop)
    )


def by_department(history: History, shop: Shop, users: Array) -> Lists:
    """The 6 best sellers of the last 7 days of each department bought from; departments of recent purchases first."""
    log, lately = history.log, _lately(history, WEEK)
    department = shop.attributes["department_no"]
    groups = int(department.max(initial=0)) + 1
    of_sale = department[log.item[lately]].astype(np.int64)
    best = lists.gather(of_sale, log.item[lately], np.ones(len(lately)), groups, EACH)
    return sparse_product.best_targets(_through(lists.own(history, users, RECENT), department), best, *_to(shop))


def repurchase(history: History, shop: Shop, users: Array) -> Lists:
    """All articles bought before, the recent first."""
    return sparse_product.best_targets(lists.own(history, users, RECENT), lists.identity(history.log.items), *_to(shop))


def same_product(history: History, shop: Shop, users: Array) -> Lists:
    """The other articles, sold before, of the product codes bought; those of recent purchases and sales first."""
    log, known = history.log, history.known
    code = shop.attributes["product_code"]
    worth = np.exp2(-(history.cutoff - log.day[known]) / RECENT)
    variants = lists.gather(code[log.item[known]].astype(np.int64), log.item[known], worth, int(code.max()) + 1)
    own = lists.own(history, users, RECENT)
    return sparse_product.best_targets(_through(own, code), variants, *_to(shop), skip=own)


def by_age(history: History, shop: Shop, users: Array) -> Lists:
    """The 12 best sellers of the last 7 days among customers of the same age bin; none where the age is missing."""
    age = shop.age_bin
    bins = np.full(history.log.users, -1, np.int64) if age is None else age.astype(np.int64)
    known = bins[users] >= 0
    ptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(known)])
    rows = Lists(ptr, bins[users][known].astype(np.uint32), np.ones(int(known.sum()), np.float32))
    return sparse_product.best_targets(rows, _best_sellers(history, bins, int(bins.max(initial=0)) + 1, 12), *_to(shop))


def together(history: History, shop: Shop, users: Array) -> Lists:
    """Articles that most customers of the last 32 weeks bought beside those that this one did; its own left out."""
    log, lately = history.log, _lately(history, TOGETHER)
    bought = lists.gather(log.user[lately].astype(np.int64), log.item[lately], np.ones(len(lately)), log.users)
    once = Lists(bought.ptr, bought.target, np.ones(len(bought.target), np.float32))
    near = sparse_product.best_targets(
        lists.transposed(once, log.items), once, log.items, COMPANY, skip=lists.identity(log.items)
    )
    own = lists.own(history, users, RECENT)
    return sparse_product.best_targets(own, near, *_to(shop), skip=own)


def profile(history: History, shop: Shop, users: Array) -> Lists:
    """The 48 lately sold articles whose one-hot attributes are nearest to the mean of those bought, exactly.

    Customer -> attribute values of its articles -> the articles that have them: a sparse product is the dot product.
    """
    sold, own = ann.sold_lately(history, SOLD), lists.own(history, users, RECENT)
    values, articles, customer, wanted, weight, begin = [], [], [], [], [], 0
    for code in (shop.attributes[name] for name in PROFILE if name in shop.attributes):
        has, bought = code[sold] >= 0, code[own.target] >= 0
        values.append(begin + code[sold][has].astype(np.int64))
        articles.append(sold[has])
        customer.append(own.key_of_rows()[bought])
        wanted.append((begin + code[own.target][bought]).astype(np.uint32))
        weight.append(own.weight[bought])
        begin += int(code.max(initial=-1)) + 1
    value, article = np.concatenate(values), np.concatenate(articles)
    taste = lists.gather(np.concatenate(customer), np.concatenate(wanted), np.concatenate(weight), len(users))
    return sparse_product.best_targets(
        taste, lists.gather(value, article, np.ones(len(value)), begin), history.log.items, 48
    )


SOURCES = {
    "popular 60": Theirs(4_139_040, 0.0778, 0.0040, "popular", popular),
    "popular in the customer's department, 6 each": Theirs(3_172_586, 0.0476, 0.0032, "category", by_department),
    "repurchase": Theirs(3_446_562, 0.0395, 0.0025, "repurchase", repurchase),
    "same product_code": Theirs(4_186_861, 0.0296, 0.0015, "variants", same_product),
    "popular by age 12": Theirs(824_304, 0.0248, 0.0064, "segment", by_age),
    "co-occurrence, 32 weeks": Theirs(1_228_865, 0.0155, 0.0027, "item_cf", together),
    "one-hot profile nearest 48": Theirs(2_982_578, 0.0106, 0.0008, "two_tower", profile),
}


def _to(shop: Shop) -> tuple[int, int]:
    return shop.log.items, LONGEST


def _lately(history: History, days: int) -> Array:
    """Positions of the known entries of the last ``days``."""
    known: Array = history.known
    return known[history.log.day[known] >= history.cutoff - days]


def _best_sellers(history: History, group: Array, groups: int, top: int) -> Lists:
    """Group of customers -> its ``top`` best sellers of the last 7 days; ``group`` (users,), -1 for none."""
    log, lately = history.log, _lately(history, WEEK)
    return lists.gather(group[log.user[lately]], log.item[lately], np.ones(len(lately)), groups, top)


def _through(own: Lists, code: Array) -> Lists:
    """Customer -> codes of its articles, weights added up; articles without a code are left out."""
    there = code[own.target] >= 0
    return lists.gather(
        own.key_of_rows()[there], code[own.target][there].astype(np.uint32), own.weight[there], own.keys
    )
