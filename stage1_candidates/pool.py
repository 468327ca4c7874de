"""The pool: the union of the sources' proposals, fused by rank, cut to size, each source's rank and score alongside."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl

from retail import params as parameters
from retail.log import Array
from retail.params import Params
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates import lists, pairs, source
from stage1_candidates.lists import Lists
from stage1_candidates.pairs import Pairs


@dataclass(frozen=True)
class Loaded:
    """A source that is on, ready to be asked about one label week."""

    module: ModuleType
    settings: Any
    state: dict[str, Array]


def propose(loaded: Mapping[str, Loaded], history: History, shop: Shop, users: Array) -> dict[str, Lists]:
    """What each source proposes to ``users``, row r for ``users[r]``."""
    return {
        name: source.proposals(one.module, history, shop, one.state, users, one.settings)
        for name, one in loaded.items()
        if one.settings.proposes
    }


def fuse(proposed: Mapping[str, Lists], settings: parameters.Pool) -> Lists:
    """Row: a customer; targets: the ``size`` best articles of the union by reciprocal-rank fusion, best first.

    Fused score of an article = sum over the sources that propose it of 1 / (rrf + rank), ranks from 1 (Cormack et
    al., SIGIR 2009).
    """
    keys = next(iter(proposed.values())).keys
    key = np.concatenate([best.key_of_rows() for best in proposed.values()])
    item = np.concatenate([best.target for best in proposed.values()])
    worth = np.concatenate([1.0 / (settings.rrf + ranks(best)) for best in proposed.values()])
    return lists.gather(key, item, worth, keys, settings.take)


def ranks(best: Lists) -> Array:
    """(n,) int64 rank from 1 of each entry within its key."""
    rank: Array = np.arange(len(best.target)) - np.repeat(best.ptr[:-1], np.diff(best.ptr)) + 1
    return rank


def build(
    loaded: Mapping[str, Loaded], proposed: Mapping[str, Lists], history: History, shop: Shop, users: Array,
    params: Params,
) -> tuple[Pairs, pl.DataFrame]:  # fmt: skip
    """The pool's pairs, and one row per pair of what the sources say of it, all Float32.

    ``pool__sources``: how many propose it, ``pool__fused``; per source that proposes ``<source>__rank`` (NaN where it
    does not propose the pair); per source that scores ``__score`` (of every pair, proposed or not), ``__of_best`` and
    ``__place`` within the customer's candidates, and what it says of the customer.
    """
    fused = fuse(proposed, params.pool)
    row = fused.key_of_rows()
    order = np.lexsort((fused.target, row))
    whole = Pairs(users, fused.ptr, fused.target[order])
    code = codes(row, whole.items)  # ascending, for the search below
    columns = {"pool__fused": fused.weight[order]}
    count = np.zeros(len(code), np.float32)
    for name, one in loaded.items():
        if one.settings.proposes:
            columns[f"{name}__rank"] = rank = _ranks_at(code, proposed[name])
            count += ~np.isnan(rank)
        if one.settings.scores:
            score = source.scores(one.module, history, shop, one.state, users, whole.ptr, whole.items, one.settings)
            columns |= {
                f"{name}__score": score,
                f"{name}__of_best": pairs.of_best(whole.ptr, score),
                f"{name}__place": pairs.place(whole.ptr, score),
            }
            of_users = source.about(one.module, history, shop, one.state, users, one.settings)
            columns |= {f"{name}__{what}": values[whole.run] for what, values in of_users.items()}
    return whole, pl.DataFrame({"pool__sources": count, **columns})


def _ranks_at(code: Array, best: Lists) -> Array:
    """(len(code),) float32: the rank of each pair of ascending ``code`` in ``best``, NaN where it is not there."""
    there = codes(best.key_of_rows(), best.target)
    place = np.minimum(np.searchsorted(code, there), max(len(code) - 1, 0))
    inside = code[place] == there if len(code) else np.zeros(len(there), bool)
    rank = np.full(len(code), np.nan, np.float32)
    rank[place[inside]] = ranks(best)[inside]
    return rank


def codes(row: Array, item: Array) -> Array:
    """(n,) uint64: one number per (row, item) pair, in the order of the pairs."""
    return (row.astype(np.uint64) << np.uint64(32)) | item.astype(np.uint64)
