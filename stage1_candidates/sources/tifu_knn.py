"""Propose articles with TIFU-KNN (Hu et al., SIGIR 2020), with calendar weeks as the groups of baskets.

score(u) = alpha x_u + (1 - alpha) / K sum_v x_v: (users, items + reference) @ (items + reference, items). x_u sums
decay^(weeks ago) over the weeks with a purchase, scaled to unit length. v runs over the K nearest reference customers
by cosine.
"""

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
    reference: Positive  # possible neighbours: the customers with the most recent purchases, all if fewer


def fit(history: History, shop: Shop, params: Params) -> dict[str, Array]:
    """Compute the vectors of the reference customers, and their transpose for the search."""
    return reference_vectors(history, params.reference, params.decay)


def factors(history: History, shop: Shop, state: dict[str, Array], users: Array, params: Params) -> Factors:
    """Map customers to their own articles and neighbours, and neighbours to their unit vectors."""
    items = history.log.items
    own_vectors = unit(vectors(history, users, params.decay))
    near = nearest(own_vectors, state, users, params.neighbours)
    # keys 0..items-1 are the customer's own articles; the reference customers follow
    key = np.concatenate([own_vectors.target, near.target + np.uint32(items)])
    row = np.concatenate([own_vectors.key_of_rows(), near.key_of_rows()])
    weight = np.concatenate(
        [params.alpha * own_vectors.weight, np.full(len(near.target), (1 - params.alpha) / params.neighbours)]
    )
    order = np.argsort(row, kind="stable")
    neighbour_vectors, same = Lists.of(state, "unit"), lists.identity(items)
    step = Lists(
        np.concatenate([same.ptr, items + neighbour_vectors.ptr[1:]]),
        np.concatenate([same.target, neighbour_vectors.target]),
        np.concatenate([same.weight, neighbour_vectors.weight]),
    )
    return Lists(own_vectors.ptr + near.ptr, key[order], weight[order].astype(np.float32)), step, None
