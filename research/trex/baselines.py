"""Score categories without a network: by the customer's own frequency, by that of all customers, or by both."""

import numpy as np

from retail.log import Array
from retail.ragged import positions
from stage1_candidates.networks.trex.baskets import Splits, Tokens


def score_personal(tokens: Tokens, splits: Splits, half_life: float | None) -> Array:
    """Score (e, V) float64 by P-Top: count the baskets before the cutoff that hold the category.

    A basket has the weight 2^(-age / half_life), or 1 without a half-life (days).
    """
    start = tokens.start[splits.user]
    size = splits.stop - start
    row = np.repeat(np.arange(len(size)), size)
    place = positions(start, size)
    age = splits.cutoff[row] - tokens.day[place]
    weight = np.ones(len(row)) if half_life is None else np.exp2(-age / half_life)
    cell = row * tokens.categories + tokens.category[place]
    return np.bincount(cell, weights=weight, minlength=len(size) * tokens.categories).reshape(-1, tokens.categories)


def score_global(tokens: Tokens, day: int, rows: int) -> Array:
    """Score (rows, V) by G-Top: the share of the category among all tokens before ``day``, the same in every row."""
    count = np.bincount(tokens.category[tokens.day < day], minlength=tokens.categories)
    return np.broadcast_to(count / max(count.sum(), 1), (rows, tokens.categories))


def fill(own: Array, shared: Array) -> Array:
    """Fill the categories without an own score with the shared scores (each at most 1), ranked below all own ones."""
    return np.where(own > 0, own + 2 * (own > 0), shared)
