"""What the network attends to, by category and group of customers, beside the Sigma that was planted (5.5.1)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.stats import rankdata

from benchmarks.parsrec.protocol import Task
from retail.log import Array
from retail.parsrec_sales import Sales
from stage1_candidates.networks.parsrec import sessions
from stage1_candidates.networks.parsrec.network import Parsrec
from stage1_candidates.networks.parsrec.sessions import NONE

AT_ONCE = 256
DRAWS = 9999  # permutations of the categories


@dataclass(frozen=True)
class Heat:
    """Rows: category of the article named; columns: category of the article that was attended to."""

    attention: Array  # (G, C, C) of each group, rows sum to 1
    company: Array  # (G, C, C) the same with equal attention to all chosen articles: only who came with whom


def heat(network: Parsrec, task: Task, sales: Sales) -> Heat:
    """Attention (mean of the heads) in the training sessions, the network being asked, not trained.

    Summed by category pair, rows normalised customer by customer, then the mean over a group's customers. Each category
    has as many articles, so the paper's mean over columns is this sum up to a factor, which the normalising takes away.
    """
    category = np.append(np.arange(sales.items) // sales.settings.articles, 0)  # the last stands for NONE
    users, n = sales.settings.customers, sales.categories
    totals = np.zeros((2, users * n * n))
    for batch in sessions.batches(task.train, AT_ONCE, np.random.default_rng(0)):
        item, user = batch.item.numpy(), batch.user.numpy()
        left = item != NONE
        with torch.no_grad():
            for number, step in enumerate(network.steps(batch)):
                place = step.place.numpy()
                if number:
                    chosen = (item != NONE) & ~left & step.due.numpy()[:, None]
                    of_target = category[item[np.arange(len(item)), place]]
                    row = (user * n + of_target)[:, None] * n + category[item]
                    weight = step.weight[:, 1:].numpy()
                    for total, worth in zip(totals, (weight, np.broadcast_to(1 / number, item.shape)), strict=True):
                        total += np.bincount(row[chosen], weights=worth[chosen], minlength=len(total))
                left[np.arange(len(item)), place] = False
    return Heat(*(_of_groups(total.reshape(users, n, n), sales.group) for total in totals))


def _of_groups(total: Array, group: Array) -> Array:
    """(G, C, C) means over customers of their rows, each made to sum to 1; a customer without the row has no say."""
    with np.errstate(invalid="ignore"):
        rows = total / total.sum(2, keepdims=True)
    return np.stack([np.nanmean(rows[group == one], axis=0) for one in range(int(group.max()) + 1)])


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
