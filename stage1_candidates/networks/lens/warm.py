"""Compute article vectors from the baskets alone, for a warm start.

The paper takes its vectors from an earlier network that is not public. These are skip-gram vectors in closed form: with
one negative sample, skip-gram factorises log(#(a, b) N / (#a #b)) (Levy and Goldberg, NeurIPS 2014). Only the positive
part of this matrix is used.
"""

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import svds

from retail.log import Array
from stage1_candidates.networks.lens.basket_sequences import BasketSequences


def associate_articles(sequences: BasketSequences) -> sparse.csr_matrix:
    """Compute the positive part of log(#(a, b) N / (#a #b)) (V, V) of articles in one basket; 0 for unseen pairs."""
    ones = np.ones(len(sequences.token), np.float64)
    baskets = sparse.csr_matrix((ones, sequences.token - 1, sequences.ptr), (len(sequences.day), sequences.articles))
    counts = (baskets.T @ baskets).tocoo()
    apart = counts.row != counts.col
    row, col, together = counts.row[apart], counts.col[apart], counts.data[apart]
    single = np.bincount(row, weights=together, minlength=sequences.articles)
    value = np.log(together * together.sum() / (single[row] * single[col]))
    return sparse.csr_matrix((np.maximum(value, 0), (row, col)), (sequences.articles, sequences.articles))


def compute_vectors(sequences: BasketSequences, width: int) -> Array:
    """Compute article vectors (V, width) float32: left singular vectors x sqrt(values), scaled to length 1.

    An article that was always bought alone has the vector 0.
    """
    vectors = np.zeros((sequences.articles, width), np.float32)
    matrix = associate_articles(sequences)
    rank = min(width, sequences.articles - 1)
    if matrix.nnz == 0 or rank < 1:
        return vectors
    left, values, _ = svds(matrix, k=rank, v0=np.ones(sequences.articles))
    order = np.argsort(-values, kind="stable")
    scaled = left[:, order] * np.sqrt(np.maximum(values[order], 0))
    sign = np.sign(scaled[np.abs(scaled).argmax(axis=0), np.arange(rank)])  # make the largest entry positive
    length = np.linalg.norm(scaled, axis=1, keepdims=True)
    vectors[:, :rank] = scaled * sign / np.where(length > 1e-9, length, np.inf)
    return vectors
