"""What every candidate source's block of params.yaml holds, and how a source is found and asked.

A source is a module of ``stage1_candidates.sources`` with
    Params                                            its block of params.yaml, a subclass of ``Source``
    fit(history, shop, params) -> state               arrays learned from the past of one label week
    walk(history, shop, state, users, params)         (rows, step, skip): the sparse product that scores articles
or, where scores are no sparse product, in place of ``walk``
    propose(history, shop, state, users, params)      Lists: customer -> its ``take`` best articles
    score(history, shop, state, users, ptr, items, params)   float32 scores of given pairs
A network is a source whose weights are learned in a stage of its own: a module
``stage1_candidates.networks.<name>.plugin`` with ``Params``, a subclass of ``Network``, ``propose``, ``score`` and
    learn(history, shop, params, seed, folder) -> weights   from the label weeks before ``history.week``; nothing ({})
                                                      where there was too little to learn from
    fit(history, shop, params, weights) -> state      the same or earlier weights, made ready for one label week
and, where it knows something of a customer whatever the article,
    ABOUT, about(history, shop, state, users, params)   names; name -> (users,) float32, a feature beside its score
"""

from types import ModuleType
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from retail import plugins
from retail.log import Array
from retail.params import Block, NotNegative, Params, Positive, Share
from retail.ragged import offsets
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine import walks
from stage1_candidates.engine.lists import Lists

Walk = tuple[Lists, Lists, Lists | None]  # customers' rows, step, skip: as in walks.walk_top


class Source(Block):
    use: bool  # switched off, a source proposes nothing and leaves the pool's columns
    take: Positive  # candidates per customer

    @property
    def proposes(self) -> bool:
        return self.use

    @property
    def scores(self) -> bool:
        return self.use


class Training(Block):
    epochs: Positive  # at most
    patience: Positive  # epochs without a better validation metric before the end
    learning_rate: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)]
    decoupled: bool  # AdamW (decay beside the gradient) or Adam (decay inside it)
    warmup: Share  # of all steps, the learning rate rising from 0
    clip: Annotated[float, Field(ge=0)]  # largest norm of the gradient; 0: unbounded
    precision: Literal["32-true", "bf16-mixed"]
    devices: Positive  # GPUs, or processes where there is none; batches are dealt out to them


class Network(Block):
    use: bool  # switched off, it is not trained and serves for nothing
    source: bool  # it proposes candidates
    score: bool  # its score of every pair of the pool is a feature
    take: Positive  # candidates per customer
    refit: NotNegative  # label weeks from one training to the next; 0: one for the labelled weeks, one to submit
    training: Training

    @property
    def proposes(self) -> bool:
        return self.use and self.source

    @property
    def scores(self) -> bool:
        return self.use and self.score


def switched_on(params: Params) -> list[str]:
    """Names of the sources and networks that serve, in alphabetical order: that of their blocks means nothing."""
    blocks = {name: load(name, params)[1] for name in sorted([*params.sources, *params.networks])}
    return [name for name, block in blocks.items() if block.proposes or block.scores]


def proposing(params: Params) -> list[str]:
    """Those of ``switched_on`` that propose candidates."""
    return [name for name in switched_on(params) if load(name, params)[1].proposes]


def load(name: str, params: Params) -> tuple[ModuleType, Any]:
    """The module of source or network ``name`` and its checked block."""
    if name in params.networks:
        return plugins.load("stage1_candidates.networks.{}.plugin", "networks", name, params.networks)
    return plugins.load("stage1_candidates.sources.{}", "sources", name, params.sources)


UNTRAINED = {"untrained": np.ones(1, bool)}  # the state of a network that has learned nothing yet


def untrained(state: dict[str, Array]) -> bool:
    """Whether it is the state of a network that has learned nothing: it proposes nothing, and its scores are NaN."""
    return state.keys() == UNTRAINED.keys()


def fitted(
    module: ModuleType, history: History, shop: Shop, params: Any, *weights: dict[str, Array]
) -> dict[str, Array]:
    """The state at ``history`` of a source, or of a network with its ``weights``; UNTRAINED where these are nothing."""
    state: dict[str, Array] = UNTRAINED if weights == ({},) else module.fit(history, shop, params, *weights)
    return state


def walk_of(
    module: ModuleType, history: History, shop: Shop, state: dict[str, Array], users: Array, params: Any
) -> Walk | None:
    """The sparse product that scores the articles of ``users``; None where the scores are none."""
    if not hasattr(module, "walk"):
        return None
    rows, step, skip = module.walk(history, shop, state, users, params)
    return rows, step, skip


def proposals(
    module: ModuleType, history: History, shop: Shop, state: dict[str, Array], users: Array, params: Any,
    walk: Walk | None = None,
) -> Lists:  # fmt: skip
    """Row: a customer of ``users``; targets: its ``params.take`` best articles with a positive score, best first.

    ``walk``: that of ``walk_of``, where it is known already.
    """
    if untrained(state):
        return Lists(np.zeros(len(users) + 1, np.int64), np.zeros(0, np.uint32), np.zeros(0, np.float32))
    walk = walk or walk_of(module, history, shop, state, users, params)
    if walk is None:
        best: Lists = module.propose(history, shop, state, users, params)
    else:
        rows, step, skip = walk
        best = walks.walk_top(rows, step, shop.log.items, params.take, skip)
    positive = best.weight > 0
    counts = np.bincount(best.key_of_rows()[positive], minlength=best.keys)
    return Lists(offsets(counts), best.target[positive], best.weight[positive])


def about(
    module: ModuleType, history: History, shop: Shop, state: dict[str, Array], users: Array, params: Any
) -> dict[str, Array]:
    """What the network says of each of ``users``, by name, NaN where it knows nothing; most say nothing."""
    found: dict[str, Array] = {}
    if untrained(state):
        found = {name: np.full(len(users), np.nan, np.float32) for name in getattr(module, "ABOUT", ())}
    elif hasattr(module, "about"):
        found = module.about(history, shop, state, users, params)
    return found


def scores(
    module: ModuleType, history: History, shop: Shop, state: dict[str, Array], users: Array, ptr: Array, items: Array,
    params: Any, walk: Walk | None = None,
) -> Array:  # fmt: skip
    """(n,) float32: the source's score of every pair, customer ``users[r]`` with ``items[ptr[r]:ptr[r+1]]``.

    ``walk`` as in ``proposals``.
    """
    if untrained(state):
        return np.full(len(items), np.nan, np.float32)
    walk = walk or walk_of(module, history, shop, state, users, params)
    if walk is None:
        given: Array = module.score(history, shop, state, users, ptr, items, params)
        return given
    rows, step, _ = walk
    return walks.walk_at(rows, step, shop.log.items, ptr, items)
