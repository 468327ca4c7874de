"""A log as sessions: what a customer bought in one label week, after what was bought before that week."""

import numpy as np

from retail.log import Array
from retail.params import Block, Positive
from retail.weeks import History
from stage1_candidates.networks.parsrec.sessions import Sessions


class Examples(Block):
    most: Positive  # (customer, label week) sessions, the latest
    hold: Positive  # label weeks before the cutoff that are kept for early stopping
    past: Positive  # purchases before the week that are read, the latest
    longest: Positive  # articles of a session; of a longer one so many are drawn
    batch: Positive  # sessions


def examples(history: History, of: Examples, seed: int) -> tuple[Sessions, Sessions]:
    """Sessions of the label weeks before ``history.week``: those to train on, and those of the latest with any.

    A customer's first week has nothing before it and is no session.
    """
    log, known = history.log, history.known
    user = log.user[known].astype(np.int64)
    back = -((log.day[known].astype(np.int64) - history.cutoff) // 7)  # 1: the week before the cutoff
    new = np.ones(len(known), bool)
    new[1:] = (np.diff(user) != 0) | (np.diff(back) != 0)
    first = np.flatnonzero(new)
    user, back, until = user[first], back[first], known[first]
    since = np.maximum(log.start[user], until - of.past)
    run, item = _drawn(np.cumsum(new) - 1, log.item[known], log.items, of.longest, seed)
    bounds = np.searchsorted(run, np.arange(len(first) + 1)).astype(np.int64)
    every = Sessions(user, bounds[:-1], bounds[1:], item, since, until, log.item)
    later = np.flatnonzero(until > since)
    later = np.sort(later[np.argsort(back[later], kind="stable")[: of.most]])
    held = np.isin(back[later], np.unique(back[later])[: of.hold])
    return every.chosen(later[~held]), every.chosen(later[held])


def asked(history: History, users: Array, of: Examples) -> Sessions:
    """A session of each of ``users`` at the cutoff itself: the past, and no article yet."""
    nothing, until = np.zeros(len(users), np.int64), history.stop[users]
    since = np.maximum(history.log.start[users], until - of.past)
    return Sessions(users.astype(np.int64), nothing, nothing, np.zeros(0, np.int64), since, until, history.log.item)


def _drawn(run: Array, item: Array, items: int, longest: int, seed: int) -> tuple[Array, Array]:
    """Run and article of each purchase, an article once in a run; of a run ``longest`` articles at most, drawn."""
    key = np.unique(run.astype(np.int64) * items + item)
    run, item = np.divmod(key, max(items, 1))
    order = np.lexsort((np.random.default_rng(seed).random(len(key)), run))
    place = np.arange(len(key)) - np.searchsorted(run, run)  # runs stay in their places
    return run[order][place < longest], item[order][place < longest]
