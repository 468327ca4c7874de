"""Compute candidates and scores of a source with its settings and its state."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from retail import ragged
from retail.log import Array
from retail.pairs import Pairs
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine import sparse_product
from stage1_candidates.engine.lists import Lists
from stage1_candidates.engine.plugin_types import (
    DescribesUsers,
    FactorSource,
    NetworkModule,
    SourceModule,
    State,
    Weights,
)
from stage1_candidates.engine.sparse_product import Factors

UNTRAINED = {"untrained": np.ones(1, bool)}  # the state of a network without weights


@dataclass(frozen=True)
class Loaded:
    """Hold an active source or network, fitted to one label week."""

    module: SourceModule
    settings: Any  # the module's own Params
    state: State

    @classmethod
    def fit(
        cls, module: SourceModule, settings: Any, history: History, shop: Shop, weights: Weights | None = None
    ) -> "Loaded":
        """Fit a source to ``history``, or prepare a network with its ``weights``; without weights it is untrained."""
        if not isinstance(module, NetworkModule):
            return cls(module, settings, module.fit(history, shop, settings))
        return cls(module, settings, module.fit(history, shop, settings, weights) if weights else UNTRAINED)

    @property
    def untrained(self) -> bool:
        """Tell whether this is a network without weights: it proposes nothing, and its scores are NaN."""
        return self.state.keys() == UNTRAINED.keys()

    def factors(self, history: History, shop: Shop, users: Array) -> Factors | None:
        """Compute the factors of the scores of ``users``; None where the scores are no sparse product."""
        if isinstance(self.module, FactorSource):
            return self.module.factors(history, shop, self.state, users, self.settings)
        return None

    def propose(self, history: History, shop: Shop, users: Array, factors: Factors | None = None) -> Lists:
        """List for each of ``users`` its ``take`` best articles with a positive score, best first.

        ``factors``: those of the same ``users``, if already computed.
        """
        if self.untrained:
            return Lists(np.zeros(len(users) + 1, np.int64), np.zeros(0, np.uint32), np.zeros(0, np.float32))
        if isinstance(self.module, FactorSource):
            rows, step, skip = factors or self.module.factors(history, shop, self.state, users, self.settings)
            best = sparse_product.best_targets(rows, step, shop.log.items, self.settings.take, skip)
        else:
            best = self.module.propose(history, shop, self.state, users, self.settings)
        positive = best.weight > 0
        counts = np.bincount(best.key_of_rows()[positive], minlength=best.keys)
        return Lists(ragged.offsets(counts), best.target[positive], best.weight[positive])

    def score(self, history: History, shop: Shop, pairs: Pairs, factors: Factors | None = None) -> Array:
        """Score every pair: (n,) float32, NaN where the network is untrained.

        ``factors``: those of ``pairs.users``, if already computed.
        """
        if self.untrained:
            return np.full(len(pairs.items), np.nan, np.float32)
        if isinstance(self.module, FactorSource):
            rows, step, _ = factors or self.module.factors(history, shop, self.state, pairs.users, self.settings)
            return sparse_product.scores_at(rows, step, shop.log.items, pairs.ptr, pairs.items)
        return self.module.score(history, shop, self.state, pairs.users, pairs.ptr, pairs.items, self.settings)

    def describe_users(self, history: History, shop: Shop, users: Array) -> dict[str, Array]:
        """Compute the features of ``users`` that a network may have, by name: (users,) float32, NaN where unknown."""
        if not isinstance(self.module, DescribesUsers):
            return {}
        if self.untrained:
            return {name: np.full(len(users), np.nan, np.float32) for name in self.module.USER_COLUMNS}
        return self.module.describe_users(history, shop, self.state, users, self.settings)
