"""Make training batches of the two-tower network: customers of a label week and the articles to rank for them.

A batch covers one label week, so that articles and customers have features of the same day.
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
    build_customers,
    compute_article_numbers,
    count_sales,
    list_bought,
)

RECENT = 28  # days: window of the sales that define popularity


class Examples(Block):
    """The training examples."""

    weeks: Positive  # maximum number of label weeks for training, before the held-out ones
    warm_weeks: Positive  # the same of a training that starts from earlier weights, which holds out none
    hold: Positive  # held-out label weeks for early stopping
    customers: Positive  # maximum number of buyers used of a label week
    most: Positive  # maximum number of customers of an epoch, over all label weeks
    per_customer: Positive  # the same as a multiple of the customers with a purchase before the cutoff
    batch: Positive  # customers
    negatives: NotNegative  # popular articles drawn per batch, shared by its customers
    power: Annotated[float, Field(ge=0)]  # exponent of an article's recent sales in the draw
    basket: Share  # a purchase has the weight (number of the customer's purchases in the week)^-basket

    def bounded(self, history: History) -> "Examples":
        """Return these settings with ``most`` bounded by the shop's size at the cutoff."""
        customers = int((history.stop > history.log.start[:-1]).sum())
        return self.model_copy(update={"most": max(min(self.most, self.per_customer * customers), 1)})


class Batch(NamedTuple):
    """b customers of a label week, their p purchases, and the c articles (columns) that are ranked."""

    items: Tensor  # (m,) int64 all articles of the batch, ascending
    customers: Customers  # their entries are rows of ``items``
    column: Tensor  # (c,) int64 rows of ``items``: the ranked articles
    numbers: Tensor  # (c, ARTICLE_NUMBERS) as of the first day of the week
    correction: Tensor  # (c,) log(times in the batch / expected times)
    pair_row: Tensor  # (p,) int64 customer of each purchase of the label week
    pair_column: Tensor  # (p,) int64 column of its article
    pair_weight: Tensor  # (p,) with the sum 1


@dataclass(frozen=True)
class Week:
    """A label week: its buyers, their purchases, and the numbers of articles on its first day."""

    history: History
    users: Array  # (b,) uint32
    ptr: Array  # (b + 1,) int64
    bought: Array  # (p,) int64: customer users[r] bought the articles bought[ptr[r]:ptr[r+1]]
    numbers: Array  # (items, ARTICLE_NUMBERS) float32
    share: Array  # (items,) float64 of the week's purchases
    popular: Array  # (items,) float64 probability of a draw as a negative


def prepare_week(log: Log, week: int, examples: Examples, seed: int) -> Week:
    """Prepare label week ``week``; all inputs are known before its first day."""
    history = weeks.history(log, week)
    user, item = weeks.truth(log, week)
    users = weeks.sample_users(np.unique(user), examples.customers, week, seed)
    low, high = np.searchsorted(user, users), np.searchsorted(user, users, side="right")
    purchases = item[positions(low, high - low)].astype(np.int64)
    sales = count_sales(history, RECENT)
    popular = np.where(sales > 0, sales.astype(np.float64) ** examples.power, 0.0)
    return Week(
        history=history,
        users=users,
        ptr=offsets(high - low),
        bought=purchases,
        numbers=compute_article_numbers(history),
        share=np.bincount(purchases, minlength=log.items) / max(len(purchases), 1),
        popular=popular / max(popular.sum(), 1e-9),
    )


def iterate_batches(
    label_weeks: Sequence[Week], shop: Shop, bag: Bag, examples: Examples, seed: Sequence[int]
) -> Iterator[Batch]:
    """Yield the batches of an epoch in random order; each customer of each label week occurs at most once.

    If ``examples.most`` limits the epoch, each epoch draws its customers at random.
    """
    rng = np.random.default_rng(seed)
    jobs = [
        (week, rows)
        for week in label_weeks
        for rows in np.array_split(rng.permutation(len(week.users)), _count_week_batches(week, examples))
    ]
    for job in rng.permutation(len(jobs))[: count_batches(label_weeks, examples)]:
        week, rows = jobs[job]
        yield make_batch(week, np.sort(rows), shop, bag, examples, rng)


def count_batches(label_weeks: Sequence[Week], examples: Examples) -> int:
    """Count the batches of an epoch."""
    return min(sum(_count_week_batches(week, examples) for week in label_weeks), -(-examples.most // examples.batch))


def make_batch(week: Week, rows: Array, shop: Shop, bag: Bag, examples: Examples, rng: np.random.Generator) -> Batch:
    """Make the batch of the customers ``rows`` of a label week; columns are their purchases and drawn articles.

    An article has one column, even if it was bought or drawn several times. ``correction`` is the log of these times
    over their expectation: purchases x share of the week + draws x probability of a draw.
    """
    low, high = week.ptr[rows], week.ptr[rows + 1]
    item, pair_row = week.bought[positions(low, high - low)], row_of(offsets(high - low))
    draws = examples.negatives if week.popular.any() else 0
    drawn = rng.choice(len(week.popular), draws, p=week.popular) if draws else item[:0]
    columns, times = np.unique(np.concatenate([item, drawn]), return_counts=True)
    expected = len(item) * week.share[columns] + draws * week.popular[columns]
    users = week.users[rows]
    entry = list_bought(week.history, users, bag.entries)
    items, row = np.unique(np.concatenate([entry, columns]), return_inverse=True)
    weight = (high - low)[pair_row] ** -examples.basket
    return Batch(
        items=torch.from_numpy(items),
        customers=build_customers(week.history, shop, users, bag, row[: len(entry)]),
        column=torch.from_numpy(row[len(entry) :]),
        numbers=torch.from_numpy(week.numbers[columns]),
        correction=torch.from_numpy(np.log(times / expected).astype(np.float32)),
        pair_row=torch.from_numpy(pair_row),
        pair_column=torch.from_numpy(np.searchsorted(columns, item)),
        pair_weight=torch.from_numpy((weight / weight.sum()).astype(np.float32)),
    )


def _count_week_batches(week: Week, examples: Examples) -> int:
    return -(-len(week.users) // examples.batch)
