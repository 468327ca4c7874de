"""Rows without a network: the customer's most frequent categories, everyone's, and the former filled by the latter."""

import numpy as np

from retail.log import Array
from stage1_candidates.networks.trex.baskets import Splits, Tokens


def personal(of: Tokens, at: Splits, half_life: float | None) -> Array:
    """(e, V) float64 P-Top: baskets before the cutoff that hold the category, each worth 2^(-age / half_life) or 1."""
    size = at.stop - of.start[at.user]
    row = np.repeat(np.arange(len(size)), size)
    place = np.arange(len(row)) + np.repeat(of.start[at.user] - np.cumsum(size) + size, size)
    age = at.cutoff[row] - of.day[place]
    worth = np.ones(len(row)) if half_life is None else np.exp2(-age / half_life)
    cell = row * of.categories + of.category[place]
    return np.bincount(cell, weights=worth, minlength=len(size) * of.categories).reshape(-1, of.categories)


def everyone(of: Tokens, day: int, rows: int) -> Array:
    """(rows, V) G-Top: share of all tokens before ``day``, the same for every row."""
    count = np.bincount(of.category[of.day < day], minlength=of.categories)
    return np.broadcast_to(count / max(count.sum(), 1), (rows, of.categories))


def filled(own: Array, shared: Array) -> Array:
    """Own scores first, then the shared ones (each at most 1) where there is no own score."""
    return np.where(own > 0, own + 2 * (own > 0), shared)
