"""A made-up shop whose groups are known: customers who buy from their group's articles, each at a pace of its own."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from retail import schema
from retail import shop as shops
from retail.log import Array
from retail.shop import Shop

GROUPS, ARTICLES, CUSTOMERS, DAYS = 4, 30, 600, 728  # groups, articles of a group, customers in all, days
FAVOURITES, TAKEN, OTHERS = 8, 0.6, 0.5  # of a customer; chance of each in a basket; mean number of others of the group
PACES = (14, 21, 28, 42)  # mean days between a customer's baskets
JITTER = 0.15  # of a gap, standard deviation


@dataclass(frozen=True)
class Planted:
    shop: Shop
    of_user: Array  # (users,) int64 group
    of_item: Array  # (items,) int64 group


def planted(seed: int) -> Planted:
    rng = np.random.default_rng(seed)
    of_user = rng.integers(GROUPS, size=CUSTOMERS)
    of_item = np.repeat(np.arange(GROUPS), ARTICLES)
    pace = rng.choice(PACES, CUSTOMERS)
    most = DAYS // min(PACES) + 2
    gap = np.maximum(np.rint(pace[:, None] * rng.normal(1, JITTER, (CUSTOMERS, most))), 1)
    gap[:, 0] = np.floor(rng.random(CUSTOMERS) * pace)
    day = gap.cumsum(axis=1).astype(np.int64)  # (customers, visits)
    user, visit = np.nonzero(day < DAYS)
    favourites = rng.random((CUSTOMERS, ARTICLES)).argsort(axis=1)[:, :FAVOURITES]  # within the group
    taken = rng.random((len(user), FAVOURITES)) < TAKEN
    taken[:, 0] |= ~taken.any(axis=1)  # nobody comes for nothing
    row, place = np.nonzero(taken)
    more = np.repeat(np.arange(len(user)), rng.poisson(OTHERS, len(user)))
    basket = np.concatenate([row, more])
    within = np.concatenate([favourites[user[row], place], rng.integers(ARTICLES, size=len(more))])
    tx = pl.DataFrame(
        {
            "user": user[basket],
            "item": of_user[user[basket]] * ARTICLES + within,
            "day": day[user[basket], visit[basket]],
            "price": np.ones(len(basket)),
            "channel": np.full(len(basket), 2),
            "quantity": 1 + rng.poisson(0.3, len(basket)),
        },
        schema_overrides=dict(schema.LOG),
    ).unique(["user", "day", "item"], keep="first", maintain_order=True)
    customers = pl.DataFrame({"user": range(CUSTOMERS)})
    articles = pl.DataFrame({"product_code": pl.Series(range(GROUPS * ARTICLES), dtype=pl.Int32)})
    return Planted(shops.of_tables(tx, customers, articles, DAYS), of_user, of_item)
