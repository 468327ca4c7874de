"""Compute category probabilities in blocks of fixed shape, so that they do not depend on other customers.

Matrix products with another number of rows may round differently in the last bit. All rows of a block have one width,
and all blocks of a width have the same number of rows: the last block repeats its first row.
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

PLACES = 8192  # tokens of a block


def predict_blocks(network: Trex, tokens: Tokens, splits: Splits) -> Iterator[tuple[Array, Array]]:
    """Yield (rows of ``splits``, (rows, V) float32 probabilities) block by block; rows without a past are left out."""
    for rows, block in make_blocks(tokens, splits, network.shape.tokens):
        with torch.no_grad():
            p = network.predict(_move_block(block))
        yield rows, p[: len(rows)].cpu().numpy()


def make_blocks(tokens: Tokens, splits: Splits, most: int) -> Iterator[tuple[Array, Batch]]:
    """Yield the rows of ``splits`` with a past, width by width, and the padded batch of each block."""
    length = np.minimum(baskets.count_tokens(tokens, splits), most)
    width = np.array(baskets.list_widths(most))[np.searchsorted(baskets.list_widths(most), length)]
    has_past = splits.stop > tokens.start[splits.user]
    for w in baskets.list_widths(most):
        rows = np.flatnonzero(has_past & (width == w))
        size = max(PLACES // w, 1)
        for begin in range(0, len(rows), size):
            block = rows[begin : begin + size]
            padded = np.concatenate([block, np.repeat(block[:1], size - len(block))])
            yield block, baskets.make_batch(tokens, splits.select(padded), w)


def tabulate(network: Trex, tokens: Tokens, splits: Splits) -> Array:
    """Tabulate the probabilities (e, V) float32 of all rows of ``splits``; a row without a past has zeros."""
    out = np.zeros((len(splits.user), tokens.categories), np.float32)
    for rows, p in predict_blocks(network, tokens, splits):
        out[rows] = p
    return out


def compute_recall(network: Trex, tokens: Tokens, splits: Splits, k: int) -> float:
    """Compute recall@k of the target categories: hits in the top k / size of the target, mean over ``splits``."""
    p = tabulate(network, tokens, splits)
    best = np.argsort(-p, axis=1, kind="stable")[:, :k]
    in_top = np.zeros(p.shape, bool)
    np.put_along_axis(in_top, best, True, axis=1)
    row = row_of(splits.ptr)
    hits = np.bincount(row, weights=in_top[row, splits.target], minlength=len(p))
    return float((hits / np.diff(splits.ptr)).mean())


def _move_block(block: Batch) -> Batch:
    return Batch(*(part.to(device()) for part in block))
