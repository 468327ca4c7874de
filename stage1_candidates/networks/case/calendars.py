"""Customers' pasts as CASE reads them: each article they bought, the days on which they did, and what its counts say.

Day 0 is the day before the cutoff. Nine in ten articles were bought on one day only, so days are a list, not the 0/1
vector of the paper.
"""

from dataclasses import replace

import numba
import numpy as np

from retail import weeks
from retail.log import Array, Log
from retail.ragged import offsets, pair_codes, positions, row_of
from retail.weeks import History
from stage1_candidates.networks.case.batches import Candidates, recent

SALES = (7, 28, 91)  # days
PRIORS = 8 + len(SALES)  # columns of ``priors``
UNKNOWN_RATE = 0.05  # a buyer's chance to buy an article again where nothing was counted yet


def calendars(history: History, users: Array, rate: Array, horizon: int, most: int) -> Candidates:
    """Row: an article in the past of a customer of ``users``, customers in their order, their articles ascending.

    Items are article codes + 1, days count back from the cutoff, the latest first, those before the ``horizon`` left
    out; a customer has the ``most`` articles bought last. ``rate``: (items,) float32, see ``rebuy_rates``. Labels are
    zero: the label week is to come.
    """
    log = history.log
    begin, end = log.start[users], history.stop[users]
    run, entry = row_of(offsets(end - begin)), positions(begin, end - begin)
    item, day = log.item[entry].astype(np.int64), history.cutoff - 1 - log.day[entry].astype(np.int64)
    order = np.lexsort((day, item, run))
    run, item, day, entry = run[order], item[order], day[order], entry[order]
    new = np.ones(len(run), bool)
    new[1:] = (run[1:] != run[:-1]) | (item[1:] != item[:-1])
    last = np.flatnonzero(new)  # of each row, its latest entry
    ptr = np.searchsorted(run[last], np.arange(len(users) + 1)).astype(np.int64)
    day_ptr = np.append(last, len(run)).astype(np.int64)
    visits = np.where(end > begin, log.visit[np.maximum(end - 1, 0)].astype(np.int64) + 1, 0)
    sold = history.once("calendar sales", lambda: recent_sales(history))[:, item[last]]
    prior = priors(ptr, day_ptr, day, visits, visits[run[last]] - log.visit[entry[last]], rate[item[last]], sold)
    whole = Candidates(ptr, item[last] + 1, day_ptr, day, prior, np.zeros(len(last), np.float32))
    if np.diff(ptr).max(initial=0) > most:
        whole = recent(whole, most)  # before the days beyond the horizon are gone, by which it tells the latest
    seen = whole.day < horizon
    seen_ptr = offsets(seen)[whole.day_ptr]
    return replace(whole, day_ptr=seen_ptr, day=whole.day[seen])


def recent_sales(history: History) -> Array:
    """(SALES, items) float32: log (1 + entries) of each article in the last days before the cutoff."""
    log, known = history.log, history.known
    age = history.cutoff - log.day[known].astype(np.int64)
    sold = [np.bincount(log.item[known[age <= days]], minlength=log.items) for days in SALES]
    return np.log1p(np.stack(sold)).astype(np.float32)


def priors(
    ptr: Array, day_ptr: Array, day: Array, visits: Array, baskets: Array, rate: Array, sold: Array
) -> Array:  # fmt: skip
    """(n, PRIORS) float32: what a row's counts say before any network.

    Logs of: times bought, days and baskets since the last time (``baskets``, 1 = in the last one), days since the
    first, the customer's baskets (``visits``), its articles; log-odds of the article's rebuy rate; log (times x rate);
    ``sold`` (SALES, n), the article's recent sales.
    """
    run = row_of(ptr)
    times = np.diff(day_ptr)
    chance = np.clip(rate, 1e-4, 1 - 1e-4)
    columns = [
        np.log(times),
        np.log1p(day[day_ptr[:-1]]),
        np.log1p(baskets),
        np.log1p(day[day_ptr[1:] - 1]),
        np.log1p(visits[run]),
        np.log1p(np.diff(ptr)[run]),
        np.log(chance / (1 - chance)),
        np.log(times * chance),
        *sold,
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def labelled(history: History, users: Array, rate: Array, horizon: int, most: int) -> Candidates:
    """``calendars`` with the label week's truth; only for weeks that lie in the past of whoever asks."""
    whole = calendars(history, users, rate, horizon, most)
    run = row_of(whole.ptr)
    code = pair_codes(users[run], whole.item - 1)
    return replace(whole, label=np.isin(code, pair_codes(*weeks.truth(history.log, history.week))).astype(np.float32))


def joined(parts: list[Candidates]) -> Candidates:
    """The customers of all ``parts``, one after the other."""
    return Candidates(
        _stacked([part.ptr for part in parts]),
        np.concatenate([part.item for part in parts]),
        _stacked([part.day_ptr for part in parts]),
        np.concatenate([part.day for part in parts]),
        np.concatenate([part.prior for part in parts]),
        np.concatenate([part.label for part in parts]),
    )


def buyers_with_a_past(log: Log, week: int, most: int, seed: int) -> Array:
    """(b,) uint32, ascending: customers who bought in ``week`` and before it, or a seeded sample of ``most``."""
    bought = np.unique(weeks.truth(log, week)[0])
    history = weeks.history(log, week)
    return weeks.sample_users(bought[history.stop[bought] > log.start[bought]], most, week, seed)


def rebuy_counts(log: Log, week: int, most: int, seed: int) -> Array:
    """(2, items) float32: of the buyers of ``week``, how many had bought each article before, how many did it again."""
    users = buyers_with_a_past(log, week, most, seed)
    known, inside = weeks.history(log, week).stop[users], weeks.history(log, week + 1).stop[users]
    return _rebuy_counts(log.start[users], known, inside, log.item, log.items)


def rebuy_rates(counts: list[Array], smoothing: float, items: int) -> Array:
    """(items,) float32: share of the buyers with the article in their past who bought it again in a label week.

    ``counts``: ``rebuy_counts`` of the weeks that are looked at. Smoothed towards the mean of all articles with the
    weight of ``smoothing`` buyers.
    """
    had, again = np.sum(counts, axis=0) if counts else np.zeros((2, items), np.float32)
    mean = again.sum() / had.sum() if had.sum() > 0 else UNKNOWN_RATE
    rate: Array = (again + smoothing * mean) / (had + smoothing)
    return rate.astype(np.float32)


def _stacked(ptrs: list[Array]) -> Array:
    """The pointers of runs that are put one after the other."""
    sizes = np.concatenate([np.diff(ptr) for ptr in ptrs])
    return offsets(sizes)


@numba.njit(cache=True)
def _rebuy_counts(begin: Array, known: Array, inside: Array, item: Array, items: int) -> Array:
    """Customers' entries ``begin:known`` lie before the label week, ``known:inside`` in it."""
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
