"""Read the trees of a LightGBM model into flat arrays, and find the path to every leaf."""

import math
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np

from retail.log import Array
from retail.ragged import offsets

MISSING = {"None": 0, "Zero": 1, "NaN": 2}  # which values a split treats as missing; with "None", NaN counts as 0
LESS = "<="  # the decision of a numerical split; any other is categorical


@dataclass(frozen=True)
class Trees:
    """The trees one after another: splits in pre-order, left before right; leaves from left to right."""

    split_start: Array  # (trees + 1,) int64 into the splits
    feature: Array  # (splits,) int64
    threshold: Array  # (splits,) float64, values up to it go left; NaN where the split is categorical
    missing: Array  # (splits,) int64, values of MISSING
    default_left: Array  # (splits,) bool
    first: Array  # (splits,) int64: within its tree the leaves first:last are below the split,
    middle: Array  # (splits,) int64: those before this one to its left
    last: Array  # (splits,) int64
    left_share: Array  # (splits,) float64 share of the split's training rows that go left
    right_share: Array  # (splits,) float64 share of those that go right
    leaf_start: Array  # (trees + 1,) int64 into the leaves
    value: Array  # (leaves,) float64
    mean: Array  # (trees,) float64 mean value over the training rows

    @property
    def numerical(self) -> bool:
        """Whether all splits are numerical."""
        return not np.isnan(self.threshold).any()


@dataclass(frozen=True)
class Paths:
    """The paths to the leaves: parts, one per feature on a path, and steps, one per split.

    Trees of a single leaf are left out.
    """

    split_start: Array  # (trees + 1,) int64 into the splits of ``Trees``
    leaf_start: Array  # (trees + 1,) int64 into the leaves
    value: Array  # (leaves,) float64
    part_start: Array  # (leaves + 1,) int64 into the parts
    part_feature: Array  # (parts,) int64
    part_share: Array  # (parts,) float64 product over the path's splits by the feature: the share of rows on the path
    step_start: Array  # (leaves + 1,) int64 into the steps
    step_split: Array  # (steps,) int64 split within its tree
    step_left: Array  # (steps,) bool
    step_part: Array  # (steps,) int64 part within its leaf


TYPES = {
    **dict.fromkeys(("threshold", "left_share", "right_share", "value", "mean", "part_share"), np.float64),
    **dict.fromkeys(("default_left", "step_left"), bool),
}


def read(model: lgb.Booster, begin: int = 0, rounds: int | None = None) -> Trees:
    """Read ``rounds`` trees of ``model`` from tree ``begin`` on; by default all that ``model.predict`` uses."""
    lists: dict[str, list[Any]] = {name: [] for name in Trees.__dataclass_fields__}
    lists["split_start"].append(0)
    lists["leaf_start"].append(0)
    for tree in model.dump_model(num_iteration=rounds, start_iteration=begin)["tree_info"]:
        root = tree["tree_structure"]
        lists["mean"].append(_append_node(root, lists, root.get("internal_count")))
        lists["split_start"].append(len(lists["feature"]))
        lists["leaf_start"].append(len(lists["value"]))
    return Trees(**_to_arrays(lists))


def find_paths(trees: Trees) -> Paths:
    """Find the path to each leaf of ``trees``; ValueError where a split is categorical."""
    if not trees.numerical:
        raise ValueError("the model has categorical splits; expected numerical splits only")
    lists: dict[str, list[Any]] = {name: [] for name in Paths.__dataclass_fields__}
    lists["part_start"].append(0)
    lists["step_start"].append(0)
    feature, first, middle, last, left_share, right_share = (
        column.tolist()
        for column in (trees.feature, trees.first, trees.middle, trees.last, trees.left_share, trees.right_share)
    )
    splits, leaves = np.diff(trees.split_start), np.diff(trees.leaf_start)
    for begin, size, width in zip(trees.split_start[:-1].tolist(), splits.tolist(), leaves.tolist(), strict=True):
        if not size:
            continue
        steps: list[list[tuple[int, int, bool, float]]] = [[] for _ in range(width)]  # split, feature, left, share
        for n in range(begin, begin + size):
            for leaf in range(first[n], last[n]):
                left = leaf < middle[n]
                steps[leaf].append((n - begin, feature[n], left, left_share[n] if left else right_share[n]))
        for path in steps:
            features = list(dict.fromkeys(on for _, on, _, _ in path))
            lists["part_feature"] += features
            lists["part_share"] += [math.prod([share for _, on, _, share in path if on == part]) for part in features]
            lists["part_start"].append(len(lists["part_feature"]))
            lists["step_split"] += [split for split, _, _, _ in path]
            lists["step_left"] += [left for _, _, left, _ in path]
            lists["step_part"] += [features.index(on) for _, on, _, _ in path]
            lists["step_start"].append(len(lists["step_split"]))
    wide = splits > 0
    return Paths(
        **{
            **_to_arrays(lists),
            "split_start": offsets(splits[wide]),
            "leaf_start": offsets(leaves[wide]),
            "value": trees.value[np.repeat(wide, leaves)],
        }
    )


def _append_node(node: dict[str, Any], lists: dict[str, list[Any]], rows: int | None) -> float:
    """Append ``node`` and all nodes below it; return the sum of its leaves' values, weighted by their share of rows.

    ``rows``: training rows of the tree, None for a tree of a single leaf.
    """
    leaf = len(lists["value"]) - lists["leaf_start"][-1]
    if "split_index" not in node:
        lists["value"].append(node["leaf_value"])
        weighted: float = node["leaf_value"] if rows is None else node["leaf_value"] * node["leaf_count"] / rows
        return weighted
    numerical = node["decision_type"] == LESS
    lists["feature"].append(node["split_feature"])
    lists["threshold"].append(node["threshold"] if numerical else math.nan)
    lists["missing"].append(MISSING[node["missing_type"]])
    lists["default_left"].append(node["default_left"])
    lists["first"].append(leaf)
    place = len(lists["middle"])
    for name in ("middle", "last"):
        lists[name].append(leaf)
    for side in ("left", "right"):
        child = node[f"{side}_child"]
        lists[f"{side}_share"].append(child.get("internal_count", child.get("leaf_count")) / node["internal_count"])
    total = 0.0
    for side, end in (("left", "middle"), ("right", "last")):
        total += _append_node(node[f"{side}_child"], lists, rows)
        lists[end][place] = len(lists["value"]) - lists["leaf_start"][-1]
    return total


def _to_arrays(lists: dict[str, list[Any]]) -> dict[str, Array]:
    return {name: np.array(values, TYPES.get(name, np.int64)) for name, values in lists.items()}
