"""Score candidates by CASE in blocks of fixed shape, so that a customer's scores do not depend on other customers.

Matrix products with another number of rows may round differently in the last bit. A block holds customers with a
similar number of candidates and is padded with invented customers.
"""

import numpy as np
import torch
from torch import nn

from retail.log import Array
from stage1_candidates.networks.base.weights import device
from stage1_candidates.networks.case.batches import Candidates, expand_rows, make_batch, move_to
from stage1_candidates.networks.case.network import Batch

ROWS = 4096  # maximum number of candidates in a block, before padding
WIDTHS = (16, 64, 256, 1024)  # maximum number of candidates of a customer, by kind of block


def predict_probabilities(network: nn.Module, candidates: Candidates) -> Array:
    """Predict the probability (n,) float32, above 0, that each candidate is bought again.

    No customer may have more than WIDTHS[-1] candidates.
    """
    out = np.zeros(len(candidates.item), np.float32)
    sizes = np.diff(candidates.ptr)
    for low, width in zip((0, *WIDTHS[:-1]), WIDTHS, strict=True):
        customers = np.flatnonzero((sizes > low) & (sizes <= width))
        for begin in range(0, len(customers), ROWS // width):
            part = customers[begin : begin + ROWS // width]
            block = pad_block(make_batch(candidates, part), width)
            with torch.no_grad():
                score = network(move_to(block, device())).sigmoid()
            rows, _ = expand_rows(candidates.ptr, part)
            out[rows] = score[: len(rows)].cpu().numpy()
    return np.maximum(out, np.float32(1e-30))


def pad_block(block: Batch, width: int) -> Batch:
    """Pad ``block`` with unknown articles of invented customers.

    The result has ROWS + width rows of 2 * ROWS / width + 1 customers. The first invented customer has ``width``
    articles, so that the largest customer of every block has the same size.
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
