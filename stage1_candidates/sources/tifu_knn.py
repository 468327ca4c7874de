"""Propose by TIFU-KNN (Hu et al., SIGIR 2020) on calendar weeks: own habits mixed with those of similar customers."""

import numpy as np

from retail.log import Array
from retail.params import Positive, Share
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine import lists
from stage1_candidates.engine.blocks import Source
from stage1_candidates.engine.lists import Lists
from stage1_candidates.engine.sparse_product import Factors
from stage1_candidates.engine.user_neighbours import nearest, reference_vectors, unit, vectors


class Params(Source):
    decay: Share  # weight of a week relative to the week after it
    neighbours: Positive
    alpha: Share  # weight of the customer's own vector; the neighbours' mean has the rest
    reference: Positive  # customers who may be neighbours, at most: the most recent ones


def fit(history: History, shop: Shop, params: Params) -> dict[str, Array]:
    """Store the vectors of the reference customers, by customer and, for the search, by article."""
    return reference_vectors(history, params.reference, params.decay)


def factors(history: History, shop: Shop, state: dict[str, Array], users: Array, params: Params) -> Factors:
    """Mix each customer's unit vector (alpha) with those of its K cosine neighbours ((1 - alpha) / K each)."""
    items = history.log.items
    mine = unit(vectors(history, users, params.decay))
    near = nearest(mine, state, users, params.neighbours)
    # keys 0..items-1 stand for the customer's own articles, the reference customers follow
    key = np.concatenate([mine.target, near.target + np.uint32(items)])
    row = np.concatenate([mine.key_of_rows(), near.key_of_rows()])
    weight = np.concatenate(
        [params.alpha * mine.weight, np.full(len(near.target), (1 - params.alpha) / params.neighbours)]
    )
    order = np.argsort(row, kind="stable")
    theirs, same = Lists.of(state, "unit"), lists.identity(items)
    step = Lists(
        np.concatenate([same.ptr, items + theirs.ptr[1:]]),
        np.concatenate([same.target, theirs.target]),
        np.concatenate([same.weight, theirs.weight]),
    )
    return Lists(mine.ptr + near.ptr, key[order], weight[order].astype(np.float32)), step, None
