"""The report's multi-layer perceptron: counts of the articles bought so far to probabilities of the next basket.

As published it ends in a sigmoid whose output goes into a loss that applies another one. The least that this loss can
be for an article that is not bought is then ln 2, at a probability of 0, so that it hardly falls from there; mended,
the logits go into the loss.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from research.hm_report.shops import Past
from retail.log import Array


class Baskets(NamedTuple):
    """b customers: what they bought before, and the basket to be told; columns are the articles of the vocabulary."""

    column: Tensor  # (e,) int64 of each entry before, one customer after another
    start: Tensor  # (b,) int64 first entry of each customer
    row: Tensor  # (p,) int64 customer of each article of the basket
    bought: Tensor  # (p,) int64 its column


class Mlp(nn.Module):
    """``hidden``: (100,) or (500, 100) in the report."""

    def __init__(self, articles: int, hidden: tuple[int, ...], published: bool) -> None:
        super().__init__()
        self.published = published
        self.first = nn.EmbeddingBag(articles, hidden[0], mode="sum")  # counts @ matrix, (b, N) @ (N, hidden)
        bound = articles**-0.5
        nn.init.uniform_(self.first.weight, -bound, bound)
        self.bias = nn.Parameter(torch.empty(hidden[0]).uniform_(-bound, bound))
        pairs = zip(hidden, (*hidden[1:], articles), strict=True)
        self.rest = nn.Sequential(*(layer for a, b in pairs for layer in (nn.ReLU(), nn.Linear(a, b))))

    def forward(self, of: Baskets) -> Tensor:
        """(b, N) log-odds that each article is in the basket."""
        out: Tensor = self.rest(self.first(of.column, of.start) + self.bias)
        return out

    def loss(self, of: Baskets) -> Tensor:
        logits = self(of)
        wanted = torch.zeros_like(logits)
        wanted[of.row, of.bought] = 1.0
        return functional.binary_cross_entropy_with_logits(torch.sigmoid(logits) if self.published else logits, wanted)


class Examples(NamedTuple):
    """Customers with two baskets or more; ``before`` and ``last`` hold their entries as columns."""

    ptr: Array  # (c + 1,) of ``before``
    before: Array
    last_ptr: Array  # (c + 1,) of ``last``
    last: Array

    def of(self, rows: Array) -> Baskets:
        before, last = _runs(self.ptr, rows), _runs(self.last_ptr, rows)
        length = np.diff(self.ptr)[rows]
        return Baskets(
            torch.from_numpy(self.before[before]),
            torch.from_numpy(np.cumsum(length) - length),
            torch.from_numpy(np.repeat(np.arange(len(rows)), np.diff(self.last_ptr)[rows])),
            torch.from_numpy(self.last[last]),
        )


def examples(past: Past, column: Array) -> Examples:
    """The last basket of each customer of the past as the target, what came before as the input."""
    first = np.concatenate([[True], past.user[1:] != past.user[:-1]]) if len(past.user) else np.zeros(0, bool)
    run = np.cumsum(first) - 1  # the past is sorted by customer and day
    last_day = np.maximum.reduceat(past.day, np.flatnonzero(first)) if len(past.user) else past.day
    is_last = past.day == last_day[run]
    several = np.bincount(run, ~is_last) > 0
    kept = several[run]
    run, is_last, at = (np.cumsum(several) - 1)[run][kept], is_last[kept], column[past.item[kept]]
    sizes = [np.bincount(run[part], minlength=int(several.sum())) for part in (~is_last, is_last)]
    ptr, last_ptr = (np.concatenate([[0], np.cumsum(each)]) for each in sizes)
    return Examples(ptr, at[~is_last], last_ptr, at[is_last])


def inputs(past: Past, column: Array, users: Array) -> Baskets:
    """All that ``users`` (ascending) bought before the cutoff and the vocabulary holds, to be answered."""
    known = np.isin(past.user, users) & (column[past.item] >= 0)
    length = np.bincount(np.searchsorted(users, past.user[known]), minlength=len(users))
    none = torch.zeros(0, dtype=torch.int64)
    start = np.cumsum(length) - length
    return Baskets(torch.from_numpy(column[past.item[known]]), torch.from_numpy(start), none, none)


def _runs(ptr: Array, rows: Array) -> Array:
    low, length = ptr[rows], np.diff(ptr)[rows]
    at: Array = np.arange(length.sum()) + np.repeat(low - (np.cumsum(length) - length), length)
    return at
