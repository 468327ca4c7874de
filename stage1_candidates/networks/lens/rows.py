"""Rows that the networks read: the last baskets of a customer, their session features, the customer's own articles."""

from collections.abc import Iterator
from typing import Annotated, NamedTuple

import numba
import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from retail.log import Array
from retail.params import Block, Days, Positive
from stage1_candidates.networks.lens.funnels import Asked, Funnels

FEATURES = 9  # of a basket: see _features
HABITS = 5  # numbers on an article of the customer's own, besides its decayed counts
POOL = 16  # batches
LEAST_LOG = -8.0  # of a decayed count: what faded further is as good as forgotten
YEAR = 365.25  # days


class Reading(Block):
    """How much of a customer is read."""

    baskets: Positive  # the last so many
    articles: Positive  # of a basket, the most sold ones
    longest: Positive  # articles of a basket that is learned or decoded, at most
    own: Annotated[int, Field(ge=0)]  # articles of the past that get a bonus, the latest; 0: none, the paper's model
    half_lives: list[Days]  # of the counts that the bonus is made from


class Batch(NamedTuple):
    """B customers; 0 stands for nothing in every field."""

    user: Tensor  # (B,) int64
    baskets: Tensor  # (B,) int64 how many of the W are filled, from the left, the oldest first
    token: Tensor  # (B, W, N) int64
    features: Tensor  # (B, W, FEATURES) float32
    own: Tensor  # (B, O) int64 tokens of the customer's own, the latest first
    habit: Tensor  # (B, O, HABITS + H) float32 numbers on each of them
    trend: Tensor  # (B, V) float32, or (B, 0)
    target: Tensor  # (B, T) int64 tokens of the basket that is asked for
    pieces: Tensor  # (B, T) float32 how many of each
    gap: Tensor  # (B,) float32 days from the last basket to that basket


def widths(most: int) -> list[int]:
    """Numbers of baskets that rows are filled up to: 1, 4, 16, ... and ``most``."""
    found = [1]
    while found[-1] < most:
        found.append(min(4 * found[-1], most))
    return found


def width_of(of: Funnels, asked: Asked, most: int) -> Array:
    """(e,) the one of ``widths`` that holds each row."""
    baskets = np.clip(asked.stop - of.start[asked.user], 1, most)
    found: Array = np.array(widths(most))[np.searchsorted(widths(most), baskets)]
    return found


def batches(
    of: Funnels, asked: Asked, reading: Reading, rows: int, drawn: bool, rng: np.random.Generator
) -> Iterator[Batch]:
    """``asked`` in shuffled batches of at most ``rows``; ``drawn``: targets in a drawn order.

    Rows of a batch have like many baskets and, as far as POOL batches allow, targets of like length, to pad little.
    """
    width, size = width_of(of, asked, reading.baskets), np.diff(of.ptr)[asked.stop]
    order = rng.permutation(len(width))
    order = order[np.argsort(width[order], kind="stable")]
    pools = [order[k : k + POOL * rows] for k in range(0, len(order), POOL * rows)]
    ordered = np.concatenate([pool[np.lexsort((size[pool], width[pool]))] for pool in pools] or [order])
    groups = [ordered[width[ordered] == w] for w in widths(reading.baskets)]
    parts = [group[k : k + rows] for group in groups for k in range(0, len(group), rows)]
    for k in rng.permutation(len(parts)):
        yield batch(of, asked.chosen(parts[k]), int(width[parts[k][0]]), reading, True, rng if drawn else None)


def batch(
    of: Funnels, asked: Asked, width: int, reading: Reading, answered: bool, rng: np.random.Generator | None = None
) -> Batch:
    """``asked`` as rows of ``width`` baskets. ``answered``: with their targets; of a longer one the most sold articles,
    or by ``rng`` drawn ones in a drawn order."""
    first = of.start[asked.user]
    token, features = _rows(first, asked.stop, of.day, of.amount, of.ptr, of.token, of.pieces, width, reading.articles)
    lives = np.array(reading.half_lives, np.float64)
    own, habit = _own(first, asked.stop, of.day, of.ptr, of.token, of.articles, reading.own, lives)
    trend = of.trend[asked.day] if len(of.trend) else np.zeros((len(first), 0), np.float32)
    target, pieces = np.zeros((len(first), 0), np.int64), np.zeros((len(first), 0), np.float32)
    gap = np.zeros(len(first), np.float32)
    if answered:
        target, pieces = _targets(of, asked.stop, reading.longest, rng)
        gap = (of.day[asked.stop] - of.day[asked.stop - 1]).astype(np.float32)
    baskets = np.minimum(asked.stop - first, width)
    parts = (asked.user, baskets, token, features, own, habit, trend, target, pieces, gap)
    return Batch(*(torch.from_numpy(np.ascontiguousarray(part)) for part in parts))


def _targets(of: Funnels, stop: Array, longest: int, rng: np.random.Generator | None) -> tuple[Array, Array]:
    """(B, T) tokens and pieces of the baskets ``stop``."""
    size = of.ptr[stop + 1] - of.ptr[stop]
    key = np.broadcast_to(np.arange(int(size.max(initial=1)), dtype=np.float64), (len(stop), int(size.max(initial=1))))
    filled = key < size[:, None]
    if rng is not None:
        key = rng.random(key.shape)
    order = np.argsort(np.where(filled, key, np.inf), axis=1, kind="stable")[:, :longest]
    place = np.minimum(of.ptr[stop][:, None] + order, len(of.token) - 1)
    kept = np.take_along_axis(filled, order, axis=1)
    return np.where(kept, of.token[place], 0), np.where(kept, of.pieces[place], np.float32(0))


@numba.njit(cache=True)
def _rows(first: Array, stop: Array, day: Array, amount: Array, ptr: Array, of_token: Array, pieces: Array, width: int,
          articles: int) -> tuple[Array, Array]:  # fmt: skip
    """Of each basket: log1p of the days since the one before, of the mean of such gaps, of its articles, pieces and
    money; sine and cosine of the day in the week and in the year."""
    rows = len(first)
    token = np.zeros((rows, width, articles), np.int64)
    features = np.zeros((rows, width, FEATURES), np.float32)
    for r in range(rows):
        low = max(first[r], stop[r] - width)
        for k in range(low, stop[r]):
            bought = ptr[k + 1] - ptr[k]
            for n in range(min(bought, articles)):
                token[r, k - low, n] = of_token[ptr[k] + n]
            f = features[r, k - low]
            if k > first[r]:
                f[0] = np.log1p(day[k] - day[k - 1])
                f[1] = np.log1p((day[k] - day[first[r]]) / (k - first[r]))
            f[2], f[3], f[4] = np.log1p(bought), np.log1p(pieces[ptr[k] : ptr[k + 1]].sum()), np.log1p(amount[k])
            week, year = 2 * np.pi * day[k] / 7, 2 * np.pi * day[k] / YEAR
            f[5], f[6], f[7], f[8] = np.sin(week), np.cos(week), np.sin(year), np.cos(year)
    return token, features


@numba.njit(cache=True)
def _own(first: Array, stop: Array, day: Array, ptr: Array, token: Array, articles: int, most: int,
         half_lives: Array) -> tuple[Array, Array]:  # fmt: skip
    """Of the ``most`` latest articles, seen from the last basket: log times bought, log share of baskets with it, log1p
    days and baskets since, log1p baskets in all, and the log of the count with each half-life in days."""
    rows, lives = len(first), len(half_lives)
    own, habit = np.zeros((rows, most), np.int64), np.zeros((rows, most, HABITS + lives), np.float32)
    place = np.full(articles + 1, -1, np.int64)
    count = np.zeros((most, 3 + lives), np.float64)  # times, days since, baskets since, decayed counts
    for r in range(rows):
        n = 0
        for k in range(stop[r] - 1, first[r] - 1, -1):
            age, back = day[stop[r] - 1] - day[k], stop[r] - 1 - k
            for p in range(ptr[k], ptr[k + 1]):
                t = token[p]
                if place[t] < 0:
                    if n == most:
                        continue
                    place[t] = n
                    own[r, n] = t
                    count[n] = 0
                    count[n, 1], count[n, 2] = age, back
                    n += 1
                count[place[t], 0] += 1
                for h in range(lives):
                    count[place[t], 3 + h] += 2.0 ** (-age / half_lives[h])
        baskets = stop[r] - first[r]
        for k in range(n):
            place[own[r, k]] = -1
            habit[r, k, 0], habit[r, k, 1] = np.log(count[k, 0]), np.log(count[k, 0] / baskets)
            habit[r, k, 2], habit[r, k, 3] = np.log1p(count[k, 1]), np.log1p(count[k, 2])
            habit[r, k, 4] = np.log1p(baskets)
            for h in range(lives):
                habit[r, k, HABITS + h] = max(np.log(max(count[k, 3 + h], 1e-30)), LEAST_LOG)
    return own, habit
