"""Rank the DEPTH best articles for each buyer of a label week by each compared method, from the same history.

Every method ranks the articles sold in the last ``sold_days``. Articles that the customer bought before stay in,
because 40 to 50% of the purchases in this shop are repurchases.
"""

import contextlib
import io
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from implicit.als import AlternatingLeastSquares
from implicit.bpr import BayesianPersonalizedRanking

from retail.log import Array
from retail.params import Params
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine import lists, source, sparse_product
from stage1_candidates.engine.lists import Lists
from stage1_candidates.engine.loaded import Loaded

DEPTH = 200
POPULAR_DAYS = 7


class Als(NamedTuple):
    """The settings of ALS."""

    factors: int
    regularization: float
    alpha: float
    half_life: float  # days; inf: all purchases have the same weight


class Bpr(NamedTuple):
    """The settings of BPR."""

    factors: int
    learning_rate: float
    regularization: float
    iterations: int
    days: int  # of history used for training, the latest


def _pad(ranked: Lists) -> Array:
    """Pad lists to (keys, DEPTH) int64 articles, best first; -1 fills the rest."""
    out = np.full((ranked.keys, DEPTH), -1, np.int64)
    row = ranked.key_of_rows()
    rank = np.arange(len(row)) - ranked.ptr[row]
    out[row[rank < DEPTH], rank[rank < DEPTH]] = ranked.target[rank < DEPTH]
    return out


def rank_popular(history: History, users: Array) -> Array:
    """Rank articles by their entries in the last POPULAR_DAYS, the same list for all users."""
    log, known = history.log, history.known
    item = log.item[known][log.day[known] >= history.cutoff - POPULAR_DAYS]
    best = lists.gather(np.zeros(len(item), np.int64), item, np.ones(len(item)), 1, DEPTH)
    return np.repeat(_pad(best), len(users), axis=0)


def rank_source(name: str, history: History, shop: Shop, users: Array, params: Params, sold: Array) -> Array:
    """Rank by a source of params.yaml with factors; keep articles bought before, drop unsold ones."""
    module, settings = source.load(name, params)
    factors = Loaded.fit(module, settings, history, shop).factors(history, shop, users)
    if factors is None:
        raise TypeError(f"{name}: expected a source with factors")
    rows, step, _ = factors
    unsold = np.setdiff1d(np.arange(shop.log.items, dtype=np.uint32), sold)
    skip = Lists(np.arange(len(users) + 1) * len(unsold), np.tile(unsold, len(users)), np.zeros(0, np.float32))
    return _pad(sparse_product.best_targets(rows, step, shop.log.items, DEPTH, skip))


def rank_als(history: History, users: Array, settings: Als, sold: Array, seed: int) -> Array:
    """Rank by the ALS of ``implicit`` with confidences 1 + alpha x (decayed) purchases."""
    model = AlternatingLeastSquares(
        factors=settings.factors, regularization=settings.regularization, alpha=settings.alpha, iterations=10,
        random_state=seed, num_threads=1,
    )  # fmt: skip
    matrix = _build_matrix(history, history.known, history.decay(settings.half_life))
    return _recommend(model, matrix, users, sold)


def rank_bpr(history: History, users: Array, settings: Bpr, sold: Array, seed: int) -> Array:
    """Rank by the BPR of ``implicit``, trained on the pairs of the last ``days``."""
    model = BayesianPersonalizedRanking(
        factors=settings.factors, learning_rate=settings.learning_rate, regularization=settings.regularization,
        iterations=settings.iterations, random_state=seed, num_threads=1,
    )  # fmt: skip
    recent = history.known[history.log.day[history.known] >= history.cutoff - settings.days]
    return _recommend(model, _build_matrix(history, recent, np.ones(len(recent))), users, sold)


def rank_two_tower(
    module: Any, history: History, shop: Shop, users: Array, settings: Any, weights: Mapping[str, Array]
) -> Array:
    """Rank by the two-tower network."""
    deep = settings.model_copy(update={"take": DEPTH})
    state = module.fit(history, shop, deep, weights)
    return _pad(module.propose(history, shop, state, users, deep))


def _build_matrix(history: History, entries: Array, weight: Array) -> Any:
    log = history.log
    place = (log.user[entries], log.item[entries])
    return sp.csr_matrix((weight.astype(np.float32), place), shape=(log.users, log.items))


def _recommend(model: Any, user_items: Any, users: Array, sold: Array) -> Array:
    with contextlib.redirect_stderr(io.StringIO()):
        model.fit(user_items, show_progress=False)
        ids, _ = model.recommend(
            users, user_items[users], N=min(DEPTH, len(sold)), filter_already_liked_items=False, items=sold
        )
    out = np.full((len(users), DEPTH), -1, np.int64)
    out[:, : ids.shape[1]] = ids
    return out
