"""Run the networks in blocks of fixed shape, so that a prediction does not depend on the other customers.

The last bit of a matrix product may depend on the number of rows. So every block has the same number of rows, all of
one width; the last block repeats its first row.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from retail.log import Array
from stage1_candidates.networks.base.weights import device
from stage1_candidates.networks.lens import rows as lens_rows
from stage1_candidates.networks.lens.basket_sequences import BasketSequences, Query
from stage1_candidates.networks.lens.clock import Clock
from stage1_candidates.networks.lens.decoder import Lens
from stage1_candidates.networks.lens.rows import Batch, Reading

ROWS = 32  # customers in a block


@dataclass(frozen=True)
class Baskets:
    """The decoded baskets of e customers; tokens and pieces are 0 after a basket's end."""

    token: Array  # (e, T) int64
    pieces: Array  # (e, T) float32
    vector: Array  # (e, F) float32 sequence vector


def decode_baskets(network: Lens, sequences: BasketSequences, query: Query) -> Baskets:
    """Decode the next basket of each row of ``query``; it is empty for a customer without a past."""
    longest = network.shape.reading.longest
    token, pieces = np.zeros((len(query.user), longest), np.int64), np.zeros((len(query.user), longest), np.float32)
    vector = np.zeros((len(query.user), network.encoder.width), np.float32)
    for rows, block in iterate_blocks(sequences, query, network.shape.reading):
        decoded = network.decode(block)
        n = len(rows)
        token[rows], pieces[rows] = decoded.token[:n].cpu().numpy(), decoded.pieces[:n].cpu().numpy()
        vector[rows] = decoded.vector[:n].cpu().numpy()
    return Baskets(token, pieces, vector)


def score_articles(network: Lens, sequences: BasketSequences, query: Query) -> Iterator[tuple[Array, Array]]:
    """Yield blocks of (rows of ``query``, (rows, V) float32 scores of all articles).

    The k-th decoded article scores 1 + 1 / (1 + k), any other article scores the probability that it is decoded first.
    """
    for rows, block in iterate_blocks(sequences, query, network.shape.reading):
        decoded = network.decode(block)
        value = torch.nn.functional.pad(decoded.first, (1, 0))  # (B, 1 + V)
        place = 1 + 1 / (1 + torch.arange(decoded.token.shape[1], device=value.device, dtype=torch.float32))
        value = value.scatter(1, decoded.token, place.expand_as(decoded.token.float()))
        yield rows, value[: len(rows), 1:].cpu().numpy()


def forecast_days(network: Clock, sequences: BasketSequences, query: Query) -> Array:
    """Forecast the days (e,) float32 from the last basket to the next, 0 for a customer without a past."""
    out = np.zeros(len(query.user), np.float32)
    for rows, block in iterate_blocks(sequences, query, network.shape.reading):
        with torch.no_grad():
            out[rows] = network(block)[: len(rows)].cpu().numpy()
    return out


def force_baskets(network: Lens, sequences: BasketSequences, query: Query) -> Array:
    """Predict the article (e, T) int64 of each step after the true articles before it (teacher forcing).

    0 after the true length. This is a diagnostic: unlike free running, it reads the articles before a step and the
    basket's true length.
    """
    out = np.zeros((len(query.user), network.shape.reading.longest), np.int64)
    for rows, block in iterate_blocks(sequences, query, network.shape.reading, with_targets=True):
        with torch.no_grad():
            _, due, scores = network.run_forced(block)
        best = torch.zeros(due.shape, dtype=torch.int64, device=due.device)
        best[due] = scores[:, 1:].argmax(1) + 1
        token = torch.where(block.target > 0, best[:, :-1], 0)[: len(rows)].cpu().numpy()
        out[rows, : token.shape[1]] = token
    return out


def iterate_blocks(
    sequences: BasketSequences, query: Query, reading: Reading, with_targets: bool = False
) -> Iterator[tuple[Array, Batch]]:
    """Yield blocks of (rows of ``query`` with a past, their batch padded to ROWS rows), width by width."""
    width = lens_rows.find_width(sequences, query, reading.baskets)
    past = (query.stop > sequences.start[query.user]) & (sequences.articles > 0)
    for w in lens_rows.list_widths(reading.baskets):
        with_width = np.flatnonzero(past & (width == w))
        for begin in range(0, len(with_width), ROWS):
            rows = with_width[begin : begin + ROWS]
            filled = np.concatenate([rows, np.repeat(rows[:1], ROWS - len(rows))])
            yield rows, move_to_device(lens_rows.make_batch(sequences, query.select(filled), w, reading, with_targets))


def move_to_device(block: Batch) -> Batch:
    """Copy a batch to the device that the networks run on."""
    return Batch(*(part.to(device()) for part in block))
