"""The types of candidate plug-ins: what the module of a source or of a network must define.

A module may implement a Protocol (PEP 544). tests/test_plugin_types.py assigns every plug-in to its Protocol, so that
mypy reports a missing function and a wrong signature. ``P`` is the plug-in's own ``Params``.
"""

from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from retail.log import Array
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine.blocks import Network, Source
from stage1_candidates.engine.lists import Lists
from stage1_candidates.engine.sparse_product import Factors

P = TypeVar("P", bound=Source)
N = TypeVar("N", bound=Network)
State = dict[str, Array]  # arrays that an .npz file can hold
Weights = dict[str, Array]  # {}: there was too little to learn from


@runtime_checkable
class FactorSource(Protocol[P]):
    """A source whose scores are a sparse product: (customers x keys) @ (keys x articles)."""

    Params: type[P]

    def fit(self, history: History, shop: Shop, params: P) -> State:
        """Learn from the past of one label week."""

    def factors(self, history: History, shop: Shop, state: State, users: Array, params: P) -> Factors:
        """Give the factors of the scores of ``users``, and the articles that are not to be proposed to each."""


@runtime_checkable
class ListSource(Protocol[P]):
    """A source that makes its lists and scores itself."""

    Params: type[P]

    def fit(self, history: History, shop: Shop, params: P) -> State:
        """Learn from the past of one label week."""

    def propose(self, history: History, shop: Shop, state: State, users: Array, params: P) -> Lists:
        """List the ``params.take`` best articles of each customer, best first; row r is that of ``users[r]``."""

    def score(
        self, history: History, shop: Shop, state: State, users: Array, ptr: Array, items: Array, params: P
    ) -> Array:
        """Score each pair of ``users[r]`` and ``items[ptr[r]:ptr[r+1]]``: (n,) float32."""


@runtime_checkable
class NetworkModule(Protocol[N]):
    """A source whose weights a stage of its own learns."""

    Params: type[N]

    def train(self, history: History, shop: Shop, params: N, seed: int, folder: Path) -> Weights:
        """Learn weights from the label weeks before ``history.week``; ``folder`` is for checkpoints."""

    def fit(self, history: History, shop: Shop, params: N, weights: Weights) -> State:
        """Prepare weights of the same or an earlier training for one label week."""

    def propose(self, history: History, shop: Shop, state: State, users: Array, params: N) -> Lists:
        """As ``ListSource.propose``."""

    def score(
        self, history: History, shop: Shop, state: State, users: Array, ptr: Array, items: Array, params: N
    ) -> Array:
        """As ``ListSource.score``."""


@runtime_checkable
class DescribesUsers(Protocol[N]):
    """What a network may add: features of a customer that do not depend on the article."""

    Params: type[N]

    @property
    def USER_COLUMNS(self) -> tuple[str, ...]:  # noqa: N802  # a constant of the module
        """Names of the columns."""

    def describe_users(self, history: History, shop: Shop, state: State, users: Array, params: N) -> dict[str, Array]:
        """Compute each of ``USER_COLUMNS``: (users,) float32, NaN where nothing is known."""


SourceModule = FactorSource[Any] | ListSource[Any] | NetworkModule[Any]
