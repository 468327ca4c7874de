"""Turn baskets into sequences of categories: the tokens of a log, their splits, and the input rows of the network.

A row is one customer at one cutoff. It is right-aligned, so that the end of the last basket is in the last place:

    PAD PAD BOS b a SEP c a SEP     (baskets {a, b}, then {a, c}; a category occurs once per basket)
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
PADDED = 2 * OUTSIDE  # level of PAD: below that of BOS, so that sorting by level keeps PAD in front
HABITS = 5  # features of each own category of the customer, in addition to its decayed counts
LEAST_SALES = 0.1  # tokens added to the sales of every category, so that the log is finite
LEAST_LOG = -8.0  # lower limit of the log of a decayed count


@dataclass(frozen=True)
class Tokens:
    """One token per (customer, day, category) known at the cutoff, sorted in this order."""

    start: Array  # (users + 1,) int64: customer u has the tokens start[u]:start[u+1]
    category: Array  # (n,) int32
    day: Array  # (n,) int32
    basket: Array  # (n,) int32, number of the customer's basket (day with a category) from 0
    gap: Array  # (n,) int32, days since the previous basket, 0 for the first
    trend: Array  # (cutoff + 1, V, S) float32, log share of each category in the shop's decayed tokens before each day
    half_lives: Array  # (H,) float64, days, of the customer's own counts

    @property
    def categories(self) -> int:
        """Return the number of categories V."""
        return int(self.trend.shape[1])


@dataclass(frozen=True)
class Splits:
    """Splits of customers' tokens: the context start[user]:stop lies before ``cutoff``, the target from it on."""

    user: Array  # (e,) int64, ascending; the splits of a customer are sorted by cutoff
    stop: Array  # (e,) int64, end of the context
    cutoff: Array  # (e,) int64, the first day that is not known
    ptr: Array  # (e + 1,) int64: split k has the categories target[ptr[k]:ptr[k+1]], unique and ascending
    target: Array  # (t,) int32

    def select(self, rows: Array) -> "Splits":
        """Select the splits ``rows`` (positions or a mask), in their order."""
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        size = np.diff(self.ptr)[rows]
        target = self.target[positions(self.ptr[rows], size)]
        return Splits(self.user[rows], self.stop[rows], self.cutoff[rows], offsets(size), target)


class Batch(NamedTuple):
    """B rows of W tokens; a missing time is 0, and a missing token is PAD."""

    token: Tensor  # (B, W) int64
    level: Tensor  # (B, W) int64: ascends from basket to basket; the end of a basket has a level between two baskets
    distance: Tensor  # (B, W) int64: 1 is the last basket before the cutoff, 2 the previous one, ...
    age: Tensor  # (B, W) float32, days before the cutoff
    gap: Tensor  # (B, W) float32, days since the previous basket
    own: Tensor  # (B, W) int64, tokens of the customer's own categories, latest first
    habit: Tensor  # (B, W, HABITS + H) float32, features of the own categories
    trend: Tensor  # (B, V, S) float32, log share of each category in the shop's sales before the cutoff
    target: Tensor  # (B, T) int64, tokens to predict, padded with PAD at the end

    def sort_baskets(self) -> "Batch":
        """Sort the categories within each basket; all other fields are constant within a basket."""
        by_token = self.token.argsort(dim=1, stable=True)
        order = by_token.gather(1, self.level.gather(1, by_token).argsort(dim=1, stable=True))
        return self._replace(token=self.token.gather(1, order))


def build_tokens(
    history: History, category: Array, categories: int, half_lives: list[float], sales_half_lives: list[float]
) -> Tokens:
    """Build the tokens known at the cutoff; ``category`` (items,) is -1 for an article without one."""
    log, known = history.log, history.known
    code, buyer, day = category[log.item[known]].astype(np.int64), log.user[known], log.day[known].astype(np.int64)
    has, days = code >= 0, max(history.cutoff, 0) + 1
    key = np.unique((buyer[has].astype(np.int64) * days + day[has]) * categories + code[has])
    visit, code = np.divmod(key, categories)
    user, day = np.divmod(visit, days)
    start = np.searchsorted(user, np.arange(log.users + 1)).astype(np.int64)
    basket, gap = _number_baskets(start, day)
    trend = _compute_trend(day, code, days, categories, np.array(sales_half_lives, np.float64))
    code, day = code.astype(np.int32), day.astype(np.int32)
    return Tokens(start, code, day, basket, gap, trend, np.array(half_lives, np.float64))


def build_splits(tokens: Tokens, period: Array, cutoff: Array) -> Splits:
    """Build one split per customer and period: the context precedes the period, the target is the period's categories.

    ``period`` (n,) of each token ascends within a customer. ``cutoff`` (n,) is the first day of the token's period.
    To predict baskets, both are the day. To predict label weeks, they are the number of the week and its first day.
    A customer's first period has no split, because nothing precedes it.
    """
    user = row_of(tokens.start)
    new = np.ones(len(user), bool)
    new[1:] = (np.diff(user) != 0) | (np.diff(period) != 0)
    run = np.cumsum(new) - 1  # (customer, period) of each token
    pair = np.unique(run * tokens.categories + tokens.category)
    first = np.flatnonzero(new)
    every = Splits(
        user[first],
        first,
        cutoff[first].astype(np.int64),
        np.searchsorted(pair // max(tokens.categories, 1), np.arange(len(first) + 1)).astype(np.int64),
        (pair % max(tokens.categories, 1)).astype(np.int32),
    )
    return every.select(first > tokens.start[user[first]])


def query_cutoff(tokens: Tokens, users: Array, cutoff: int) -> Splits:
    """Build the splits of ``users`` at the cutoff of ``tokens``: all tokens are context, the target is empty."""
    ptr, target = np.zeros(len(users) + 1, np.int64), np.zeros(0, np.int32)
    return Splits(users.astype(np.int64), tokens.start[users + 1], np.full(len(users), cutoff), ptr, target)


def sample_splits(splits: Splits, per_user: int, recency: float, rng: np.random.Generator) -> Array:
    """Sample at most ``per_user`` splits of each customer without replacement; return their positions, ascending.

    The k-th latest split has the weight k^-recency: 0 gives all splits the same weight. The keys are
    u^(1 / weight), as in Efraimidis and Spirakis (2006).
    """
    user = splits.user
    first = np.searchsorted(user, user)
    rank = np.searchsorted(user, user, side="right") - np.arange(len(user))  # 1: the latest
    key = np.log(1 - rng.random(len(user))) * rank.astype(np.float64) ** recency
    order = np.lexsort((-key, user))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order)) - first[order]
    return np.flatnonzero(place < per_user)


def list_widths(most: int) -> list[int]:
    """List the widths to which rows are padded: 16, 32, 64, ... and ``most``."""
    widths = [16]
    while widths[-1] < most:
        widths.append(min(2 * widths[-1], most))
    return widths


def count_tokens(tokens: Tokens, splits: Splits) -> Array:
    """Count the tokens (e,) of each complete row: BOS, the categories and the ends of the baskets."""
    start = tokens.start[splits.user]
    has_past = splits.stop > start
    last = np.where(has_past, tokens.basket[np.maximum(splits.stop - 1, 0)] if len(tokens.basket) else 0, -1)
    return 1 + (splits.stop - start) + last + 1


def iterate_batches(tokens: Tokens, splits: Splits, most: int, size: int, rng: np.random.Generator) -> Iterator[Batch]:
    """Yield shuffled batches of at most ``size`` rows of similar length; categories are shuffled within each basket.

    ``most``: maximum number of tokens of a row; the latest are kept.
    """
    length = np.minimum(count_tokens(tokens, splits), most)
    order = rng.permutation(len(length))
    width = np.array(list_widths(most))[np.searchsorted(list_widths(most), length)]
    groups = [order[width[order] == w] for w in list_widths(most)]
    parts = [group[k : k + size] for group in groups for k in range(0, len(group), size)]
    for k in rng.permutation(len(parts)):
        yield make_batch(tokens, splits.select(parts[k]), int(width[parts[k][0]]), rng)


def make_batch(tokens: Tokens, splits: Splits, width: int, rng: np.random.Generator | None = None) -> Batch:
    """Make rows of the last ``width`` tokens of each split; ``rng`` shuffles each basket, None sorts its categories."""
    start = tokens.start[splits.user]
    token, level, distance, age, gap = _build_rows(
        start, splits.stop, splits.cutoff, tokens.category, tokens.day, tokens.basket, tokens.gap, width
    )
    own, habit = _build_habits(
        start, splits.stop, splits.cutoff, tokens.category, tokens.day, tokens.basket, tokens.categories, width,
        tokens.half_lives,
    )  # fmt: skip
    trend = tokens.trend[splits.cutoff]
    size = np.diff(splits.ptr)
    target = np.zeros((len(size), int(size.max(initial=1))), np.int64)
    target[np.arange(target.shape[1]) < size[:, None]] = FIRST + splits.target
    if rng is not None:
        order = np.argsort(level + rng.random(level.shape), axis=1)  # levels are integers: tokens stay in their basket
        token = np.take_along_axis(token, order, axis=1)  # all other fields are constant within a basket
        order = np.argsort((target == PAD) + rng.random(target.shape), axis=1)
        target = np.take_along_axis(target, order, axis=1)
    return Batch(*(torch.from_numpy(part) for part in (token, level, distance, age, gap, own, habit, trend, target)))


@numba.njit(cache=True)
def _number_baskets(start: Array, day: Array) -> tuple[Array, Array]:
    """Number the baskets of each customer; also return the days since the previous basket."""
    basket, gap = np.zeros(len(day), np.int32), np.zeros(len(day), np.int32)
    for u in range(len(start) - 1):
        for p in range(start[u] + 1, start[u + 1]):
            same = day[p] == day[p - 1]
            basket[p] = basket[p - 1] + (0 if same else 1)
            gap[p] = gap[p - 1] if same else day[p] - day[p - 1]
    return basket, gap


def _compute_trend(day: Array, code: Array, days: int, categories: int, half_lives: Array) -> Array:
    """Compute the log share (days, V, S) of each category in the tokens before each day.

    A token loses half of its weight in ``half_lives`` (S,) days.
    """
    sold = np.bincount(day * categories + code, minlength=days * categories).reshape(days, categories, 1)
    total = np.zeros((days, categories, len(half_lives)))
    for now in range(1, days):
        total[now] = (total[now - 1] + sold[now - 1]) * np.exp2(-1 / half_lives)
    total += LEAST_SALES
    share: Array = np.log(total / total.sum(1, keepdims=True)).astype(np.float32)
    return share


@numba.njit(cache=True)
def _build_rows(start: Array, stop: Array, cutoff: Array, category: Array, day: Array, basket: Array, gap: Array,
                width: int) -> tuple[Array, Array, Array, Array, Array]:  # fmt: skip
    """Build token, level, distance, age and gap, each (e, width), see ``Batch``."""
    rows = len(start)
    token, level = np.zeros((rows, width), np.int64), np.full((rows, width), PADDED, np.int64)
    distance = np.zeros((rows, width), np.int64)
    age, since = np.zeros((rows, width), np.float32), np.zeros((rows, width), np.float32)
    for r in range(rows):
        k, p = width, stop[r] - 1
        while p >= start[r] and k > 1:  # from the last token backwards; BOS needs one place
            back = basket[stop[r] - 1] - basket[p] + 1
            ends = p == stop[r] - 1 or basket[p + 1] != basket[p]
            if ends and k < 3:
                break  # no place is left for both the end and a category
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
def _build_habits(start: Array, stop: Array, cutoff: Array, category: Array, day: Array, basket: Array, categories: int,
                  width: int, half_lives: Array) -> tuple[Array, Array]:  # fmt: skip
    """Build the ``width`` latest own categories and their features.

    The features are the log of the times bought, of the share of baskets with the category, of days and baskets since
    the last purchase (log1p), of the number of baskets (log1p), and of the count decayed with each half-life.
    """
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
