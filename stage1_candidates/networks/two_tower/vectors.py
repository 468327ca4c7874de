"""Vectors of customers and articles, the same bit for bit whoever else is asked for.

Matrix products round otherwise for another height in their last bits, so that blocks have one size, the last one filled
up; they are computed in double precision and rounded to single at the end.
"""

import numpy as np
import torch

from retail.log import Array
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.networks.base.weights import device
from stage1_candidates.networks.two_tower.inputs import Bag, Customers, article_numbers, bought, customers
from stage1_candidates.networks.two_tower.network import TwoTower

ROWS = 512


@torch.no_grad()
def customer_vectors(network: TwoTower, history: History, shop: Shop, users: Array, bag: Bag) -> Array:
    """(u, size) float32 of ``users`` at the cutoff; ``network`` in double precision, in evaluation mode."""
    out = np.empty((len(users), network.own.embedding_dim), np.float32)
    for begin in range(0, len(users), ROWS):
        some = users[begin : begin + ROWS]
        entry = bought(history, some, bag.entries)
        items, row = np.unique(entry, return_inverse=True)
        of = _filled(customers(history, shop, some, bag, row))
        known = network.known(torch.from_numpy(items).to(device()))
        vectors = network.customers(known, Customers(*(part.to(device()) for part in of)))
        out[begin : begin + ROWS] = vectors[: len(some)].float().cpu().numpy()
    return out


@torch.no_grad()
def article_vectors(network: TwoTower, history: History) -> Array:
    """(items, size) float32 of every article as of the cutoff; ``network`` as above."""
    numbers = torch.from_numpy(article_numbers(history)).double()
    out = np.empty((len(numbers), network.own.embedding_dim), np.float32)
    for begin in range(0, len(numbers), ROWS):
        some = torch.arange(begin, min(begin + ROWS, len(numbers)))
        vectors = network.articles(network.known(some.to(device())), numbers[some].to(device()))
        out[begin : begin + ROWS] = vectors.float().cpu().numpy()
    return out


def _filled(of: Customers) -> Customers:
    """``of`` in double precision with customers without a past, up to ROWS in all."""
    missing = ROWS - len(of.start)
    return Customers(
        entry=of.entry,
        start=torch.cat([of.start, torch.full((missing,), len(of.entry))]),
        weight=of.weight.double(),
        traits=torch.cat([of.traits, torch.zeros((missing, of.traits.shape[1]), dtype=torch.int64)]),
        numbers=torch.cat([of.numbers, torch.zeros((missing, of.numbers.shape[1]))]).double(),
    )
