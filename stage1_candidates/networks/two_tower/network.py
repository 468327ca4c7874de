"""The two-tower network: a customer's bag of articles against an article, trained by a corrected sampled softmax.

There is no table of customers: one is known by what was bought before the cutoff, by traits and by recency, so that a
new customer or a new week needs no training. A bag holds the same article vectors that the article tower begins with,
which makes an article near to those who bought it. An article's own vector is left out now and then, as a whole, so
that one which training never saw can live on its attributes.
"""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from retail.log import Array
from retail.params import Block, Days, NotNegative, Positive, Share
from stage1_candidates.networks.two_tower.batches import Batch
from stage1_candidates.networks.two_tower.inputs import ARTICLE_NUMBERS, CUSTOMER_NUMBERS, Bag, Customers

SPREAD = 0.1  # standard deviation of first attribute and trait vectors


class Settings(Block):
    width: Positive  # of the vectors
    hidden: Positive  # units of either tower's hidden layer
    entries: Positive  # of a customer's log that stand in the bags, the most recent ones
    half_lives: tuple[Days, ...]  # a bag for each
    mass: Share  # a bag is divided by (the sum of its weights)^mass
    own_dropout: Share  # chance that an article's own vector is left out
    dropout: Share  # of hidden units
    trait_customers: NotNegative  # that have a trait's value, for which it has a vector; rarer ones count as missing
    temperature: Annotated[float, Field(gt=0)]  # that the cosine is divided by

    @property
    def bag(self) -> Bag:
        return Bag(self.entries, self.half_lives, self.mass)


class TwoTower(nn.Module):
    """Unit vectors of customers and articles; their dot product over the temperature is the log-odds of a purchase."""

    def __init__(self, codes: Array, traits: int, settings: Settings) -> None:
        """``codes``: (items, attributes) rows of the table of attributes; ``traits``: rows of the table of traits."""
        super().__init__()
        size, hidden, bags = settings.width, settings.hidden, len(settings.half_lives)
        self.own_dropout, self.temperature = settings.own_dropout, settings.temperature
        self.register_buffer("codes", torch.from_numpy(codes), persistent=False)
        self.own = nn.Embedding(len(codes), size)
        self.attributes = nn.EmbeddingBag(int(codes.max(initial=0)) + 1, size, mode="sum")
        self.traits = nn.Embedding(traits, size)
        self.gain = nn.Parameter(torch.ones(bags, size))
        self.customer = _tower((bags + 1) * size + CUSTOMER_NUMBERS, hidden, size, settings.dropout)
        self.article = _tower(size + ARTICLE_NUMBERS, hidden, size, settings.dropout)
        nn.init.zeros_(self.own.weight)  # and so it stays for an article that training never meets
        nn.init.normal_(self.attributes.weight, std=SPREAD)
        nn.init.normal_(self.traits.weight, std=SPREAD)

    def known(self, items: Tensor) -> Tensor:
        """(m, size): what is known of articles at all times, their own vector and the sum of their attributes'."""
        own = self.own(items)
        if self.training:
            own = own * (torch.rand(len(items), 1, device=own.device) >= self.own_dropout)
        codes: Tensor = self.codes[items]  # type: ignore[index]
        known: Tensor = own + self.attributes(codes)
        return known

    def customers(self, known: Tensor, of: Customers) -> Tensor:
        """(b, size) unit vectors; the entries of ``of`` are rows of ``known``."""
        bags = torch.stack(
            [
                functional.embedding_bag(of.entry, known, of.start, mode="sum", per_sample_weights=weight)
                for weight in of.weight
            ],
            dim=1,
        )  # (b, half-lives, size)
        traits = self.traits(of.traits).sum(1)
        more = self.customer(torch.cat([bags.flatten(1), traits, of.numbers], 1))
        return functional.normalize((bags * self.gain).sum(1) + more, dim=1)

    def articles(self, known: Tensor, numbers: Tensor) -> Tensor:
        """(m, size) unit vectors of the articles ``known``, whose ``numbers`` are those of some day."""
        return functional.normalize(known + self.article(torch.cat([known, numbers], 1)), dim=1)

    def loss(self, batch: Batch) -> Tensor:
        known = self.known(batch.items)
        customers = self.customers(known, batch.customers)
        articles = self.articles(known[batch.column], batch.numbers)
        return corrected_softmax(customers @ articles.T / self.temperature, batch)  # (b, size) @ (size, c) -> (b, c)


def corrected_softmax(scores: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy of every purchase against the columns that its customer did not buy in the label week.

    loss = -s_p + log(exp(s_p) + sum_j exp(s_j + log(times_j / expected_j))): the sum over a sample of articles
    estimates that over all articles where each is weighed by one over its expected number (importance sampling, Bengio
    and Senecal, 2008; the logQ correction of Yi et al., RecSys 2019). A popular article would otherwise be punished for
    standing in every batch. The customer's other purchases of the week, hits by accident, are masked.
    """
    bought = torch.zeros_like(scores, dtype=torch.bool)
    bought[batch.pair_row, batch.pair_column] = True
    others = (scores + batch.correction).masked_fill(bought, -torch.inf).logsumexp(1)
    right = scores[batch.pair_row, batch.pair_column]
    return (batch.pair_weight * (torch.logaddexp(right, others[batch.pair_row]) - right)).sum()


def _tower(width: int, hidden: int, size: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, size))
