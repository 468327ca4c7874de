"""Training batches of the two-tower network: customers of one label week, and the articles told apart for them.

A batch keeps to one label week, so that every article in it is seen as of the same day as its customers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from retail import weeks
from retail.log import Array, Log
from retail.params import Block, NotNegative, Positive, Share
from retail.ragged import offsets, positions, row_of
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.networks.two_tower.inputs import (
    Bag,
    Customers,
    article_numbers,
    bought,
    customers,
    sales_in,
)

RECENT = 28  # days whose sales say which articles are popular


class Examples(Block):
    weeks: Positive  # label weeks it is trained on, at most, before those that stop it early
    hold: Positive  # label weeks that stop it early
    customers: Positive  # buyers of a label week that are looked at
    most: Positive  # customers, of all label weeks together, that an epoch is made of, at most
    batch: Positive  # customers
    negatives: NotNegative  # popular articles drawn for each batch, shared by its customers
    power: Annotated[float, Field(ge=0)]  # exponent on an article's recent sales when they are drawn
    basket: Share  # a purchase weighs (size of its week's basket)^-basket


class Batch(NamedTuple):
    items: Tensor  # (m,) int64 every article that the batch mentions, ascending
    customers: Customers  # b of one label week; their entries are rows of ``items``
    column: Tensor  # (c,) int64 rows of ``items``: the articles that are told apart
    numbers: Tensor  # (c, ARTICLE_NUMBERS) as of the week's first day
    correction: Tensor  # (c,) log(times in the batch / times expected)
    pair_row: Tensor  # (p,) int64 customer of each purchase of the label week
    pair_column: Tensor  # (p,) int64 its article, a column
    pair_weight: Tensor  # (p,) sums to 1


@dataclass(frozen=True)
class Week:
    """A label week: its buyers, what they bought, and the articles as they were known on its first day."""

    history: History
    users: Array  # (b,) uint32
    ptr: Array  # (b + 1,) int64
    bought: Array  # (p,) int64; customer users[r] bought bought[ptr[r]:ptr[r+1]] in the week
    numbers: Array  # (items, ARTICLE_NUMBERS) float32
    share: Array  # (items,) float64 of the week's purchases
    popular: Array  # (items,) float64 chance to be drawn as a negative


def label_week(log: Log, week: int, examples: Examples, seed: int) -> Week:
    """Label week ``week``, for which all but its purchases is known before its first day."""
    history = weeks.history(log, week)
    user, item = weeks.truth(log, week)
    users = weeks.sample_users(np.unique(user), examples.customers, week, seed)
    low, high = np.searchsorted(user, users), np.searchsorted(user, users, side="right")
    theirs = item[positions(low, high - low)].astype(np.int64)
    sales = sales_in(history, RECENT)
    popular = np.where(sales > 0, sales.astype(np.float64) ** examples.power, 0.0)
    return Week(
        history=history,
        users=users,
        ptr=offsets(high - low),
        bought=theirs,
        numbers=article_numbers(history),
        share=np.bincount(theirs, minlength=log.items) / max(len(theirs), 1),
        popular=popular / max(popular.sum(), 1e-9),
    )


def batches(
    label_weeks: Sequence[Week], shop: Shop, bag: Bag, examples: Examples, seed: Sequence[int]
) -> Iterator[Batch]:
    """Every customer of every label week once, in random order, or as many as ``examples.most`` allows.

    ``count`` batches; what one epoch leaves out is drawn anew for the next.
    """
    rng = np.random.default_rng(seed)
    jobs = [
        (week, rows)
        for week in label_weeks
        for rows in np.array_split(rng.permutation(len(week.users)), _parts(week, examples))
    ]
    for job in rng.permutation(len(jobs))[: count(label_weeks, examples)]:
        week, rows = jobs[job]
        yield batch(week, np.sort(rows), shop, bag, examples, rng)


def count(label_weeks: Sequence[Week], examples: Examples) -> int:
    """Batches of an epoch."""
    return min(sum(_parts(week, examples) for week in label_weeks), -(-examples.most // examples.batch))


def batch(week: Week, rows: Array, shop: Shop, bag: Bag, examples: Examples, rng: np.random.Generator) -> Batch:
    """The customers ``rows`` of a label week; the articles told apart are all that they buy in it, and popular ones.

    An article stands in the batch as often as it was bought or drawn, once for all: ``correction`` is the log of that
    number over its expectation, purchases x share of the week + draws x chance to be drawn.
    """
    low, high = week.ptr[rows], week.ptr[rows + 1]
    item, pair_row = week.bought[positions(low, high - low)], row_of(offsets(high - low))
    draws = examples.negatives if week.popular.any() else 0
    drawn = rng.choice(len(week.popular), draws, p=week.popular) if draws else item[:0]
    columns, times = np.unique(np.concatenate([item, drawn]), return_counts=True)
    expected = len(item) * week.share[columns] + draws * week.popular[columns]
    users = week.users[rows]
    entry = bought(week.history, users, bag.entries)
    items, row = np.unique(np.concatenate([entry, columns]), return_inverse=True)
    weight = (high - low)[pair_row] ** -examples.basket
    return Batch(
        items=torch.from_numpy(items),
        customers=customers(week.history, shop, users, bag, row[: len(entry)]),
        column=torch.from_numpy(row[len(entry) :]),
        numbers=torch.from_numpy(week.numbers[columns]),
        correction=torch.from_numpy(np.log(times / expected).astype(np.float32)),
        pair_row=torch.from_numpy(pair_row),
        pair_column=torch.from_numpy(np.searchsorted(columns, item)),
        pair_weight=torch.from_numpy((weight / weight.sum()).astype(np.float32)),
    )


def _parts(week: Week, examples: Examples) -> int:
    return -(-len(week.users) // examples.batch)
