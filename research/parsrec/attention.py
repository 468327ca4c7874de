"""What the network attends to, by category and group of customers, beside the Sigma that was planted (5.5.1)."""

from typing import Any

import numpy as np
from scipy.stats import rankdata

from insights import attention
from insights.attention import Heat
from research.parsrec.parsrec_sales import Sales
from research.parsrec.protocol import Task
from retail.log import Array
from stage1_candidates.networks.parsrec.network import Parsrec

DRAWS = 9999  # permutations of the categories


def heat(network: Parsrec, task: Task, sales: Sales) -> Heat:
    """Attention in the training sessions by the planted groups."""
    category = np.arange(sales.items) // sales.settings.articles
    return attention.measure_attention(network, task.train, category, sales.categories, sales.group)


def agreement(found: Array, sigma: Array, seed: int) -> dict[str, float]:
    """Spearman's rank correlation of two symmetric (C, C) matrices above the diagonal, and chance's p.

    The permutation is one of the categories, rows and columns together (Mantel 1967): pairs that share a category are
    not independent.
    """
    above = np.triu_indices(len(sigma), 1)
    first, second = (_centred(matrix[above]) for matrix in (found, sigma))
    square = np.zeros(sigma.shape)
    square[above] = first
    square += square.T
    rho = float(first @ second)
    rng = np.random.default_rng(seed)
    order = rng.permuted(np.tile(np.arange(len(sigma)), (DRAWS, 1)), axis=1)  # (draws, C)
    by_chance = square[order[:, above[0]], order[:, above[1]]] @ second  # (draws, pairs) @ (pairs,) -> (draws,)
    return {"rho": rho, "p": (1 + int((by_chance >= rho - 1e-12).sum())) / (1 + DRAWS)}


def _centred(values: Array) -> Array:
    """Ranks with mean 0 and length 1: the product of two such vectors is their correlation."""
    ranks = rankdata(values) - (len(values) + 1) / 2
    centred: Array = ranks / np.linalg.norm(ranks)
    return centred


def symmetric(matrix: Array) -> Array:
    """Attention from one category to the other and back, their mean."""
    both: Array = (matrix + np.swapaxes(matrix, -1, -2)) / 2
    return both


def compared(found: Heat, sales: Sales, seed: int) -> dict[str, Any]:
    """Agreement of attention, company and attention / company with the Sigmas; signs where these differ."""
    lift = found.attention / np.where(found.company > 0, found.company, 1)
    out: dict[str, Any] = {}
    for name, matrices in (("attention", found.attention), ("company", found.company), ("lift", lift)):
        both = symmetric(matrices)
        gap, planted = both[0] - both[1], sales.sigmas[0] - sales.sigmas[1]
        pairs = np.argwhere(np.triu(planted, 1))
        out[name] = {
            "groups": [agreement(one, sigma, seed) for one, sigma in zip(both, sales.sigmas, strict=True)],
            "pairs": [
                {"pair": [int(a), int(b)], "planted": float(planted[a, b]), "found": float(gap[a, b])} for a, b in pairs
            ],
            "signs": int((np.sign(gap[tuple(pairs.T)]) == np.sign(planted[tuple(pairs.T)])).sum()),
        }
    return out
