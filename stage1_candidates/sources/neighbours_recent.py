"""Propose what the customer's nearest neighbours bought recently.

score(u, i) = sum_v cos(u, v) w_vi: (users, reference) @ (reference, items). v runs over the nearest reference
customers of u, and w_vi is the decayed count of v's purchases. The search
for neighbours is that of TIFU-KNN (Hu et al., SIGIR 2020).
"""

from retail.log import Array
from retail.params import Days, Positive, Share
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine import lists, user_neighbours
from stage1_candidates.engine.blocks import Source
from stage1_candidates.engine.lists import Lists
from stage1_candidates.engine.sparse_product import Factors


class Params(Source):
    decay: Share  # per week, of the purchases that define the neighbours
    neighbours: Positive
    half_life: Days  # of the neighbours' purchases that are proposed
    reference: Positive  # possible neighbours: the customers with the most recent purchases


def fit(history: History, shop: Shop, params: Params) -> dict[str, Array]:
    """Compute the vectors of the reference customers, and their recent purchases."""
    state = user_neighbours.reference_vectors(history, params.reference, params.decay)
    recent = lists.own(history, state["reference"], params.half_life)
    return {**state, **recent.arrays("recent")}


def factors(history: History, shop: Shop, state: dict[str, Array], users: Array, params: Params) -> Factors:
    """Map customers to their nearest neighbours by cosine, and neighbours to their recent purchases."""
    user_vectors = user_neighbours.unit(user_neighbours.vectors(history, users, params.decay))
    near = user_neighbours.nearest(user_vectors, state, users, params.neighbours)
    return near, Lists.of(state, "recent"), None
