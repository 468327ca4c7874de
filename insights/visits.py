"""Collect visits: the categories of the distinct articles that a customer bought in one week."""

from dataclasses import dataclass

import numpy as np

from retail.log import Array
from retail.weeks import History


@dataclass(frozen=True)
class Visits:
    """The visits: visit v is one week of customer ``user[v]``; entry e is one article of visit ``visit[e]``."""

    user: Array  # (v,) int64, ascending
    first: Array  # (v,) int64 position of its first entry in the log: the past of visit v lies before it
    visit: Array  # (n,) int64, ascending
    category: Array  # (n,) int64
    categories: int

    def select(self, mask: Array) -> "Visits":
        """Select the visits for which ``mask`` (v,) bool is true."""
        number = np.cumsum(mask) - 1
        kept = mask[self.visit]
        return Visits(self.user[mask], self.first[mask], number[self.visit[kept]], self.category[kept], self.categories)

    def contains(self, category: int) -> Array:
        """Tell which visits have an article of ``category``: (v,) bool."""
        mask = np.zeros(len(self.user), bool)
        mask[self.visit[self.category == category]] = True
        return mask

    @property
    def sold(self) -> Array:
        """(C,) int64 number of articles of each category in all visits together."""
        return np.bincount(self.category, minlength=self.categories)

    @property
    def length(self) -> Array:
        """(v,) int64 number of articles of each visit."""
        return np.bincount(self.visit, minlength=len(self.user))


def collect_visits(history: History, item_category: Array, categories: int, first: int, end: int) -> Visits:
    """Collect the visits of label weeks ``first`` to ``end`` - 1; ``end`` is at most ``history.week``."""
    log, known = history.log, history.known
    back = (history.cutoff - 1 - log.day[known].astype(np.int64)) // 7  # 0: the week before the cutoff
    inside = (back < history.week - first) & (back >= history.week - end)
    known, back = known[inside], back[inside]
    user, item = log.user[known].astype(np.int64), log.item[known].astype(np.int64)
    new = np.ones(len(known), bool)
    new[1:] = (np.diff(user) != 0) | (np.diff(back) != 0)
    entry = np.unique((np.cumsum(new) - 1) * max(log.items, 1) + item)  # an article counts once per week
    visit, item = np.divmod(entry, max(log.items, 1))
    return Visits(user[new], known[new], visit, item_category[item], categories)
