"""Score pairs with the report's two towers: the dot product of a customer's and an article's vector.

The probability is the sigmoid of the dot product, and the loss is the squared error. The widths are those of the
author's code. A linear layer over one-hot columns equals a sum of rows of its matrix, so no one-hot matrix is built.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from research.hm_report.tower_inputs import InputTable

Shape = Literal["base", "embedding", "deep", "both deep"]
NARROW, WIDE = (5, 3), (250, 125, 50, 10)
EMBEDDING_WIDTH = 5  # width of an attribute's vector


class Pairs(NamedTuple):
    """Hold b pairs of a customer and an article, bought or not."""

    customer: Tensor  # (b, k) int64 rows of the customers' table
    customer_numbers: Tensor  # (b, f)
    article: Tensor  # (b, m) int64 rows of the articles' table
    article_numbers: Tensor  # (b, g)
    bought: Tensor  # (b,) 1 or 0


class OneHot(nn.Module):
    """Apply a linear layer to one-hot columns and numbers: ``nn.Linear(rows + numbers, width)`` on sparse input."""

    def __init__(self, table: InputTable, width: int) -> None:
        super().__init__()
        numbers = table.numbers.shape[2]
        bound = 1 / math.sqrt(max(table.rows + numbers, 1))
        self.codes = nn.EmbeddingBag(max(table.rows, 1), width, mode="sum")
        self.numbers = nn.Parameter(torch.empty(numbers, width).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(width).uniform_(-bound, bound))
        nn.init.uniform_(self.codes.weight, -bound, bound)

    def forward(self, codes: Tensor, numbers: Tensor) -> Tensor:
        """Map codes (b, k) and numbers (b, f) to (b, width)."""
        out: Tensor = self.codes(codes) + numbers @ self.numbers + self.bias
        return out


class Tower(nn.Module):
    """Stack linear layers of the given ``widths``, with a ReLU between them."""

    def __init__(self, table: InputTable, widths: Sequence[int]) -> None:
        super().__init__()
        self.first = OneHot(table, widths[0])
        pairs = itertools.pairwise(widths)
        self.rest = nn.Sequential(*(layer for a, b in pairs for layer in (nn.ReLU(), nn.Linear(a, b))))

    def forward(self, codes: Tensor, numbers: Tensor) -> Tensor:
        """Map codes (b, k) and numbers (b, f) to (b, widths[-1])."""
        out: Tensor = self.rest(self.first(codes, numbers))
        return out


class Embedded(nn.Module):
    """Embed each attribute, concatenate the vectors, and apply one linear layer and a ReLU: no output is negative."""

    def __init__(self, table: InputTable, width: int) -> None:
        super().__init__()
        self.vectors = nn.Embedding(max(table.rows, 1), EMBEDDING_WIDTH)
        self.layer = nn.Linear(len(table.columns) * EMBEDDING_WIDTH + table.numbers.shape[2], width)

    def forward(self, codes: Tensor, numbers: Tensor) -> Tensor:
        """Map codes (b, k) and numbers (b, f) to (b, width)."""
        flat = torch.cat([self.vectors(codes).flatten(1), numbers], 1)  # (b, k * EMBEDDING_WIDTH + f)
        return torch.relu(self.layer(flat))


class TwoTower(nn.Module):
    """Join a customer tower and an article tower of one of the report's shapes."""

    def __init__(self, shape: Shape, customers: InputTable, articles: InputTable) -> None:
        super().__init__()
        narrow = shape in ("base", "embedding")
        self.article = Embedded(articles, NARROW[-1]) if shape == "embedding" else Tower(articles, _widths(narrow))
        self.customer = Tower(customers, WIDE[-1:] if shape == "deep" else _widths(narrow))

    def forward(self, pairs: Pairs) -> Tensor:
        """Compute the log-odds (b,): the dot products."""
        customers = self.customer(pairs.customer, pairs.customer_numbers)  # (b, d)
        articles = self.article(pairs.article, pairs.article_numbers)  # (b, d)
        log_odds: Tensor = (customers * articles).sum(1)
        return log_odds

    def loss(self, pairs: Pairs) -> Tensor:
        """Compute the mean squared error of the probabilities."""
        return (torch.sigmoid(self(pairs)) - pairs.bought).square().mean()


def _widths(narrow: bool) -> tuple[int, ...]:
    return NARROW if narrow else WIDE
