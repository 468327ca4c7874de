"""Build the pool: the union of the sources' proposals, fused by rank and cut, with each source's rank and score."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from retail import pairs
from retail.log import Array
from retail.pairs import Pairs
from retail.params import Params
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine.lists import Lists
from stage1_candidates.engine.loaded import Loaded
from stage1_candidates.engine.sparse_product import Factors
from stage1_candidates.pooling import fusion

FactorsOf = Mapping[str, Factors | None]  # by source; None where its scores are no sparse product


def compute_factors(loaded: Mapping[str, Loaded], history: History, shop: Shop, users: Array) -> FactorsOf:
    """Compute what ``propose`` and ``build`` share where both get the same ``users``."""
    return {name: source.factors(history, shop, users) for name, source in loaded.items()}


def propose(
    loaded: Mapping[str, Loaded], history: History, shop: Shop, users: Array, factors: FactorsOf | None = None
) -> dict[str, Lists]:
    """List what each source proposes to ``users``, row r for ``users[r]``."""
    known = factors or {}
    return {
        name: source.propose(history, shop, users, known.get(name))
        for name, source in loaded.items()
        if source.settings.proposes
    }


def build(
    loaded: Mapping[str, Loaded], proposed: Mapping[str, Lists], history: History, shop: Shop, users: Array,
    params: Params, factors: FactorsOf | None = None,
) -> tuple[Pairs, pl.DataFrame]:  # fmt: skip
    """Fuse the lists into the pool's pairs, and compute one row per pair of what the sources say of it, all Float32.

    ``pool__sources``: how many propose it, ``pool__fused``; per source that proposes ``<source>__rank`` (NaN where it
    does not propose the pair); per source that scores ``__score`` (of every pair, proposed or not), ``__of_best`` and
    ``__place`` within the customer's candidates, and what it says of the customer.
    """
    fused = fusion.ascending(fusion.fuse(proposed, params.pool))
    whole = Pairs(users, fused.ptr, fused.target)
    columns = {"pool__fused": fused.weight}
    count = np.zeros(len(whole.items), np.float32)
    known = factors or {}
    for name, source in loaded.items():
        if source.settings.proposes:
            columns[f"{name}__rank"] = rank = fusion.ranks_at(whole.ptr, whole.items, proposed[name])
            count += ~np.isnan(rank)
        if source.settings.scores:
            score = source.score(history, shop, whole, known.get(name))
            silent = source.untrained  # no place among the others either
            columns |= {
                f"{name}__score": score,
                f"{name}__of_best": score if silent else pairs.divide_by_best(whole.ptr, score),
                f"{name}__place": score if silent else pairs.rank_in_run(whole.ptr, score),
            }
            of_users = source.describe_users(history, shop, users)
            columns |= {f"{name}__{what}": values[whole.run] for what, values in of_users.items()}
    return whole, pl.DataFrame({"pool__sources": count, **columns})
