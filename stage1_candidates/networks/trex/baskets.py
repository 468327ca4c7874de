"""Baskets as sequences of categories: the tokens of a log, where they may be split, and rows that a network can read.

A row is one customer at one cutoff, right-aligned so that the end of the last basket always stands in the last place:

    PAD PAD BOS b a SEP c a SEP     (baskets {a, b}, then {a, c}; each category once per basket)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np
import torch
from torch import Tensor

from retail.log import Array
from retail.ragged import offsets, positions, row_of
from retail.weeks import History

PAD, BOS, SEP, FIRST = 0, 1, 2, 3  # token FIRST + c is category c
OUTSIDE = -(1 << 30)  # level of BOS: before every basket
PADDED = 2 * OUTSIDE  # level of PAD: before even that, so that sorting by level leaves it in front
HABITS = 5  # numbers on a category of the customer's own, besides its decayed counts
LEAST_SALES = 0.1  # tokens that every category is taken to have sold, so that its log is finite
LEAST_LOG = -8.0  # of a decayed count: what faded further is as good as forgotten


@dataclass(frozen=True)
class Tokens:
    """One token per (customer, day, category) that is known at the cutoff, in this order."""

    start: Array  # (users + 1,) int64: tokens start[u]:start[u+1] are those of customer u
    category: Array  # (n,) int32
    day: Array  # (n,) int32
    basket: Array  # (n,) int32 the customer's baskets (days with a category) counted from 0
    gap: Array  # (n,) int32 days since the basket before, 0 for the first
    trend: Array  # (cutoff + 1, V, S) float32 log share of each category in the shop's decayed tokens before each day
    half_lives: Array  # (H,) float64 days, of the customer's own counts

    @property
    def categories(self) -> int:
        return int(self.trend.shape[1])


@dataclass(frozen=True)
class Splits:
    """Places where a customer's tokens may be split: the context start[user]:stop lies before ``cutoff``."""

    user: Array  # (e,) int64, ascending; a customer's splits by cutoff
    stop: Array  # (e,) int64
    cutoff: Array  # (e,) int64, the first day that is not known
    ptr: Array  # (e + 1,) int64: split k has the target categories target[ptr[k]:ptr[k+1]], unique and ascending
    target: Array  # (t,) int32

    def chosen(self, some: Array) -> "Splits":
        """The splits ``some`` (positions or a mask), in their order."""
        some = np.flatnonzero(some) if some.dtype == bool else some
        size = np.diff(self.ptr)[some]
        target = self.target[positions(self.ptr[some], size)]
        return Splits(self.user[some], self.stop[some], self.cutoff[some], offsets(size), target)


class Batch(NamedTuple):
    """B rows of W tokens. Times are 0 where there is none; own categories are tokens, PAD where there is none."""

    token: Tensor  # (B, W) int64
    level: Tensor  # (B, W) int64: ascends from basket to basket, a basket's end lies between it and the next
    distance: Tensor  # (B, W) int64: 1 for the last basket before the cutoff, 2 for the one before it, ...
    age: Tensor  # (B, W) float32 days before the cutoff
    gap: Tensor  # (B, W) float32 days since the basket before
    own: Tensor  # (B, W) int64 the customer's categories, the latest first
    habit: Tensor  # (B, W, HABITS + H) float32 numbers on each of them
    trend: Tensor  # (B, V, S) float32 log share of each category in the shop's sales before the cutoff
    target: Tensor  # (B, T) int64 tokens to be predicted, PAD behind

    def ascending(self) -> "Batch":
        """The same rows, the categories of each basket ascending; all else is the same throughout a basket."""
        by_token = self.token.argsort(dim=1, stable=True)
        order = by_token.gather(1, self.level.gather(1, by_token).argsort(dim=1, stable=True))
        return self._replace(token=self.token.gather(1, order))


def tokens(
    history: History, category: Array, categories: int, half_lives: list[float], sales_half_lives: list[float]
) -> Tokens:
    """The tokens of what is known, ``category`` (items,) being -1 for articles that have none."""
    log, known = history.log, history.known
    code, of_user, day = category[log.item[known]].astype(np.int64), log.user[known], log.day[known].astype(np.int64)
    has, days = code >= 0, max(history.cutoff, 0) + 1
    key = np.unique((of_user[has].astype(np.int64) * days + day[has]) * categories + code[has])
    visit, code = np.divmod(key, categories)
    user, day = np.divmod(visit, days)
    start = np.searchsorted(user, np.arange(log.users + 1)).astype(np.int64)
    basket, gap = _baskets(start, day)
    trend = _trend(day, code, days, categories, np.array(sales_half_lives, np.float64))
    code, day = code.astype(np.int32), day.astype(np.int32)
    return Tokens(start, code, day, basket, gap, trend, np.array(half_lives, np.float64))


def splits(of: Tokens, period: Array, cutoff: Array) -> Splits:
    """One split per customer and period with a token before it: everything before ``cutoff`` | the period's categories.

    ``period`` (n,) of each token ascends within a customer, all tokens from ``cutoff`` (n,) on belong to it or a later
    one. Baskets: period = cutoff = the day. Label weeks: the week's number and its first day.
    """
    user = row_of(of.start)
    new = np.ones(len(user), bool)
    new[1:] = (np.diff(user) != 0) | (np.diff(period) != 0)
    run = np.cumsum(new) - 1  # period that each token belongs to
    pair = np.unique(run * of.categories + of.category)
    first = np.flatnonzero(new)
    every = Splits(
        user[first],
        first,
        cutoff[first].astype(np.int64),
        np.searchsorted(pair // max(of.categories, 1), np.arange(len(first) + 1)).astype(np.int64),
        (pair % max(of.categories, 1)).astype(np.int32),
    )
    return every.chosen(first > of.start[user[first]])


def at_cutoff(of: Tokens, users: Array, cutoff: int) -> Splits:
    """The rows of ``users`` at the cutoff of ``of`` itself: all that is known, nothing to be predicted."""
    return Splits(
        users.astype(np.int64), of.start[users + 1], np.full(len(users), cutoff), np.zeros(len(users) + 1, np.int64),
        np.zeros(0, np.int32),
    )  # fmt: skip


def drawn(of: Splits, per_user: int, recency: float, rng: np.random.Generator) -> Array:
    """Positions of ``per_user`` splits of each customer (all where there are fewer), ascending.

    The k-th latest split has weight k^-recency: 0 draws all alike. Drawn without replacement by the keys of
    Efraimidis and Spirakis, u^(1 / weight).
    """
    of_user = np.searchsorted(of.user, of.user)
    rank = np.searchsorted(of.user, of.user, side="right") - np.arange(len(of.user))  # 1: the latest
    key = np.log(1 - rng.random(len(of.user))) * rank.astype(np.float64) ** recency
    order = np.lexsort((-key, of.user))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order)) - of_user[order]
    return np.flatnonzero(place < per_user)


def widths(most: int) -> list[int]:
    """Widths that rows are filled up to: 16, 32, 64, ... and ``most``."""
    found = [16]
    while found[-1] < most:
        found.append(min(2 * found[-1], most))
    return found


def lengths(of: Tokens, at: Splits) -> Array:
    """(e,) tokens of each whole row: BOS, its categories and its baskets' ends."""
    some = at.stop > of.start[at.user]
    last = np.where(some, of.basket[np.maximum(at.stop - 1, 0)] if len(of.basket) else 0, -1)
    return 1 + (at.stop - of.start[at.user]) + last + 1


def batches(of: Tokens, at: Splits, most: int, size: int, rng: np.random.Generator) -> Iterator[Batch]:
    """``at`` in shuffled batches of ``size`` rows of about one length, each basket's categories in a drawn order."""
    length = np.minimum(lengths(of, at), most)
    order = rng.permutation(len(length))
    width = np.array(widths(most))[np.searchsorted(widths(most), length)]
    groups = [order[width[order] == w] for w in widths(most)]
    parts = [group[k : k + size] for group in groups for k in range(0, len(group), size)]
    for k in rng.permutation(len(parts)):
        yield batch(of, at.chosen(parts[k]), int(width[parts[k][0]]), rng)


def batch(of: Tokens, at: Splits, width: int, rng: np.random.Generator | None = None) -> Batch:
    """``at`` as rows of the last ``width`` tokens; by ``rng`` each basket is shuffled, else categories ascend."""
    token, level, distance, age, gap = _rows(of.start[at.user], at.stop, at.cutoff, of.category, of.day, of.basket,
                                             of.gap, width)  # fmt: skip
    own, habit = _own(of.start[at.user], at.stop, at.cutoff, of.category, of.day, of.basket, of.categories, width,
                      of.half_lives)  # fmt: skip
    trend = of.trend[at.cutoff]
    size = np.diff(at.ptr)
    target = np.zeros((len(size), int(size.max(initial=1))), np.int64)
    target[np.arange(target.shape[1]) < size[:, None]] = FIRST + at.target
    if rng is not None:
        order = np.argsort(level + rng.random(level.shape), axis=1)  # levels are whole numbers: baskets stay apart
        token = np.take_along_axis(token, order, axis=1)  # all else is the same throughout a basket
        order = np.argsort((target == PAD) + rng.random(target.shape), axis=1)
        target = np.take_along_axis(target, order, axis=1)
    return Batch(*(torch.from_numpy(part) for part in (token, level, distance, age, gap, own, habit, trend, target)))


@numba.njit(cache=True)
def _baskets(start: Array, day: Array) -> tuple[Array, Array]:
    basket, gap = np.zeros(len(day), np.int32), np.zeros(len(day), np.int32)
    for u in range(len(start) - 1):
        for p in range(start[u] + 1, start[u + 1]):
            same = day[p] == day[p - 1]
            basket[p] = basket[p - 1] + (0 if same else 1)
            gap[p] = gap[p - 1] if same else day[p] - day[p - 1]
    return basket, gap


def _trend(day: Array, code: Array, days: int, categories: int, half_lives: Array) -> Array:
    """(days, V, S) log share of each category in the tokens before each day, one a day ago weighing
    2^(-1 / half_life)."""
    sold = np.bincount(day * categories + code, minlength=days * categories).reshape(days, categories, 1)
    total = np.zeros((days, categories, len(half_lives)))
    for now in range(1, days):
        total[now] = (total[now - 1] + sold[now - 1]) * np.exp2(-1 / half_lives)
    total += LEAST_SALES
    share: Array = np.log(total / total.sum(1, keepdims=True)).astype(np.float32)
    return share


@numba.njit(cache=True)
def _rows(start: Array, stop: Array, cutoff: Array, category: Array, day: Array, basket: Array, gap: Array,
          width: int) -> tuple[Array, Array, Array, Array, Array]:  # fmt: skip
    rows = len(start)
    token, level = np.zeros((rows, width), np.int64), np.full((rows, width), PADDED, np.int64)
    distance = np.zeros((rows, width), np.int64)
    age, since = np.zeros((rows, width), np.float32), np.zeros((rows, width), np.float32)
    for r in range(rows):
        k, p = width, stop[r] - 1
        while p >= start[r] and k > 1:  # from the last token backwards; place 0 is left to BOS
            back = basket[stop[r] - 1] - basket[p] + 1
            ends = p == stop[r] - 1 or basket[p + 1] != basket[p]
            if ends and k < 3:
                break  # no room for the basket's end and one category
            for part in range(2 if ends else 1):
                k -= 1
                is_end = ends and part == 0
                token[r, k] = SEP if is_end else FIRST + category[p]
                level[r, k] = 1 - 2 * back if is_end else -2 * back
                distance[r, k], age[r, k], since[r, k] = back, cutoff[r] - day[p], gap[p]
            p -= 1
        token[r, k - 1], level[r, k - 1] = BOS, OUTSIDE
    return token, level, distance, age, since


@numba.njit(cache=True)
def _own(start: Array, stop: Array, cutoff: Array, category: Array, day: Array, basket: Array, categories: int,
         width: int, half_lives: Array) -> tuple[Array, Array]:  # fmt: skip
    """Of the ``width`` latest categories: log times bought, log share of baskets with it, log1p days and baskets since,
    log1p baskets in all, and the log of the count with each half-life."""
    rows, lives = len(start), len(half_lives)
    own, habit = np.zeros((rows, width), np.int64), np.zeros((rows, width, HABITS + lives), np.float32)
    place = np.full(categories, -1, np.int64)
    count = np.zeros((width, 3 + lives), np.float64)  # times, days since, baskets since, decayed counts
    for r in range(rows):
        n, visits = 0, 0
        for p in range(stop[r] - 1, start[r] - 1, -1):
            c, age, back = category[p], cutoff[r] - day[p], basket[stop[r] - 1] - basket[p]
            visits = max(visits, back + 1)
            if place[c] < 0:
                if n == width:
                    continue
                place[c] = n
                own[r, n] = FIRST + c
                count[n] = 0
                count[n, 1], count[n, 2] = age, back
                n += 1
            count[place[c], 0] += 1
            for h in range(lives):
                count[place[c], 3 + h] += 2.0 ** (-age / half_lives[h])
        for k in range(n):
            place[own[r, k] - FIRST] = -1
            habit[r, k, 0], habit[r, k, 1] = np.log(count[k, 0]), np.log(count[k, 0] / visits)
            habit[r, k, 2], habit[r, k, 3] = np.log1p(count[k, 1]), np.log1p(count[k, 2])
            habit[r, k, 4] = np.log1p(visits)
            for h in range(lives):
                habit[r, k, HABITS + h] = max(np.log(max(count[k, 3 + h], 1e-30)), LEAST_LOG)
    return own, habit
