"""From a model's scores to lists of twelve: among the articles that sell, or among those bought before.

The report multiplies its probabilities with a 0/1 mask of the articles sold of late; the repurchase restriction
multiplies them with the customer's count of each.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from research.hm_report import shops
from research.hm_report.features import MONTH
from research.hm_report.groups import candidates
from research.hm_report.shops import Past, Store
from retail import metrics, weeks
from retail.log import Array
from retail.metrics import K


@dataclass(frozen=True)
class Asked:
    """A label week: its b buyers, the r articles that may be named, and what was bought."""

    past: Past
    users: Array  # (b,) int64, ascending
    recent: Array  # (r,) int64 articles sold in the last MONTH days, ascending
    before: Array  # (b, r) times each was bought before the cutoff
    lately: Array  # (b, r) the same in the last MONTH days
    start: Array  # (b + 1,) of ``items``
    items: Array  # articles bought in the label week

    @property
    def hits(self) -> Array:
        """(b, r) bool: bought in the label week."""
        row = np.repeat(np.arange(len(self.users)), np.diff(self.start))
        column = np.searchsorted(self.recent, self.items).clip(max=len(self.recent) - 1)
        found = self.recent[column] == self.items
        out = np.zeros(self.before.shape, bool)
        out[row[found], column[found]] = True
        return out


def asked(store: Store, week: int) -> Asked:
    past = shops.past(store, week)
    log = store.shop.log
    users = weeks.buyers(log, week).astype(np.int64)
    recent = np.unique(past.item[past.day >= past.cutoff - MONTH])
    user, item = weeks.truth(log, week)
    start, items = metrics.truth_runs(user, item, users)
    return Asked(
        past, users, recent, times(past, users, recent, 0), times(past, users, recent, past.cutoff - MONTH), start,
        items.astype(np.int64),
    )  # fmt: skip


def times(past: Past, users: Array, recent: Array, since: int) -> Array:
    """(b, r) entries of each pair from day ``since`` on."""
    known = np.isin(past.user, users) & np.isin(past.item, recent) & (past.day >= since)
    out = np.zeros((len(users), len(recent)))
    np.add.at(out, (np.searchsorted(users, past.user[known]), np.searchsorted(recent, past.item[known])), 1)
    return out


def answered(score: Array, of: Asked, group: str) -> Mapping[str, Array]:
    """Lists (b, 12) among several candidates, -1 where one is shorter, and the rank of what was bought.

    ``score``: (b, r) log-odds. recent: all of ``of.recent``; personal: those of the ``group``; bought: those bought
    before, by times x probability; month: those of the last MONTH days, likewise; auc: see ``auc``.
    """
    chance = 1 / (1 + np.exp(-score.astype(np.float64)))
    personal = np.broadcast_to(candidates(of.past, of.recent, group), score.shape)
    return {
        "recent": listed(score, np.ones(score.shape, bool), of.recent),
        "personal": listed(score, personal, of.recent),
        "bought": listed(chance * of.before, of.before > 0, of.recent),
        "month": listed(chance * of.lately, of.lately > 0, of.recent),
        "auc": auc(score, of.hits),
    }


def listed(score: Array, allowed: Array, recent: Array) -> Array:
    """(b, 12) int64: the best-scored ``allowed`` articles of each customer, ties by article, then -1."""
    masked = np.where(allowed, -score, np.inf)
    order = np.argsort(masked, axis=1, kind="stable")[:, :K]
    found = np.where(np.take_along_axis(allowed, order, 1), recent[order], -1)
    out = np.full((len(score), K), -1, np.int64)
    out[:, : found.shape[1]] = found
    return out


def auc(score: Array, hits: Array) -> Array:
    """(b,) share of pairs (bought in the label week, not bought) that are in the right order; NaN where there is none.

    Ties count half. A finer measure than lists of twelve: every article that may be named takes part.

    >>> auc(np.array([[3.0, 1.0, 2.0, 2.0]]), np.array([[False, True, True, False]]))  # 0 and 1 1/2 - 1 of 2 x 2
    array([0.125])
    """
    right = hits.sum(1)
    others = hits.shape[1] - right
    ranks = (rankdata(score, axis=1) * hits).sum(1)
    with np.errstate(invalid="ignore"):
        found: Array = (ranks - right * (right + 1) / 2) / (right * others)
    return found
