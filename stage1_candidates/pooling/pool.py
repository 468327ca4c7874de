"""The pool: the union of the sources' proposals, fused by rank, cut to size, each source's rank and score alongside."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl

from retail import pairs
from retail.log import Array
from retail.pairs import Pairs
from retail.params import Params
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine import source
from stage1_candidates.engine.lists import Lists
from stage1_candidates.engine.source import Walk
from stage1_candidates.pooling import fusion


@dataclass(frozen=True)
class Loaded:
    """A source that is on, ready to be asked about one label week."""

    module: ModuleType
    settings: Any
    state: dict[str, Array]


Walks = Mapping[str, Walk | None]  # of each source that is on


def walks(loaded: Mapping[str, Loaded], history: History, shop: Shop, users: Array) -> Walks:
    """What ``propose`` and ``build`` have in common, where both are asked about the same ``users``."""
    return {
        name: source.walk_of(one.module, history, shop, one.state, users, one.settings) for name, one in loaded.items()
    }


def propose(
    loaded: Mapping[str, Loaded], history: History, shop: Shop, users: Array, walked: Walks | None = None
) -> dict[str, Lists]:
    """What each source proposes to ``users``, row r for ``users[r]``."""
    known = walked or {}
    return {
        name: source.proposals(one.module, history, shop, one.state, users, one.settings, known.get(name))
        for name, one in loaded.items()
        if one.settings.proposes
    }


def build(
    loaded: Mapping[str, Loaded], proposed: Mapping[str, Lists], history: History, shop: Shop, users: Array,
    params: Params, walked: Walks | None = None,
) -> tuple[Pairs, pl.DataFrame]:  # fmt: skip
    """The pool's pairs, and one row per pair of what the sources say of it, all Float32.

    ``pool__sources``: how many propose it, ``pool__fused``; per source that proposes ``<source>__rank`` (NaN where it
    does not propose the pair); per source that scores ``__score`` (of every pair, proposed or not), ``__of_best`` and
    ``__place`` within the customer's candidates, and what it says of the customer.
    """
    fused = fusion.ascending(fusion.fuse(proposed, params.pool))
    whole = Pairs(users, fused.ptr, fused.target)
    columns = {"pool__fused": fused.weight}
    count = np.zeros(len(whole.items), np.float32)
    known = walked or {}
    for name, one in loaded.items():
        if one.settings.proposes:
            columns[f"{name}__rank"] = rank = fusion.ranks_at(whole.ptr, whole.items, proposed[name])
            count += ~np.isnan(rank)
        if one.settings.scores:
            score = source.scores(
                one.module, history, shop, one.state, users, whole.ptr, whole.items, one.settings, known.get(name)
            )
            silent = source.untrained(one.state)  # no place among the others either
            columns |= {
                f"{name}__score": score,
                f"{name}__of_best": score if silent else pairs.of_best(whole.ptr, score),
                f"{name}__place": score if silent else pairs.place(whole.ptr, score),
            }
            of_users = source.about(one.module, history, shop, one.state, users, one.settings)
            columns |= {f"{name}__{what}": values[whole.run] for what, values in of_users.items()}
    return whole, pl.DataFrame({"pool__sources": count, **columns})
