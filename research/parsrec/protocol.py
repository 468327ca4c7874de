"""The PARSRec paper's evaluation: a session's articles one after another, each found among 99 others or not (5.3).

At a step the pool is what is left of the session and its 99 articles. If one of those left is among the k best, the
best-ranked of them is a hit of gain 1 / log2(rank + 2), rank from 0, and is given away; else the first that is left is.
So a hit needs any article of the session, and a scorer without knowledge hits with probability
1 - C(99, k) / C(99 + r, k) where r are left: .25 at k = 10 for the paper's sessions.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from research.parsrec.parsrec_sales import Sales
from retail.log import Array
from stage1_candidates.networks.parsrec import sessions
from stage1_candidates.networks.parsrec.sessions import Sessions

OTHERS = 99
KS = (1, 5, 10)
Scorer = Callable[[Array, Array], Array]  # rows (r,) of the sessions, given (r, j) articles -> (r, V) scores


@dataclass(frozen=True)
class Task:
    """Sessions by what they serve for; a test session's past holds the validation session."""

    train: Sessions
    validation: Sessions
    test: Sessions
    articles: int
    customers: int


@dataclass(frozen=True)
class Walk:
    """What happened at each step of each session; NaN after its end."""

    gain: Array  # (s, N) float64, 0 for a miss
    given: Array  # (s, N) int64 the articles in the order in which they were given away; 0 after the end

    def figures(self) -> dict[str, float]:
        """HR: hits per step; NDCG: mean gain of a step; session precision: mean of the sessions' shares of hits.

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


def task(sales: Sales, last: int = 1) -> Task:
    """The ``last`` sessions of each customer are its test, the one before them validation, the others training."""
    each = sales.settings.sessions
    number = np.arange(len(sales.ptr) - 1)
    user, age = number // each, each - number % each  # age 1: the last
    item = sales.item.astype(np.int64)
    every = Sessions(user, sales.ptr[:-1], sales.ptr[1:], item, sales.ptr[user * each], sales.ptr[:-1], item)
    parts = (every.chosen(age > last + 1), every.chosen(age == last + 1), every.chosen(age <= last))
    return Task(*parts, sales.items, sales.settings.customers)


def others(of: Sessions, articles: int, seed: int, gone: Array | None = None) -> Array:
    """(s, 99) int64 distinct articles outside each session, drawn uniformly; those bought before may be among them.

    The articles ``gone`` are in no pool.
    """
    draw = np.random.default_rng(seed).random((len(of.user), articles), dtype=np.float32)
    if gone is not None:
        draw[:, gone] = 2  # beyond every draw
    row = np.repeat(np.arange(len(of.user)), of.length)
    draw[row, sessions.batch(of).item.numpy()[_filled(of)]] = 2
    return np.argpartition(draw, OTHERS, axis=1)[:, :OTHERS]


def walked(scorer: Scorer, of: Sessions, pool: Array, k: int) -> Walk:
    """Every session of ``of`` from its first article to its last; equal scores rank by id."""
    item, left = sessions.batch(of).item.numpy(), _filled(of)
    gain, given = np.full(item.shape, np.nan), np.zeros(item.shape, np.int64)
    for j in range(item.shape[1]):
        rows = np.flatnonzero(of.length > j)
        score = scorer(rows, given[rows, :j])  # (r, V)
        each = np.arange(len(rows))
        own = np.where(left[rows], np.take_along_axis(score, np.maximum(item[rows], 0), axis=1), -np.inf)
        best = np.lexsort((item[rows], -own), axis=1)[:, 0]
        worth, code = own[each, best], item[rows, best]
        other = np.take_along_axis(score, pool[rows], axis=1)  # (r, 99)
        better = (other > worth[:, None]) | ((other == worth[:, None]) & (pool[rows] < code[:, None]))
        rank = better.sum(1)
        gain[rows, j] = np.where(rank < k, 1 / np.log2(rank + 2), 0)
        place = np.where(rank < k, best, left[rows].argmax(1))
        given[rows, j] = item[rows, place]
        left[rows, place] = False
    return Walk(gain, given)


def _filled(of: Sessions) -> Array:
    filled: Array = np.arange(of.length.max(initial=1)) < of.length[:, None]
    return filled
