"""Find, load and compute feature groups.

To write a group, add a file to ``features/groups`` and a block to ``features`` in params.yaml. The file defines

    KEY         "item", "user" or "pair": what a value describes
    Params      the settings of the block, a subclass of ``Group``
    compute     a function that returns named columns, one value per article, customer or pair

The protocols ``ItemGroup``, ``UserGroup`` and ``PairGroup`` define the signatures; a module can implement a protocol
(PEP 544). Add the new module to tests/test_plugin_types.py, so that mypy checks it.
"""

from typing import Any, Literal, Protocol, TypeVar

import numpy as np
import polars as pl

from retail import pairs as pairs_of
from retail import plugins
from retail.errors import InputError
from retail.log import Array
from retail.pairs import Pairs
from retail.params import Block, Params
from retail.shop import ATTRIBUTES, TRAITS, Shop
from retail.weeks import History


class Group(Block):
    use: bool
    within: tuple[str, ...]  # columns that are also compared among the customer's candidates


G = TypeVar("G", bound=Group)  # a group's own Params


class ItemGroup(Protocol[G]):
    KEY: Literal["item"]
    Params: type[G]

    def compute(self, history: History, shop: Shop, keys: Array, params: G) -> dict[str, Array]:
        """Compute columns of the articles ``keys``: name -> (len(keys),)."""


class UserGroup(Protocol[G]):
    KEY: Literal["user"]
    Params: type[G]

    def compute(self, history: History, shop: Shop, keys: Array, params: G) -> dict[str, Array]:
        """Compute columns of the customers ``keys``: name -> (len(keys),)."""


class PairGroup(Protocol[G]):
    KEY: Literal["pair"]
    Params: type[G]

    def compute(self, history: History, shop: Shop, pairs: Pairs, params: G) -> dict[str, Array]:
        """Compute columns of the pairs: name -> (rows,)."""


GroupModule = ItemGroup[Any] | UserGroup[Any] | PairGroup[Any]


def switched_on(params: Params) -> list[str]:
    """List the feature groups that are on, in alphabetical order."""
    return [name for name in sorted(params.features) if load(name, params)[1].use]


def load(name: str, params: Params) -> tuple[GroupModule, Any]:
    """Load the module of feature group ``name`` and its block, checked with the module's ``Params``."""
    module, settings = plugins.load("features.groups.{}", "features", name, params.features)
    return module, settings


def compute(name: str, module: GroupModule, history: History, shop: Shop, pairs: Pairs, settings: Any) -> pl.DataFrame:
    """Compute one row per pair, in the pairs' order; Float32 columns ``<name>__<column>``.

    InputError where the group has no column in this shop, or where ``within`` names an unknown column.
    """
    if module.KEY == "item":
        article_group = module  # in a lambda, mypy does not narrow ``module``
        of_items = history.once(
            (name, settings), lambda: article_group.compute(history, shop, np.arange(shop.log.items), settings)
        )
        columns = {column: values[pairs.items] for column, values in of_items.items()}
    elif module.KEY == "user":
        of_users = module.compute(history, shop, pairs.users, settings)
        columns = {column: values[pairs.run] for column, values in of_users.items()}
    else:
        columns = dict(module.compute(history, shop, pairs, settings))
    lacking = _list_missing(shop)
    if not columns:
        raise InputError(
            f"params.yaml: 'features.{name}' has no column in this shop, which lacks {', '.join(lacking)}; expected "
            "at least one; name other columns or set use: false"
        )
    return label_columns(name, columns, pairs, settings.within, lacking)


def _list_missing(shop: Shop) -> tuple[str, ...]:
    """List the optional columns that this shop's files lack."""
    age = ("age",) if shop.age is None else ()
    traits = (name for name in TRAITS if name not in shop.traits)
    return *age, *traits, *(name for name in ATTRIBUTES if name not in shop.attributes)


def label_columns(
    name: str, columns: dict[str, Array], pairs: Pairs, within: tuple[str, ...], lacking: tuple[str, ...]
) -> pl.DataFrame:
    """Make a table of ``columns`` as Float32 named ``<name>__<column>``; add comparisons of the columns in ``within``.

    For each column in ``within``, ``_of_best`` divides by the largest value among the customer's candidates, and
    ``_place`` is the rank among them (1 is the largest). Both are computed before sampling, on all candidates.
    A name in ``within`` that starts with a column in ``lacking`` is skipped, since this shop has no such feature.
    InputError if ``within`` names an unknown column.
    """
    table = {column: np.ascontiguousarray(values, np.float32) for column, values in columns.items()}
    for column in within:
        if column not in table and not column.startswith(lacking):
            raise InputError(
                f"params.yaml: 'features.{name}.within' names {column!r}; expected one of: {', '.join(sorted(columns))}"
            )
        if column in table:
            table[f"{column}_of_best"] = pairs_of.divide_by_best(pairs.ptr, table[column])
            table[f"{column}_place"] = pairs_of.rank_in_run(pairs.ptr, table[column])
    return pl.DataFrame({f"{name}__{column}": values for column, values in table.items()})
