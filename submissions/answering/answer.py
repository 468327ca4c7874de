"""From customers to their twelve articles: the one path that evaluation and submission share, shard by shard."""

from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl

from features.engine import group
from retail.errors import InputError
from retail.log import Array
from retail.metrics import K
from retail.pairs import Pairs
from retail.params import Params
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine.loaded import Loaded
from stage1_candidates.pooling import pool
from stage2_ranker.model import ranker
from stage2_ranker.model.blend import Blend
from stage2_ranker.table import assemble

SLICE = 2**18  # rows that are a matrix at a time: a shard's table need not be in memory twice


def shards(users: Array, size: int) -> Iterator[Array]:
    """``users`` cut into runs of at most ``size``."""
    for begin in range(0, len(users), size):
        yield users[begin : begin + size]


def table(
    history: History, shop: Shop, users: Array, sources: Mapping[str, Loaded], params: Params
) -> tuple[Pairs, pl.DataFrame]:
    """Every candidate pair of ``users`` (ascending) and its features, columns as in the training table."""
    factors = pool.compute_factors(sources, history, shop, users)
    proposed = pool.propose(sources, history, shop, users, factors)
    pairs, columns = pool.build(sources, proposed, history, shop, users, params, factors)
    groups = {name: group.load(name, params) for name in group.switched_on(params)}
    parts = [group.compute(name, module, history, shop, pairs, block) for name, (module, block) in groups.items()]
    keys = pl.DataFrame({"user": pairs.user, "item": pairs.items})
    return pairs, assemble(keys, [columns, *parts], "answer")


def scored(
    history: History, shop: Shop, users: Array, sources: Mapping[str, Loaded], blend: Blend, params: Params
) -> tuple[Pairs, pl.DataFrame, Array]:
    """``table`` and the score (n,) of each of its rows; InputError where the ranker knows other features."""
    pairs, rows = table(history, shop, users, sources, params)
    if rows.columns[2:] != next(iter(blend.models.values())).feature_name():
        raise InputError("answer: the features are not those the ranker was fitted on; run `dvc repro`")
    raw = np.empty((len(blend.models), rows.height))
    for begin in range(0, rows.height, SLICE):
        raw[:, begin : begin + SLICE] = blend.raw(ranker.matrix(rows.slice(begin, SLICE)))
    return pairs, rows, blend.blended(raw, pairs.run)


def answer(
    history: History, shop: Shop, users: Array, sources: Mapping[str, Loaded], blend: Blend, params: Params
) -> Array:
    """(len(users), 12) int64 articles, best first, all distinct; ``users`` ascending.

    Ties of score break by article; a customer with fewer candidates is filled up with the best sellers.
    """
    pairs, _, score = scored(history, shop, users, sources, blend, params)
    return top(pairs, score, fillers(history))


def fillers(history: History) -> Array:
    """``best_sellers``, made once for all shards of customers."""
    found: Array = history.once("best_sellers", lambda: best_sellers(history))
    return found


def top(pairs: Pairs, score: Array, filler: Array) -> Array:
    """(users, 12) int64: the best-scored articles of each customer, then those of ``filler`` it does not have."""
    lists = np.full((len(pairs.users), K), -1, np.int64)
    order = np.lexsort((pairs.items, -score, pairs.run))
    rank = np.arange(len(order)) - np.repeat(pairs.ptr[:-1], np.diff(pairs.ptr))
    first = rank < K
    lists[pairs.run[order][first], rank[first]] = pairs.items[order][first]
    return fill(lists, filler)


def fill(lists: Array, filler: Array) -> Array:
    """(users, 12) ``lists`` with every -1, which stand last, replaced by the first of ``filler`` not yet in the row."""
    short = np.flatnonzero(lists[:, -1] < 0)
    has = (lists[short][:, :, None] == filler).any(axis=1)  # (s, 12, 24) -> (s, 24)
    free = np.argsort(has, axis=1, kind="stable")  # the filler's places, those not in the row first, in order
    have = (lists[short] >= 0).sum(axis=1)
    place = np.arange(K) - have[:, None]  # (s, 12): which free filler goes where; negative where the row has its own
    more = filler[np.take_along_axis(free, np.clip(place, 0, len(filler) - 1), axis=1)]
    out = lists.copy()
    out[short] = np.where(place >= 0, more, lists[short])
    return out


def best_sellers(history: History) -> Array:
    """(up to 24,) int64: the articles with most entries of the last 7 days, ties by longer past, then by id.

    Twice a list's length, so that twelve are left whichever a customer has already.
    """
    log, known = history.log, history.known
    lately = known[log.day[known] >= history.cutoff - 7]
    sold_lately = np.bincount(log.item[lately], minlength=log.items)
    sold = history.item_stop - log.item_start[:-1]
    return np.lexsort((np.arange(log.items), -sold, -sold_lately))[: 2 * K]
