"""Define the types of candidate plug-ins: the functions of a source or network module.

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
Weights = dict[str, Array]  # {}: too little training data


@runtime_checkable
class FactorSource(Protocol[P]):
    """Define a source whose scores are a sparse product: (customers x keys) @ (keys x articles)."""

    Params: type[P]

    def fit(self, history: History, shop: Shop, params: P) -> State:
        """Fit the state to the history before one label week."""

    def factors(self, history: History, shop: Shop, state: State, users: Array, params: P) -> Factors:
        """Compute the factors of the scores of ``users``, and the articles to skip for each of them."""


@runtime_checkable
class ListSource(Protocol[P]):
    """Define a source that computes its lists and scores itself."""

    Params: type[P]

    def fit(self, history: History, shop: Shop, params: P) -> State:
        """Fit the state to the history before one label week."""

    def propose(self, history: History, shop: Shop, state: State, users: Array, params: P) -> Lists:
        """List the ``params.take`` best articles of each customer, best first; row r belongs to ``users[r]``."""

    def score(
        self, history: History, shop: Shop, state: State, users: Array, ptr: Array, items: Array, params: P
    ) -> Array:
        """Score each pair of ``users[r]`` and ``items[ptr[r]:ptr[r+1]]``: (n,) float32."""


@runtime_checkable
class NetworkModule(Protocol[N]):
    """Define a network, whose weights come from a training stage."""

    Params: type[N]

    def train(self, history: History, shop: Shop, params: N, seed: int, folder: Path) -> Weights:
        """Train on the label weeks before ``history.week``; ``folder`` holds the checkpoints."""

    def fit(self, history: History, shop: Shop, params: N, weights: Weights) -> State:
        """Prepare the weights of the same or an earlier training for one label week."""

    def propose(self, history: History, shop: Shop, state: State, users: Array, params: N) -> Lists:
        """Propose as ``ListSource.propose`` does."""

    def score(
        self, history: History, shop: Shop, state: State, users: Array, ptr: Array, items: Array, params: N
    ) -> Array:
        """Score as ``ListSource.score`` does."""


@runtime_checkable
class DescribesUsers(Protocol[N]):
    """Define optional features of a customer, computed by a network."""

    Params: type[N]

    @property
    def USER_COLUMNS(self) -> tuple[str, ...]:  # noqa: N802  # a constant of the module
        """Name the columns."""

    def describe_users(self, history: History, shop: Shop, state: State, users: Array, params: N) -> dict[str, Array]:
        """Compute each of ``USER_COLUMNS``: (users,) float32, NaN where unknown."""


SourceModule = FactorSource[Any] | ListSource[Any] | NetworkModule[Any]
