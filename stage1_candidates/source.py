"""What every candidate source's block of params.yaml holds, and how a source is found and asked.

A source is a module of ``stage1_candidates.sources`` with
    Params                                            its block of params.yaml, a subclass of ``Source``
    fit(history, shop, params) -> state               arrays learned from the past of one label week
    walk(history, shop, state, users, params)         (rows, step, skip): the sparse product that scores articles
or, where scores are no sparse product, in place of ``walk``
    propose(history, shop, state, users, params)      Lists: customer -> its ``take`` best articles
    score(history, shop, state, users, ptr, items, params)   float32 scores of given pairs
"""

from types import ModuleType
from typing import Any

import numpy as np

from retail import plugins
from retail.log import Array
from retail.params import Block, Params, Positive
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates import lists
from stage1_candidates.lists import Lists


class Source(Block):
    use: bool  # switched off, a source proposes nothing and leaves the pool's columns
    take: Positive  # candidates per customer


def switched_on(params: Params) -> list[str]:
    """Names of the sources that are on, in alphabetical order: that of params.yaml's blocks means nothing."""
    return [name for name in sorted(params.sources) if load(name, params)[1].use]


def load(name: str, params: Params) -> tuple[ModuleType, Any]:
    """The module of source ``name`` and its checked block."""
    return plugins.load("stage1_candidates.sources", "sources", name, params.sources)


def proposals(
    module: ModuleType, history: History, shop: Shop, state: dict[str, Array], users: Array, params: Any
) -> Lists:
    """Row: a customer of ``users``; targets: its ``params.take`` best articles with a positive score, best first."""
    if hasattr(module, "propose"):
        best: Lists = module.propose(history, shop, state, users, params)
    else:
        rows, step, skip = module.walk(history, shop, state, users, params)
        best = lists.walk_top(rows, step, shop.log.items, params.take, skip)
    positive = best.weight > 0
    counts = np.bincount(best.key_of_rows()[positive], minlength=best.keys)
    return Lists(
        np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]), best.target[positive], best.weight[positive]
    )


def scores(
    module: ModuleType, history: History, shop: Shop, state: dict[str, Array], users: Array, ptr: Array, items: Array,
    params: Any,
) -> Array:  # fmt: skip
    """(n,) float32: the source's score of every pair, customer ``users[r]`` with ``items[ptr[r]:ptr[r+1]]``."""
    if hasattr(module, "score"):
        given: Array = module.score(history, shop, state, users, ptr, items, params)
        return given
    rows, step, _ = module.walk(history, shop, state, users, params)
    return lists.walk_at(rows, step, shop.log.items, ptr, items)
