"""The trees of a LightGBM model as flat arrays: splits, and of every leaf the path that leads to it."""

import math
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np

from retail.log import Array

MISSING = {"None": 0, "Zero": 1, "NaN": 2}  # what a split takes for missing; without, NaN counts as 0


@dataclass(frozen=True)
class Trees:
    """A leaf's path has parts, one per feature on it, and steps, one per split. Trees of a single leaf are left out."""

    node_start: Array  # (trees + 1,) int64 into the nodes
    feature: Array  # (nodes,) int64
    threshold: Array  # (nodes,) float64, go left up to it
    missing: Array  # (nodes,) int64, values of MISSING
    default_left: Array  # (nodes,) bool
    leaf_start: Array  # (trees + 1,) int64 into the leaves
    value: Array  # (leaves,) float64
    part_start: Array  # (leaves + 1,) int64 into the parts
    part_feature: Array  # (parts,) int64
    part_share: Array  # (parts,) float64: of the training rows at the path's splits by the feature, those that stay
    step_start: Array  # (leaves + 1,) int64 into the steps
    step_node: Array  # (steps,) int64 node within its tree
    step_left: Array  # (steps,) bool
    step_part: Array  # (steps,) int64 part within its leaf


TYPES = {
    "threshold": np.float64,
    "value": np.float64,
    "part_share": np.float64,
    "default_left": bool,
    "step_left": bool,
}


def flat(model: lgb.Booster) -> tuple[Trees, float]:
    """The trees that ``model.predict`` uses, and their sum's mean over the training rows."""
    lists: dict[str, list[Any]] = {name: [] for name in Trees.__dataclass_fields__}
    for name in ("node_start", "leaf_start", "part_start", "step_start"):
        lists[name].append(0)
    expected = 0.0
    for tree in model.dump_model()["tree_info"]:
        root = tree["tree_structure"]
        if "split_index" not in root:
            expected += root["leaf_value"]
            continue
        expected += _flatten(root, lists, [], root["internal_count"])
        lists["node_start"].append(len(lists["feature"]))
        lists["leaf_start"].append(len(lists["value"]))
    return Trees(**{name: np.array(values, TYPES.get(name, np.int64)) for name, values in lists.items()}), expected


def _flatten(node: dict[str, Any], lists: dict[str, list[Any]], path: list[tuple[int, int, bool, float]],
             rows: int) -> float:  # fmt: skip
    """Append ``node`` and what is below it; the sum of its leaves' values, each by its share of the tree's ``rows``.

    ``path``: of each split above, the node within its tree, the feature, whether it went left, and the share of the
    split's rows that went this way.
    """
    if "split_index" not in node:
        features = list(dict.fromkeys(feature for _, feature, _, _ in path))
        lists["value"].append(node["leaf_value"])
        lists["part_feature"] += features
        lists["part_share"] += [math.prod([share for _, on, _, share in path if on == one]) for one in features]
        lists["part_start"].append(len(lists["part_feature"]))
        lists["step_node"] += [place for place, _, _, _ in path]
        lists["step_left"] += [left for _, _, left, _ in path]
        lists["step_part"] += [features.index(feature) for _, feature, _, _ in path]
        lists["step_start"].append(len(lists["step_node"]))
        share_of_all: float = node["leaf_value"] * node["leaf_count"] / rows
        return share_of_all
    place = len(lists["feature"]) - lists["node_start"][-1]
    lists["feature"].append(node["split_feature"])
    lists["threshold"].append(node["threshold"])
    lists["missing"].append(MISSING[node["missing_type"]])
    lists["default_left"].append(node["default_left"])
    total = 0.0
    for side in ("left_child", "right_child"):
        child = node[side]
        share = child.get("internal_count", child.get("leaf_count")) / node["internal_count"]
        total += _flatten(child, lists, [*path, (place, node["split_feature"], side == "left_child", share)], rows)
    return total
