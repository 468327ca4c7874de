"""Two towers in the pipeline: the articles nearest to a customer's vector among those that sell.

Nothing is left out of a customer's list: articles bought before are often bought again, and lie near.
"""

import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import field_validator
from torch import nn

from retail.log import Array
from retail.params import Positive
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine.blocks import Network
from stage1_candidates.engine.lists import Lists
from stage1_candidates.networks.base import ann
from stage1_candidates.networks.base import weights as stored
from stage1_candidates.networks.base.ann import Index, Search
from stage1_candidates.networks.two_tower.batches import Examples, Week, batches, count, label_week
from stage1_candidates.networks.two_tower.inputs import attribute_codes, trait_rows, with_common_traits
from stage1_candidates.networks.two_tower.network import Settings, TwoTower
from stage1_candidates.networks.two_tower.vectors import article_vectors, customer_vectors

# What ends a training is measured so, whatever ``take``, ``sold_days`` and ``search`` ask for: these may change without
# another training.
MEASURED, MEASURED_SOLD, EXACT = 100, 60, Search(kind="flat", effort=1)


class Params(Network):
    sold_days: Positive  # only articles sold within so many days before the cutoff are proposed
    search: Search
    model: Settings
    examples: Examples

    @field_validator("model")
    @classmethod
    def _has_bags(cls, model: Settings) -> Settings:
        if not model.half_lives:
            raise ValueError("half_lives must name at least one, a bag for each")
        return model


@dataclass(frozen=True)
class Ready:
    """What all customers of a label week share."""

    state: dict[str, Array]
    network: TwoTower  # in double precision
    shop: Shop  # as it sees it
    index: Index


def train(history: History, shop: Shop, params: Params, seed: int, folder: Path) -> dict[str, Array]:
    """Weights trained on the label weeks before ``history.week``, the last ``hold`` of which end the training.

    Every one is seen from its own first day. Nothing where no week is left to train on.
    """
    from stage1_candidates.networks.base import (
        training,  # brings Lightning, which takes seconds; asking needs none of it
    )

    torch.manual_seed(seed)
    shop = with_common_traits(shop, params.model.trait_customers)
    network = TwoTower(attribute_codes(shop), trait_rows(shop), params.model)
    first = max(1, history.week - params.examples.weeks - params.examples.hold)
    parts = [label_week(history.log, week, params.examples, seed) for week in range(first, history.week)]
    parts = [part for part in parts if len(part.users)]  # a shop closes over Christmas
    train, held = parts[: -params.examples.hold], parts[-params.examples.hold :]
    if not train:
        return {}
    training.train(
        network,
        lambda epoch: batches(train, shop, params.model.bag, params.examples, [seed, epoch]),
        count(train, params.examples),
        lambda trained: _recall(trained, held, shop, params),
        params.training,
        seed,
        folder,
        f"two_tower, week {history.week}",
    )
    return stored.arrays(network)


def fit(history: History, shop: Shop, params: Params, weights: dict[str, Array]) -> dict[str, Array]:
    """The weights, the articles' vectors as of the cutoff, and the articles that may be proposed."""
    known = stored.to_state(weights)
    seen = with_common_traits(shop, params.model.trait_customers)
    vectors = article_vectors(_network(seen, known, params), history)
    return {**known, "vectors": vectors, "sold": ann.sold_lately(history, params.sold_days)}


def propose(history: History, shop: Shop, state: dict[str, Array], users: Array, params: Params) -> Lists:
    """Customer -> the articles nearest to it; one without a past is served by its traits."""
    ready = made_ready(history, shop, state, params)
    mine = customer_vectors(ready.network, history, ready.shop, users, params.model.bag)
    items, products = ann.search(ready.index, mine, params.take)
    weight = _positive(products, params)
    order = np.lexsort((items, -weight), axis=1)  # two products may round to one weight
    items, weight = np.take_along_axis(items, order, 1), np.take_along_axis(weight, order, 1)
    found = weight > 0
    return Lists(np.concatenate([np.zeros(1, np.int64), found.sum(1).cumsum()]), items[found], weight[found])


def score(
    history: History, shop: Shop, state: dict[str, Array], users: Array, ptr: Array, items: Array, params: Params
) -> Array:
    """(n,) float32 exp((cosine - 1) / temperature) of every pair, in 0..1; 0 in a shop that has sold nothing yet."""
    if not (history.stop > history.log.start[:-1]).any():
        return np.zeros(len(items), np.float32)
    ready = made_ready(history, shop, state, params)
    mine = customer_vectors(ready.network, history, ready.shop, users, params.model.bag)
    return _positive(ann.dot(mine, state["vectors"], np.repeat(np.arange(len(users)), np.diff(ptr)), items), params)


def _positive(products: Array, params: Params) -> Array:
    weight: Array = np.exp((products.astype(np.float64) - 1) / params.model.temperature).astype(np.float32)
    return weight


def made_ready(history: History, shop: Shop, state: dict[str, Array], params: Params) -> Ready:
    """``state`` ready to answer, made once for all shards of customers."""

    def made() -> Ready:
        index = ann.build(state["vectors"], state["sold"], params.search)
        seen = with_common_traits(shop, params.model.trait_customers)
        return Ready(state, _network(seen, state, params), seen, index)

    ready: Ready = history.once(("two_tower", id(state)), made)  # kept with its state, whose id stays its own
    return ready


def _network(shop: Shop, state: dict[str, Array], params: Params) -> TwoTower:
    """The trained network in double precision."""
    weights = stored.of_state(state)
    network = TwoTower(attribute_codes(shop), trait_rows(shop), params.model)
    stored.with_arrays(network, weights)
    return network.double()


def _recall(network: nn.Module, held: list[Week], shop: Shop, params: Params) -> float:
    """Share of what customers of the held weeks bought that is among their MEASURED nearest articles."""
    trained = copy.deepcopy(network).double().to(stored.device())
    hits, purchases = 0, 0
    for week in held:
        mine = customer_vectors(trained, week.history, shop, week.users, params.model.bag)  # type: ignore[arg-type]
        vectors = article_vectors(trained, week.history)  # type: ignore[arg-type]
        index = ann.build(vectors, ann.sold_lately(week.history, MEASURED_SOLD), EXACT)
        items, _ = ann.search(index, mine, MEASURED)
        row = np.repeat(np.arange(len(week.users)), np.diff(week.ptr))
        hits += int((items[row] == week.bought[:, None]).any(1).sum())
        purchases += len(week.bought)
    return hits / max(purchases, 1)
