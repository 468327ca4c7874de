"""What PARSRec attends to, by category and group of customers (Gholami et al., KDD 2022, 5.5.1).

Attention shows who comes with whom and little beyond: where the truth is planted, equal attention to everything in the
session agrees with it as well (``make bench-parsrec``).
"""

from dataclasses import dataclass

import numpy as np
import torch

from retail.log import Array
from stage1_candidates.networks.base import weights as stored
from stage1_candidates.networks.parsrec import sessions
from stage1_candidates.networks.parsrec.network import Parsrec
from stage1_candidates.networks.parsrec.sessions import NONE, Batch, Sessions

AT_ONCE = 256


@dataclass(frozen=True)
class Heat:
    """Rows: category of the article named; columns: category of the article that was attended to.

    A row without any such pair is NaN.
    """

    attention: Array  # (G, C, C) of each group, rows sum to 1
    company: Array  # (G, C, C) the same with equal attention to all chosen articles: only who came with whom


def heat(network: Parsrec, of: Sessions, category: Array, categories: int, group: Array) -> Heat:
    """Attention (mean of the heads) in the sessions ``of``, the network being asked, not trained.

    ``category`` (V,) int64, -1 for an article that is passed over; ``group`` (users,) int64. Summed by category pair,
    rows normalised customer by customer, then the mean over a group's customers. Where each category has as many
    articles, the paper's mean over columns is this sum up to a factor, which the normalising takes away.
    """
    customers = np.unique(of.user)
    code, n = np.append(category, -1), categories  # the last stands for NONE
    totals = np.zeros((2, len(customers) * n * n))
    for batch in sessions.iterate_batches(of, AT_ONCE, np.random.default_rng(0)):
        customer = np.searchsorted(customers, batch.user.numpy())
        batch = Batch(*(part.to(stored.device()) for part in batch))
        item = batch.item.cpu().numpy()
        left = item != NONE
        with torch.no_grad():
            for number, step in enumerate(network.iterate_steps(batch)):
                place = step.place.cpu().numpy()
                if number:
                    target = code[item[np.arange(len(item)), place]]
                    chosen = (item != NONE) & ~left & (code[item] >= 0)
                    chosen &= (step.due.cpu().numpy() & (target >= 0))[:, None]
                    row = (customer * n + target)[:, None] * n + code[item]
                    weight = step.weight[:, 1:].cpu().numpy()
                    for total, worth in zip(totals, (weight, np.broadcast_to(1 / number, item.shape)), strict=True):
                        total += np.bincount(row[chosen], weights=worth[chosen], minlength=len(total))
                left[np.arange(len(item)), place] = False
    groups = int(group.max(initial=0)) + 1
    return Heat(*(_of_groups(total.reshape(-1, n, n), group[customers], groups) for total in totals))


def _of_groups(total: Array, group: Array, groups: int) -> Array:
    """(G, C, C) means over customers of their rows, each made to sum to 1; a customer without the row has no say."""
    whole = total.sum(2, keepdims=True)
    rows = total / np.where(whole > 0, whole, 1)
    out = np.full((groups, *total.shape[1:]), np.nan)
    for one in range(groups):
        said = (whole[group == one, :, 0] > 0).sum(0)
        some = said > 0
        out[one, some] = rows[group == one].sum(0)[some] / said[some, None]
    return out
