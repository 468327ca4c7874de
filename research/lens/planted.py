"""Make a shop with planted groups: each customer buys the articles of one group, at the customer's own pace."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from retail import schema
from retail import shop as shops
from retail.log import Array
from retail.shop import Shop

GROUPS, ARTICLES, CUSTOMERS, DAYS = 4, 30, 600, 728  # groups, articles per group, customers in total, days
FAVOURITES = 8  # favourite articles of a customer
TAKEN = 0.6  # probability that a favourite is in a basket
OTHERS = 0.5  # mean number of other articles in a basket
PACES = (14, 21, 28, 42)  # mean days between a customer's baskets
JITTER = 0.15  # standard deviation of a gap, as a share of it


@dataclass(frozen=True)
class Planted:
    """The shop and its planted groups."""

    shop: Shop
    user_group: Array  # (users,) int64
    item_group: Array  # (items,) int64


def make_shop(seed: int) -> Planted:
    """Make the shop; the same seed gives the same shop."""
    rng = np.random.default_rng(seed)
    user_group = rng.integers(GROUPS, size=CUSTOMERS)
    item_group = np.repeat(np.arange(GROUPS), ARTICLES)
    pace = rng.choice(PACES, CUSTOMERS)
    most = DAYS // min(PACES) + 2
    gap = np.maximum(np.rint(pace[:, None] * rng.normal(1, JITTER, (CUSTOMERS, most))), 1)
    gap[:, 0] = np.floor(rng.random(CUSTOMERS) * pace)
    day = gap.cumsum(axis=1).astype(np.int64)  # (customers, visits)
    user, visit = np.nonzero(day < DAYS)
    favourites = rng.random((CUSTOMERS, ARTICLES)).argsort(axis=1)[:, :FAVOURITES]  # within the group
    taken = rng.random((len(user), FAVOURITES)) < TAKEN
    taken[:, 0] |= ~taken.any(axis=1)  # no basket is empty
    row, place = np.nonzero(taken)
    others = np.repeat(np.arange(len(user)), rng.poisson(OTHERS, len(user)))
    basket = np.concatenate([row, others])
    within = np.concatenate([favourites[user[row], place], rng.integers(ARTICLES, size=len(others))])
    tx = pl.DataFrame(
        {
            "user": user[basket],
            "item": user_group[user[basket]] * ARTICLES + within,
            "day": day[user[basket], visit[basket]],
            "price": np.ones(len(basket)),
            "channel": np.full(len(basket), 2),
            "quantity": 1 + rng.poisson(0.3, len(basket)),
        },
        schema_overrides=dict(schema.LOG),
    ).unique(["user", "day", "item"], keep="first", maintain_order=True)
    customers = pl.DataFrame({"user": range(CUSTOMERS)})
    articles = pl.DataFrame({"product_code": pl.Series(range(GROUPS * ARTICLES), dtype=pl.Int32)})
    return Planted(shops.build(tx, customers, articles, DAYS), user_group, item_group)
