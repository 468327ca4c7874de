"""Vectors of articles from the baskets alone: the warm start.

The paper takes its vectors from an earlier network that is not public. These are skip-gram's in closed form: with one
negative sample it factorises log(#(a, b) N / (#a #b)) (Levy and Goldberg, NeurIPS 2014); the positive part is taken.
"""

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import svds

from retail.log import Array
from stage1_candidates.networks.lens.funnels import Funnels


def pairs(of: Funnels) -> sparse.csr_matrix:
    """(V, V) positive log(#(a, b) N / (#a #b)) of articles in one basket, 0 where a pair never was."""
    ones = np.ones(len(of.token), np.float64)
    baskets = sparse.csr_matrix((ones, of.token - 1, of.ptr), (len(of.day), of.articles))
    counts = (baskets.T @ baskets).tocoo()
    apart = counts.row != counts.col
    row, col, together = counts.row[apart], counts.col[apart], counts.data[apart]
    of_one = np.bincount(row, weights=together, minlength=of.articles)
    value = np.log(together * together.sum() / (of_one[row] * of_one[col]))
    return sparse.csr_matrix((np.maximum(value, 0), (row, col)), (of.articles, of.articles))


def vectors(of: Funnels, width: int) -> Array:
    """(V, width) float32 of length 1, 0 where an article was always alone: left singular vectors x sqrt(values)."""
    made = np.zeros((of.articles, width), np.float32)
    matrix = pairs(of)
    rank = min(width, of.articles - 1)
    if matrix.nnz == 0 or rank < 1:
        return made
    left, values, _ = svds(matrix, k=rank, v0=np.ones(of.articles))
    order = np.argsort(-values, kind="stable")
    found = left[:, order] * np.sqrt(np.maximum(values[order], 0))
    sign = np.sign(found[np.abs(found).argmax(axis=0), np.arange(rank)])  # a singular vector's sign is free
    length = np.linalg.norm(found, axis=1, keepdims=True)
    made[:, :rank] = found * sign / np.where(length > 1e-9, length, np.inf)
    return made
