"""Rows without a training: chance, what everyone buys (POPRec), what the customer bought before."""

import numpy as np

from research.parsrec.protocol import Scorer
from retail.log import Array
from stage1_candidates.networks.parsrec import sessions
from stage1_candidates.networks.parsrec.sessions import Sessions


def random(of: Sessions, articles: int, seed: int) -> Scorer:
    """Other scores whenever they are asked for."""
    rng = np.random.default_rng(seed)
    return lambda rows, given: rng.random((len(rows), articles))


def popular(of: Sessions, articles: int) -> Scorer:
    """How often an article is in the pasts of all sessions together."""
    counts = _counts(of, articles).sum(0)
    return lambda rows, given: np.broadcast_to(counts, (len(rows), articles))


def personal(of: Sessions, articles: int) -> Scorer:
    """How often an article is in the session's own past."""
    counts = _counts(of, articles)
    return lambda rows, given: counts[rows]


def _counts(of: Sessions, articles: int) -> Array:
    """(s, V) float32 times of each article in each past."""
    past = sessions.batch(of).past.numpy()
    row = np.repeat(np.arange(len(of.user)), of.until - of.since)
    flat = np.bincount(row * articles + past, minlength=len(of.user) * articles)
    counts: Array = flat.reshape(-1, articles).astype(np.float32)
    return counts
