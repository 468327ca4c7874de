"""Compute TreeSHAP values of a LightGBM model, equal to its own ``pred_contrib`` and many times faster.

A leaf's contributions to the features of its path depend only on which of the path's conditions a row meets. A path of
d features has 2^d such patterns. Their contributions are computed once and looked up for every row (Yang, 2021, Fast
TreeSHAP v2). Contributions of longer paths are computed row by row.
"""

from dataclasses import dataclass
from functools import reduce
from operator import add

import lightgbm as lgb
import numpy as np

from retail import chunks
from retail.chunks import freeze, kernel
from retail.log import Array
from stage2_ranker.fast_trees import trees
from stage2_ranker.fast_trees.trees import Paths, Trees

BLOCK = 512  # rows explained by a tree before the next tree
LONGEST = 10  # features on a path that may have a table of its patterns
MOST = 2**24  # numbers in all tables of a model
WORTH = 1000  # numbers per row to be explained that pay off in a table
ZERO = 1e-35  # values up to it are 0 to LightGBM


@dataclass(frozen=True)
class Shap:
    """A model prepared for TreeSHAP; a row's contributions and ``expected`` add up to the model's raw score."""

    trees: Trees
    paths: Paths
    table_start: Array  # (leaves,) int64 into table, -1 for none
    table: Array  # float64, of each leaf 2^d x d: the contribution of each pattern to each part
    expected: float

    @staticmethod
    def from_model(model: lgb.Booster, rows: int) -> "Shap":
        """Prepare a model for about ``rows`` rows: more rows get more tables, those of short paths first.

        The tables affect only the speed.
        """
        model_trees = trees.read(model)
        paths = trees.find_paths(model_trees)
        sizes = np.diff(paths.part_start)
        most = min(MOST, WORTH * rows)
        room = np.where(sizes <= LONGEST, sizes << np.minimum(sizes, LONGEST), most + 1)
        order = np.argsort(sizes, kind="stable")
        end = np.cumsum(room[order])
        start = np.full(len(sizes), -1, np.int64)
        start[order] = np.where(end <= most, end - room[order], -1)
        table = np.zeros(int(np.max(end, initial=0, where=end <= most)))
        _fill_tables(
            freeze(paths.value), freeze(paths.part_start), freeze(paths.part_share), freeze(start), table,
            np.empty(LONGEST + 2), np.empty(LONGEST + 2),
        )  # fmt: skip
        expected = reduce(add, model_trees.mean.tolist(), 0.0)  # not sum(): since Python 3.12 it rounds differently
        return Shap(model_trees, paths, start, table, expected)

    def add_to(self, out: Array, features: Array, scale: float) -> None:
        """Add ``scale`` x the contributions of ``features`` (n, f) float32 to ``out`` (n, f) float32."""
        splits, paths = self.trees, self.paths
        if len(paths.value):
            longest, nodes = int(np.diff(paths.part_start).max()), int(np.diff(paths.split_start).max())
            rows = np.ascontiguousarray(features, np.float32)
            chunks.run(
                _add_contributions, -(-len(rows) // BLOCK),
                (paths.split_start, splits.feature, splits.threshold, splits.missing, splits.default_left,
                 paths.leaf_start, paths.value, paths.part_start, paths.step_start, self.table_start,
                 paths.part_feature, paths.part_share, paths.step_split, paths.step_left, paths.step_part, self.table,
                 rows, scale),
                (out,),
                lambda: (
                    np.empty((rows.shape[1], BLOCK), np.float32), np.empty((rows.shape[1], BLOCK)),
                    np.empty((nodes, BLOCK), bool), np.empty(BLOCK, np.int64), np.empty(longest + 2),
                    np.empty(longest + 2), np.empty(longest),
                ),
                least=1,
            )  # fmt: skip


@kernel
def _contribute(share: Array, met: int, poly: Array, rest: Array, out: Array) -> None:
    """Compute the contributions ``out`` (d,) of a leaf of value 1 to its d parts; the bits of ``met`` are those met.

    Part k gets (met_k - share_k) times a sum over sets S of other parts that are all met. The term of S is
    |S|! (d - |S| - 1)! / d! times the shares of the parts outside S. Sets of the same size add up to a coefficient of
    the product of (x + share) over the parts met. Without part k it is that product divided by (x + share_k).
    """
    d, size, unmet = len(share), 0, 1.0
    poly[0] = 1.0
    for j in range(d):
        if met >> j & 1:
            poly[size + 1] = poly[size]
            for r in range(size, 0, -1):
                poly[r] = poly[r] * share[j] + poly[r - 1]
            poly[0] *= share[j]
            size += 1
        else:
            unmet *= share[j]
    for k in range(d):
        if met >> k & 1:
            rest[size - 1] = poly[size]
            for r in range(size - 1, 0, -1):
                rest[r - 1] = poly[r] - share[k] * rest[r]
            top, factor = size - 1, 1.0 - share[k]
        else:
            for r in range(size + 1):
                rest[r] = poly[r]
            top, factor = size, -1.0  # the part's own share is within ``unmet``
        total, weight = 0.0, 1.0 / d
        for r in range(top + 1):
            total += weight * rest[r]
            weight *= (r + 1) / (d - r - 1) if r < d - 1 else 0.0
        out[k] = factor * unmet * total


@kernel
def _fill_tables(value: Array, part_start: Array, part_share: Array, table_start: Array, table: Array, poly: Array,
                 rest: Array) -> None:  # fmt: skip
    """Fill the table 2^d x d of each leaf that has one: the contribution of every pattern to every part."""
    for leaf in range(len(value)):
        if table_start[leaf] < 0:
            continue
        share = part_share[part_start[leaf] : part_start[leaf + 1]]
        for met in range(1 << len(share)):
            begin = table_start[leaf] + met * len(share)
            _contribute(share, met, poly, rest, table[begin : begin + len(share)])
            for k in range(len(share)):
                table[begin + k] *= value[leaf]


@kernel
def _add_contributions(
    low: int, high: int, split_start: Array, feature: Array, threshold: Array, missing: Array, default_left: Array,
    leaf_start: Array, value: Array, part_start: Array, step_start: Array, table_start: Array, part_feature: Array,
    part_share: Array, step_split: Array, step_left: Array, step_part: Array, table: Array, features: Array,
    scale: float, out: Array, columns: Array, total: Array, left: Array, met: Array, poly: Array, rest: Array,
    given: Array,
) -> None:  # fmt: skip
    for block in range(low, high):
        begin_row = block * BLOCK
        rows = min(len(features) - begin_row, BLOCK)
        for row in range(rows):
            for f in range(features.shape[1]):
                columns[f, row] = features[begin_row + row, f]
                total[f, row] = 0.0
        for tree in range(len(split_start) - 1):
            for n in range(split_start[tree], split_start[tree + 1]):
                _decide(
                    columns[feature[n]], rows, threshold[n], missing[n], default_left[n], left[n - split_start[tree]]
                )
            for leaf in range(leaf_start[tree], leaf_start[tree + 1]):
                begin, d = part_start[leaf], part_start[leaf + 1] - part_start[leaf]
                for row in range(rows):
                    met[row] = (1 << d) - 1
                for s in range(step_start[leaf], step_start[leaf + 1]):
                    went, way, bit = left[step_split[s]], step_left[s], step_part[s]
                    for row in range(rows):
                        met[row] &= ~((went[row] != way) << bit)
                if table_start[leaf] >= 0:
                    patterns = table[table_start[leaf] : table_start[leaf] + (d << d)]
                    for k in range(d):
                        sums = total[part_feature[begin + k]]
                        for row in range(rows):
                            sums[row] += patterns[met[row] * d + k]
                else:
                    for row in range(rows):
                        _contribute(part_share[begin : begin + d], met[row], poly, rest, given)
                        for k in range(d):
                            total[part_feature[begin + k], row] += value[leaf] * given[k]
        for row in range(rows):
            for k in range(len(columns)):
                out[begin_row + row, k] += scale * total[k, row]


@kernel
def _decide(x: Array, rows: int, threshold: float, missing: int, default_left: bool, left: Array) -> None:
    """Set ``left`` (rows,): whether a row of value ``x`` goes left, by LightGBM's rules for missing values."""
    for row in range(rows):
        unknown = np.isnan(x[row])
        if missing == 2:
            left[row] = default_left if unknown else x[row] <= threshold
        else:
            known = np.float32(0) if unknown else x[row]
            left[row] = default_left if missing == 1 and abs(known) <= ZERO else known <= threshold
