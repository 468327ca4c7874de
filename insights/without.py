"""Compare visits without a category with all visits: counts, changes and their confidence intervals."""

from dataclasses import dataclass

import numpy as np

from insights.visits import Visits
from retail.log import Array

Z = 1.96  # of a 95% interval


@dataclass(frozen=True)
class Comparison:
    """Visits without the removed category, compared with all visits. C categories, the removed one included."""

    visits: int  # all visits
    without: int  # visits without the removed category
    sold: Array  # (C,) int64 articles in all visits
    left: Array  # (C,) int64 articles in visits without the removed category
    change: Array  # (C,) float64 relative change of the articles per visit; NaN if nothing was sold
    low: Array  # (C,) float64 end of its 95% interval; NaN if nothing is left
    high: Array  # (C,) float64 the other end

    @property
    def together(self) -> Array:
        """(C,) float64 share of the articles that were sold in visits with the removed category."""
        share: Array = 1 - self.left / np.maximum(self.sold, 1)
        return share


def compare_without(visits: Visits, removed: int) -> Comparison:
    """Compare the visits without category ``removed`` with all ``visits``."""
    free = ~visits.contains(removed)
    sold, left = visits.sold, visits.select(free).sold
    total, without = len(visits.user), int(free.sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (left / without) / (sold / total)
        error = Z * _compute_log_errors(visits, free, sold, left)
        low, high = (np.where(left > 0, ratio * np.exp(sign * error) - 1, np.nan) for sign in (-1, 1))
    return Comparison(total, without, sold, left, ratio - 1, low, high)


def _compute_log_errors(visits: Visits, free: Array, sold: Array, left: Array) -> Array:
    """Compute (C,) the standard error of log((left / visits without) / (sold / visits)) by the delta method.

    Customer u contributes l/L - s/S - (n/N - m/M). The customer bought l of the L articles left and s of the S articles
    sold. The customer has n of the N visits without the category and m of all M visits. Most customers have l = s = 0,
    so only the second difference counts.
    """
    users, customer = np.unique(visits.user, return_inverse=True)
    came = np.bincount(customer[free], minlength=len(users)) / max(free.sum(), 1) - np.bincount(customer) / len(free)
    key, place = np.unique(customer[visits.visit] * visits.categories + visits.category, return_inverse=True)
    user, category = np.divmod(key, visits.categories)
    is_left = free[visits.visit]
    bought = np.bincount(place[is_left], minlength=len(key)) / np.maximum(left, 1)[category]
    bought = bought - np.bincount(place) / sold[category]
    square = (bought - came[user]) ** 2 - came[user] ** 2
    error: Array = np.sqrt(np.bincount(category, weights=square, minlength=visits.categories) + (came**2).sum())
    return error
