"""Make the scorers without a training: random, best sellers (POPRec) and personal frequency."""

import numpy as np

from research.parsrec.protocol import Scorer
from retail.log import Array
from stage1_candidates.networks.parsrec.sessions import Sessions, make_batch


def make_random_scorer(articles: int, seed: int) -> Scorer:
    """Make a scorer that draws new random scores at each call."""
    rng = np.random.default_rng(seed)
    return lambda rows, given: rng.random((len(rows), articles))


def make_popular_scorer(sessions: Sessions, articles: int) -> Scorer:
    """Make a scorer that counts an article's purchases in the pasts of all ``sessions`` together."""
    counts = _count_past(sessions, articles).sum(0)
    return lambda rows, given: np.broadcast_to(counts, (len(rows), articles))


def make_personal_scorer(sessions: Sessions, articles: int) -> Scorer:
    """Make a scorer that counts an article's purchases in the session's own past."""
    counts = _count_past(sessions, articles)
    return lambda rows, given: counts[rows]


def _count_past(sessions: Sessions, articles: int) -> Array:
    """Count the purchases (s, V) float32 of each article in each past."""
    past = make_batch(sessions).past.numpy()
    row = np.repeat(np.arange(len(sessions.user)), sessions.until - sessions.since)
    flat = np.bincount(row * articles + past, minlength=len(sessions.user) * articles)
    counts: Array = flat.reshape(-1, articles).astype(np.float32)
    return counts
