"""Compute the seven candidate sources of the competition's 11th place from a shop's log.

Its authors published a table with each source's name, rows, recall and hit ratio in the week of 2020-09-16. A name
leaves choices open, such as the order of departments or of neighbours. Each docstring here states the choice.
Each rule returns Lists: row r holds the articles of the customer ``users[r]``, the best first.
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

BUYERS, PAIRS = 68_984, 213_728  # buyers, and distinct (customer, article) pairs bought, in that week
UNION = 0.1788  # published recall of the seven sources together
# Number of candidates -> recall that another team published
BUDGETS = {12: 0.051, 50: 0.117, 100: 0.167, 200: 0.227, 300: 0.274, 500: 0.336}
WEEK = 7  # days of sales that rank the best sellers
RECENT = 30.0  # half-life in days of the weights that order a customer's purchases
EACH = 6  # best sellers per department
TOGETHER = 32 * 7  # days of purchases in which two articles co-occur
COMPANY = 50  # co-occurring articles kept per article, by the number of customers who bought both
SOLD = 60  # days: only articles sold within them can be nearest
LONGEST = 1000  # articles per list, at most
PROFILE = tuple(name for name in ATTRIBUTES if name != "product_code")


@dataclass(frozen=True)
class Published:
    """A source of the 11th place: its row of the published table, and its rule."""

    rows: int
    recall: float
    hit_ratio: float
    nearest: str  # the most similar source or network of this project
    rule: Callable[[History, Shop, Array], Lists]


def list_popular(history: History, shop: Shop, users: Array) -> Lists:
    """List the 60 best sellers of the last 7 days, the same for all customers."""
    everybody = Lists(np.arange(len(users) + 1), np.zeros(len(users), np.uint32), np.ones(len(users), np.float32))
    return sparse_product.best_targets(
        everybody, _list_best_sellers(history, np.zeros(history.log.users, np.int64), 1, 60), *_get_size(shop)
    )


def list_by_department(history: History, shop: Shop, users: Array) -> Lists:
    """List the 6 best sellers of the last 7 days in each department bought from.

    They are ordered by the customer's decayed purchases in the department times the article's sales.
    """
    log, recent = history.log, _find_recent_entries(history, WEEK)
    department = shop.attributes["department_no"]
    groups = int(department.max(initial=0)) + 1
    sold_in = department[log.item[recent]].astype(np.int64)
    best = lists.gather(sold_in, log.item[recent], np.ones(len(recent)), groups, EACH)
    return sparse_product.best_targets(
        _map_to_codes(lists.own(history, users, RECENT), department), best, *_get_size(shop)
    )


def list_repurchase(history: History, shop: Shop, users: Array) -> Lists:
    """List all articles that the customer bought before, by their decayed purchases."""
    return sparse_product.best_targets(
        lists.own(history, users, RECENT), lists.identity(history.log.items), *_get_size(shop)
    )


def list_same_product(history: History, shop: Shop, users: Array) -> Lists:
    """List the other articles, ever sold, of the product codes bought, by decayed purchases times decayed sales."""
    log, known = history.log, history.known
    code = shop.attributes["product_code"]
    worth = history.decay(RECENT)
    variants = lists.gather(code[log.item[known]].astype(np.int64), log.item[known], worth, int(code.max()) + 1)
    own = lists.own(history, users, RECENT)
    return sparse_product.best_targets(_map_to_codes(own, code), variants, *_get_size(shop), skip=own)


def list_by_age(history: History, shop: Shop, users: Array) -> Lists:
    """List the 12 best sellers of the last 7 days in the customer's age bin; nothing if the age is missing."""
    age = shop.age_bin
    bins = np.full(history.log.users, -1, np.int64) if age is None else age.astype(np.int64)
    known = bins[users] >= 0
    ptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(known)])
    rows = Lists(ptr, bins[users][known].astype(np.uint32), np.ones(int(known.sum()), np.float32))
    return sparse_product.best_targets(
        rows, _list_best_sellers(history, bins, int(bins.max(initial=0)) + 1, 12), *_get_size(shop)
    )


def list_cooccurring(history: History, shop: Shop, users: Array) -> Lists:
    """List the articles that co-occur with the customer's articles in the last 32 weeks.

    Two articles co-occur if one customer bought both. More such customers rank higher, and the customer's articles are
    weighted by recency. The customer's own articles are left out.
    """
    log, recent = history.log, _find_recent_entries(history, TOGETHER)
    bought = lists.gather(log.user[recent].astype(np.int64), log.item[recent], np.ones(len(recent)), log.users)
    once = Lists(bought.ptr, bought.target, np.ones(len(bought.target), np.float32))
    neighbours = sparse_product.best_targets(
        lists.transpose(once, log.items), once, log.items, COMPANY, skip=lists.identity(log.items)
    )
    own = lists.own(history, users, RECENT)
    return sparse_product.best_targets(own, neighbours, *_get_size(shop), skip=own)


def list_by_profile(history: History, shop: Shop, users: Array) -> Lists:
    """List the 48 recently sold articles whose one-hot attributes are nearest to the customer's mean, by exact search.

    The dot product is a sparse product: customer -> attribute values of articles bought -> articles with these values.
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


SOURCES = {  # published name -> its figures and rule
    "popular 60": Published(4_139_040, 0.0778, 0.0040, "popular", list_popular),
    "popular in the customer's department, 6 each": Published(
        3_172_586, 0.0476, 0.0032, "category", list_by_department
    ),
    "repurchase": Published(3_446_562, 0.0395, 0.0025, "repurchase", list_repurchase),
    "same product_code": Published(4_186_861, 0.0296, 0.0015, "variants", list_same_product),
    "popular by age 12": Published(824_304, 0.0248, 0.0064, "segment", list_by_age),
    "co-occurrence, 32 weeks": Published(1_228_865, 0.0155, 0.0027, "item_cf", list_cooccurring),
    "one-hot profile nearest 48": Published(2_982_578, 0.0106, 0.0008, "two_tower", list_by_profile),
}


def _get_size(shop: Shop) -> tuple[int, int]:
    """Return the number of articles and the length of a list."""
    return shop.log.items, LONGEST


def _find_recent_entries(history: History, days: int) -> Array:
    """Find the positions in the log of the known entries of the last ``days`` days."""
    known: Array = history.known
    return known[history.log.day[known] >= history.cutoff - days]


def _list_best_sellers(history: History, group: Array, groups: int, top: int) -> Lists:
    """List the ``top`` best sellers of the last 7 days of each group of customers; ``group`` (users,), -1 for none."""
    log, recent = history.log, _find_recent_entries(history, WEEK)
    return lists.gather(group[log.user[recent]], log.item[recent], np.ones(len(recent)), groups, top)


def _map_to_codes(own: Lists, code: Array) -> Lists:
    """Map each customer's articles to their codes and add up the weights; articles without a code are left out."""
    has_code = code[own.target] >= 0
    return lists.gather(
        own.key_of_rows()[has_code], code[own.target][has_code].astype(np.uint32), own.weight[has_code], own.keys
    )
