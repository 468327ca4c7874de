"""Predict the next basket from counts of earlier purchases with the report's multi-layer perceptron (MLP).

The published network ends in a sigmoid, and its loss applies another sigmoid. The loss of an article that is not bought
is then at least ln 2, even at a probability of 0, so it hardly falls. The fixed variant gives the logits to the loss.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from research.hm_report.shops import Past
from retail import ragged
from retail.log import Array


class Baskets(NamedTuple):
    """Hold the earlier purchases and the target baskets of b customers; a column is an article of the vocabulary."""

    column: Tensor  # (e,) int64 of each earlier entry, customer after customer
    start: Tensor  # (b,) int64 first entry of each customer
    target_row: Tensor  # (p,) int64 customer of each article of the target baskets
    target_column: Tensor  # (p,) int64 column of the same article


class Mlp(nn.Module):
    """Map counts of earlier purchases to log-odds of the next basket.

    ``hidden``: widths of the hidden layers, (100,) or (500, 100) in the report.
    ``published``: apply the second sigmoid.
    """

    def __init__(self, articles: int, hidden: tuple[int, ...], published: bool) -> None:
        super().__init__()
        self.published = published
        self.first = nn.EmbeddingBag(articles, hidden[0], mode="sum")  # counts @ matrix, (b, N) @ (N, hidden)
        bound = articles**-0.5
        nn.init.uniform_(self.first.weight, -bound, bound)
        self.bias = nn.Parameter(torch.empty(hidden[0]).uniform_(-bound, bound))
        pairs = zip(hidden, (*hidden[1:], articles), strict=True)
        self.rest = nn.Sequential(*(layer for a, b in pairs for layer in (nn.ReLU(), nn.Linear(a, b))))

    def forward(self, baskets: Baskets) -> Tensor:
        """Compute the log-odds (b, N) that each article is in the next basket."""
        out: Tensor = self.rest(self.first(baskets.column, baskets.start) + self.bias)
        return out

    def loss(self, baskets: Baskets) -> Tensor:
        """Compute the mean binary cross-entropy over customers and articles."""
        logits = self(baskets)
        target = torch.zeros_like(logits)
        target[baskets.target_row, baskets.target_column] = 1.0
        return functional.binary_cross_entropy_with_logits(torch.sigmoid(logits) if self.published else logits, target)


class Examples(NamedTuple):
    """Hold the baskets of c customers with at least two: the last one as target, the earlier ones as input.

    Row r has the columns ``before[ptr[r]:ptr[r + 1]]`` and ``last[last_ptr[r]:last_ptr[r + 1]]``.
    """

    ptr: Array  # (c + 1,)
    before: Array
    last_ptr: Array  # (c + 1,)
    last: Array

    def select(self, rows: Array) -> Baskets:
        """Select the customers ``rows`` (b,) as a batch."""
        length, last_length = np.diff(self.ptr)[rows], np.diff(self.last_ptr)[rows]
        before = ragged.positions(self.ptr[rows], length)
        last = ragged.positions(self.last_ptr[rows], last_length)
        return Baskets(
            torch.from_numpy(self.before[before]),
            torch.from_numpy(ragged.offsets(length)[:-1]),
            torch.from_numpy(ragged.row_of(ragged.offsets(last_length))),
            torch.from_numpy(self.last[last]),
        )


def build_examples(past: Past, column: Array) -> Examples:
    """Build the examples of the customers with at least two baskets; ``column``: (items,) column of each article."""
    first = np.concatenate([[True], past.user[1:] != past.user[:-1]]) if len(past.user) else np.zeros(0, bool)
    run = np.cumsum(first) - 1  # the past is sorted by customer and day
    last_day = np.maximum.reduceat(past.day, np.flatnonzero(first)) if len(past.user) else past.day
    is_last = past.day == last_day[run]
    has_earlier = np.bincount(run, ~is_last) > 0
    kept = has_earlier[run]
    run, is_last, columns = (np.cumsum(has_earlier) - 1)[run][kept], is_last[kept], column[past.item[kept]]
    sizes = [np.bincount(run[part], minlength=int(has_earlier.sum())) for part in (~is_last, is_last)]
    ptr, last_ptr = (ragged.offsets(size) for size in sizes)
    return Examples(ptr, columns[~is_last], last_ptr, columns[is_last])


def build_inputs(past: Past, column: Array, users: Array) -> Baskets:
    """Build the inputs of ``users`` (ascending) without targets; articles outside the vocabulary are left out."""
    known = np.isin(past.user, users) & (column[past.item] >= 0)
    length = np.bincount(np.searchsorted(users, past.user[known]), minlength=len(users))
    empty = torch.zeros(0, dtype=torch.int64)
    start = ragged.offsets(length)[:-1]
    return Baskets(torch.from_numpy(column[past.item[known]]), torch.from_numpy(start), empty, empty)
