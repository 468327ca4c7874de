"""Run the network in blocks of a fixed number of rows, so that a prediction does not depend on the other customers.

The last bit of a matrix product may depend on the number of rows. So the last block repeats its first row.
"""

from collections.abc import Iterator

import numpy as np
import torch

from retail.log import Array
from stage1_candidates.networks.base.weights import device
from stage1_candidates.networks.parsrec import sessions
from stage1_candidates.networks.parsrec.network import Parsrec
from stage1_candidates.networks.parsrec.sessions import Batch, Sessions

ROWS = 128  # sessions in a block


def predict_first(network: Parsrec, query: Sessions) -> Iterator[tuple[Array, Array]]:
    """Yield blocks of (rows of ``query``, (rows, V) float32 probability that each article is the session's first).

    Rows without a past are left out.
    """
    with_past = np.flatnonzero(query.until > query.since)
    for begin in range(0, len(with_past), ROWS):
        rows = with_past[begin : begin + ROWS]
        filled = np.concatenate([rows, np.repeat(rows[:1], ROWS - len(rows))])
        batch = Batch(*(part.to(device()) for part in sessions.make_batch(query.select(filled))))
        with torch.no_grad():
            probability = network.score_next(batch, batch.item[:, :0]).softmax(1)
        yield rows, probability[: len(rows)].cpu().numpy()


def pick_best(probability: Array, top: int) -> Array:
    """Pick the ``top`` likeliest articles (rows, top) int64 of each row, ties by id."""
    articles = probability.shape[1]
    bits = np.ascontiguousarray(probability, np.float32).view(np.int32).astype(np.int64)  # same order, since >= 0
    key = (bits << 32) + (articles - np.arange(articles))  # all distinct
    best = np.argpartition(-key, min(top, articles) - 1, axis=1)[:, :top]
    order = np.argsort(-np.take_along_axis(key, best, axis=1), axis=1)
    return np.take_along_axis(best, order, axis=1)


def measure_recall(network: Parsrec, query: Sessions, allowed: Array, top: int) -> float:
    """Measure the share of the sessions' articles among the ``top`` likeliest ones; ``allowed`` (V,) is 1 or 0."""
    hits = 0
    for rows, probability in predict_first(network, query):
        best = pick_best(probability * allowed, top)
        item = sessions.make_batch(query.select(rows)).item.numpy()
        hits += int((item[:, :, None] == best[:, None]).sum())
    return hits / max(int(query.length.sum()), 1)
