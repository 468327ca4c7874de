"""TreeSHAP of a LightGBM model: equal to its own ``pred_contrib`` and many times as fast.

A leaf gives to the features of its path what only depends on which of its conditions a row meets. A path of d features
knows 2^d such patterns: what each gives is worked out once and read off for every row (Yang, 2021, Fast TreeSHAP v2).
Longer paths are worked out row by row.
"""

from dataclasses import dataclass
from functools import reduce
from operator import add

import lightgbm as lgb
import numba
import numpy as np

from retail.log import Array
from stage2_ranker.fast_trees import trees
from stage2_ranker.fast_trees.trees import Paths, Trees

BLOCK = 512  # rows that pass a tree before the next one
LONGEST = 10  # features on a path that may have a table of its patterns
MOST = 2**24  # numbers in all tables of a model
WORTH = 1000  # numbers that a row to be explained is worth working out beforehand
ZERO = 1e-35  # what LightGBM takes for 0


@dataclass(frozen=True)
class Shap:
    """A model ready to be asked; a row's contributions and ``expected`` add up to the model's raw score."""

    trees: Trees
    paths: Paths
    table_start: Array  # (leaves,) int64 into table, -1 for none
    table: Array  # float64, of each leaf 2^d x d: what a pattern of conditions met gives to each part
    expected: float

    @staticmethod
    def of(model: lgb.Booster, rows: int) -> "Shap":
        """Ready for about ``rows`` rows: the more, the more tables, the shorter paths first. They change no figure."""
        read = trees.read(model)
        of = trees.paths(read)
        sizes = np.diff(of.part_start)
        most = min(MOST, WORTH * rows)
        room = np.where(sizes <= LONGEST, sizes << np.minimum(sizes, LONGEST), most + 1)
        order = np.argsort(sizes, kind="stable")
        end = np.cumsum(room[order])
        start = np.full(len(sizes), -1, np.int64)
        start[order] = np.where(end <= most, end - room[order], -1)
        table = np.zeros(int(np.max(end, initial=0, where=end <= most)))
        _fill(of.value, of.part_start, of.part_share, start, table)
        expected = reduce(add, read.mean.tolist(), 0.0)  # not sum(): from Python 3.12 on it rounds otherwise
        return Shap(read, of, start, table, expected)

    def add_to(self, out: Array, features: Array, scale: float) -> None:
        """Add ``scale`` x the contributions of ``features`` (n, f) float32 to ``out`` (n, f) float32."""
        of, to = self.trees, self.paths
        if len(to.value):
            _add(
                to.split_start, of.feature, of.threshold, of.missing, of.default_left, to.leaf_start, to.value,
                to.part_start, to.step_start, self.table_start, to.part_feature, to.part_share, to.step_split,
                to.step_left, to.step_part, self.table, np.ascontiguousarray(features, np.float32), scale, out,
            )  # fmt: skip


@numba.njit(cache=True)
def _give(share: Array, met: int, poly: Array, rest: Array, out: Array) -> None:
    """What a leaf of value 1 gives to each of its d parts, of which the bits of ``met`` are met: ``out`` (d,).

    Part k gets (met_k - share_k) times the sum over sets S of other parts, all of them met, of |S|! (d - |S| - 1)! / d!
    times the shares of the parts outside S. Sets of one size add up to a coefficient of the product of (x + share)
    over the parts met; without part k it is that product divided by (x + share_k).
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
            rest[: size + 1] = poly[: size + 1]
            top, factor = size, -1.0  # the part's own share is within ``unmet``
        total, weight = 0.0, 1.0 / d
        for r in range(top + 1):
            total += weight * rest[r]
            weight *= (r + 1) / (d - r - 1) if r < d - 1 else 0.0
        out[k] = factor * unmet * total


@numba.njit(cache=True)
def _fill(value: Array, part_start: Array, part_share: Array, table_start: Array, table: Array) -> None:
    """Of each leaf that has a table, 2^d x d: what every pattern gives to every part."""
    poly, rest = np.empty(LONGEST + 2), np.empty(LONGEST + 2)
    for leaf in range(len(value)):
        if table_start[leaf] < 0:
            continue
        share = part_share[part_start[leaf] : part_start[leaf + 1]]
        for met in range(1 << len(share)):
            begin = table_start[leaf] + met * len(share)
            _give(share, met, poly, rest, table[begin : begin + len(share)])
            table[begin : begin + len(share)] *= value[leaf]


@numba.njit(parallel=True, cache=True)
def _add(split_start: Array, feature: Array, threshold: Array, missing: Array, default_left: Array, leaf_start: Array,
         value: Array, part_start: Array, step_start: Array, table_start: Array, part_feature: Array, part_share: Array,
         step_split: Array, step_left: Array, step_part: Array, table: Array, features: Array, scale: float,
         out: Array) -> None:  # fmt: skip
    longest = np.max(part_start[1:] - part_start[:-1])
    nodes = np.max(split_start[1:] - split_start[:-1])
    blocks = (len(features) + BLOCK - 1) // BLOCK
    for block in numba.prange(blocks):
        columns = features[block * BLOCK : (block + 1) * BLOCK].T.copy()  # (f, b): a loop over rows is one over a line
        rows = columns.shape[1]
        total = np.zeros(columns.shape)
        left = np.empty((nodes, rows), np.bool_)
        met = np.empty(rows, np.int64)
        poly, rest, given = np.empty(longest + 2), np.empty(longest + 2), np.empty(longest)
        for tree in range(len(split_start) - 1):
            for n in range(split_start[tree], split_start[tree + 1]):
                _decide(columns[feature[n]], threshold[n], missing[n], default_left[n], left[n - split_start[tree]])
            for leaf in range(leaf_start[tree], leaf_start[tree + 1]):
                begin, d = part_start[leaf], part_start[leaf + 1] - part_start[leaf]
                met[:] = (1 << d) - 1
                for s in range(step_start[leaf], step_start[leaf + 1]):
                    went, way, bit = left[step_split[s]], step_left[s], step_part[s]
                    for row in range(rows):
                        met[row] &= ~((went[row] != way) << bit)
                if table_start[leaf] >= 0:
                    of_leaf = table[table_start[leaf] : table_start[leaf] + (d << d)]
                    for k in range(d):
                        sums = total[part_feature[begin + k]]
                        for row in range(rows):
                            sums[row] += of_leaf[met[row] * d + k]
                else:
                    for row in range(rows):
                        _give(part_share[begin : begin + d], met[row], poly, rest, given)
                        for k in range(d):
                            total[part_feature[begin + k], row] += value[leaf] * given[k]
        for row in range(rows):
            for k in range(len(columns)):
                out[block * BLOCK + row, k] += scale * total[k, row]


@numba.njit(cache=True)
def _decide(x: Array, threshold: float, missing: int, default_left: bool, left: Array) -> None:
    """``left`` (rows,): whether a row of value ``x`` goes left, by LightGBM's rules for what is missing."""
    for row in range(len(x)):
        unknown = np.isnan(x[row])
        if missing == 2:
            left[row] = default_left if unknown else x[row] <= threshold
        else:
            known = np.float32(0) if unknown else x[row]
            left[row] = default_left if missing == 1 and abs(known) <= ZERO else known <= threshold
