"""Compute MAP@12 as the competition does, and bootstrap intervals over customers."""

import numpy as np

from retail import chunks
from retail.chunks import kernel
from retail.log import Array
from retail.ragged import offsets, positions

K = 12


def average_precision(start: Array, items: Array, predicted: Array) -> Array:
    """Compute AP@12 (u,) float64 of each customer.

    ``items[start[c]:start[c+1]]`` are the articles that customer c bought, at least one. ``predicted`` (u, 12) int64
    holds the lists, padded with -1. AP is the sum over hits at rank r of (hits up to r) / r, divided by
    min(articles bought, 12). A repeated prediction counts once.

    >>> float(average_precision(np.array([0, 2]), np.array([1, 2]), np.array([[1, 9, 2]]))[0])  # (1/1 + 2/3) / 2
    0.8333333333333333
    """
    if np.any(np.diff(start) < 1):
        raise ValueError("average precision is not defined for a customer without a purchase; leave such customers out")
    ap = np.zeros(len(start) - 1)
    chunks.run(_average_precision, len(ap), (start, items.astype(np.int64), predicted.astype(np.int64)), (ap,))
    return ap


def truth_runs(user: Array, item: Array, users: Array) -> tuple[Array, Array]:
    """Return (start, items) of ``users`` for ``average_precision``, from (user, item) pairs sorted by user."""
    low, high = np.searchsorted(user, users), np.searchsorted(user, users, side="right")
    start = offsets(high - low)
    return start, item[positions(low, high - low)]


def bootstrap_means(weeks: list[tuple[Array, Array]], draws: int, seed: int) -> Array:
    """Bootstrap over customers the mean of the weeks' means: (draws,) float64.

    ``weeks``: one (user, value) pair of arrays per week. A draw gives each customer one Poisson(1) weight for all
    weeks. The same seed gives the same weights, so the difference of two results is a paired comparison. A week in
    which all weights are 0 keeps its own mean.
    """
    rng = np.random.default_rng(seed)
    customers = np.unique(np.concatenate([user for user, _ in weeks]))
    places = [np.searchsorted(customers, user) for user, _ in weeks]
    means = np.zeros((draws, len(weeks)))
    for draw in range(draws):
        times_drawn = rng.poisson(1.0, len(customers))
        for column, (place, (_, value)) in enumerate(zip(places, weeks, strict=True)):
            times = times_drawn[place]
            drawn = times.sum()
            means[draw, column] = times @ value / drawn if drawn else value.mean()
    mean: Array = means.mean(axis=1)
    return mean


def interval(means: Array) -> tuple[float, float]:
    """Return the central 95% interval of bootstrap means."""
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


@kernel
def _average_precision(low: int, high: int, start: Array, items: Array, predicted: Array, ap: Array) -> None:
    for c in range(low, high):
        hits = 0
        for r in range(min(predicted.shape[1], K)):
            item = predicted[c, r]
            if item < 0:
                continue
            repeated = False
            for earlier in range(r):
                repeated = repeated or predicted[c, earlier] == item
            if repeated:
                continue
            for p in range(start[c], start[c + 1]):
                if items[p] == item:
                    hits += 1
                    ap[c] += hits / (r + 1)
                    break
        ap[c] /= min(start[c + 1] - start[c], K)
