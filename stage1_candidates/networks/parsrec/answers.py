"""Chances of all articles in blocks of one height, so that an answer does not depend on who else is asked.

Matrix products of other heights may round otherwise in the last bit: the last block is filled up by repeating its first
row.
"""

from collections.abc import Iterator

import numpy as np
import torch

from retail.log import Array
from stage1_candidates.networks.base.weights import device
from stage1_candidates.networks.parsrec import sessions
from stage1_candidates.networks.parsrec.network import Parsrec
from stage1_candidates.networks.parsrec.sessions import Batch, Sessions

ROWS = 128


def answers(network: Parsrec, of: Sessions) -> Iterator[tuple[Array, Array]]:
    """Blocks of (rows of ``of``, (rows, V) float32 chance of each article to be a session's first).

    Rows without a past are in none of them.
    """
    asked = np.flatnonzero(of.until > of.since)
    for begin in range(0, len(asked), ROWS):
        rows = asked[begin : begin + ROWS]
        whole = np.concatenate([rows, np.repeat(rows[:1], ROWS - len(rows))])
        batch = Batch(*(part.to(device()) for part in sessions.batch(of.chosen(whole))))
        with torch.no_grad():
            chance = network.after(batch, batch.item[:, :0]).softmax(1)
        yield rows, chance[: len(rows)].cpu().numpy()


def best(chance: Array, top: int) -> Array:
    """(rows, top) int64 articles of largest chance, ties by id."""
    articles = chance.shape[1]
    bits = np.ascontiguousarray(chance, np.float32).view(np.int32).astype(np.int64)  # ascends with what is not negative
    key = (bits << 32) + (articles - np.arange(articles))  # no two alike
    some = np.argpartition(-key, min(top, articles) - 1, axis=1)[:, :top]
    order = np.argsort(-np.take_along_axis(key, some, axis=1), axis=1)
    return np.take_along_axis(some, order, axis=1)


def recall(network: Parsrec, of: Sessions, allowed: Array, top: int) -> float:
    """Share of the sessions' articles that are among the ``top`` best of ``allowed`` (V,) ones."""
    hits = 0
    for rows, chance in answers(network, of):
        found = best(chance * allowed, top)
        item = sessions.batch(of.chosen(rows)).item.numpy()
        hits += int((item[:, :, None] == found[:, None]).sum())
    return hits / max(int(of.length.sum()), 1)
