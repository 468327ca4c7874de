"""Groups of vectors: k-means, how many groups by silhouette, purity against groups that are known."""

import numpy as np
from scipy.cluster.vq import kmeans2
from scipy.spatial.distance import cdist

from retail.log import Array

MOST = 8  # groups that are tried
SAMPLE = 1000  # vectors that a silhouette is measured on, at most


def of_vectors(vectors: Array, groups: int | None, seed: int) -> Array:
    """(n,) int64 group of each of ``vectors`` (n, F), 0 the largest one; None: as many as the best silhouette has.

    Vectors are compared by their direction: each is brought to length 1.
    """
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    ready = (vectors / np.where(length > 0, length, 1)).astype(np.float64)
    distinct = len(np.unique(ready, axis=0))
    if groups is not None:
        return _kmeans(ready, min(groups, distinct), seed)
    tried = [_kmeans(ready, k, seed) for k in range(2, min(MOST, distinct - 1) + 1)]
    if not tried:
        return np.zeros(len(vectors), np.int64)
    return tried[int(np.argmax([silhouette(ready, group, seed) for group in tried]))]


def silhouette(vectors: Array, group: Array, seed: int) -> float:
    """Mean over (a sample of) vectors of (b - a) / max(a, b): a the mean distance to its own group, b to the nearest
    other one (Rousseeuw 1987); 0 for a vector alone in its group."""
    if len(vectors) > SAMPLE:
        some = np.sort(np.random.default_rng(seed).choice(len(vectors), SAMPLE, replace=False))
        vectors, group = vectors[some], group[some]
    names, group = np.unique(group, return_inverse=True)
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


def _kmeans(vectors: Array, groups: int, seed: int) -> Array:
    """Groups of k-means, numbered by size, ties by their first member."""
    _, found = kmeans2(vectors, groups, minit="++", rng=np.random.default_rng(seed))
    names, first, of, count = np.unique(found, return_index=True, return_inverse=True, return_counts=True)
    number = np.empty(len(names), np.int64)
    number[np.lexsort((first, -count))] = np.arange(len(names))
    return number[of]
