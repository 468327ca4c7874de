"""The two towers of the report: a customer's and an article's vector, the sigmoid of their dot product, squared error.

Widths after the author's code. A layer over one-hot columns is a sum of rows of its matrix, so none is made.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from research.hm_report.inputs import Table

Shape = Literal["base", "embedding", "deep", "both deep"]
NARROW, WIDE = (5, 3), (250, 125, 50, 10)
EMBEDDED = 5  # width of an attribute's vector


class Pairs(NamedTuple):
    """b pairs of a customer and an article, bought or not."""

    customer: Tensor  # (b, k) int64 rows of the customers' table
    customer_numbers: Tensor  # (b, f)
    article: Tensor  # (b, m) int64 rows of the articles' table
    article_numbers: Tensor  # (b, g)
    bought: Tensor  # (b,) 1 or 0


class OneHot(nn.Module):
    """The linear layer over one-hot columns and numbers: ``nn.Linear(rows + numbers, width)`` without the zeros."""

    def __init__(self, table: Table, width: int) -> None:
        super().__init__()
        numbers = table.numbers.shape[2]
        bound = 1 / math.sqrt(max(table.rows + numbers, 1))
        self.codes = nn.EmbeddingBag(max(table.rows, 1), width, mode="sum")
        self.numbers = nn.Parameter(torch.empty(numbers, width).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(width).uniform_(-bound, bound))
        nn.init.uniform_(self.codes.weight, -bound, bound)

    def forward(self, codes: Tensor, numbers: Tensor) -> Tensor:
        """(b, k), (b, f) -> (b, width)"""
        out: Tensor = self.codes(codes) + numbers @ self.numbers + self.bias
        return out


class Tower(nn.Module):
    """``widths``: of the layers, ReLU between them."""

    def __init__(self, table: Table, widths: Sequence[int]) -> None:
        super().__init__()
        self.first = OneHot(table, widths[0])
        pairs = itertools.pairwise(widths)
        self.rest = nn.Sequential(*(layer for a, b in pairs for layer in (nn.ReLU(), nn.Linear(a, b))))

    def forward(self, codes: Tensor, numbers: Tensor) -> Tensor:
        """(b, k), (b, f) -> (b, widths[-1])"""
        out: Tensor = self.rest(self.first(codes, numbers))
        return out


class Embedded(nn.Module):
    """A vector for each attribute, side by side, one layer, and ReLU on the output: no coordinate is negative."""

    def __init__(self, table: Table, width: int) -> None:
        super().__init__()
        self.vectors = nn.Embedding(max(table.rows, 1), EMBEDDED)
        self.layer = nn.Linear(len(table.columns) * EMBEDDED + table.numbers.shape[2], width)

    def forward(self, codes: Tensor, numbers: Tensor) -> Tensor:
        """(b, k), (b, f) -> (b, width)"""
        flat = torch.cat([self.vectors(codes).flatten(1), numbers], 1)  # (b, k * EMBEDDED + f)
        return torch.relu(self.layer(flat))


class TwoTower(nn.Module):
    def __init__(self, shape: Shape, customers: Table, articles: Table) -> None:
        super().__init__()
        narrow = shape in ("base", "embedding")
        self.article = Embedded(articles, NARROW[-1]) if shape == "embedding" else Tower(articles, _widths(narrow))
        self.customer = Tower(customers, WIDE[-1:] if shape == "deep" else _widths(narrow))

    def forward(self, of: Pairs) -> Tensor:
        """(b,) log-odds: the dot products."""
        customers = self.customer(of.customer, of.customer_numbers)  # (b, d)
        articles = self.article(of.article, of.article_numbers)  # (b, d)
        odds: Tensor = (customers * articles).sum(1)
        return odds

    def loss(self, of: Pairs) -> Tensor:
        """Mean squared error of the probabilities."""
        return (torch.sigmoid(self(of)) - of.bought).square().mean()


def _widths(narrow: bool) -> tuple[int, ...]:
    return NARROW if narrow else WIDE
