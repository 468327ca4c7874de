"""Define the task: predict the last basket of each customer from earlier days only.

    0 ........................ validation_day ............ test_day ............ days
    targets of training baskets | validation: the customer's | test: the customer's last
    (every basket but the first)  last basket in between      basket of all

Customers have at least two baskets before the validation and test targets. Settings are chosen on validation, with
weights and shared counts from days before ``validation_day``. No weight is trained on later days.
"""

from dataclasses import dataclass

import numpy as np

from retail import weeks
from retail.log import Array
from retail.ragged import row_of
from retail.shop import Shop
from stage1_candidates.networks.trex import baskets
from stage1_candidates.networks.trex.baskets import Splits, Tokens

DEPTH = 20  # length of a ranked list
HALF_LIVES = [30.0, 90.0, 365.0]  # days: of the customer's own decayed counts
SALES_HALF_LIVES = [7.0, 30.0]  # days: of the shop's decayed sales
HISTORY = 2  # least number of baskets before a validation or test target


@dataclass(frozen=True)
class Task:
    """The training, validation and test splits of one shop; days count from the first day of the log."""

    tokens: Tokens
    train: Splits
    validation: Splits
    test: Splits
    validation_day: int
    test_day: int


def build_task(shop: Shop, validation_days: int, test_days: int) -> Task:
    """Build the task of ``shop``: its categories are product types; the last days are for validation and test."""
    history = weeks.history(shop.log, shop.log.weeks)
    categories = int(shop.category.max()) + 1
    tokens = baskets.build_tokens(history, shop.category, categories, HALF_LIVES, SALES_HALF_LIVES)
    every = baskets.build_splits(tokens, tokens.day, tokens.day)
    test_day = shop.log.days - test_days
    validation_day = test_day - validation_days
    long = tokens.basket[every.stop - 1] + 1 >= HISTORY
    between = every.select(long & (every.cutoff >= validation_day) & (every.cutoff < test_day))
    final = every.select(long & (every.cutoff >= test_day))
    return Task(
        tokens,
        every.select(every.cutoff < validation_day),
        between.select(_mark_latest(between.user)),
        final.select(_mark_latest(final.user)),
        validation_day,
        test_day,
    )


def _mark_latest(user: Array) -> Array:
    """Mark (e,) bool the last row of each customer."""
    return np.append(np.diff(user) != 0, True)[: len(user)]


def mark_hits(ranked: Array, splits: Splits) -> Array:
    """Mark (e, K) bool the ranked categories that are in the target; -1 is no category."""
    columns = max(int(splits.target.max(initial=0)), int(ranked.max(initial=0))) + 2
    inside = np.zeros((len(splits.user), columns), bool)
    inside[row_of(splits.ptr), splits.target] = True  # the last column, which -1 selects, stays False
    return np.take_along_axis(inside, ranked, axis=1)


def compute_recall_precision(ranked: Array, splits: Splits) -> tuple[Array, Array]:
    """Compute recall and precision, each (e, K), for k = 1..K: hits in the top k / basket size, and hits / k."""
    hits = mark_hits(ranked, splits).cumsum(1)
    return hits / np.diff(splits.ptr)[:, None], hits / np.arange(1, ranked.shape[1] + 1)


def rank_top(scores: Array, k: int) -> Array:
    """Rank (e, k) the columns of the k largest positive scores, ties by the lower column; -1 fills the rest."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.where(np.take_along_axis(scores, order, axis=1) > 0, order, -1)
