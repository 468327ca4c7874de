"""The lists that are compared: for one label week, every method's DEPTH articles for each buyer, from the same history.

Every method chooses among the articles sold in the last ``sold_days``, and may name articles that the customer bought
before: 40 to 50% of what a customer of this shop buys was bought before.
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
    factors: int
    regularization: float
    alpha: float
    half_life: float  # days; inf: every purchase counts alike


class Bpr(NamedTuple):
    factors: int
    learning_rate: float
    regularization: float
    iterations: int
    days: int  # of the history that are learned from


def padded(found: Lists) -> Array:
    """(keys, DEPTH) int64 articles best first, -1 behind them."""
    out = np.full((found.keys, DEPTH), -1, np.int64)
    row = found.key_of_rows()
    rank = np.arange(len(row)) - found.ptr[row]
    out[row[rank < DEPTH], rank[rank < DEPTH]] = found.target[rank < DEPTH]
    return out


def popular(history: History, users: Array) -> Array:
    """The articles with most entries in the last POPULAR_DAYS, the same for all."""
    log, known = history.log, history.known
    item = log.item[known][log.day[known] >= history.cutoff - POPULAR_DAYS]
    best = lists.gather(np.zeros(len(item), np.int64), item, np.ones(len(item)), 1, DEPTH)
    return np.repeat(padded(best), len(users), axis=0)


def of_source(name: str, history: History, shop: Shop, users: Array, params: Params, sold: Array) -> Array:
    """A source of params.yaml with factors, what it skips (articles bought before) left in and the unsold left out."""
    module, settings = source.load(name, params)
    factors = Loaded.fit(module, settings, history, shop).factors(history, shop, users)
    if factors is None:
        raise TypeError(f"{name}: expected a source with factors")
    rows, step, _ = factors
    unsold = np.setdiff1d(np.arange(shop.log.items, dtype=np.uint32), sold)
    skip = Lists(np.arange(len(users) + 1) * len(unsold), np.tile(unsold, len(users)), np.zeros(0, np.float32))
    return padded(sparse_product.best_targets(rows, step, shop.log.items, DEPTH, skip))


def of_als(history: History, users: Array, settings: Als, sold: Array, seed: int) -> Array:
    """implicit's ALS on confidences 1 + alpha x (decayed) purchase days."""
    model = AlternatingLeastSquares(
        factors=settings.factors, regularization=settings.regularization, alpha=settings.alpha, iterations=10,
        random_state=seed, num_threads=1,
    )  # fmt: skip
    weight = np.exp2(-(history.cutoff - history.log.day[history.known]) / settings.half_life)
    return _recommended(model, _matrix(history, history.known, weight), users, sold)


def of_bpr(history: History, users: Array, settings: Bpr, sold: Array, seed: int) -> Array:
    """implicit's BPR on the pairs of the last ``days``."""
    model = BayesianPersonalizedRanking(
        factors=settings.factors, learning_rate=settings.learning_rate, regularization=settings.regularization,
        iterations=settings.iterations, random_state=seed, num_threads=1,
    )  # fmt: skip
    recent = history.known[history.log.day[history.known] >= history.cutoff - settings.days]
    return _recommended(model, _matrix(history, recent, np.ones(len(recent))), users, sold)


def of_towers(
    module: Any, history: History, shop: Shop, users: Array, settings: Any, weights: Mapping[str, Array]
) -> Array:
    """The network's proposals."""
    deep = settings.model_copy(update={"take": DEPTH})
    state = module.fit(history, shop, deep, weights)
    return padded(module.propose(history, shop, state, users, deep))


def _matrix(history: History, entries: Array, weight: Array) -> Any:
    log = history.log
    place = (log.user[entries], log.item[entries])
    return sp.csr_matrix((weight.astype(np.float32), place), shape=(log.users, log.items))


def _recommended(model: Any, user_items: Any, users: Array, sold: Array) -> Array:
    with contextlib.redirect_stderr(io.StringIO()):
        model.fit(user_items, show_progress=False)
        found, _ = model.recommend(
            users, user_items[users], N=min(DEPTH, len(sold)), filter_already_liked_items=False, items=sold
        )
    out = np.full((len(users), DEPTH), -1, np.int64)
    out[:, : found.shape[1]] = found
    return out
