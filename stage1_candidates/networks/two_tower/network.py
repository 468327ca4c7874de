"""Match customers and articles by a two-tower network, trained with a corrected sampled softmax.

Customers have no embedding table: a customer is described by purchases before the cutoff, by traits and by recency. New
customers and new weeks thus need no training. A bag sums the vectors that are also the input of the article tower,
so an article is close to the customers who bought it. Training drops the own vectors of random articles. An article
without training data is thus described by its attributes.
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

SPREAD = 0.1  # standard deviation of initial attribute and trait vectors


class Settings(Block):
    """The settings of the network."""

    width: Positive  # of the vectors
    hidden: Positive  # units of the hidden layer of each tower
    entries: Positive  # maximum number of a customer's entries in the bags, the latest
    half_lives: tuple[Days, ...]  # days, one bag each
    mass: Share  # a bag is divided by (sum of its weights)^mass
    own_dropout: Share  # probability that an article's own vector is dropped
    dropout: Share  # of hidden units
    trait_customers: NotNegative  # least number of customers of a trait's value; rarer values count as missing
    temperature: Annotated[float, Field(gt=0)]  # divisor of the cosine

    @property
    def bag(self) -> Bag:
        """Return the settings of the bags."""
        return Bag(self.entries, self.half_lives, self.mass)


class TwoTower(nn.Module):
    """Unit vectors of customers and articles; their dot product over the temperature is the log-odds of a purchase."""

    def __init__(self, codes: Array, traits: int, settings: Settings) -> None:
        """Build the network.

        ``codes`` (items, attributes): see ``encode_attributes``. ``traits``: see ``count_trait_rows``.
        """
        super().__init__()
        size, hidden, bags = settings.width, settings.hidden, len(settings.half_lives)
        self.own_dropout, self.temperature = settings.own_dropout, settings.temperature
        self.register_buffer("codes", torch.from_numpy(codes), persistent=False)
        self.own = nn.Embedding(len(codes), size)
        self.attributes = nn.EmbeddingBag(int(codes.max(initial=0)) + 1, size, mode="sum")
        self.traits = nn.Embedding(traits, size)
        self.gain = nn.Parameter(torch.ones(bags, size))
        self.customer = _build_tower((bags + 1) * size + CUSTOMER_NUMBERS, hidden, size, settings.dropout)
        self.article = _build_tower(size + ARTICLE_NUMBERS, hidden, size, settings.dropout)
        nn.init.zeros_(self.own.weight)  # an article without training data keeps this vector
        nn.init.normal_(self.attributes.weight, std=SPREAD)
        nn.init.normal_(self.traits.weight, std=SPREAD)

    def embed_articles(self, items: Tensor) -> Tensor:
        """Embed articles (m, size): the own vector plus the sum of the attribute vectors."""
        own = self.own(items)
        if self.training:
            own = own * (torch.rand(len(items), 1, device=own.device) >= self.own_dropout)
        codes: Tensor = self.codes[items]  # type: ignore[index]
        known: Tensor = own + self.attributes(codes)
        return known

    def encode_customers(self, known: Tensor, inputs: Customers) -> Tensor:
        """Compute unit vectors (b, size) of customers; the entries of ``inputs`` are rows of ``known``."""
        bags = torch.stack(
            [
                functional.embedding_bag(inputs.entry, known, inputs.start, mode="sum", per_sample_weights=weight)
                for weight in inputs.weight
            ],
            dim=1,
        )  # (b, half-lives, size)
        traits = self.traits(inputs.traits).sum(1)
        correction = self.customer(torch.cat([bags.flatten(1), traits, inputs.numbers], 1))
        return functional.normalize((bags * self.gain).sum(1) + correction, dim=1)

    def encode_articles(self, known: Tensor, numbers: Tensor) -> Tensor:
        """Compute unit vectors (m, size) of the articles ``known`` with the ``numbers`` of a cutoff."""
        return functional.normalize(known + self.article(torch.cat([known, numbers], 1)), dim=1)

    def loss(self, batch: Batch) -> Tensor:
        """Compute the corrected softmax loss of a batch."""
        known = self.embed_articles(batch.items)
        customers = self.encode_customers(known, batch.customers)
        articles = self.encode_articles(known[batch.column], batch.numbers)
        return compute_corrected_softmax(
            customers @ articles.T / self.temperature, batch
        )  # (b, size) @ (size, c) -> (b, c)


def compute_corrected_softmax(scores: Tensor, batch: Batch) -> Tensor:
    """Compute the cross-entropy of every purchase against the columns that its customer did not buy in the week.

    loss = -s_p + log(exp(s_p) + sum_j exp(s_j + log(times_j / expected_j)))

    The sum over sampled articles estimates the sum over all articles if each is divided by its expected times
    (importance sampling, Bengio and Senecal 2008; the logQ correction of Yi et al., RecSys 2019). Otherwise popular
    articles would be penalised for being in every batch. The customer's other purchases of the week are masked.
    """
    bought = torch.zeros_like(scores, dtype=torch.bool)
    bought[batch.pair_row, batch.pair_column] = True
    others = (scores + batch.correction).masked_fill(bought, -torch.inf).logsumexp(1)
    positive = scores[batch.pair_row, batch.pair_column]
    return (batch.pair_weight * (torch.logaddexp(positive, others[batch.pair_row]) - positive)).sum()


def _build_tower(width: int, hidden: int, size: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, size))
