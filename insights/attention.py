"""Measure PARSRec's attention by category and customer group (Gholami et al., KDD 2022, 5.5.1).

Attention shows which categories are bought together and little more. Where the truth is planted, uniform attention to
the whole session agrees with it as well (``make bench-parsrec``).
"""

from dataclasses import dataclass

import numpy as np
import torch

from retail.log import Array
from stage1_candidates.networks.base import weights as stored
from stage1_candidates.networks.parsrec import sessions
from stage1_candidates.networks.parsrec.network import Parsrec
from stage1_candidates.networks.parsrec.sessions import NONE, Batch, Sessions

BATCH = 256  # sessions


@dataclass(frozen=True)
class Heat:
    """Heat maps of G customer groups. Row: category of the predicted article; column: of the article attended to.

    Each row sums to 1; a row without any such pair is NaN.
    """

    attention: Array  # (G, C, C) of each customer group
    uniform: Array  # (G, C, C) with uniform attention, which shows only the categories that are bought together


def measure_attention(network: Parsrec, visits: Sessions, category: Array, categories: int, group: Array) -> Heat:
    """Measure the attention in ``visits``, mean of the heads, with the network as it is.

    ``category`` (V,) int64 of each article, -1 to ignore it; ``group`` (users,) int64. Attention is summed by category
    pair, each customer's rows are normalised, and a group's map is the mean over its customers. Where all categories
    have equally many articles, the paper's mean over columns differs by a constant factor, which normalising removes.
    """
    customers = np.unique(visits.user)
    code, n = np.append(category, -1), categories  # the last entry is for NONE
    totals = np.zeros((2, len(customers) * n * n))
    for batch in sessions.iterate_batches(visits, BATCH, np.random.default_rng(0)):
        customer = np.searchsorted(customers, batch.user.numpy())
        batch = Batch(*(part.to(stored.device()) for part in batch))
        item = batch.item.cpu().numpy()
        left = item != NONE
        with torch.no_grad():
            for number, step in enumerate(network.iterate_steps(batch)):
                place = step.place.cpu().numpy()
                if number:
                    target = code[item[np.arange(len(item)), place]]
                    earlier = (item != NONE) & ~left & (code[item] >= 0)
                    earlier &= (step.due.cpu().numpy() & (target >= 0))[:, None]
                    pair = (customer * n + target)[:, None] * n + code[item]
                    attention = step.weight[:, 1:].cpu().numpy()
                    uniform = np.broadcast_to(1 / number, item.shape)
                    for total, weight in zip(totals, (attention, uniform), strict=True):
                        total += np.bincount(pair[earlier], weights=weight[earlier], minlength=len(total))
                left[np.arange(len(item)), place] = False
    groups = int(group.max(initial=0)) + 1
    return Heat(*(_average_by_group(total.reshape(-1, n, n), group[customers], groups) for total in totals))


def _average_by_group(total: Array, group: Array, groups: int) -> Array:
    """Average the customers' normalised rows by group, (G, C, C); a customer with an empty row is left out of it."""
    whole = total.sum(2, keepdims=True)
    rows = total / np.where(whole > 0, whole, 1)
    out = np.full((groups, *total.shape[1:]), np.nan)
    for number in range(groups):
        customers = (whole[group == number, :, 0] > 0).sum(0)  # (C,) with the row
        filled = customers > 0
        out[number, filled] = rows[group == number].sum(0)[filled] / customers[filled, None]
    return out
