"""Propose what the customer's nearest neighbours bought in the last weeks: their recent baskets, not their habits."""

from retail.log import Array
from retail.params import Days, Positive, Share
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine import lists, user_neighbours
from stage1_candidates.engine.blocks import Source
from stage1_candidates.engine.lists import Lists
from stage1_candidates.engine.sparse_product import Factors


class Params(Source):
    decay: Share  # weight of a week relative to the next one, in the vectors that find neighbours
    neighbours: Positive
    half_life: Days  # of the neighbours' purchases
    reference: Positive  # customers who may be neighbours: the most recent ones


def fit(history: History, shop: Shop, params: Params) -> dict[str, Array]:
    """Store the reference customers' vectors by article, for the search, and their recent purchases."""
    state = user_neighbours.reference_vectors(history, params.reference, params.decay)
    recent = lists.own(history, state["reference"], params.half_life)
    return {**state, **recent.arrays("recent")}


def factors(history: History, shop: Shop, state: dict[str, Array], users: Array, params: Params) -> Factors:
    """Multiply (customers, neighbours) by (neighbours, articles): cosines times recent purchases."""
    mine = user_neighbours.unit(user_neighbours.vectors(history, users, params.decay))
    near = user_neighbours.nearest(mine, state, users, params.neighbours)
    return near, Lists.of(state, "recent"), None
