"""Plan the weeks, and read the past of a label week: all that lies before its first day, and nothing else.

Weeks count up. The last seven days of data are week W-1; the label week of the submission is W. Here W = 104, with four
validation weeks, two training weeks and two stopping weeks (s: early stopping, t: training, v: validation):

    week       96  97  98  99 100 101 102 103 104
    evaluated   t   t   s   s   v   v   v   v
    submitted                   t   t   t   t   answered

The ranker is trained on t, stopped by s, and then trained once more, for as many rounds, on both. The last training
weeks are also tuning weeks: a search for the ranker's settings trains its models on the weeks before them, stops them
by s and compares them on the tuning weeks. The ranker with the chosen settings is then trained on all of t.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numba
import numpy as np

from retail.errors import InputError
from retail.log import Array, Log
from retail.params import Weeks
from retail.ragged import pair_codes, pairs_of_codes


@dataclass(frozen=True)
class History:
    """All that is known when a label week begins: for each customer and article, the entries before ``cutoff``."""

    log: Log
    week: int  # the label week
    cutoff: int  # its first day; every known entry has day < cutoff
    stop: Array  # (users,) int64: entries start[u]:stop[u] of customer u are known
    item_stop: Array  # (items,) int64: the same for the order by article
    memo: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)

    def once(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        """Return ``compute()``, called the first time only; so what all shards of customers share is computed once."""
        if key not in self.memo:
            self.memo[key] = compute()
        return self.memo[key]

    @cached_property
    def known(self) -> Array:
        """Positions (k,) int64 of all known entries, in the log's order by user, day, item."""
        return _positions(self.log.start, self.stop)

    def decay(self, half_life: float) -> Array:
        """Return the weight 2^(-age / half_life) (k,) float of each known entry, in the order of ``known``.

        Age counts days before the cutoff: 1 the day before it. ``half_life``: days, inf for equal weights.
        """
        weight: Array = np.exp2(-(self.cutoff - self.log.day[self.known]) / half_life)
        return weight


def history(log: Log, week: int) -> History:
    """Return the past of label week ``week``; every source, feature and network reads the log through it."""
    cutoff = first_day(log.days, week)
    stop = _stops(log.start, log.day, cutoff)
    item_stop = _stops(log.item_start, log.item_day, cutoff)
    return History(log, week, cutoff, stop, item_stop)


def first_day(days: int, week: int) -> int:
    """Return the first day of ``week`` (the earliest week may begin before day 0)."""
    return days - 7 * (-(-days // 7) - week)


def truth(log: Log, week: int) -> tuple[Array, Array]:
    """Return the unique (user, item) pairs bought in ``week``, sorted by user, then item."""
    begin = first_day(log.days, week)
    inside = (log.day >= begin) & (log.day < begin + 7)
    return pairs_of_codes(np.unique(pair_codes(log.user[inside], log.item[inside])))


def buyers(log: Log, week: int) -> Array:
    """Return the customers (b,) uint32 with a purchase in ``week``, ascending; InputError where there is none."""
    users = np.unique(truth(log, week)[0])
    if len(users) == 0:
        raise InputError(
            f"transactions_train.csv: no customer bought in label week {week} "
            f"(days {first_day(log.days, week)}..{first_day(log.days, week) + 6} of the data); expected at least one; "
            "fix the data or lower weeks.validation in params.yaml"
        )
    return users


def customers(log: Log, plan: "Plan", week: int, settings: Weeks, seed: int) -> Array:
    """Return the buyers (c,) uint32 of ``week`` that are used, ascending; in a validation week all of them.

    A training week with more buyers than its share of ``train.customers`` takes a seeded sample; so does a stopping
    week with more than its share of ``stop_customers``.
    """
    users = buyers(log, week)
    if week in plan.validation:
        return users
    return sample_users(
        users, stop_share(plan, settings) if week in plan.stop else train_share(plan, settings), week, seed
    )


def train_share(plan: "Plan", settings: Weeks) -> int:
    """Return how many customers a training week may have."""
    return -(-settings.train.customers // len(plan.train))


def stop_share(plan: "Plan", settings: Weeks) -> int:
    """Return how many customers a stopping week may have."""
    return -(-settings.stop_customers // len(plan.stop))


def tuning_customers(log: Log, plan: "Plan", week: int, settings: Weeks, most: int, seed: int) -> Array:
    """Return the customers (c,) uint32 of tuning week ``week`` on whom trials are compared, at most ``most``."""
    return sample_users(customers(log, plan, week, settings, seed), most, week, seed)


def sample_users(users: Array, most: int, week: int, seed: int) -> Array:
    """Return ``users``, or a seeded sample of ``most`` of them, ascending."""
    if len(users) <= most:
        return users
    return np.sort(np.random.default_rng([seed, week]).choice(users, most, replace=False))


@dataclass(frozen=True)
class Plan:
    """The weeks by their use; every list ascends."""

    train: list[int]  # label weeks on which the evaluated ranker is trained
    stop: list[int]  # label weeks of its early stopping
    validation: list[int]  # label weeks that are reported
    final: list[int]  # label weeks on which the ranker that answers the submission is trained
    submission: int  # the week after the data

    def tuning(self, most: int) -> list[int]:
        """Return the last weeks of ``train``, at most ``most`` and at most half, on which a search compares trials."""
        return self.train[len(self.train) - min(most, len(self.train) // 2) :]

    @property
    def labelled(self) -> list[int]:
        """All weeks whose truth is known and used."""
        return sorted({*self.train, *self.stop, *self.validation, *self.final})

    @property
    def all(self) -> list[int]:
        return [*self.labelled, self.submission]


def plan(log: Log, settings: Weeks) -> Plan:
    """Plan the weeks of this log: as many training weeks as ``train.customers`` buyers fill, within least..most.

    At most a quarter of the weeks before the validation weeks stop the training, but at least one. At least one week is
    left to the past, so that every label week has a history.
    """
    last = log.weeks - 1
    validation = list(range(last - settings.validation + 1, last + 1))
    room = validation[0] - 2  # training weeks 1..room if one week stops them; week 0 is history only
    if room < 1:
        needed = settings.validation + 3
        raise InputError(
            f"transactions_train.csv: {log.weeks} week(s) of history, expected at least {needed} for "
            f"{settings.validation} validation weeks; bring more weeks or lower weeks.validation in params.yaml"
        )
    counts = count_buyers(log)
    # a week without buyers, such as Christmas, is left out
    open_weeks = [week for week in range(validation[0] - 1, 0, -1) if counts[week] > 0]
    stop = open_weeks[: max(1, min(settings.stop, len(open_weeks) // 4))]
    train: list[int] = []
    total = 0
    for week in open_weeks[len(stop) :]:
        total += counts[week]
        if len(train) == settings.train.most or (
            len(train) >= settings.train.least and total > settings.train.customers
        ):
            break
        train.append(week)
    train.reverse()
    stop.reverse()
    if not train:
        raise InputError(
            "transactions_train.csv: no customer bought in any two weeks before the validation weeks; "
            "expected buyers to learn from; bring more weeks or lower weeks.validation in params.yaml"
        )
    return Plan(
        train=train,
        stop=stop,
        validation=validation,
        final=[*train, *stop, *validation][-len(train) - len(stop) :],  # as many as train and stop together
        submission=last + 1,
    )


def count_buyers(log: Log) -> list[int]:
    """Count the customers with a purchase in each week of the data."""
    return [int(n) for n in _count_buyers(log.user, log.day, first_day(log.days, 0), log.weeks)]


@numba.njit(cache=True)
def _count_buyers(user: Array, day: Array, first: int, weeks: int) -> Array:
    """Count customers (weeks,); entries ascend by user and day, so a customer's entries of a week lie together."""
    count = np.zeros(weeks, np.int64)
    last = -1
    for k in range(len(user)):
        week = (day[k] - first) // 7
        if week != last or user[k] != user[k - 1]:
            count[week] += 1
            last = week
    return count


@numba.njit(cache=True)
def _stops(start: Array, day: Array, cutoff: int) -> Array:
    """Find, in each run start[k]:start[k+1] of ascending days, the position of the first day that is not known."""
    stop = np.empty(len(start) - 1, np.int64)
    for k in range(len(stop)):
        low, high = start[k], start[k + 1]
        while low < high:
            middle = (low + high) // 2
            if day[middle] < cutoff:
                low = middle + 1
            else:
                high = middle
        stop[k] = low
    return stop


@numba.njit(cache=True)
def _positions(start: Array, stop: Array) -> Array:
    n = 0
    for k in range(len(stop)):
        n += stop[k] - start[k]
    positions = np.empty(n, np.int64)
    n = 0
    for k in range(len(stop)):
        for p in range(start[k], stop[k]):
            positions[n] = p
            n += 1
    return positions
