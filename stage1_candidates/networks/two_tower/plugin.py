"""Plug two towers into the pipeline: propose the recently sold articles nearest to the customer's vector.

The list includes articles that the customer bought before, because they are often bought again.
"""

import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import field_validator
from torch import nn

from retail.log import Array
from retail.params import Block, Positive
from retail.ragged import offsets, row_of
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine.blocks import Network
from stage1_candidates.engine.lists import Lists
from stage1_candidates.engine.plugin_types import Weights
from stage1_candidates.networks.base import ann
from stage1_candidates.networks.base import weights as stored
from stage1_candidates.networks.base.ann import Index, Search
from stage1_candidates.networks.base.warm_start import WarmTraining
from stage1_candidates.networks.two_tower.batches import Examples, Week, count_batches, iterate_batches, prepare_week
from stage1_candidates.networks.two_tower.inputs import count_trait_rows, drop_rare_traits, encode_attributes
from stage1_candidates.networks.two_tower.network import Settings, TwoTower
from stage1_candidates.networks.two_tower.vectors import compute_article_vectors, compute_customer_vectors

# The validation metric uses these constants instead of ``take``, ``sold_days`` and ``search``, so that a change of
# these settings needs no retraining.
MEASURED, MEASURED_SOLD, EXACT = 100, 60, Search(kind="flat", effort=1)


class Answer(Block):
    sold_days: Positive  # only articles sold in the last so many days before the cutoff are proposed
    search: Search


class Params(Network):
    answer: Answer
    model: Settings
    examples: Examples
    training: WarmTraining

    @field_validator("model")
    @classmethod
    def _has_bags(cls, model: Settings) -> Settings:
        if not model.half_lives:
            raise ValueError("half_lives must name at least one, a bag for each")
        return model


@dataclass(frozen=True)
class Ready:
    """Hold the parts that all customers of a label week share."""

    state: dict[str, Array]
    network: TwoTower  # in double precision
    shop: Shop  # without rare traits
    index: Index


def train(
    history: History, shop: Shop, params: Params, seed: int, folder: Path, start: Weights | None = None
) -> Weights:
    """Train on the label weeks before ``history.week``; the last ``hold`` ones are held out for early stopping.

    Each week uses the history before its own first day. ``start``: weights trained before an earlier cutoff. From them
    the network learns the last ``warm_weeks`` only, for a fixed number of epochs without held-out weeks. An article
    that was not for sale then starts as in a new network. Returns ``start``, by default no weights, if there is no
    label week to learn.
    """
    from stage1_candidates.networks.base import training  # here, because only training needs it

    start = start or {}
    torch.manual_seed(seed)
    shop = drop_rare_traits(shop, params.model.trait_customers)
    network = TwoTower(encode_attributes(shop), count_trait_rows(shop), params.model)
    examples = params.examples.bounded(history)
    newest = examples.warm_weeks if start else examples.weeks + examples.hold
    first = max(1, history.week - newest)
    parts = [prepare_week(history.log, week, examples, seed) for week in range(first, history.week)]
    parts = [part for part in parts if len(part.users)]  # a week without sales has no examples
    held = [] if start else parts[-examples.hold :]
    train = parts[: len(parts) - len(held)]
    if not train:
        return start
    if start:
        stored.with_arrays(network, start)
    training.train(
        network,
        lambda epoch: iterate_batches(train, shop, params.model.bag, examples, [seed, epoch]),
        count_batches(train, examples),
        None if start else lambda trained: _recall(trained, held, shop, params),
        params.training.after(start),
        seed,
        folder,
        f"two_tower, week {history.week}",
    )
    return stored.arrays(network)


def fit(history: History, shop: Shop, params: Params, weights: dict[str, Array]) -> dict[str, Array]:
    """Return the weights, the articles' vectors at the cutoff, and the articles that may be proposed."""
    known = stored.to_state(weights)
    seen = drop_rare_traits(shop, params.model.trait_customers)
    vectors = compute_article_vectors(_network(seen, known, params), history)
    return {**known, "vectors": vectors, "sold": ann.sold_lately(history, params.answer.sold_days)}


def propose(history: History, shop: Shop, state: dict[str, Array], users: Array, params: Params) -> Lists:
    """Propose for each customer the nearest articles; a customer without a past is described by its traits."""
    ready = prepare(history, shop, state, params)
    vectors_of_users = compute_customer_vectors(ready.network, history, ready.shop, users, params.model.bag)
    items, products = ann.search(ready.index, vectors_of_users, params.take)
    weight = _positive(products, params)
    order = np.lexsort((items, -weight), axis=1)  # different products may round to the same weight
    items, weight = np.take_along_axis(items, order, 1), np.take_along_axis(weight, order, 1)
    positive = weight > 0
    return Lists(offsets(positive.sum(1)), items[positive], weight[positive])


def score(
    history: History, shop: Shop, state: dict[str, Array], users: Array, ptr: Array, items: Array, params: Params
) -> Array:
    """Score (n,) float32 pairs by exp((cosine - 1) / temperature), in 0..1; 0 in a shop without any sale."""
    if not (history.stop > history.log.start[:-1]).any():
        return np.zeros(len(items), np.float32)
    ready = prepare(history, shop, state, params)
    vectors_of_users = compute_customer_vectors(ready.network, history, ready.shop, users, params.model.bag)
    return _positive(ann.dot(vectors_of_users, state["vectors"], row_of(ptr), items), params)


def _positive(products: Array, params: Params) -> Array:
    weight: Array = np.exp((products.astype(np.float64) - 1) / params.model.temperature).astype(np.float32)
    return weight


def prepare(history: History, shop: Shop, state: dict[str, Array], params: Params) -> Ready:
    """Prepare ``state`` for scoring, once for all shards of customers."""

    def build() -> Ready:
        index = ann.build(state["vectors"], state["sold"], params.answer.search)
        seen = drop_rare_traits(shop, params.model.trait_customers)
        return Ready(state, _network(seen, state, params), seen, index)

    ready: Ready = history.once(("two_tower", id(state)), build)  # ``Ready`` holds the state: its id stays unique
    return ready


def _network(shop: Shop, state: dict[str, Array], params: Params) -> TwoTower:
    """Build the trained network in double precision."""
    weights = stored.of_state(state)
    network = TwoTower(encode_attributes(shop), count_trait_rows(shop), params.model)
    stored.with_arrays(network, weights)
    return network.double()


def _recall(network: nn.Module, held: list[Week], shop: Shop, params: Params) -> float:
    """Compute the share of purchases of the held-out weeks among the customers' MEASURED nearest articles."""
    trained = copy.deepcopy(network).double().to(stored.device())
    hits, purchases = 0, 0
    for week in held:
        vectors_of_users = compute_customer_vectors(trained, week.history, shop, week.users, params.model.bag)  # type: ignore[arg-type]
        vectors = compute_article_vectors(trained, week.history)  # type: ignore[arg-type]
        index = ann.build(vectors, ann.sold_lately(week.history, MEASURED_SOLD), EXACT)
        items, _ = ann.search(index, vectors_of_users, MEASURED)
        row = row_of(week.ptr)
        hits += int((items[row] == week.bought[:, None]).any(1).sum())
        purchases += len(week.bought)
    return hits / max(purchases, 1)
