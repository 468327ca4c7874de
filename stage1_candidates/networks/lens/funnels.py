"""Funnels: each customer's baskets in order, and the places where the next one may be asked for.

An article is told to a network by its token: 1 for the most sold article of the vocabulary, 2 for the next ...; 0 is
nothing. The articles of a basket stand in this order.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numba
import numpy as np

from retail.log import Array
from retail.ragged import offsets, place_in_row, row_of
from retail.weeks import History

LEAST_SALES = 0.1  # pieces that every article is taken to have sold, so that its log is finite


@dataclass(frozen=True)
class Funnels:
    """One basket per (customer, day) that is known at the cutoff, in this order; it may hold no known article."""

    start: Array  # (users + 1,) int64: baskets start[u]:start[u+1] are those of customer u
    day: Array  # (s,) int64
    amount: Array  # (s,) float32 money, 0 where it is not known
    ptr: Array  # (s + 1,) int64: basket k holds token[ptr[k]:ptr[k+1]], unique and ascending
    token: Array  # (n,) int64, 1..articles
    pieces: Array  # (n,) float32, at least 1
    articles: int  # V, size of the vocabulary
    trend: Array  # (cutoff + 1, V) float32 log share of each article in the decayed sales before each day, or (0, 0)

    @property
    def users(self) -> int:
        return len(self.start) - 1

    @cached_property
    def user(self) -> Array:
        """(s,) int64 customer of each basket."""
        return row_of(self.start)

    @cached_property
    def gap(self) -> Array:
        """(s,) int64 days since the customer's basket before, 0 for the first."""
        days = np.diff(self.day, prepend=0)
        days[self.start[:-1][self.start[:-1] < self.start[1:]]] = 0
        return days

    def emptied(self, known: Array) -> "Funnels":
        """The same baskets, with the articles of those in ``known`` (s,) bool alone."""
        return self.holding(np.repeat(known, np.diff(self.ptr)))

    def holding(self, kept: Array) -> "Funnels":
        """The same baskets, with the entries ``kept`` (n,) bool alone."""
        before = offsets(kept)
        return replace(self, ptr=before[self.ptr], token=self.token[kept], pieces=self.pieces[kept])


@dataclass(frozen=True)
class Asked:
    """Customers at a day: baskets start[user]:stop lie before ``day``. An example is answered by basket ``stop``."""

    user: Array  # (e,) int64
    stop: Array  # (e,) int64
    day: Array  # (e,) int64, the first day that is not known

    def chosen(self, some: Array) -> "Asked":
        """The rows ``some`` (positions or a mask), in their order."""
        return Asked(self.user[some], self.stop[some], self.day[some])


def vocabulary(history: History, most: int) -> Array:
    """(V,) int64 the ``most`` articles with most entries before the cutoff, the most sold first, ties by id."""
    sold = history.item_stop - history.log.item_start[:-1]
    return np.lexsort((np.arange(len(sold)), -sold))[:most].astype(np.int64)


def tokens(vocabulary: Array, items: int) -> Array:
    """(items,) int64 token of each article, 0 outside the vocabulary."""
    token = np.zeros(items, np.int64)
    token[vocabulary] = 1 + np.arange(len(vocabulary))
    return token


def funnels(history: History, vocabulary: Array, sales_half_life: float | None) -> Funnels:
    """What is known of every customer through ``vocabulary``; with a half-life also what the shop sells of late."""
    log, known = history.log, history.known
    user, day = log.user[known].astype(np.int64), log.day[known].astype(np.int64)
    token, pieces = tokens(vocabulary, log.items)[log.item[known]], log.quantity[known]
    visit = user * (max(history.cutoff, 0) + 1) + day
    visits, of = np.unique(visit, return_inverse=True)
    order = np.lexsort((token, of))
    order = order[token[order] > 0]
    whole, days = np.divmod(visits, max(history.cutoff, 0) + 1)
    amount = np.bincount(of, weights=log.price[known] * pieces, minlength=len(visits))
    trend = np.zeros((0, 0), np.float32)
    if sales_half_life is not None:
        trend = _trend(day, token, max(history.cutoff, 0) + 1, len(vocabulary), sales_half_life)
    return Funnels(
        np.searchsorted(whole, np.arange(log.users + 1)).astype(np.int64), days, amount.astype(np.float32),
        np.searchsorted(of[order], np.arange(len(visits) + 1)).astype(np.int64), token[order],
        pieces[order].astype(np.float32), len(vocabulary), trend,
    )  # fmt: skip


def examples(of: Funnels, least: int) -> Asked:
    """Every basket with a known article and ``least`` baskets before it, asked for on its own day (paper, III.D)."""
    place = place_in_row(of.start)
    stop = np.flatnonzero((place >= least) & (np.diff(of.ptr) > 0))
    return Asked(of.user[stop], stop, of.day[stop])


def at_cutoff(of: Funnels, users: Array, cutoff: int) -> Asked:
    """``users`` with all that is known of them."""
    return Asked(users.astype(np.int64), of.start[users.astype(np.int64) + 1], np.full(len(users), cutoff))


def latest(asked: Asked) -> Array:
    """(e,) bool: the last row of each customer, rows being sorted by customer."""
    return np.append(np.diff(asked.user) != 0, True)[: len(asked.user)]


def drawn(asked: Asked, per_user: int, rng: np.random.Generator) -> Array:
    """Positions of ``per_user`` rows of each customer, drawn without replacement (all where there are fewer)."""
    order = np.lexsort((rng.random(len(asked.user)), asked.user))
    place = np.arange(len(order)) - np.searchsorted(asked.user, asked.user)
    return np.sort(order[place < per_user])


@numba.njit(cache=True)
def _trend(day: Array, token: Array, days: int, articles: int, half_life: float) -> Array:
    """An entry a day before counts 2^(-1 / half_life), and so on."""
    sold = np.zeros((days, articles), np.float32)
    for k in range(len(day)):
        if token[k] > 0:
            sold[day[k], token[k] - 1] += 1.0
    faded = np.float32(2.0 ** (-1.0 / half_life))
    total, out = np.zeros(articles, np.float32), np.zeros((days, articles), np.float32)
    for now in range(days):
        if now > 0:
            total = (total + sold[now - 1]) * faded
        out[now] = np.log((total + np.float32(LEAST_SALES)) / (total.sum() + np.float32(LEAST_SALES * articles)))
    return out
