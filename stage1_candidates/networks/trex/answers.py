"""Category probabilities in blocks of one shape each, so that an answer does not depend on who else is asked.

Matrix products of other heights may round otherwise in the last bit. A block has rows of one width and always the same
number of them, the last block being filled up by repeating its first row.
"""

from collections.abc import Iterator

import numpy as np
import torch

from retail.log import Array
from retail.ragged import row_of
from stage1_candidates.networks.base.weights import device
from stage1_candidates.networks.trex import baskets
from stage1_candidates.networks.trex.baskets import Batch, Splits, Tokens
from stage1_candidates.networks.trex.network import Trex

PLACES = 8192  # tokens in a block


def answers(network: Trex, of: Tokens, at: Splits) -> Iterator[tuple[Array, Array]]:
    """Blocks of (rows of ``at``, (rows, V) float32 probabilities); rows without a past are in none of them."""
    for rows, block in blocks(of, at, network.shape.tokens):
        with torch.no_grad():
            p = network.probabilities(on_device(block))
        yield rows, p[: len(rows)].cpu().numpy()


def blocks(of: Tokens, at: Splits, most: int) -> Iterator[tuple[Array, Batch]]:
    """The rows of ``at`` that have a past, by width, and the filled batch of each block of them."""
    length = np.minimum(baskets.lengths(of, at), most)
    width = np.array(baskets.widths(most))[np.searchsorted(baskets.widths(most), length)]
    past = at.stop > of.start[at.user]
    for w in baskets.widths(most):
        rows = np.flatnonzero(past & (width == w))
        size = max(PLACES // w, 1)
        for begin in range(0, len(rows), size):
            some = rows[begin : begin + size]
            whole = np.concatenate([some, np.repeat(some[:1], size - len(some))])
            yield some, baskets.batch(of, at.chosen(whole), w)


def table(network: Trex, of: Tokens, at: Splits) -> Array:
    """(e, V) float32 probabilities of every row of ``at``, 0 where there is no past."""
    out = np.zeros((len(at.user), of.categories), np.float32)
    for rows, p in answers(network, of, at):
        out[rows] = p
    return out


def recall(network: Trex, of: Tokens, at: Splits, k: int) -> float:
    """Recall@k of the target categories, mean over the rows of ``at``: |top-k and target| / |target|."""
    p = table(network, of, at)
    best = np.argsort(-p, axis=1, kind="stable")[:, :k]
    named = np.zeros(p.shape, bool)
    np.put_along_axis(named, best, True, axis=1)
    row = row_of(at.ptr)
    found = np.bincount(row, weights=named[row, at.target], minlength=len(p))
    return float((found / np.diff(at.ptr)).mean())


def on_device(block: Batch) -> Batch:
    return Batch(*(part.to(device()) for part in block))
