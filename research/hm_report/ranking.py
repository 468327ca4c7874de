"""Rank a label week's articles by a model's scores: all recently sold articles, or only those bought before.

The report multiplies its probabilities by a 0/1 mask of the recently sold articles. The repurchase restriction
multiplies them by the number of times that the customer bought the article.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from research.hm_report import shops
from research.hm_report.features import MONTH
from research.hm_report.groups import select_candidates
from research.hm_report.shops import Past, Store
from retail import metrics, ragged, weeks
from retail.log import Array
from retail.metrics import K


@dataclass(frozen=True)
class LabelWeek:
    """Hold a label week: its b buyers, the r articles that may be recommended, and the purchases."""

    past: Past
    users: Array  # (b,) int64, ascending
    recent: Array  # (r,) int64 articles sold in the last MONTH days, ascending
    before: Array  # (b, r) times that the buyer bought the article before the cutoff
    last_month: Array  # (b, r) the same in the last MONTH days
    start: Array  # (b + 1,) the buyer in row u bought ``items[start[u]:start[u + 1]]``
    items: Array  # articles bought in the label week, buyer after buyer

    @property
    def hits(self) -> Array:
        """Mark the pairs (b, r) bool bought in the label week."""
        row = ragged.row_of(self.start)
        column = np.searchsorted(self.recent, self.items).clip(max=len(self.recent) - 1)
        is_recent = self.recent[column] == self.items
        hits = np.zeros(self.before.shape, bool)
        hits[row[is_recent], column[is_recent]] = True
        return hits


def read_label_week(store: Store, week: int) -> LabelWeek:
    """Read label week ``week`` and the buyers' earlier purchases."""
    past = shops.read_past(store, week)
    log = store.shop.log
    users = weeks.buyers(log, week).astype(np.int64)
    recent = np.unique(past.item[past.day >= past.cutoff - MONTH])
    user, item = weeks.truth(log, week)
    start, items = metrics.truth_runs(user, item, users)
    before = count_purchases(past, users, recent, 0)
    last_month = count_purchases(past, users, recent, past.cutoff - MONTH)
    return LabelWeek(past, users, recent, before, last_month, start, items.astype(np.int64))


def count_purchases(past: Past, users: Array, recent: Array, since: int) -> Array:
    """Count the entries (b, r) of each pair of ``users`` (b,) and ``recent`` (r,) from day ``since`` on."""
    known = np.isin(past.user, users) & np.isin(past.item, recent) & (past.day >= since)
    count = np.zeros((len(users), len(recent)))
    np.add.at(count, (np.searchsorted(users, past.user[known]), np.searchsorted(recent, past.item[known])), 1)
    return count


def rank_articles(score: Array, label_week: LabelWeek, group: str) -> Mapping[str, Array]:
    """Rank the articles by ``score`` (b, r), log-odds: four kinds of lists (b, 12) int64, and the AUC (b,).

    A list that is too short ends in -1. Keys of the answer:
    recent: of all recently sold articles. personal: of those selected for ``group``.
    bought: of those bought before, by count x probability. month: likewise, but bought in the last MONTH days.
    auc: see ``compute_auc``.
    """
    probability = 1 / (1 + np.exp(-score.astype(np.float64)))
    recent, before, last_month = label_week.recent, label_week.before, label_week.last_month
    personal = np.broadcast_to(select_candidates(label_week.past, recent, group), score.shape)
    return {
        "recent": list_best(score, np.ones(score.shape, bool), recent),
        "personal": list_best(score, personal, recent),
        "bought": list_best(probability * before, before > 0, recent),
        "month": list_best(probability * last_month, last_month > 0, recent),
        "auc": compute_auc(score, label_week.hits),
    }


def list_best(score: Array, allowed: Array, recent: Array) -> Array:
    """List each customer's ``allowed`` articles by descending score, (b, 12) int64; ties by article, then -1."""
    masked = np.where(allowed, -score, np.inf)
    order = np.argsort(masked, axis=1, kind="stable")[:, :K]
    best = np.where(np.take_along_axis(allowed, order, 1), recent[order], -1)
    lists = np.full((len(score), K), -1, np.int64)
    lists[:, : best.shape[1]] = best
    return lists


def compute_auc(score: Array, hits: Array) -> Array:
    """Compute each customer's AUC (b,): the share of pairs (bought, not bought) in the right order.

    Ties count half; NaN without such a pair. ``score``, ``hits``: (b, r) of the articles that may be recommended.

    >>> compute_auc(np.array([[3.0, 1.0, 2.0, 2.0]]), np.array([[False, True, True, False]]))  # (0 + 1/2) / 4
    array([0.125])
    """
    positives = hits.sum(1)
    negatives = hits.shape[1] - positives
    ranks = (rankdata(score, axis=1) * hits).sum(1)
    with np.errstate(invalid="ignore"):
        auc: Array = (ranks - positives * (positives + 1) / 2) / (positives * negatives)
    return auc
