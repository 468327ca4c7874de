"""Build the input of CASE: each article of a customer's past, the days on which it was bought, and prior features.

Day 0 is the day before the cutoff. Nine in ten articles were bought on one day only, so the days are a list instead of
the 0/1 vector of the paper.
"""

from dataclasses import replace

import numba
import numpy as np

from retail import weeks
from retail.log import Array, Log
from retail.ragged import offsets, pair_codes, positions, row_of
from retail.weeks import History
from stage1_candidates.networks.case.batches import Candidates, keep_recent

SALES = (7, 28, 91)  # days: windows of an article's recent sales
PRIORS = 8 + len(SALES)  # columns of ``build_priors``
UNKNOWN_RATE = 0.05  # repurchase rate of an article without any count


def build_calendars(history: History, users: Array, rate: Array, horizon: int, most: int) -> Candidates:
    """Build one row per article that each of ``users`` bought before, in the order of ``users``, articles ascending.

    Items are article codes + 1. Days count back from the cutoff, latest first; days beyond the ``horizon`` are left
    out. A customer keeps the ``most`` articles bought last. ``rate``: (items,) float32, see ``compute_rebuy_rates``.
    Labels are zero, because the label week is in the future.
    """
    log = history.log
    begin, end = log.start[users], history.stop[users]
    run, entry = row_of(offsets(end - begin)), positions(begin, end - begin)
    item, day = log.item[entry].astype(np.int64), history.cutoff - 1 - log.day[entry].astype(np.int64)
    order = np.lexsort((day, item, run))
    run, item, day, entry = run[order], item[order], day[order], entry[order]
    new = np.ones(len(run), bool)
    new[1:] = (run[1:] != run[:-1]) | (item[1:] != item[:-1])
    last = np.flatnonzero(new)  # latest entry of each row
    ptr = np.searchsorted(run[last], np.arange(len(users) + 1)).astype(np.int64)
    day_ptr = np.append(last, len(run)).astype(np.int64)
    visits = np.where(end > begin, log.visit[np.maximum(end - 1, 0)].astype(np.int64) + 1, 0)
    sold = history.once("calendar sales", lambda: sum_recent_sales(history))[:, item[last]]
    prior = build_priors(ptr, day_ptr, day, visits, visits[run[last]] - log.visit[entry[last]], rate[item[last]], sold)
    whole = Candidates(ptr, item[last] + 1, day_ptr, day, prior, np.zeros(len(last), np.float32))
    if np.diff(ptr).max(initial=0) > most:
        whole = keep_recent(whole, most)  # first, because it needs the days beyond the horizon, too
    inside = whole.day < horizon
    return replace(whole, day_ptr=offsets(inside)[whole.day_ptr], day=whole.day[inside])


def sum_recent_sales(history: History) -> Array:
    """Sum the entries of each article in each window of ``SALES``, (windows, items) float32, as log1p."""
    log, known = history.log, history.known
    age = history.cutoff - log.day[known].astype(np.int64)
    sold = [np.bincount(log.item[known[age <= days]], minlength=log.items) for days in SALES]
    return np.log1p(np.stack(sold)).astype(np.float32)


def build_priors(
    ptr: Array, day_ptr: Array, day: Array, visits: Array, baskets: Array, rate: Array, sold: Array
) -> Array:  # fmt: skip
    """Build the prior features (n, PRIORS) float32 of each row.

    Logs of: times bought; days and baskets since the last purchase (``baskets``, 1 = in the last one); days since the
    first purchase; baskets (``visits``) and articles of the customer. Then the log-odds of the article's repurchase
    rate, log (times x rate), and the article's recent sales ``sold`` (windows, n).
    """
    run = row_of(ptr)
    times = np.diff(day_ptr)
    probability = np.clip(rate, 1e-4, 1 - 1e-4)
    columns = [
        np.log(times),
        np.log1p(day[day_ptr[:-1]]),
        np.log1p(baskets),
        np.log1p(day[day_ptr[1:] - 1]),
        np.log1p(visits[run]),
        np.log1p(np.diff(ptr)[run]),
        np.log(probability / (1 - probability)),
        np.log(times * probability),
        *sold,
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def build_labelled(history: History, users: Array, rate: Array, horizon: int, most: int) -> Candidates:
    """Build calendars with the labels of the label week; only training calls this, for past weeks."""
    whole = build_calendars(history, users, rate, horizon, most)
    run = row_of(whole.ptr)
    user, item = weeks.truth(history.log, history.week)
    bought = np.isin(pair_codes(users[run], whole.item - 1), pair_codes(user, item))
    return replace(whole, label=bought.astype(np.float32))


def join(parts: list[Candidates]) -> Candidates:
    """Join ``parts``: their customers follow each other, part after part."""
    return Candidates(
        _concatenate_ptr([part.ptr for part in parts]),
        np.concatenate([part.item for part in parts]),
        _concatenate_ptr([part.day_ptr for part in parts]),
        np.concatenate([part.day for part in parts]),
        np.concatenate([part.prior for part in parts]),
        np.concatenate([part.label for part in parts]),
    )


def sample_known_buyers(log: Log, week: int, most: int, seed: int) -> Array:
    """Select customers (b,) uint32 who bought in ``week`` and before it; if more than ``most``, a seeded sample."""
    bought = np.unique(weeks.truth(log, week)[0])
    history = weeks.history(log, week)
    return weeks.sample_users(bought[history.stop[bought] > log.start[bought]], most, week, seed)


def count_rebuys(log: Log, week: int, most: int, seed: int) -> Array:
    """Count (2, items) float32 buyers of ``week`` with each article in their past, and those who bought it again."""
    users = sample_known_buyers(log, week, most, seed)
    known, inside = weeks.history(log, week).stop[users], weeks.history(log, week + 1).stop[users]
    return _count_rebuys(log.start[users], known, inside, log.item, log.items)


def compute_rebuy_rates(counts: list[Array], smoothing: float, items: int) -> Array:
    """Compute the share (items,) float32 of the buyers with an article in their past who bought it again.

    ``counts``: ``count_rebuys`` of several weeks. The rate is smoothed towards the mean of all articles with the weight
    of ``smoothing`` buyers.
    """
    owners, rebuyers = np.sum(counts, axis=0) if counts else np.zeros((2, items), np.float32)
    mean = rebuyers.sum() / owners.sum() if owners.sum() > 0 else UNKNOWN_RATE
    rate: Array = (rebuyers + smoothing * mean) / (owners + smoothing)
    return rate.astype(np.float32)


def _concatenate_ptr(ptrs: list[Array]) -> Array:
    """Concatenate offsets as those of their rows one after the other."""
    return offsets(np.concatenate([np.diff(ptr) for ptr in ptrs]))


@numba.njit(cache=True)
def _count_rebuys(begin: Array, known: Array, inside: Array, item: Array, items: int) -> Array:
    """Count for ``count_rebuys``; entries ``begin:known`` precede the label week, ``known:inside`` are in it."""
    counts = np.zeros((2, items), np.float32)
    seen = np.full((2, items), -1, np.int64)  # the last customer counted for each article
    for r in range(len(begin)):
        for k in range(begin[r], known[r]):
            if seen[0, item[k]] != r:
                seen[0, item[k]] = r
                counts[0, item[k]] += 1
        for k in range(known[r], inside[r]):
            if seen[0, item[k]] == r and seen[1, item[k]] != r:
                seen[1, item[k]] = r
                counts[1, item[k]] += 1
    return counts
