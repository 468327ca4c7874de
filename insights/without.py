"""What visits without a category hold beside what all visits hold, counted, with intervals."""

from dataclasses import dataclass

import numpy as np

from insights.visits import Visits
from retail.log import Array

Z = 1.96  # of a 95% interval


@dataclass(frozen=True)
class Counted:
    """What visits without a category hold beside what all visits hold; C categories, the leaving one among them."""

    visits: int
    without: int  # visits that do not hold it
    sold: Array  # (C,) int64
    left: Array  # (C,) int64 of them, sold in visits without it
    change: Array  # (C,) float64, NaN where nothing was sold
    low: Array  # (C,) float64, NaN where nothing is left
    high: Array  # (C,) float64

    @property
    def together(self) -> Array:
        """(C,) float64 share sold in visits that hold the leaving category."""
        share: Array = 1 - self.left / np.maximum(self.sold, 1)
        return share


def counted(of: Visits, gone: int) -> Counted:
    """The visits without category ``gone`` beside all of ``of``."""
    free = ~of.holding(gone)
    some = of.chosen(free)
    sold, left, all_visits, without = of.sold, some.sold, len(of.user), int(free.sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (left / without) / (sold / all_visits)
        error = Z * _log_errors(of, free, sold, left)
        low, high = (np.where(left > 0, ratio * np.exp(sign * error) - 1, np.nan) for sign in (-1, 1))
    return Counted(all_visits, without, sold, left, ratio - 1, low, high)


def _log_errors(of: Visits, free: Array, sold: Array, left: Array) -> Array:
    """(C,) standard error of the log of (left / visits without it) / (sold / visits).

    Customer u moves it by l/L - s/S - (n/N - m/M) in what it bought of the category and how often it came; most bought
    nothing of it, so only the second difference is theirs.
    """
    users, customer = np.unique(of.user, return_inverse=True)
    came = np.bincount(customer[free], minlength=len(users)) / max(free.sum(), 1) - np.bincount(customer) / len(free)
    key, place = np.unique(customer[of.visit] * of.categories + of.category, return_inverse=True)
    user, category = np.divmod(key, of.categories)
    is_left = free[of.visit]
    bought = np.bincount(place[is_left], minlength=len(key)) / np.maximum(left, 1)[category]
    bought = bought - np.bincount(place) / sold[category]
    square = (bought - came[user]) ** 2 - came[user] ** 2
    found: Array = np.sqrt(np.bincount(category, weights=square, minlength=of.categories) + (came**2).sum())
    return found
