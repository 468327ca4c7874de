"""Make the input rows of the networks: a customer's last baskets, their features and the customer's own articles."""

from collections.abc import Iterator
from typing import Annotated, NamedTuple

import numba
import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from retail.log import Array
from retail.params import Block, Days, Positive
from stage1_candidates.networks.lens.basket_sequences import BasketSequences, Query

FEATURES = 9  # of a basket: see _read_baskets
HABITS = 5  # features of each own article, in addition to its decayed counts: see _read_own
POOL = 16  # batches in a pool; rows are sorted by length within a pool
LEAST_LOG = -8.0  # lower limit of the log of a decayed count
YEAR = 365.25  # days


class Reading(Block):
    """How much of a customer's past is read."""

    baskets: Positive  # most baskets read, the latest ones
    articles: Positive  # most articles read of a basket, its best sellers
    longest: Positive  # most articles of a basket in training and decoding
    own: Annotated[int, Field(ge=0)]  # most own articles with a bonus, the latest ones; 0: none, as in the paper
    half_lives: list[Days]  # days; half-lives of the decayed counts behind the bonus


class Batch(NamedTuple):
    """Rows of B customers; 0 means empty in every field."""

    user: Tensor  # (B,) int64
    baskets: Tensor  # (B,) int64 how many of the W places are filled, from the left, the oldest first
    token: Tensor  # (B, W, N) int64
    features: Tensor  # (B, W, FEATURES) float32
    own: Tensor  # (B, O) int64 tokens of own articles, the latest first
    habit: Tensor  # (B, O, HABITS + H) float32 features of each of them
    trend: Tensor  # (B, V) float32, or (B, 0)
    target: Tensor  # (B, T) int64 tokens of the true next basket
    pieces: Tensor  # (B, T) float32 how many of each
    gap: Tensor  # (B,) float32 days from the last basket to the next


def list_widths(most: int) -> list[int]:
    """List the numbers of baskets that rows are padded to: 1, 4, 16, ... and ``most``."""
    widths = [1]
    while widths[-1] < most:
        widths.append(min(4 * widths[-1], most))
    return widths


def find_width(sequences: BasketSequences, query: Query, most: int) -> Array:
    """Find the smallest of ``list_widths`` (e,) that each row fits into."""
    baskets = np.clip(query.stop - sequences.start[query.user], 1, most)
    width: Array = np.array(list_widths(most))[np.searchsorted(list_widths(most), baskets)]
    return width


def iterate_batches(
    sequences: BasketSequences, query: Query, reading: Reading, rows: int, shuffle: bool, rng: np.random.Generator
) -> Iterator[Batch]:
    """Yield ``query`` in shuffled batches of at most ``rows``; ``shuffle``: the articles of targets in random order.

    The rows of a batch have the same width. Within a pool of POOL batches, rows are sorted by the length of their
    targets, so that little padding is needed.
    """
    width, size = find_width(sequences, query, reading.baskets), np.diff(sequences.ptr)[query.stop]
    order = rng.permutation(len(width))
    order = order[np.argsort(width[order], kind="stable")]
    pools = [order[k : k + POOL * rows] for k in range(0, len(order), POOL * rows)]
    ordered = np.concatenate([pool[np.lexsort((size[pool], width[pool]))] for pool in pools] or [order])
    groups = [ordered[width[ordered] == w] for w in list_widths(reading.baskets)]
    parts = [group[k : k + rows] for group in groups for k in range(0, len(group), rows)]
    for k in rng.permutation(len(parts)):
        batch_query, padded = query.select(parts[k]), int(width[parts[k][0]])
        yield make_batch(sequences, batch_query, padded, reading, True, rng if shuffle else None)


def make_batch(
    sequences: BasketSequences,
    query: Query,
    width: int,
    reading: Reading,
    with_targets: bool,
    rng: np.random.Generator | None = None,
) -> Batch:
    """Make one batch of ``query``, padded to ``width`` baskets.

    ``with_targets``: with the true next baskets. A basket that is longer than ``reading.longest`` keeps its best
    sellers. With ``rng`` it keeps a random sample, and the articles of all baskets are in random order.
    """
    first = sequences.start[query.user]
    token, features = _read_baskets(
        first, query.stop, sequences.day, sequences.amount, sequences.ptr, sequences.token, sequences.pieces,
        width, reading.articles,
    )  # fmt: skip
    lives = np.array(reading.half_lives, np.float64)
    own, habit = _read_own(
        first, query.stop, sequences.day, sequences.ptr, sequences.token, sequences.articles, reading.own, lives
    )
    trend = sequences.trend[query.day] if len(sequences.trend) else np.zeros((len(first), 0), np.float32)
    target, pieces = np.zeros((len(first), 0), np.int64), np.zeros((len(first), 0), np.float32)
    gap = np.zeros(len(first), np.float32)
    if with_targets:
        target, pieces = _read_targets(sequences, query.stop, reading.longest, rng)
        gap = (sequences.day[query.stop] - sequences.day[query.stop - 1]).astype(np.float32)
    baskets = np.minimum(query.stop - first, width)
    parts = (query.user, baskets, token, features, own, habit, trend, target, pieces, gap)
    return Batch(*(torch.from_numpy(np.ascontiguousarray(part)) for part in parts))


def _read_targets(
    sequences: BasketSequences, stop: Array, longest: int, rng: np.random.Generator | None
) -> tuple[Array, Array]:
    """Read tokens and pieces (B, T) of the baskets ``stop``."""
    size = sequences.ptr[stop + 1] - sequences.ptr[stop]
    longest_target = int(size.max(initial=1))
    key = np.broadcast_to(np.arange(longest_target, dtype=np.float64), (len(stop), longest_target))
    filled = key < size[:, None]
    if rng is not None:
        key = rng.random(key.shape)
    order = np.argsort(np.where(filled, key, np.inf), axis=1, kind="stable")[:, :longest]
    place = np.minimum(sequences.ptr[stop][:, None] + order, len(sequences.token) - 1)
    kept = np.take_along_axis(filled, order, axis=1)
    return np.where(kept, sequences.token[place], 0), np.where(kept, sequences.pieces[place], np.float32(0))


@numba.njit(cache=True)
def _read_baskets(first: Array, stop: Array, day: Array, amount: Array, ptr: Array, all_tokens: Array, pieces: Array,
                  width: int, articles: int) -> tuple[Array, Array]:  # fmt: skip
    """Read the tokens and the FEATURES of each basket.

    These are log1p of the days since the previous basket, of the mean gap so far, of the basket's articles, pieces and
    money; sine and cosine of the day in the week and in the year.
    """
    rows = len(first)
    token = np.zeros((rows, width, articles), np.int64)
    features = np.zeros((rows, width, FEATURES), np.float32)
    for r in range(rows):
        low = max(first[r], stop[r] - width)
        for k in range(low, stop[r]):
            bought = ptr[k + 1] - ptr[k]
            for n in range(min(bought, articles)):
                token[r, k - low, n] = all_tokens[ptr[k] + n]
            f = features[r, k - low]
            if k > first[r]:
                f[0] = np.log1p(day[k] - day[k - 1])
                f[1] = np.log1p((day[k] - day[first[r]]) / (k - first[r]))
            f[2], f[3], f[4] = np.log1p(bought), np.log1p(pieces[ptr[k] : ptr[k + 1]].sum()), np.log1p(amount[k])
            week, year = 2 * np.pi * day[k] / 7, 2 * np.pi * day[k] / YEAR
            f[5], f[6], f[7], f[8] = np.sin(week), np.cos(week), np.sin(year), np.cos(year)
    return token, features


@numba.njit(cache=True)
def _read_own(first: Array, stop: Array, day: Array, ptr: Array, token: Array, articles: int, most: int,
              half_lives: Array) -> tuple[Array, Array]:  # fmt: skip
    """Read the ``most`` latest own articles of each customer and their features, as of the last basket.

    These are log times bought, log share of baskets with the article, log1p days and baskets since, log1p baskets in
    all, and the log of the decayed count with each half-life in days.
    """
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
