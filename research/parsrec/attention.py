"""Compare attention, by category and customer group, with the planted Sigmas (Gholami et al., KDD 2022, 5.5.1)."""

from typing import Any

import numpy as np
from scipy.stats import rankdata

from insights import attention
from insights.attention import Heat
from research.parsrec.parsrec_sales import Sales
from research.parsrec.protocol import Task
from retail.log import Array
from stage1_candidates.networks.parsrec.network import Parsrec

DRAWS = 9999  # random permutations of the categories


def measure_heat(network: Parsrec, task: Task, sales: Sales) -> Heat:
    """Measure attention in the training sessions, by category and planted group."""
    category = np.arange(sales.items) // sales.settings.articles
    return attention.measure_attention(network, task.train, category, sales.categories, sales.group)


def measure_agreement(matrix: Array, sigma: Array, seed: int) -> dict[str, float]:
    """Compute Spearman's rank correlation of two symmetric (C, C) matrices above the diagonal, and its p-value.

    The p-value comes from permuting the categories, rows and columns together (Mantel 1967): pairs that share a
    category are not independent.
    """
    above = np.triu_indices(len(sigma), 1)
    first, second = (_centre_ranks(values[above]) for values in (matrix, sigma))
    square = np.zeros(sigma.shape)
    square[above] = first
    square += square.T
    rho = float(first @ second)
    rng = np.random.default_rng(seed)
    order = rng.permuted(np.tile(np.arange(len(sigma)), (DRAWS, 1)), axis=1)  # (draws, C)
    by_chance = square[order[:, above[0]], order[:, above[1]]] @ second  # (draws, pairs) @ (pairs,) -> (draws,)
    return {"rho": rho, "p": (1 + int((by_chance >= rho - 1e-12).sum())) / (1 + DRAWS)}


def _centre_ranks(values: Array) -> Array:
    """Centre and scale ranks to mean 0 and length 1; the product of two such vectors is their correlation."""
    ranks = rankdata(values) - (len(values) + 1) / 2
    centred: Array = ranks / np.linalg.norm(ranks)
    return centred


def symmetrise(matrix: Array) -> Array:
    """Average the attention from one category to another with that in the other direction."""
    both: Array = (matrix + np.swapaxes(matrix, -1, -2)) / 2
    return both


def compare_with_sigmas(heat: Heat, sales: Sales, seed: int) -> dict[str, Any]:
    """Compare attention, equal attention and their ratio with the planted Sigmas.

    The result has the agreement per group, and the signs of group A minus group B for the pairs whose Sigmas differ.
    """
    lift = heat.attention / np.where(heat.uniform > 0, heat.uniform, 1)
    out: dict[str, Any] = {}
    for name, matrices in (("attention", heat.attention), ("company", heat.uniform), ("lift", lift)):
        both = symmetrise(matrices)
        gap, planted = both[0] - both[1], sales.sigmas[0] - sales.sigmas[1]
        pairs = np.argwhere(np.triu(planted, 1))
        out[name] = {
            "groups": [
                measure_agreement(matrix, sigma, seed) for matrix, sigma in zip(both, sales.sigmas, strict=True)
            ],
            "pairs": [
                {"pair": [int(a), int(b)], "planted": float(planted[a, b]), "found": float(gap[a, b])} for a, b in pairs
            ],
            "signs": int((np.sign(gap[tuple(pairs.T)]) == np.sign(planted[tuple(pairs.T)])).sum()),
        }
    return out
