"""Visits: what a customer bought in one week, an article once, told by category."""

from dataclasses import dataclass

import numpy as np

from retail.log import Array
from retail.weeks import History


@dataclass(frozen=True)
class Visits:
    """Visit v, of customer ``user[v]``; entry e is an article of visit ``visit[e]``."""

    user: Array  # (v,) int64, ascending
    first: Array  # (v,) int64 position of the first of its entries in the log: the past of visit v lies before it
    visit: Array  # (n,) int64, ascending
    category: Array  # (n,) int64
    categories: int

    def chosen(self, some: Array) -> "Visits":
        """The visits of the mask ``some`` (v,)."""
        number = np.cumsum(some) - 1
        kept = some[self.visit]
        return Visits(self.user[some], self.first[some], number[self.visit[kept]], self.category[kept], self.categories)

    def holding(self, category: int) -> Array:
        """(v,) bool: the visit has an article of ``category``."""
        out = np.zeros(len(self.user), bool)
        out[self.visit[self.category == category]] = True
        return out

    @property
    def sold(self) -> Array:
        """(C,) int64 articles of each category, all visits together."""
        return np.bincount(self.category, minlength=self.categories)

    @property
    def length(self) -> Array:
        """(v,) int64 articles of each visit."""
        return np.bincount(self.visit, minlength=len(self.user))


def visits(history: History, of_item: Array, categories: int, since: int, until: int) -> Visits:
    """The visits of label weeks ``since`` (at the least) to ``until`` - 1, both before ``history.week``."""
    log, known = history.log, history.known
    back = (history.cutoff - 1 - log.day[known].astype(np.int64)) // 7  # 0: the week before the cutoff
    inside = (back < history.week - since) & (back >= history.week - until)
    known, back = known[inside], back[inside]
    user, item = log.user[known].astype(np.int64), log.item[known].astype(np.int64)
    new = np.ones(len(known), bool)
    new[1:] = (np.diff(user) != 0) | (np.diff(back) != 0)
    entry = np.unique((np.cumsum(new) - 1) * max(log.items, 1) + item)  # an article twice in a week is one
    visit, item = np.divmod(entry, max(log.items, 1))
    return Visits(user[new], known[new], visit, of_item[item], categories)
