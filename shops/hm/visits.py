"""Draw all visits of the hm shop's customers, and the number of rows of each visit, before the simulation.

A customer's visits are a renewal process. It has a personal rate (log-normal over customers), gamma-distributed gaps
with shape below one (visits come in bursts), and an end. The parameters were fitted to the 1,350 histories of the
competition's sample: baskets per customer, days between them, first and last days. They were then adjusted slightly
towards the published share of cold buyers.
"""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.random import Generator

from retail import ragged
from retail.log import Array

OLD = 0.625  # share of customers from before the log's first day; the others start on a random day
RATE, RATE_SPREAD, MAX_RATE = -5.05, 1.17, 0.105  # mean and sd of the log of visits per day; most visits per day
BURST = 0.708  # shape of the gamma distribution of the gaps
STAY = 5300.0  # mean days from a customer's first visit to the end
ONCE_OLD, ONCE_NEW = 0.145, 0.212  # share of old and new customers with a single visit
EXTRA, EXTRA_CUSTOMER, EXTRA_VISIT = 0.35, 0.65, 0.88  # log of the rows beyond the first: mean, sd by customer, visit
MAX_ROWS = 60  # per visit
PARTS = 8  # parts of a day in the table that maps activity time to days
BLOCK = 4_000_000  # visits per buffer

WEEKDAY_ACTIVITY = (0.93, 0.86, 1.09, 1.08, 1.03, 1.06, 0.95)  # visits, Monday first
MONTH_ACTIVITY = (0.95, 0.92, 0.96, 1.02, 1.05, 1.14, 1.12, 1.00, 0.90, 0.98, 1.03, 0.97)  # visits, January first
MONTH_EXTRA = (0.90, 0.90, 0.95, 1.15, 1.20, 1.25, 1.20, 0.95, 0.78, 0.85, 0.95, 0.90)  # rows beyond the first


@dataclass(frozen=True)
class Visits:
    """All visits, (V,) each, by day, then customer; those of day d are ``start[d]:start[d + 1]``."""

    user: Array  # int32
    rows: Array  # uint8, at least 1
    start: Array  # (days + 1,)


def draw_visits(rng: Generator, customers: int, never: int, rows: int, first_date: np.datetime64, days: int) -> Visits:
    """Draw the visits of the ``days`` from ``first_date``, with ``rows`` rows in all; ``never`` customers have none."""
    date = first_date + np.arange(days)
    weekday, month = (date.astype(int) + 3) % 7, date.astype("datetime64[M]").astype(int) % 12
    activity = np.array(WEEKDAY_ACTIVITY)[weekday] * np.array(MONTH_ACTIVITY)[month]
    activity /= activity.mean()
    comes = np.ones(customers, bool)
    comes[rng.choice(customers, never, replace=False)] = False
    visitors = np.flatnonzero(comes).astype(np.int32)
    passed = np.concatenate(([0.0], np.cumsum(activity)))  # activity time at the beginning of each day
    day_at = np.searchsorted(passed, np.arange(days * PARTS) / PARTS, side="right") - 1
    day_at = np.clip(day_at, 0, days - 1).astype(np.int16)  # (days * PARTS,) the day of each part of activity time
    user_blocks, day_blocks = [], []
    done, buffer = 0, (np.empty(BLOCK, np.int32), np.empty(BLOCK, np.int16))
    while done < len(visitors):
        done, filled = _draw_block(rng, visitors, done, day_at, *buffer)
        user_blocks.append(buffer[0][:filled].copy())
        day_blocks.append(buffer[1][:filled].copy())
    user, day = np.concatenate(user_blocks), np.concatenate(day_blocks)
    order = np.argsort(day, kind="stable")  # customers ascend within a day
    user, start = user[order], np.searchsorted(day[order], np.arange(days + 1))
    log_extra = rng.normal(EXTRA, EXTRA_CUSTOMER, customers)[user]
    log_extra += rng.normal(0, EXTRA_VISIT, len(user)) + np.log(np.array(MONTH_EXTRA)[month])[ragged.row_of(start)]
    extra = np.minimum(rng.poisson(np.exp(log_extra, out=log_extra)), MAX_ROWS - 1)
    return Visits(user, _adjust_sum(rng, (1 + extra).astype(np.uint8), rows), start)


@numba.njit(cache=True)
def _draw_block(rng: Generator, visitors: Array, done: int, day_at: Array, user: Array, day: Array) -> tuple[int, int]:
    """Write visits of customers ``visitors[done:]`` to ``user`` and ``day`` while they fit.

    Return (position of the next customer, number of visits written).
    """
    days, filled = len(day_at) // PARTS, 0
    while done < len(visitors) and filled + days < len(user):
        begin = filled
        while filled == begin:  # an old customer without a visit in the log is drawn again
            rate = min(np.exp(rng.normal(RATE, RATE_SPREAD)), MAX_RATE)
            old = rng.random() < OLD
            time = rng.exponential(1 / rate) if old else rng.random() * days
            once = rng.random() < (ONCE_OLD if old else ONCE_NEW)
            end = time if once else min(time + rng.exponential(STAY), days)
            while time < days and (time < end or filled == begin):
                today = day_at[int(time * PARTS)]
                if filled == begin or today > day[filled - 1]:
                    user[filled], day[filled] = visitors[done], today
                    filled += 1
                time += rng.standard_gamma(BURST) / (BURST * rate)
        done += 1
    return done, filled


def _adjust_sum(rng: Generator, rows: Array, total: int) -> Array:
    """Add a row to random visits, or remove one, until the sum of ``rows`` (V,) is ``total`` (at least V)."""
    while gap := total - int(rows.sum(dtype=np.int64)):
        candidates = np.flatnonzero(rows > 1) if gap < 0 else np.flatnonzero(rows < MAX_ROWS)
        chosen = rng.choice(candidates, min(abs(gap), len(candidates)), replace=False)
        rows[chosen] += np.int8(np.sign(gap)).view(np.uint8)
    return rows
