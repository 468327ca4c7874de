"""Histories of users as arrays, and batches of them for CASE."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from retail.log import Array
from retail.ragged import offsets, place_in_row, positions, row_of
from stage1_candidates.networks.case.network import Batch


@dataclass(frozen=True)
class Candidates:
    """User u has candidates ``ptr[u]:ptr[u + 1]``; candidate c was bought ``day[day_ptr[c]:day_ptr[c + 1]]`` days back.

    Each day of a candidate stands once and is less than the network's horizon; a candidate may have none left.
    """

    ptr: Array  # (users + 1,)
    item: Array  # (n,) 1..items; 0: unknown
    day_ptr: Array  # (n + 1,)
    day: Array  # (m,)
    prior: Array  # (n, F) float32, features given with each candidate
    label: Array  # (n,) 1: bought again


def runs(ptr: Array, rows: Array) -> tuple[Array, Array]:
    """The positions ``ptr[r]:ptr[r + 1]`` of all ``rows`` one after another, and the pointer over the rows."""
    length = ptr[rows + 1] - ptr[rows]
    return positions(ptr[rows], length), offsets(length)


def recent(candidates: Candidates, most: int) -> Candidates:
    """The ``most`` candidates of each user that were bought last, ties by position."""
    user = row_of(candidates.ptr)
    last = np.full(len(user), np.iinfo(np.int64).max)
    np.minimum.at(last, row_of(candidates.day_ptr), candidates.day.astype(np.int64))
    order = np.lexsort((last, user))
    kept = np.empty(len(user), bool)
    kept[order] = place_in_row(candidates.ptr) < most
    ptr = offsets(kept)[candidates.ptr]
    return _only(candidates, ptr, np.flatnonzero(kept))


def batch(candidates: Candidates, users: Array) -> Batch:
    """The batch of ``users``, in this order."""
    at, ptr = runs(candidates.ptr, users)
    part = _only(candidates, ptr, at)
    event_row = row_of(part.day_ptr)
    return Batch(
        torch.as_tensor(ptr, dtype=torch.int64),
        torch.as_tensor(part.item, dtype=torch.int64),
        torch.as_tensor(event_row, dtype=torch.int64),
        torch.as_tensor(part.day, dtype=torch.int64),
        torch.as_tensor(part.prior, dtype=torch.float32),
        torch.as_tensor(part.label, dtype=torch.float32),
    )


def shuffled(candidates: Candidates, users: Array, size: int, seed: list[int]) -> Iterator[Batch]:
    """Batches of ``size`` of the ``users`` in random order."""
    order = np.random.default_rng(seed).permutation(users)
    for begin in range(0, len(order), size):
        yield batch(candidates, order[begin : begin + size])


def on(part: Batch, device: torch.device) -> Batch:
    """The batch on ``device``."""
    return Batch(*(tensor.to(device) for tensor in part))


def _only(candidates: Candidates, ptr: Array, at: Array) -> Candidates:
    """The candidates at the positions ``at``, users by ``ptr``."""
    event, day_ptr = runs(candidates.day_ptr, at)
    prior, label = candidates.prior[at], candidates.label[at]
    return Candidates(ptr, candidates.item[at], day_ptr, candidates.day[event], prior, label)
