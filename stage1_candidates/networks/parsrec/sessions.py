"""Sessions: sets of articles that were bought together, each with all that its customer bought before it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from retail.log import Array
from retail.ragged import offsets, positions

NONE = -1  # a place of a row without an article


@dataclass(frozen=True)
class Sessions:
    """Session s, of customer ``user[s]``: ``item[begin[s]:end[s]]``; before it lies ``past[since[s]:until[s]]``."""

    user: Array  # (s,) int64
    begin: Array  # (s,) int64
    end: Array  # (s,) int64
    item: Array  # (n,) int64, unique within a session
    since: Array  # (s,) int64
    until: Array  # (s,) int64
    past: Array  # (m,) integer, one customer's purchases after another's, oldest first

    @property
    def length(self) -> Array:
        """(s,) int64 articles in each session."""
        return self.end - self.begin

    def chosen(self, some: Array) -> "Sessions":
        """The sessions ``some`` (positions or a mask), in their order."""
        ends = (column[some] for column in (self.user, self.begin, self.end, self.since, self.until))
        user, begin, end, since, until = ends
        return Sessions(user, begin, end, self.item, since, until, self.past)


class Batch(NamedTuple):
    """B sessions of up to N articles."""

    user: Tensor  # (B,) int64
    past: Tensor  # (m,) int64 the histories of all rows, one after the other
    past_start: Tensor  # (B,) int64 where each begins
    item: Tensor  # (B, N) int64, NONE behind


def batch(of: Sessions) -> Batch:
    """All of ``of`` as one batch."""
    past, start = _slices(of.past, of.since, of.until)
    item = np.full((len(of.user), int(of.length.max(initial=1))), NONE, np.int64)
    item[np.arange(item.shape[1]) < of.length[:, None]] = _slices(of.item, of.begin, of.end)[0]
    return Batch(*(torch.from_numpy(part.astype(np.int64)) for part in (of.user, past, start, item)))


def batches(of: Sessions, rows: int, rng: np.random.Generator) -> Iterator[Batch]:
    """``of`` in batches of ``rows`` sessions of about one length, which sessions and in which order being drawn."""
    order = rng.permutation(len(of.user))
    order = order[np.argsort(of.length[order], kind="stable")]
    parts = [order[k : k + rows] for k in range(0, len(order), rows)]
    for k in rng.permutation(len(parts)):
        yield batch(of.chosen(parts[k]))


def _slices(values: Array, begin: Array, end: Array) -> tuple[Array, Array]:
    """``values[begin[r]:end[r]]`` of all rows r, joined, and where each row's begin."""
    length = end - begin
    return values[positions(begin, length)], offsets(length)[:-1]
