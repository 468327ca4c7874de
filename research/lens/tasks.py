"""Make the tasks: predict the next basket of training, validation and test customers, without any later data.

Online Retail is split by its calendar:

    0 ......................... validation_day .......... test_day .......... days
    training: every basket with | validation: a customer's | test: a customer's
    two baskets before it       | last basket in between   | last basket

Ta-Feng is read as the CASE paper released it: three files of users. A file gives only those articles of the last basket
that were bought before. So the task is to predict this repeated part. Each earlier basket of a training user is an
example in the same form, with a basket sequence of its own. The files count days back from the target's date, which a
forecast of this date must not know. Days are therefore counted from a user's first basket.
"""

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from research.case import tafeng
from research.case.tafeng import DAYS, Split
from retail import ragged, weeks
from retail.log import Array
from retail.shop import Shop
from stage1_candidates.networks.lens import basket_sequences
from stage1_candidates.networks.lens.basket_sequences import BasketSequences, Query

VALIDATION_DAYS, TEST_DAYS = 60, 120
LEAST = 2  # least number of baskets before an example; the paper needs such a threshold and does not give it
SALES_HALF_LIFE = 30.0  # days
HELD = 500  # most validation customers of a shop, evenly spread: each is decoded after every epoch


@dataclass(frozen=True)
class Task:
    """A data set with its training, validation and test queries."""

    name: str
    about: str  # its sizes, for the report
    sequences: BasketSequences
    train: Query
    validation: Query
    test: Query
    pieces: bool  # whether the pieces bought of each article are known
    customers: bool  # whether validation and test customers are also training customers

    @property
    def training_baskets(self) -> Array:
        """Return the mask (s,) bool of the baskets that training may read."""
        if self.customers:
            before: Array = self.sequences.day < self.validation.day.min(initial=2**31)
            return before
        return np.isin(self.sequences.user, self.train.user)


def make_shop_task(name: str, shop: Shop) -> Task:
    """Make the task of a shop; the vocabulary is that of the days before validation."""
    log = shop.log
    test_day = log.days - TEST_DAYS
    history = weeks.history(log, log.weeks - -(-(TEST_DAYS + VALIDATION_DAYS) // 7))
    vocabulary = basket_sequences.choose_vocabulary(history, log.items)
    sequences = basket_sequences.read_sequences(weeks.history(log, log.weeks), vocabulary, SALES_HALF_LIFE)
    examples = basket_sequences.list_examples(sequences, LEAST)
    between = examples.select((examples.day >= history.cutoff) & (examples.day < test_day))
    final = examples.select(examples.day >= test_day)
    train = examples.select(examples.day < history.cutoff)
    held = between.select(basket_sequences.mark_latest(between))
    test = final.select(basket_sequences.mark_latest(final))
    spread = np.unique(np.linspace(0, len(held.user) - 1, min(HELD, len(held.user))).astype(np.int64))
    validation = held.select(spread)
    about = f"{len(test.user)} test customers, {len(validation.user)} validation customers, {len(train.user)} training "
    about += f"baskets, {sequences.articles} articles"
    return Task(name, about, sequences, train, validation, test, pieces=True, customers=True)


def make_tafeng_task(folder: Path) -> Task:
    """Make the task of the CASE paper's files in ``folder``; InputError if a file is absent or malformed."""
    splits = [tafeng.read(folder, part) for part in tafeng.PARTS]
    parts = [_split_prefixes(_read_purchases(splits[0])), *(_keep_whole(_read_purchases(part)) for part in splits[1:])]
    first = np.cumsum([0, *(part["sequence"].n_unique() for part in parts)])
    rows = pl.concat([part.with_columns(pl.col("sequence") + n) for part, n in zip(parts, first, strict=False)])
    sold = np.bincount(parts[0]["item"].to_numpy(), minlength=splits[0].items + 1)[1:]
    sequences = _make_sequences(rows, int(first[-1]), sold)
    last = sequences.start[1:] - 1
    train, validation, test = (
        Query(np.arange(low, high), last[low:high], sequences.day[last[low:high]])
        for low, high in itertools.pairwise(first)
    )
    about = f"{splits[2].users} test users, {splits[1].users} validation users, {len(train.user)} training baskets of "
    about += f"{splits[0].users} users, {sequences.articles} articles; the repeated part of the next basket"
    return Task("Ta-Feng", about, sequences, train, validation, test, pieces=False, customers=False)


def _read_purchases(split: Split) -> pl.DataFrame:
    """Read (user, day, item, basket) rows of every purchase; day 364 is the target's and holds its repeated part."""
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


def _keep_whole(rows: pl.DataFrame) -> pl.DataFrame:
    """Make one sequence per user."""
    return rows.select(pl.col("user").alias("sequence"), "day", "item")


def _split_prefixes(rows: pl.DataFrame) -> pl.DataFrame:
    """Make one sequence per basket with a repeated article: the baskets before it, then its repeated articles."""
    repeated = pl.col("basket") > pl.col("basket").min().over("user", "item")
    targets = rows.filter(repeated)
    keys = targets.select("user", target="basket").unique().sort("user", "target").with_row_index("sequence")
    keys = keys.with_columns(pl.col("sequence").cast(pl.Int64))
    before = keys.join(rows, on="user").filter(pl.col("basket") < pl.col("target"))
    last = keys.join(targets, left_on=["user", "target"], right_on=["user", "basket"])
    return pl.concat([before.select("sequence", "day", "item"), last.select("sequence", "day", "item")])


def _make_sequences(rows: pl.DataFrame, users: int, sold: Array) -> BasketSequences:
    """Make basket sequences of (sequence, day, item from 1) rows, days from each sequence's first; rank by ``sold``."""
    articles = len(sold)
    rows = rows.with_columns(pl.col("day") - pl.col("day").min().over("sequence"))
    token = np.empty(articles, np.int64)
    token[np.lexsort((np.arange(articles), -sold))] = 1 + np.arange(articles)
    user, day, item = (rows[name].to_numpy() for name in ("sequence", "day", "item"))
    article = token[item - 1]
    visits, visit = np.unique(user * (DAYS + 1) + day, return_inverse=True)
    order = np.lexsort((article, visit))
    start = np.searchsorted(visits // (DAYS + 1), np.arange(users + 1))
    ptr = np.searchsorted(visit[order], np.arange(len(visits) + 1))
    return BasketSequences(
        start.astype(np.int64), visits % (DAYS + 1), np.zeros(len(visits), np.float32), ptr.astype(np.int64),
        article[order], np.ones(len(order), np.float32), articles, np.zeros((0, 0), np.float32),
    )  # fmt: skip


def count_own(task: Task, query: Query, half_life: float | None) -> tuple[Array, Array, Array]:
    """Count each customer's own articles: (row of ``query``, token, weight), one entry per row and article.

    The weight is the number of baskets with the article, each counting 1 or 2^(-age / half_life). A tiny bonus for a
    late purchase breaks ties.
    """
    sequences = task.sequences
    first = sequences.ptr[sequences.start[query.user]]
    size = sequences.ptr[query.stop] - first
    row = np.repeat(np.arange(len(size)), size)
    place = ragged.positions(first, size)
    basket = np.searchsorted(sequences.ptr, place, side="right") - 1
    age = (query.day[row] - sequences.day[basket]).astype(np.float64)
    weight = np.ones(len(row)) if half_life is None else np.exp2(-age / half_life)
    key, pair = np.unique(row * (sequences.articles + 1) + sequences.token[place], return_inverse=True)
    latest = np.full(len(key), np.inf)
    np.minimum.at(latest, pair, age)
    total = np.bincount(pair, weights=weight, minlength=len(key)) + 1e-6 / (1 + latest)
    return key // (sequences.articles + 1), key % (sequences.articles + 1), total
