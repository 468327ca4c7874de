"""Read basket sequences, each customer's baskets in order, and make queries for the next basket.

The paper calls such a sequence a funnel. A network reads an article as a token: 1 is the best-selling article of the
vocabulary, 2 the next one, and so on; 0 means no article. The articles of a basket are sorted by token.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numba
import numpy as np

from retail import ragged
from retail.log import Array
from retail.weeks import History

LEAST_SALES = 0.1  # pieces added to the sales of every article, so that its log is finite


@dataclass(frozen=True)
class BasketSequences:
    """One basket per (customer, day) before the cutoff, in this order; articles outside the vocabulary are left out."""

    start: Array  # (users + 1,) int64: baskets start[u]:start[u+1] are those of customer u
    day: Array  # (s,) int64
    amount: Array  # (s,) float32 money spent, 0 where prices are unknown
    ptr: Array  # (s + 1,) int64: basket k holds token[ptr[k]:ptr[k+1]], unique and ascending
    token: Array  # (n,) int64, 1..articles
    pieces: Array  # (n,) float32, at least 1
    articles: int  # V, size of the vocabulary
    trend: Array  # (cutoff + 1, V) float32 log share of each article in the decayed sales before each day, or (0, 0)

    @property
    def users(self) -> int:
        """Return the number of customers."""
        return len(self.start) - 1

    @cached_property
    def user(self) -> Array:
        """Return the customer (s,) int64 of each basket."""
        return np.repeat(np.arange(self.users), np.diff(self.start))

    @cached_property
    def gap(self) -> Array:
        """Return the days (s,) int64 since the customer's previous basket, 0 for the first."""
        days = np.diff(self.day, prepend=0)
        days[self.start[:-1][self.start[:-1] < self.start[1:]]] = 0
        return days

    def keep_articles(self, baskets: Array) -> "BasketSequences":
        """Empty every basket outside the mask ``baskets`` (s,) bool; the number of baskets stays."""
        return self.keep_entries(np.repeat(baskets, np.diff(self.ptr)))

    def keep_entries(self, kept: Array) -> "BasketSequences":
        """Drop every entry outside the mask ``kept`` (n,) bool; the number of baskets stays."""
        before = ragged.offsets(kept)
        return replace(self, ptr=before[self.ptr], token=self.token[kept], pieces=self.pieces[kept])


@dataclass(frozen=True)
class Query:
    """Rows that ask for a customer's next basket; row e reads the baskets start[user]:stop, all before ``day``.

    Where the next basket is known, it is basket ``stop``.
    """

    user: Array  # (e,) int64
    stop: Array  # (e,) int64
    day: Array  # (e,) int64, the first day that a network may not know

    def select(self, rows: Array) -> "Query":
        """Keep ``rows`` (positions or a mask), in their order."""
        return Query(self.user[rows], self.stop[rows], self.day[rows])


def choose_vocabulary(history: History, size: int) -> Array:
    """Choose the ``size`` articles (V,) int64 with the most entries before the cutoff, best first, ties by id."""
    sold = history.item_stop - history.log.item_start[:-1]
    return np.lexsort((np.arange(len(sold)), -sold))[:size].astype(np.int64)


def assign_tokens(vocabulary: Array, items: int) -> Array:
    """Assign a token (items,) int64 to each article, 0 outside the vocabulary."""
    token = np.zeros(items, np.int64)
    token[vocabulary] = 1 + np.arange(len(vocabulary))
    return token


def read_sequences(history: History, vocabulary: Array, sales_half_life: float | None) -> BasketSequences:
    """Read every customer's baskets before the cutoff, articles as tokens of ``vocabulary``.

    ``sales_half_life`` (days): also compute the shop's decayed sales before each day; None leaves them out.
    """
    log, known = history.log, history.known
    user, day = log.user[known].astype(np.int64), log.day[known].astype(np.int64)
    token, pieces = assign_tokens(vocabulary, log.items)[log.item[known]], log.quantity[known]
    visit = user * (max(history.cutoff, 0) + 1) + day
    visits, basket = np.unique(visit, return_inverse=True)
    order = np.lexsort((token, basket))
    order = order[token[order] > 0]
    customer, days = np.divmod(visits, max(history.cutoff, 0) + 1)
    amount = np.bincount(basket, weights=log.price[known] * pieces, minlength=len(visits))
    trend = np.zeros((0, 0), np.float32)
    if sales_half_life is not None:
        trend = _compute_trend(day, token, max(history.cutoff, 0) + 1, len(vocabulary), sales_half_life)
    return BasketSequences(
        np.searchsorted(customer, np.arange(log.users + 1)).astype(np.int64), days, amount.astype(np.float32),
        np.searchsorted(basket[order], np.arange(len(visits) + 1)).astype(np.int64), token[order],
        pieces[order].astype(np.float32), len(vocabulary), trend,
    )  # fmt: skip


def list_examples(sequences: BasketSequences, least: int) -> Query:
    """Query every basket that has an article of the vocabulary and ``least`` baskets before it (paper, III.D).

    Each is queried on its own day.
    """
    place = np.arange(len(sequences.day)) - sequences.start[sequences.user]
    stop = np.flatnonzero((place >= least) & (np.diff(sequences.ptr) > 0))
    return Query(sequences.user[stop], stop, sequences.day[stop])


def query_cutoff(sequences: BasketSequences, users: Array, cutoff: int) -> Query:
    """Query the next basket of ``users`` after all their known baskets, on the day ``cutoff``."""
    return Query(users.astype(np.int64), sequences.start[users.astype(np.int64) + 1], np.full(len(users), cutoff))


def mark_latest(query: Query) -> Array:
    """Mark (e,) bool the last row of each customer; ``query`` is sorted by customer."""
    return np.append(np.diff(query.user) != 0, True)[: len(query.user)]


def sample_rows(query: Query, per_user: int, rng: np.random.Generator) -> Array:
    """Sample positions of ``per_user`` rows of each customer without replacement (all where there are fewer)."""
    order = np.lexsort((rng.random(len(query.user)), query.user))
    place = np.arange(len(order)) - np.searchsorted(query.user, query.user)
    return np.sort(order[place < per_user])


@numba.njit(cache=True)
def _compute_trend(day: Array, token: Array, days: int, articles: int, half_life: float) -> Array:
    """Compute ``BasketSequences.trend`` (days, V); an entry n days before has the weight 2^(-n / half_life)."""
    sold = np.zeros((days, articles), np.float32)
    for k in range(len(day)):
        if token[k] > 0:
            sold[day[k], token[k] - 1] += 1.0
    decay = np.float32(2.0 ** (-1.0 / half_life))
    total, out = np.zeros(articles, np.float32), np.zeros((days, articles), np.float32)
    for today in range(days):
        if today > 0:
            total = (total + sold[today - 1]) * decay
        out[today] = np.log((total + np.float32(LEAST_SALES)) / (total.sum() + np.float32(LEAST_SALES * articles)))
    return out
