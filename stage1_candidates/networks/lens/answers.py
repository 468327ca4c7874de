"""What the networks say, in blocks of one shape each, so that an answer does not depend on who else is asked.

Matrix products of other heights may round otherwise in the last bit. A block has rows of one width and always the same
number of them, the last block being filled up by repeating its first row.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from retail.log import Array
from stage1_candidates.networks.base.weights import device
from stage1_candidates.networks.lens import rows as lens_rows
from stage1_candidates.networks.lens.clock import Clock
from stage1_candidates.networks.lens.decoder import Lens
from stage1_candidates.networks.lens.funnels import Asked, Funnels
from stage1_candidates.networks.lens.rows import Batch, Reading

ROWS = 32  # customers in a block


@dataclass(frozen=True)
class Baskets:
    """A basket of each of e customers, as it was decoded; tokens and pieces are 0 behind its end."""

    token: Array  # (e, T) int64
    pieces: Array  # (e, T) float32
    funnel: Array  # (e, F) float32


def baskets(network: Lens, of: Funnels, asked: Asked) -> Baskets:
    """The decoded baskets; nothing for a customer without a past."""
    longest = network.shape.reading.longest
    token, pieces = np.zeros((len(asked.user), longest), np.int64), np.zeros((len(asked.user), longest), np.float32)
    funnel = np.zeros((len(asked.user), network.encoder.width), np.float32)
    for some, block in blocks(of, asked, network.shape.reading):
        found = network.decode(block)
        n = len(some)
        token[some], pieces[some] = found.token[:n].cpu().numpy(), found.pieces[:n].cpu().numpy()
        funnel[some] = found.funnel[:n].cpu().numpy()
    return Baskets(token, pieces, funnel)


def scores(network: Lens, of: Funnels, asked: Asked) -> Iterator[tuple[Array, Array]]:
    """Blocks of (rows of ``asked``, (rows, V) float32 scores): 1 + 1 / (1 + k) for the k-th decoded article, for all
    others the probability to be named first."""
    for some, block in blocks(of, asked, network.shape.reading):
        found = network.decode(block)
        value = torch.nn.functional.pad(found.first, (1, 0))  # (B, 1 + V)
        place = 1 + 1 / (1 + torch.arange(found.token.shape[1], device=value.device, dtype=torch.float32))
        value = value.scatter(1, found.token, place.expand_as(found.token.float()))
        yield some, value[: len(some), 1:].cpu().numpy()


def days(network: Clock, of: Funnels, asked: Asked) -> Array:
    """(e,) float32 days from the last basket to the next, 0 for a customer without a past."""
    out = np.zeros(len(asked.user), np.float32)
    for some, block in blocks(of, asked, network.shape.reading):
        with torch.no_grad():
            out[some] = network(block)[: len(some)].cpu().numpy()
    return out


def forced(network: Lens, of: Funnels, asked: Asked) -> Array:
    """(e, T) int64 the likeliest article of each step, the true ones before it being given; 0 behind the true length.

    The diagnostic beside the free-running basket: it is told both what came before and how long the basket is.
    """
    out = np.zeros((len(asked.user), network.shape.reading.longest), np.int64)
    for some, block in blocks(of, asked, network.shape.reading, answered=True):
        with torch.no_grad():
            _, due, scores = network.forced(block)
        best = torch.zeros(due.shape, dtype=torch.int64, device=due.device)
        best[due] = scores[:, 1:].argmax(1) + 1
        known = torch.where(block.target > 0, best[:, :-1], 0)[: len(some)].cpu().numpy()
        out[some, : known.shape[1]] = known
    return out


def blocks(of: Funnels, asked: Asked, reading: Reading, answered: bool = False) -> Iterator[tuple[Array, Batch]]:
    """The rows of ``asked`` that have a past, by width, and the filled batch of each block of them."""
    width = lens_rows.width_of(of, asked, reading.baskets)
    past = (asked.stop > of.start[asked.user]) & (of.articles > 0)
    for w in lens_rows.widths(reading.baskets):
        rows = np.flatnonzero(past & (width == w))
        for begin in range(0, len(rows), ROWS):
            some = rows[begin : begin + ROWS]
            whole = np.concatenate([some, np.repeat(some[:1], ROWS - len(some))])
            yield some, on_device(lens_rows.batch(of, asked.chosen(whole), w, reading, answered))


def on_device(block: Batch) -> Batch:
    return Batch(*(part.to(device()) for part in block))
