"""When the customers of the hm shop come and how many rows each visit leaves: drawn ahead, for every day of the log.

A customer's visits are a renewal process: a rate of their own (log-normal over customers), gaps of a gamma law with
shape below one (visits come in bursts), an end. Its numbers were fitted to the 1,350 histories of the competition's
sample (baskets per customer, days between them, first and last days), then moved a little towards the published share
of cold buyers.
"""

from dataclasses import dataclass

import numba
import numpy as np

from shops.demo.assortment import Array, Random

OLD = 0.625  # share of customers from before the log's first day; the others come on any day
RATE, RATE_SPREAD, RATE_MOST = -5.05, 1.17, 0.105  # log of visits per day, its sd, most visits per day
BURST = 0.708  # shape of the gamma law of the gaps
STAY = 5300.0  # mean days from the first visit to the end of interest
ONCE_OLD, ONCE_NEW = 0.145, 0.212  # share that comes once and never again
MORE, MORE_CUSTOMER, MORE_VISIT = 0.35, 0.65, 0.88  # log of the rows beyond the first: mean, sd over both
MOST_ROWS = 60
PARTS = 8  # of a day, in the table that turns busy time into days
BLOCK = 4_000_000  # visits per buffer

BUSY_WEEKDAY = (0.93, 0.86, 1.09, 1.08, 1.03, 1.06, 0.95)  # Monday first
BUSY_MONTH = (0.95, 0.92, 0.96, 1.02, 1.05, 1.14, 1.12, 1.00, 0.90, 0.98, 1.03, 0.97)  # January first
MUCH_MONTH = (0.90, 0.90, 0.95, 1.15, 1.20, 1.25, 1.20, 0.95, 0.78, 0.85, 0.95, 0.90)  # of the rows beyond the first


@dataclass(frozen=True)
class Visits:
    """One entry per visit, (V,), by day, then customer; those of day d lie at ``start[d]:start[d + 1]``."""

    user: Array  # int32
    rows: Array  # uint8, at least 1
    start: Array  # (days + 1,)


def drawn(rng: Random, customers: int, never: int, rows: int, first_date: np.datetime64, days: int) -> Visits:
    """The visits of all customers but ``never`` in the ``days`` from ``first_date``, of exactly ``rows`` rows."""
    date = first_date + np.arange(days)
    weekday, month = (date.astype(int) + 3) % 7, date.astype("datetime64[M]").astype(int) % 12
    load = np.array(BUSY_WEEKDAY)[weekday] * np.array(BUSY_MONTH)[month]
    load /= load.mean()
    comes = np.ones(customers, bool)
    comes[rng.choice(customers, never, replace=False)] = False
    who = np.flatnonzero(comes).astype(np.int32)
    passed = np.concatenate(([0.0], np.cumsum(load)))  # busy time at the beginning of each day
    day_at = np.searchsorted(passed, np.arange(days * PARTS) / PARTS, side="right") - 1
    day_at = np.clip(day_at, 0, days - 1).astype(np.int16)
    users, on = [], []
    done, buffer = 0, (np.empty(BLOCK, np.int32), np.empty(BLOCK, np.int16))
    while done < len(who):
        done, filled = _come(rng, who, done, day_at, *buffer)
        users.append(buffer[0][:filled].copy())
        on.append(buffer[1][:filled].copy())
    user, day = np.concatenate(users), np.concatenate(on)
    order = np.argsort(day, kind="stable")  # customers ascend within a day
    user, start = user[order], np.searchsorted(day[order], np.arange(days + 1))
    much_of_day = np.log(np.array(MUCH_MONTH)[month])
    much = rng.normal(MORE, MORE_CUSTOMER, customers)[user]
    much += rng.normal(0, MORE_VISIT, len(user)) + np.repeat(much_of_day, np.diff(start))
    beyond = np.minimum(rng.poisson(np.exp(much, out=much)), MOST_ROWS - 1)
    return Visits(user, _exact(rng, (1 + beyond).astype(np.uint8), rows), start)


@numba.njit(cache=True)
def _come(rng: Random, who: Array, done: int, day_at: Array, user: Array, day: Array) -> tuple[int, int]:
    """Visits of customers ``who[done:]`` into ``user``, ``day`` while there is room: next customer, visits written."""
    days, filled = len(day_at) // PARTS, 0
    while done < len(who) and filled + days < len(user):
        begin = filled
        while filled == begin:  # a customer from before the log who did not come in its time is drawn again
            rate = min(np.exp(rng.normal(RATE, RATE_SPREAD)), RATE_MOST)
            old = rng.random() < OLD
            time = rng.exponential(1 / rate) if old else rng.random() * days
            once = rng.random() < (ONCE_OLD if old else ONCE_NEW)
            end = time if once else min(time + rng.exponential(STAY), days)
            while time < days and (time < end or filled == begin):
                today = day_at[int(time * PARTS)]
                if filled == begin or today > day[filled - 1]:
                    user[filled], day[filled] = who[done], today
                    filled += 1
                time += rng.standard_gamma(BURST) / (BURST * rate)
        done += 1
    return done, filled


def _exact(rng: Random, rows: Array, total: int) -> Array:
    """(V,) ``rows`` with some visits a row longer or shorter, so that their sum is ``total`` (at least V)."""
    while gap := total - int(rows.sum(dtype=np.int64)):
        can = np.flatnonzero(rows > 1) if gap < 0 else np.flatnonzero(rows < MOST_ROWS)
        rows[rng.choice(can, min(abs(gap), len(can)), replace=False)] += np.int8(np.sign(gap)).view(np.uint8)
    return rows
