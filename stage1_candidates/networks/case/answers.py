"""CASE asked about customers in blocks of one shape each, so that an answer does not depend on who else is asked.

Matrix products of other heights may round otherwise in the last bit. A block has ``ROWS`` candidates of customers with
similarly many, filled up with customers that nobody asked for.
"""

import numpy as np
import torch
from torch import nn

from retail.log import Array
from stage1_candidates.networks.base.weights import device
from stage1_candidates.networks.case.batches import Candidates, batch, on, runs
from stage1_candidates.networks.case.network import Batch

ROWS = 4096
WIDTHS = (16, 64, 256, 1024)  # candidates of a customer, at most


def chances(network: nn.Module, candidates: Candidates) -> Array:
    """(n,) float32 probability of each row to be bought again, above 0; no customer may have over WIDTHS[-1] rows."""
    out = np.zeros(len(candidates.item), np.float32)
    sizes = np.diff(candidates.ptr)
    for low, width in zip((0, *WIDTHS[:-1]), WIDTHS, strict=True):
        customers = np.flatnonzero((sizes > low) & (sizes <= width))
        for begin in range(0, len(customers), ROWS // width):
            some = customers[begin : begin + ROWS // width]
            block = filled(batch(candidates, some), width)
            with torch.no_grad():
                score = network(on(block, device())).sigmoid()
            rows, _ = runs(candidates.ptr, some)
            out[rows] = score[: len(rows)].cpu().numpy()
    return np.maximum(out, np.float32(1e-30))


def filled(block: Batch, width: int) -> Batch:
    """``block`` with unknown articles of further customers: ROWS + width rows of 2 * ROWS / width + 1 customers.

    The first of them has ``width`` articles, so that the widest customer is as wide in every block.
    """
    missing = ROWS + width - len(block.item)
    customers = 2 * ROWS // width + 1 - (len(block.ptr) - 1)
    end = torch.clamp(block.ptr[-1] + width * torch.arange(1, customers + 1), max=ROWS + width)
    return Batch(
        torch.cat([block.ptr, end]),
        torch.cat([block.item, torch.zeros(missing, dtype=torch.int64)]),
        block.event_row,
        block.event_day,
        torch.cat([block.prior, torch.zeros(missing, block.prior.shape[1])]),
        torch.cat([block.label, torch.zeros(missing)]),
    )
