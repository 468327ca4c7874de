"""Assign every plug-in to its Protocol, one line each, so that mypy reports a wrong signature without running it."""

import sys
import typing
from inspect import get_annotations
from types import ModuleType
from typing import Any

from csv_shop import ROOT

from features.engine.group import ItemGroup, PairGroup, UserGroup
from features.groups import (
    age_rank,
    item_profile,
    item_rebuy,
    item_sales,
    match,
    own,
    paid,
    taste,
    themes,
    user_profile,
    words,
)
from stage1_candidates.engine.plugin_types import DescribesUsers, FactorSource, ListSource, NetworkModule
from stage1_candidates.networks.case import plugin as case
from stage1_candidates.networks.lens import plugin as lens
from stage1_candidates.networks.parsrec import plugin as parsrec
from stage1_candidates.networks.trex import plugin as trex
from stage1_candidates.networks.two_tower import plugin as two_tower
from stage1_candidates.sources import (
    category,
    ease,
    item_cf,
    neighbours_recent,
    next_basket,
    popular,
    repurchase,
    segment,
    tifu_knn,
    variants,
)

# Candidate sources
CATEGORY: FactorSource[category.Params] = category
EASE: FactorSource[ease.Params] = ease
ITEM_CF: FactorSource[item_cf.Params] = item_cf
NEIGHBOURS_RECENT: FactorSource[neighbours_recent.Params] = neighbours_recent
NEXT_BASKET: FactorSource[next_basket.Params] = next_basket
POPULAR: FactorSource[popular.Params] = popular
REPURCHASE: FactorSource[repurchase.Params] = repurchase
SEGMENT: FactorSource[segment.Params] = segment
TIFU_KNN: FactorSource[tifu_knn.Params] = tifu_knn
VARIANTS: FactorSource[variants.Params] = variants

# Networks
CASE: NetworkModule[case.Params] = case
LENS: NetworkModule[lens.Params] = lens
PARSREC: NetworkModule[parsrec.Params] = parsrec
TREX: NetworkModule[trex.Params] = trex
TWO_TOWER: NetworkModule[two_tower.Params] = two_tower
LENS_USERS: DescribesUsers[lens.Params] = lens

# Feature groups
AGE_RANK: PairGroup[age_rank.Params] = age_rank
ITEM_PROFILE: ItemGroup[item_profile.Params] = item_profile
ITEM_REBUY: ItemGroup[item_rebuy.Params] = item_rebuy
ITEM_SALES: ItemGroup[item_sales.Params] = item_sales
MATCH: PairGroup[match.Params] = match
OWN: PairGroup[own.Params] = own
PAID: PairGroup[paid.Params] = paid
TASTE: PairGroup[taste.Params] = taste
THEMES: ItemGroup[themes.Params] = themes
USER_PROFILE: UserGroup[user_profile.Params] = user_profile
WORDS: PairGroup[words.Params] = words

PROTOCOLS: set[Any] = {FactorSource, ListSource, NetworkModule, ItemGroup, PairGroup, UserGroup}
FOLDERS = ("stage1_candidates/sources/[!_]*.py", "stage1_candidates/networks/*/plugin.py", "features/groups/[!_]*.py")


def assigned_to(protocols: set[Any]) -> set[ModuleType]:
    """The modules that a line above assigns to one of ``protocols``."""
    annotations = get_annotations(sys.modules[__name__])
    return {globals()[name] for name, protocol in annotations.items() if typing.get_origin(protocol) in protocols}


def test_every_plugin_file_is_assigned_to_its_protocol() -> None:
    files = {file.relative_to(ROOT) for pattern in FOLDERS for file in ROOT.glob(pattern)}
    names = {".".join(file.with_suffix("").parts) for file in files}
    assert names == {module.__name__ for module in assigned_to(PROTOCOLS)}


def test_every_network_that_describes_users_is_assigned_to_the_protocol() -> None:
    describing = {network for network in assigned_to({NetworkModule}) if hasattr(network, "describe_users")}
    assert describing == assigned_to({DescribesUsers})
