"""Store sessions, sets of articles bought together with the customer's earlier purchases, and make batches."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from retail import ragged
from retail.log import Array

NONE = -1  # a place of a row without an article


@dataclass(frozen=True)
class Sessions:
    """Session s of customer ``user[s]`` is ``item[begin[s]:end[s]]``; its past is ``past[since[s]:until[s]]``."""

    user: Array  # (s,) int64
    begin: Array  # (s,) int64
    end: Array  # (s,) int64
    item: Array  # (n,) int64, unique within a session
    since: Array  # (s,) int64
    until: Array  # (s,) int64
    past: Array  # (m,) integer, purchases sorted by customer, then oldest first

    @property
    def length(self) -> Array:
        """Return the number of articles (s,) int64 in each session."""
        return self.end - self.begin

    def select(self, rows: Array) -> "Sessions":
        """Keep the sessions ``rows`` (positions or a mask), in their order."""
        ends = (column[rows] for column in (self.user, self.begin, self.end, self.since, self.until))
        user, begin, end, since, until = ends
        return Sessions(user, begin, end, self.item, since, until, self.past)


class Batch(NamedTuple):
    """B sessions of up to N articles and their pasts."""

    user: Tensor  # (B,) int64
    past: Tensor  # (m,) int64 the pasts of all rows, one after the other
    past_start: Tensor  # (B,) int64 first entry of each past
    item: Tensor  # (B, N) int64, NONE after the last


def make_batch(sessions: Sessions) -> Batch:
    """Make one batch of all ``sessions``."""
    past, start = _gather_slices(sessions.past, sessions.since, sessions.until)
    entries, _ = _gather_slices(sessions.item, sessions.begin, sessions.end)
    item = np.full((len(sessions.user), int(sessions.length.max(initial=1))), NONE, np.int64)
    item[np.arange(item.shape[1]) < sessions.length[:, None]] = entries
    return Batch(*(torch.from_numpy(part.astype(np.int64)) for part in (sessions.user, past, start, item)))


def iterate_batches(sessions: Sessions, rows: int, rng: np.random.Generator) -> Iterator[Batch]:
    """Yield ``sessions`` in random batches of ``rows`` sessions of similar length."""
    order = rng.permutation(len(sessions.user))
    order = order[np.argsort(sessions.length[order], kind="stable")]
    parts = [order[k : k + rows] for k in range(0, len(order), rows)]
    for k in rng.permutation(len(parts)):
        yield make_batch(sessions.select(parts[k]))


def _gather_slices(values: Array, begin: Array, end: Array) -> tuple[Array, Array]:
    """Join ``values[begin[r]:end[r]]`` of all rows r; also return the first entry of each row."""
    length = end - begin
    return values[ragged.positions(begin, length)], ragged.offsets(length)[:-1]
