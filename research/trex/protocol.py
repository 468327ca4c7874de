"""Who is asked what: the last basket of each customer, and nothing learned from days after it.

    0 ........................ validation_day ............ test_day ............ days
    targets of training baskets | validation: the customer's | test: the customer's last
    (every basket but the first)  last basket in between      basket of all

Customers have two baskets or more before the validation and test targets. Weights and counts that are shared between
customers come from days before ``validation_day`` when choices are made, and no weight is learned from later ones.
"""

from dataclasses import dataclass

import numpy as np

from retail import weeks
from retail.log import Array
from retail.shop import Shop
from stage1_candidates.networks.trex import baskets
from stage1_candidates.networks.trex.baskets import Splits, Tokens

DEPTH = 20  # k = 1..DEPTH
HALF_LIVES, SALES_HALF_LIVES = [30.0, 90.0, 365.0], [7.0, 30.0]  # days, of own counts and of the shop's sales
HISTORY = 2  # baskets before a basket that is asked for, at least


@dataclass(frozen=True)
class Task:
    tokens: Tokens
    train: Splits
    validation: Splits
    test: Splits
    validation_day: int
    test_day: int


def task(shop: Shop, validation_days: int, test_days: int) -> Task:
    """The task of ``shop``, its categories being product types, with the last days kept for validation and test."""
    history = weeks.history(shop.log, shop.log.weeks)
    categories = int(shop.category.max()) + 1
    of = baskets.tokens(history, shop.category, categories, HALF_LIVES, SALES_HALF_LIVES)
    every = baskets.splits(of, of.day, of.day)
    test_day = shop.log.days - test_days
    validation_day = test_day - validation_days
    long = of.basket[every.stop - 1] + 1 >= HISTORY
    between = every.chosen(long & (every.cutoff >= validation_day) & (every.cutoff < test_day))
    final = every.chosen(long & (every.cutoff >= test_day))
    return Task(
        of,
        every.chosen(every.cutoff < validation_day),
        between.chosen(_latest(between.user)),
        final.chosen(_latest(final.user)),
        validation_day,
        test_day,
    )


def _latest(user: Array) -> Array:
    """(e,) bool: the last row of each customer."""
    return np.append(np.diff(user) != 0, True)[: len(user)]


def hits(ranked: Array, of: Splits) -> Array:
    """(e, K) bool: the k-th ranked category is in the target; -1 ranks nothing."""
    inside = np.zeros((len(of.user), max(int(of.target.max(initial=0)), int(ranked.max(initial=0))) + 2), bool)
    inside[np.repeat(np.arange(len(of.user)), np.diff(of.ptr)), of.target] = True  # the last column stays False: -1
    return np.take_along_axis(inside, ranked, axis=1)


def recall_precision(ranked: Array, of: Splits) -> tuple[Array, Array]:
    """Each (e, K): |top-k and basket| / |basket| and |top-k and basket| / k, for k = 1..K."""
    found = hits(ranked, of).cumsum(1)
    return found / np.diff(of.ptr)[:, None], found / np.arange(1, ranked.shape[1] + 1)


def top(scores: Array, k: int) -> Array:
    """(e, k) columns of the k largest positive scores, ties by the lower column, -1 where there are fewer."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.where(np.take_along_axis(scores, order, axis=1) > 0, order, -1)
