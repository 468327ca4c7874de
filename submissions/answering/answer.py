"""Compute each customer's twelve articles. Stages evaluate, submit and explain share this code."""

from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl

from features.engine import group
from retail.errors import InputError
from retail.log import Array
from retail.metrics import K
from retail.pairs import Pairs
from retail.params import Cascade, Params
from retail.ragged import place_in_row
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine.loaded import Loaded
from stage1_candidates.pooling import pool
from stage2_ranker.model import ranker
from stage2_ranker.model.blend import Blend, rank_rows
from stage2_ranker.table import assemble

SLICE = 2**18  # rows converted to a matrix at a time, so that a shard's table is not held in memory twice


def split_shards(users: Array, size: int) -> Iterator[Array]:
    """Split ``users`` into consecutive shards of at most ``size`` customers."""
    for begin in range(0, len(users), size):
        yield users[begin : begin + size]


def build_table(
    history: History, shop: Shop, users: Array, sources: Mapping[str, Loaded], params: Params
) -> tuple[Pairs, pl.DataFrame]:
    """Build every candidate pair of ``users`` (ascending) and its features, with the training table's columns."""
    factors = pool.compute_factors(sources, history, shop, users)
    proposed = pool.propose(sources, history, shop, users, factors)
    pairs, columns = pool.build(sources, proposed, history, shop, users, params, factors)
    groups = {name: group.load(name, params) for name in group.switched_on(params)}
    parts = [group.compute(name, module, history, shop, pairs, block) for name, (module, block) in groups.items()]
    keys = pl.DataFrame({"user": pairs.user, "item": pairs.items})
    return pairs, assemble(keys, [columns, *parts], "answer")


def score_candidates(
    history: History, shop: Shop, users: Array, sources: Mapping[str, Loaded], blend: Blend, params: Params
) -> tuple[Pairs, pl.DataFrame, Array]:
    """Score the candidates: return the result of ``build_table`` and the score (n,) of each row by ``score_rows``.

    Raises InputError if the ranker was trained on other features.
    """
    pairs, rows = build_table(history, shop, users, sources, params)
    if rows.columns[2:] != next(iter(blend.models.values())).feature_name():
        raise InputError("answer: the features differ from those the ranker was trained on; run `dvc repro`")
    return pairs, rows, score_rows(pairs, rows, blend, params.submit.cascade)


def score_rows(pairs: Pairs, rows: pl.DataFrame, blend: Blend, cascade: Cascade) -> Array:
    """Score each row (n,) float64 with the ranker; -inf for the candidates that the cascade cuts.

    The first trees of each model order a customer's candidates. The remaining trees score the ``keep`` best of them.
    """
    features = [ranker.to_matrix(rows.slice(begin, SLICE)) for begin in range(0, rows.height, SLICE)]
    if not cascade.keep or rows.height <= cascade.keep * len(pairs.users):
        return blend.combine(_join([blend.score_raw(part) for part in features], blend), pairs.run)
    first = _join([blend.score_raw(part, 0, cascade.rounds) for part in features], blend)  # (models, n)
    kept = rank_rows(blend.combine(first, pairs.run), pairs.run) <= cascade.keep
    parts, begin = [], 0
    for part in features:
        chosen = kept[begin : begin + len(part)]
        start = first[:, begin : begin + len(part)][:, chosen]
        parts.append(blend.score_raw(part[chosen], cascade.rounds, None, start))
        begin += len(part)
    score = np.full(rows.height, -np.inf)
    score[kept] = blend.combine(_join(parts, blend), pairs.run[kept])
    return score


def _join(parts: list[Array], blend: Blend) -> Array:
    """Join the raw scores (models, n) of consecutive rows."""
    return np.concatenate([np.empty((len(blend.models), 0)), *parts], axis=1)


def answer(
    history: History, shop: Shop, users: Array, sources: Mapping[str, Loaded], blend: Blend, params: Params
) -> Array:
    """Answer each customer of ``users`` (ascending) with 12 distinct articles (users, 12) int64, best first.

    Equal scores are ordered by article. Best sellers complete the list of a customer with fewer than 12 candidates.
    """
    pairs, _, score = score_candidates(history, shop, users, sources, blend, params)
    return select_top(pairs, score, list_cached_best_sellers(history))


def list_cached_best_sellers(history: History) -> Array:
    """Return the result of ``list_best_sellers``, computed once for all shards of customers."""
    items: Array = history.once("best_sellers", lambda: list_best_sellers(history))
    return items


def select_top(pairs: Pairs, score: Array, filler: Array) -> Array:
    """Select each customer's 12 best-scored articles (users, 12) int64; complete them from ``filler``, without repeats.

    Ties are ordered by article.
    """
    lists = np.full((len(pairs.users), K), -1, np.int64)
    order = np.lexsort((pairs.items, -score, pairs.run))
    rank = place_in_row(pairs.ptr)
    first = rank < K
    lists[pairs.run[order][first], rank[first]] = pairs.items[order][first]
    return fill(lists, filler)


def fill(lists: Array, filler: Array) -> Array:
    """Replace each -1 at a row's end in ``lists`` (users, 12) by the next article of ``filler`` not yet in the row."""
    short = np.flatnonzero(lists[:, -1] < 0)
    in_row = (lists[short][:, :, None] == filler).any(axis=1)  # (s, 12, 24) -> (s, 24)
    unused = np.argsort(in_row, axis=1, kind="stable")  # places in filler, those not yet in the row first, in order
    length = (lists[short] >= 0).sum(axis=1)
    place = np.arange(K) - length[:, None]  # (s, 12): which unused filler goes there; negative: keep the row's own
    added = filler[np.take_along_axis(unused, np.clip(place, 0, len(filler) - 1), axis=1)]
    full = lists.copy()
    full[short] = np.where(place >= 0, added, lists[short])
    return full


def list_best_sellers(history: History) -> Array:
    """List the best sellers (up to 24,) int64 of the last 7 days, best first; ties by all-time sales, then by id.

    24 is twice a list's length: at least 12 remain after removing the articles that a list already contains.
    """
    log, known = history.log, history.known
    last_week = known[log.day[known] >= history.cutoff - 7]
    sold_last_week = np.bincount(log.item[last_week], minlength=log.items)
    sold = history.item_stop - log.item_start[:-1]
    return np.lexsort((np.arange(log.items), -sold, -sold_last_week))[: 2 * K]
