"""Groups of vectors: k-means, how many groups by silhouette, purity against groups that are known."""

import numpy as np
from scipy.cluster.vq import kmeans2, vq
from scipy.spatial.distance import cdist

from retail.log import Array

MOST = 8  # groups that are tried
SAMPLE = 1000  # vectors that a silhouette is measured on, at most
LEARNED = 50_000  # vectors that the centres are learned from, at most
BLOCK = 50_000  # vectors that are given their group at once


def of_vectors(vectors: Array, groups: int | None, seed: int) -> Array:
    """(n,) int64 group of each of ``vectors`` (n, F), 0 the largest one; None: as many as the best silhouette has.

    Vectors are compared by their direction: each is brought to length 1. LEARNED of them, at most, tell the centres.
    """
    if not len(vectors):
        return np.zeros(0, np.int64)
    some = _directions(vectors[_some(len(vectors), LEARNED, seed)])
    distinct = len(np.unique(some, axis=0))
    counts = range(2, min(MOST, distinct - 1) + 1) if groups is None else [min(groups, distinct)]
    if not counts:
        return np.zeros(len(vectors), np.int64)
    tried = [kmeans2(some, k, minit="++", rng=np.random.default_rng(seed))[0] for k in counts]
    centres = max(tried, key=lambda one: silhouette(some, vq(some, one)[0], seed)) if len(tried) > 1 else tried[0]
    blocks = [vectors[begin : begin + BLOCK] for begin in range(0, len(vectors), BLOCK)]
    return _by_number(np.concatenate([vq(_directions(block), centres)[0] for block in blocks]))


def _some(count: int, most: int, seed: int) -> Array:
    """At most so many of the places 0..count - 1, ascending."""
    return np.sort(np.random.default_rng(seed).choice(count, min(count, most), replace=False))


def _directions(vectors: Array) -> Array:
    """(n, F) float64, each of length 1; a vector of zeros stays one."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    ready: Array = (vectors / np.where(length > 0, length, 1)).astype(np.float64)
    return ready


def silhouette(vectors: Array, group: Array, seed: int) -> float:
    """Mean over (a sample of) vectors of (b - a) / max(a, b): a the mean distance to its own group, b to the nearest
    other one (Rousseeuw 1987); 0 for a vector alone in its group."""
    some = _some(len(vectors), SAMPLE, seed)
    vectors, (names, group) = vectors[some], np.unique(group[some], return_inverse=True)
    if len(names) < 2:
        return 0.0
    member = np.eye(len(names))[group]  # (n, K)
    count = member.sum(axis=0)
    total = cdist(vectors, vectors) @ member  # (n, n) @ (n, K) -> (n, K)
    row = np.arange(len(group))
    others = np.maximum(count[group] - 1, 1)
    own = total[row, group] / others
    mean = np.where(member > 0, np.inf, total / count).min(axis=1)
    value = np.where(count[group] > 1, (mean - own) / np.maximum(np.maximum(mean, own), 1e-12), 0.0)
    return float(value.mean())


def purity(group: Array, planted: Array) -> float:
    """Share of members that are of their group's most frequent planted one.

    >>> purity(np.array([0, 0, 0, 1, 1]), np.array([5, 5, 7, 7, 7]))  # (2 + 2) / 5
    0.8
    """
    table = np.zeros((int(group.max()) + 1, int(planted.max()) + 1), np.int64)
    np.add.at(table, (group, planted), 1)
    return float(table.max(axis=1).sum() / len(group))


def _by_number(found: Array) -> Array:
    """The same groups, numbered by how many are in them, ties by their first member."""
    names, first, of, count = np.unique(found, return_index=True, return_inverse=True, return_counts=True)
    number = np.empty(len(names), np.int64)
    number[np.lexsort((first, -count))] = np.arange(len(names))
    return number[of]
