"""Who is asked for the next basket, and nothing learned from days after it.

Online Retail, after its own calendar:

    0 ........................ validation_day ............ test_day ............ days
    targets of training baskets | validation: the customer's | test: the customer's last
    (two baskets before them)     last basket in between      basket of all

Ta-Feng as released with the CASE paper: the users of its three files. A file tells which articles of the past are in
the last basket, and nothing else of it, so the basket that is asked for is its repeated part. A training user's earlier
baskets are asked for in the same form, each as a funnel of its own. Days are counted from a user's first basket: the
files count them back from the target's date, which a forecast of the date must not know.
"""

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from research.case import tafeng
from research.case.tafeng import DAYS, Split
from retail import weeks
from retail.log import Array
from retail.shop import Shop
from stage1_candidates.networks.lens import funnels
from stage1_candidates.networks.lens.funnels import Asked, Funnels

VALIDATION_DAYS, TEST_DAYS = 60, 120
LEAST = 2  # baskets before a basket that is asked for: the paper asks for a threshold and leaves it open
SALES_HALF_LIFE = 30.0  # days
HELD = 500  # validation customers of a shop, at most, spread over all: each is decoded after every epoch


@dataclass(frozen=True)
class Task:
    name: str
    about: str
    funnels: Funnels
    train: Asked
    validation: Asked
    test: Asked
    pieces: bool  # how many of each article were bought is known
    customers: bool  # those who are asked were trained on

    @property
    def seen(self) -> Array:
        """(s,) bool: baskets from which something may be learned."""
        if self.customers:
            before: Array = self.funnels.day < self.validation.day.min(initial=2**31)
            return before
        return np.isin(self.funnels.user, self.train.user)


def of_shop(name: str, shop: Shop) -> Task:
    """The task of a shop, vectors and orders of articles being those of the days before the validation's."""
    log = shop.log
    test_day = log.days - TEST_DAYS
    learned = weeks.history(log, log.weeks - -(-(TEST_DAYS + VALIDATION_DAYS) // 7))
    of = funnels.funnels(weeks.history(log, log.weeks), funnels.vocabulary(learned, log.items), SALES_HALF_LIFE)
    every = funnels.examples(of, LEAST)
    between = every.chosen((every.day >= learned.cutoff) & (every.day < test_day))
    final = every.chosen(every.day >= test_day)
    train = every.chosen(every.day < learned.cutoff)
    held, test = between.chosen(funnels.latest(between)), final.chosen(funnels.latest(final))
    validation = held.chosen(np.unique(np.linspace(0, len(held.user) - 1, min(HELD, len(held.user))).astype(np.int64)))
    about = f"{len(test.user)} test customers, {len(validation.user)} validation customers, {len(train.user)} training "
    about += f"baskets, {of.articles} articles"
    return Task(name, about, of, train, validation, test, pieces=True, customers=True)


def of_tafeng(folder: Path) -> Task:
    """The task of the CASE paper's files in ``folder``; an InputError says what is wrong with them."""
    splits = [tafeng.read(folder, part) for part in tafeng.PARTS]
    parts = [_prefixes(_rows(splits[0])), *(_asked_last(_rows(split)) for split in splits[1:])]
    first = np.cumsum([0, *(part["funnel"].n_unique() for part in parts)])
    rows = pl.concat([part.with_columns(pl.col("funnel") + n) for part, n in zip(parts, first, strict=False)])
    sold = np.bincount(parts[0]["item"].to_numpy(), minlength=splits[0].items + 1)[1:]
    of = _funnels(rows, int(first[-1]), sold)
    last = of.start[1:] - 1
    train, validation, test = (
        Asked(np.arange(low, high), last[low:high], of.day[last[low:high]]) for low, high in itertools.pairwise(first)
    )
    about = f"{splits[2].users} test users, {splits[1].users} validation users, {len(train.user)} training baskets of "
    about += f"{splits[0].users} users, {of.articles} articles; the repeated part of the next basket"
    return Task("Ta-Feng", about, of, train, validation, test, pieces=False, customers=False)


def _rows(split: Split) -> pl.DataFrame:
    """Rows (user, day, item) of every purchase, days 0..364 with the target's 364; of the target the repeats."""
    row = np.repeat(np.arange(len(split.item)), split.times)
    bought = split.label > 0
    user, item = split.user, split.item.astype(np.int64)
    return pl.DataFrame(
        {
            "user": np.concatenate([user[row], user[bought]]),
            "day": np.concatenate([DAYS - 1 - split.day.astype(np.int64), np.full(int(bought.sum()), DAYS)]),
            "item": np.concatenate([item[row], item[bought]]),
        }
    ).with_columns(basket=pl.col("day").rank("dense").over("user").cast(pl.Int64) - 1)


def _asked_last(rows: pl.DataFrame) -> pl.DataFrame:
    """A funnel for each user."""
    return rows.select(pl.col("user").alias("funnel"), "day", "item")


def _prefixes(rows: pl.DataFrame) -> pl.DataFrame:
    """A funnel for each basket with a repeated article: the baskets before it, then its repeated articles."""
    first = pl.col("basket") > pl.col("basket").min().over("user", "item")
    targets = rows.filter(first)
    keys = targets.select("user", target="basket").unique().sort("user", "target").with_row_index("funnel")
    keys = keys.with_columns(pl.col("funnel").cast(pl.Int64))
    before = keys.join(rows, on="user").filter(pl.col("basket") < pl.col("target"))
    last = keys.join(targets, left_on=["user", "target"], right_on=["user", "basket"])
    return pl.concat([before.select("funnel", "day", "item"), last.select("funnel", "day", "item")])


def _funnels(rows: pl.DataFrame, users: int, sold: Array) -> Funnels:
    """Funnels of rows (funnel, day, item from 1), days counted from each one's first; tokens by ``sold`` (V,)."""
    articles = len(sold)
    rows = rows.with_columns(pl.col("day") - pl.col("day").min().over("funnel"))
    token = np.empty(articles, np.int64)
    token[np.lexsort((np.arange(articles), -sold))] = 1 + np.arange(articles)
    user, day, of = (rows[name].to_numpy() for name in ("funnel", "day", "item"))
    article = token[of - 1]
    visits, visit = np.unique(user * (DAYS + 1) + day, return_inverse=True)
    order = np.lexsort((article, visit))
    start = np.searchsorted(visits // (DAYS + 1), np.arange(users + 1))
    ptr = np.searchsorted(visit[order], np.arange(len(visits) + 1))
    return Funnels(
        start.astype(np.int64), visits % (DAYS + 1), np.zeros(len(visits), np.float32), ptr.astype(np.int64),
        article[order], np.ones(len(order), np.float32), articles, np.zeros((0, 0), np.float32),
    )  # fmt: skip


def own_counts(task: Task, asked: Asked, half_life: float | None) -> tuple[Array, Array, Array]:
    """(row of ``asked``, token, worth) of every article in the past, once per row.

    Worth: baskets that hold it, each 1 or 2^(-age / half_life), and a little for the latest one, by which ties break.
    """
    of = task.funnels
    size = of.ptr[asked.stop] - of.ptr[of.start[asked.user]]
    row = np.repeat(np.arange(len(size)), size)
    place = np.arange(len(row)) + np.repeat(of.ptr[of.start[asked.user]] - np.cumsum(size) + size, size)
    basket = np.searchsorted(of.ptr, place, side="right") - 1
    age = (asked.day[row] - of.day[basket]).astype(np.float64)
    worth = np.ones(len(row)) if half_life is None else np.exp2(-age / half_life)
    key, at = np.unique(row * (of.articles + 1) + of.token[place], return_inverse=True)
    latest = np.full(len(key), np.inf)
    np.minimum.at(latest, at, age)
    total = np.bincount(at, weights=worth, minlength=len(key)) + 1e-6 / (1 + latest)
    return key // (of.articles + 1), key % (of.articles + 1), total
