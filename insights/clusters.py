"""Cluster vectors by k-means, choose the number of clusters by silhouette, measure purity against known groups."""

import numpy as np
from scipy.cluster.vq import kmeans2, vq
from scipy.spatial.distance import cdist

from retail.log import Array

MAX_CLUSTERS = 8  # largest number of clusters that is tried
SILHOUETTE_SAMPLE = 1000  # vectors, at most, on which a silhouette is measured
FIT_SAMPLE = 50_000  # vectors, at most, to which the centres are fitted
BLOCK = 50_000  # vectors that are assigned to a cluster at once


def cluster_vectors(vectors: Array, clusters: int | None, seed: int) -> Array:
    """Assign ``vectors`` (n, F) to clusters: (n,) int64, 0 the largest cluster.

    ``clusters``: their number; None chooses the number with the best silhouette. Vectors are scaled to length 1, so
    only their directions are compared. The centres are fitted on a sample of at most FIT_SAMPLE vectors.
    """
    if not len(vectors):
        return np.zeros(0, np.int64)
    sample = _scale_to_unit(vectors[_sample_positions(len(vectors), FIT_SAMPLE, seed)])
    distinct = len(np.unique(sample, axis=0))
    sizes = range(2, min(MAX_CLUSTERS, distinct - 1) + 1) if clusters is None else [min(clusters, distinct)]
    if not sizes:
        return np.zeros(len(vectors), np.int64)
    fits = [kmeans2(sample, k, minit="++", rng=np.random.default_rng(seed))[0] for k in sizes]
    centres = (
        max(fits, key=lambda fit: compute_silhouette(sample, vq(sample, fit)[0], seed)) if len(fits) > 1 else fits[0]
    )
    blocks = [vectors[begin : begin + BLOCK] for begin in range(0, len(vectors), BLOCK)]
    return _number_by_size(np.concatenate([vq(_scale_to_unit(block), centres)[0] for block in blocks]))


def _sample_positions(count: int, most: int, seed: int) -> Array:
    """Draw at most ``most`` of the positions 0..count - 1, ascending."""
    return np.sort(np.random.default_rng(seed).choice(count, min(count, most), replace=False))


def _scale_to_unit(vectors: Array) -> Array:
    """Scale each vector to length 1, (n, F) float64; a zero vector stays zero."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Array = (vectors / np.where(length > 0, length, 1)).astype(np.float64)
    return unit


def compute_silhouette(vectors: Array, cluster: Array, seed: int) -> float:
    """Compute the mean silhouette of a sample of vectors (Rousseeuw 1987).

    A vector's silhouette is (b - a) / max(a, b): a is the mean distance to its own cluster, b to the nearest other one.
    It is 0 for a vector that is alone in its cluster.
    """
    sample = _sample_positions(len(vectors), SILHOUETTE_SAMPLE, seed)
    vectors, (names, cluster) = vectors[sample], np.unique(cluster[sample], return_inverse=True)
    if len(names) < 2:
        return 0.0
    member = np.eye(len(names))[cluster]  # (n, K)
    count = member.sum(axis=0)
    total = cdist(vectors, vectors) @ member  # (n, n) @ (n, K) -> (n, K)
    row = np.arange(len(cluster))
    others = np.maximum(count[cluster] - 1, 1)
    own = total[row, cluster] / others
    nearest = np.where(member > 0, np.inf, total / count).min(axis=1)
    value = np.where(count[cluster] > 1, (nearest - own) / np.maximum(np.maximum(nearest, own), 1e-12), 0.0)
    return float(value.mean())


def compute_purity(cluster: Array, group: Array) -> float:
    """Compute the share of members whose known ``group`` is the most frequent one of their cluster.

    >>> compute_purity(np.array([0, 0, 0, 1, 1]), np.array([5, 5, 7, 7, 7]))  # (2 + 2) / 5
    0.8
    """
    table = np.zeros((int(cluster.max()) + 1, int(group.max()) + 1), np.int64)
    np.add.at(table, (cluster, group), 1)
    return float(table.max(axis=1).sum() / len(cluster))


def _number_by_size(cluster: Array) -> Array:
    """Renumber the clusters by descending size, ties by their first member."""
    names, first, code, count = np.unique(cluster, return_index=True, return_inverse=True, return_counts=True)
    number = np.empty(len(names), np.int64)
    number[np.lexsort((first, -count))] = np.arange(len(names))
    return number[code]
