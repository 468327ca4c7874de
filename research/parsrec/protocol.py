"""Evaluate as the PARSRec paper does: rank a session's articles among 99 others, step by step (5.3).

At each step the pool holds the session's articles that are left and 99 other articles. If an article left is among the
k best, the best-ranked one is a hit with gain 1 / log2(rank + 2), rank from 0, and is removed from those left. Else the
first article left is removed. So any article of the session makes a hit. A random scorer hits with probability
1 - C(99, k) / C(99 + r, k) with r articles left; at k = 10 this is .25 for the paper's sessions.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from research.parsrec.parsrec_sales import Sales
from retail.log import Array
from stage1_candidates.networks.parsrec.sessions import Sessions, make_batch

OTHERS = 99  # articles of a pool from outside the session
KS = (1, 5, 10)
Scorer = Callable[[Array, Array], Array]  # rows (r,) of the sessions, given (r, j) articles -> (r, V) scores


@dataclass(frozen=True)
class Task:
    """Sessions for training, validation and test; the past of a test session includes the validation session."""

    train: Sessions
    validation: Sessions
    test: Sessions
    articles: int
    customers: int


@dataclass(frozen=True)
class Replay:
    """The outcome of each step of s sessions of at most N articles."""

    gain: Array  # (s, N) float64, 0 for a miss, NaN after the session's end
    given: Array  # (s, N) int64 articles in the order of removal, 0 after the end

    def summarise(self) -> dict[str, float]:
        """Return HR (hits per step), NDCG (mean gain of a step) and session precision (mean share of hits).

        HR's standard error is that of a ratio of sums over sessions.
        """
        hit = np.where(np.isnan(self.gain), np.nan, self.gain > 0)
        ratio, steps = float(np.nanmean(hit)), (~np.isnan(hit)).sum(1)
        return {
            "HR": ratio,
            "HR error": float(np.sqrt(((np.nansum(hit, axis=1) - ratio * steps) ** 2).sum()) / steps.sum()),
            "NDCG": float(np.nanmean(self.gain)),
            "Sess-Prec": float(np.nanmean(hit, axis=1).mean()),
        }


def split_sales(sales: Sales, last: int = 1) -> Task:
    """Split each customer's sessions: the ``last`` ones are test, the one before them validation, the rest training."""
    per_user = sales.settings.sessions
    number = np.arange(len(sales.ptr) - 1)
    user, age = number // per_user, per_user - number % per_user  # age 1: the last session
    item = sales.item.astype(np.int64)
    whole = Sessions(user, sales.ptr[:-1], sales.ptr[1:], item, sales.ptr[user * per_user], sales.ptr[:-1], item)
    parts = (whole.select(age > last + 1), whole.select(age == last + 1), whole.select(age <= last))
    return Task(*parts, sales.items, sales.settings.customers)


def sample_pools(sessions: Sessions, articles: int, seed: int, gone: Array | None = None) -> Array:
    """Sample distinct articles (s, 99) int64 outside each session, uniformly; articles of the past may be among them.

    No pool holds an article of ``gone``.
    """
    draw = np.random.default_rng(seed).random((len(sessions.user), articles), dtype=np.float32)
    if gone is not None:
        draw[:, gone] = 2  # above every draw
    row = np.repeat(np.arange(len(sessions.user)), sessions.length)
    draw[row, make_batch(sessions).item.numpy()[_mask_filled(sessions)]] = 2
    return np.argpartition(draw, OTHERS, axis=1)[:, :OTHERS]


def replay(scorer: Scorer, sessions: Sessions, pool: Array, k: int) -> Replay:
    """Replay every session step by step; equal scores rank by id."""
    item, left = make_batch(sessions).item.numpy(), _mask_filled(sessions)
    gain, given = np.full(item.shape, np.nan), np.zeros(item.shape, np.int64)
    for j in range(item.shape[1]):
        rows = np.flatnonzero(sessions.length > j)
        score = scorer(rows, given[rows, :j])  # (r, V)
        row = np.arange(len(rows))
        own = np.where(left[rows], np.take_along_axis(score, np.maximum(item[rows], 0), axis=1), -np.inf)
        best = np.lexsort((item[rows], -own), axis=1)[:, 0]
        best_score, best_item = own[row, best], item[rows, best]
        other = np.take_along_axis(score, pool[rows], axis=1)  # (r, 99)
        tied = (other == best_score[:, None]) & (pool[rows] < best_item[:, None])
        better = (other > best_score[:, None]) | tied
        rank = better.sum(1)
        gain[rows, j] = np.where(rank < k, 1 / np.log2(rank + 2), 0)
        place = np.where(rank < k, best, left[rows].argmax(1))
        given[rows, j] = item[rows, place]
        left[rows, place] = False
    return Replay(gain, given)


def _mask_filled(sessions: Sessions) -> Array:
    """Return a mask (s, N) bool of the places that hold an article."""
    filled: Array = np.arange(sessions.length.max(initial=1)) < sessions.length[:, None]
    return filled
