"""Store histories of users as arrays and make batches of them for CASE."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from retail.log import Array
from retail.ragged import offsets, place_in_row, positions, row_of
from stage1_candidates.networks.case.network import Batch


@dataclass(frozen=True)
class Candidates:
    """Candidates and their days: user u has the candidates ``ptr[u]:ptr[u + 1]``.

    Candidate c was bought ``day[day_ptr[c]:day_ptr[c + 1]]`` days back. These days are unique and less than the horizon
    of the network. A candidate may have no day.
    """

    ptr: Array  # (users + 1,)
    item: Array  # (n,) 1..items; 0 is unknown
    day_ptr: Array  # (n + 1,)
    day: Array  # (m,) days back
    prior: Array  # (n, F) float32, prior features of each candidate
    label: Array  # (n,) 1: bought again


def expand_rows(ptr: Array, rows: Array) -> tuple[Array, Array]:
    """Expand ``rows`` to their positions ``ptr[r]:ptr[r + 1]``, row after row; also return the rows' offsets."""
    sizes = ptr[rows + 1] - ptr[rows]
    return positions(ptr[rows], sizes), offsets(sizes)


def keep_recent(candidates: Candidates, most: int) -> Candidates:
    """Keep the ``most`` candidates of each user that were bought last, ties by position."""
    user = row_of(candidates.ptr)
    last = np.full(len(user), np.iinfo(np.int64).max)
    np.minimum.at(last, row_of(candidates.day_ptr), candidates.day.astype(np.int64))
    order = np.lexsort((last, user))
    kept = np.empty(len(user), bool)
    kept[order] = place_in_row(candidates.ptr) < most
    ptr = offsets(kept)[candidates.ptr]
    return _select(candidates, ptr, np.flatnonzero(kept))


def make_batch(candidates: Candidates, users: Array) -> Batch:
    """Make the batch of ``users``, in this order."""
    rows, ptr = expand_rows(candidates.ptr, users)
    part = _select(candidates, ptr, rows)
    event_row = row_of(part.day_ptr)
    return Batch(
        torch.as_tensor(ptr, dtype=torch.int64),
        torch.as_tensor(part.item, dtype=torch.int64),
        torch.as_tensor(event_row, dtype=torch.int64),
        torch.as_tensor(part.day, dtype=torch.int64),
        torch.as_tensor(part.prior, dtype=torch.float32),
        torch.as_tensor(part.label, dtype=torch.float32),
    )


def iterate_shuffled(candidates: Candidates, users: Array, size: int, seed: list[int]) -> Iterator[Batch]:
    """Yield batches of at most ``size`` of the ``users`` in random order."""
    order = np.random.default_rng(seed).permutation(users)
    for begin in range(0, len(order), size):
        yield make_batch(candidates, order[begin : begin + size])


def move_to(part: Batch, device: torch.device) -> Batch:
    """Move the batch to ``device``."""
    return Batch(*(tensor.to(device) for tensor in part))


def _select(candidates: Candidates, ptr: Array, rows: Array) -> Candidates:
    """Select the candidates ``rows``; user u gets the candidates ``rows[ptr[u]:ptr[u + 1]]``."""
    event, day_ptr = expand_rows(candidates.day_ptr, rows)
    prior, label = candidates.prior[rows], candidates.label[rows]
    return Candidates(ptr, candidates.item[rows], day_ptr, candidates.day[event], prior, label)
