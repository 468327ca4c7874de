"""Compute vectors of customers and articles; a vector has the same bits whatever the other rows are.

Matrix products with another number of rows may round differently in the last bit. Customers are therefore computed in
blocks of one size, in double precision, and rounded to single precision at the end.
"""

import numpy as np
import torch

from retail.log import Array
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.networks.base.weights import device
from stage1_candidates.networks.two_tower.inputs import (
    Bag,
    Customers,
    build_customers,
    compute_article_numbers,
    list_bought,
)
from stage1_candidates.networks.two_tower.network import TwoTower

ROWS = 512  # of a block


@torch.no_grad()
def compute_customer_vectors(network: TwoTower, history: History, shop: Shop, users: Array, bag: Bag) -> Array:
    """Compute vectors (u, size) float32 of ``users`` at the cutoff.

    ``network``: in double precision and evaluation mode.
    """
    out = np.empty((len(users), network.own.embedding_dim), np.float32)
    for begin in range(0, len(users), ROWS):
        block = users[begin : begin + ROWS]
        entry = list_bought(history, block, bag.entries)
        items, row = np.unique(entry, return_inverse=True)
        padded = _pad_customers(build_customers(history, shop, block, bag, row))
        known = network.embed_articles(torch.from_numpy(items).to(device()))
        vectors = network.encode_customers(known, Customers(*(part.to(device()) for part in padded)))
        out[begin : begin + ROWS] = vectors[: len(block)].float().cpu().numpy()
    return out


@torch.no_grad()
def compute_article_vectors(network: TwoTower, history: History) -> Array:
    """Compute vectors (items, size) float32 of all articles at the cutoff.

    ``network``: in double precision and evaluation mode.
    """
    numbers = torch.from_numpy(compute_article_numbers(history)).double()
    out = np.empty((len(numbers), network.own.embedding_dim), np.float32)
    for begin in range(0, len(numbers), ROWS):
        block = torch.arange(begin, min(begin + ROWS, len(numbers)))
        vectors = network.encode_articles(network.embed_articles(block.to(device())), numbers[block].to(device()))
        out[begin : begin + ROWS] = vectors.float().cpu().numpy()
    return out


def _pad_customers(block: Customers) -> Customers:
    """Pad ``block`` to ROWS with customers without a past, and convert it to double precision."""
    missing = ROWS - len(block.start)
    return Customers(
        entry=block.entry,
        start=torch.cat([block.start, torch.full((missing,), len(block.entry))]),
        weight=block.weight.double(),
        traits=torch.cat([block.traits, torch.zeros((missing, block.traits.shape[1]), dtype=torch.int64)]),
        numbers=torch.cat([block.numbers, torch.zeros((missing, block.numbers.shape[1]))]).double(),
    )
