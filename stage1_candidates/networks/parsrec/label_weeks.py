"""Split a log into sessions: a customer's articles of one label week, with the purchases before that week."""

import numpy as np

from retail.log import Array
from retail.params import Block, Positive
from retail.weeks import History
from stage1_candidates.networks.parsrec.sessions import Sessions


class Examples(Block):
    """Which sessions a training reads."""

    most: Positive  # most (customer, label week) sessions, the latest
    hold: Positive  # label weeks before the cutoff held out for early stopping
    past: Positive  # most purchases read before the label week, the latest
    longest: Positive  # most articles of a session; a longer session is sampled
    batch: Positive  # sessions in a batch


def split_sessions(history: History, settings: Examples, seed: int) -> tuple[Sessions, Sessions]:
    """Split the sessions before ``history.week`` into training and held-out ones.

    The held-out sessions are those of the last ``hold`` label weeks with any session. A customer's first week has no
    past and gives no session.
    """
    log, known = history.log, history.known
    user = log.user[known].astype(np.int64)
    back = -((log.day[known].astype(np.int64) - history.cutoff) // 7)  # 1: the week before the cutoff
    new = np.ones(len(known), bool)
    new[1:] = (np.diff(user) != 0) | (np.diff(back) != 0)
    first = np.flatnonzero(new)
    user, back, until = user[first], back[first], known[first]
    since = np.maximum(log.start[user], until - settings.past)
    run, item = _sample_articles(np.cumsum(new) - 1, log.item[known], log.items, settings.longest, seed)
    bounds = np.searchsorted(run, np.arange(len(first) + 1)).astype(np.int64)
    sessions = Sessions(user, bounds[:-1], bounds[1:], item, since, until, log.item)
    later = np.flatnonzero(until > since)
    later = np.sort(later[np.argsort(back[later], kind="stable")[: settings.most]])
    held = np.isin(back[later], np.unique(back[later])[: settings.hold])
    return sessions.select(later[~held]), sessions.select(later[held])


def query_cutoff(history: History, users: Array, settings: Examples) -> Sessions:
    """Make an empty session of each of ``users`` at the cutoff, with the past before it."""
    empty, until = np.zeros(len(users), np.int64), history.stop[users]
    since = np.maximum(history.log.start[users], until - settings.past)
    return Sessions(users.astype(np.int64), empty, empty, np.zeros(0, np.int64), since, until, history.log.item)


def _sample_articles(run: Array, item: Array, items: int, longest: int, seed: int) -> tuple[Array, Array]:
    """Sample at most ``longest`` articles of each run: (run, article) once per pair, in random order within a run."""
    key = np.unique(run.astype(np.int64) * items + item)
    run, item = np.divmod(key, max(items, 1))
    order = np.lexsort((np.random.default_rng(seed).random(len(key)), run))
    place = np.arange(len(key)) - np.searchsorted(run, run)  # the runs themselves stay sorted
    return run[order][place < longest], item[order][place < longest]
