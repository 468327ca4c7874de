"""The calendar and its one door: a label week's past is what lies before its first day, and nothing else.

Weeks count up. The last seven days of data are week W-1; the label week of the submission is W. With four
validation weeks, two training and two stopping weeks, W = 104 (s: early stopping, t: training, v: validation):

    week       96  97  98  99 100 101 102 103 104
    evaluated   t   t   s   s   v   v   v   v
    submitted                   t   t   t   t   answered

The ranker is trained on t, stopped by s, and then fitted once more, for as many rounds, on both.
The last training weeks are also tuning weeks: a search for the ranker's settings trains its models on the weeks before
them, stops on s and judges by the tuning weeks. The ranker with the settings found is then trained on all of t.
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
    """What is known at the beginning of a label week: for each customer and article, the entries before ``cutoff``."""

    log: Log
    week: int  # the label week
    cutoff: int  # its first day; every known entry has day < cutoff
    stop: Array  # (users,) int64: entries start[u]:stop[u] of customer u are known
    item_stop: Array  # (items,) int64: the same for the order by article
    memo: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)

    def once(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        """``compute()``, the first time ``key`` is asked for; what all shards of customers share is made once."""
        if key not in self.memo:
            self.memo[key] = compute()
        return self.memo[key]

    @cached_property
    def known(self) -> Array:
        """(k,) int64 positions in the log's (user, day, item) order of every known entry."""
        return _positions(self.log.start, self.stop)

    def decay(self, half_life: float) -> Array:
        """Return the weight 2^(-age / half_life) (k,) float of each known entry, in the order of ``known``.

        Age counts days before the cutoff: 1 the day before it. ``half_life``: days, inf for equal weights.
        """
        weight: Array = np.exp2(-(self.cutoff - self.log.day[self.known]) / half_life)
        return weight


def history(log: Log, week: int) -> History:
    """The past of label week ``week``: the one way by which any source, feature or network reads the log."""
    cutoff = first_day(log.days, week)
    stop = _stops(log.start, log.day, cutoff)
    item_stop = _stops(log.item_start, log.item_day, cutoff)
    return History(log, week, cutoff, stop, item_stop)


def first_day(days: int, week: int) -> int:
    """First day of ``week`` (the earliest week may begin before day 0)."""
    return days - 7 * (-(-days // 7) - week)


def truth(log: Log, week: int) -> tuple[Array, Array]:
    """(user, item) unique pairs bought in ``week``, sorted by user, then item."""
    begin = first_day(log.days, week)
    inside = (log.day >= begin) & (log.day < begin + 7)
    return pairs_of_codes(np.unique(pair_codes(log.user[inside], log.item[inside])))


def buyers(log: Log, week: int) -> Array:
    """(b,) uint32 customers with a purchase in ``week``, ascending; InputError where there is none."""
    users = np.unique(truth(log, week)[0])
    if len(users) == 0:
        raise InputError(
            f"transactions_train.csv: no customer bought in label week {week} "
            f"(days {first_day(log.days, week)}..{first_day(log.days, week) + 6} of the data); expected at least one; "
            "mend the data or lower weeks.validation in params.yaml"
        )
    return users


def customers(log: Log, plan: "Plan", week: int, settings: Weeks, seed: int) -> Array:
    """(c,) uint32, ascending: the buyers of ``week`` that are looked at, all of them in a validation week.

    Other weeks take a seeded sample where they have more buyers than their share of ``train.customers``, the
    stopping weeks than theirs of ``stop_customers``.
    """
    users = buyers(log, week)
    if week in plan.validation:
        return users
    return sampled(users, stop_share(plan, settings) if week in plan.stop else share(plan, settings), week, seed)


def share(plan: "Plan", settings: Weeks) -> int:
    """Customers that a training week may have."""
    return -(-settings.train.customers // len(plan.train))


def stop_share(plan: "Plan", settings: Weeks) -> int:
    """Customers that a stopping week may have."""
    return -(-settings.stop_customers // len(plan.stop))


def judged(log: Log, plan: "Plan", week: int, settings: Weeks, most: int, seed: int) -> Array:
    """(c,) uint32, ascending: the customers by whom tuning week ``week`` judges, at most ``most`` of its customers."""
    return sampled(customers(log, plan, week, settings, seed), most, week, seed)


def sampled(users: Array, most: int, week: int, seed: int) -> Array:
    """``users``, or a seeded sample of ``most`` of them, ascending."""
    if len(users) <= most:
        return users
    return np.sort(np.random.default_rng([seed, week]).choice(users, most, replace=False))


@dataclass(frozen=True)
class Plan:
    """Which weeks do what; every list ascends."""

    train: list[int]  # label weeks of the evaluated ranker
    stop: list[int]  # its early stopping
    validation: list[int]  # reported
    refit: list[int]  # label weeks of the ranker that answers the submission
    submission: int  # the week after the data

    def tuning(self, most: int) -> list[int]:
        """The last label weeks of ``train``, at most ``most`` and half of them, by which a search judges."""
        return self.train[len(self.train) - min(most, len(self.train) // 2) :]

    @property
    def labelled(self) -> list[int]:
        """Every week whose truth is known and used."""
        return sorted({*self.train, *self.stop, *self.validation, *self.refit})

    @property
    def all(self) -> list[int]:
        return [*self.labelled, self.submission]


def plan(log: Log, settings: Weeks) -> Plan:
    """The plan for this log: as many training weeks as ``train.customers`` buyers fill, within least..most.

    At most a quarter of the weeks before the reported ones stop the training, but one at the least. One week is left
    to the past at the least, so that no label week is answered from nothing.
    """
    last = log.weeks - 1
    validation = list(range(last - settings.validation + 1, last + 1))
    room = validation[0] - 2  # training weeks 1..room if one week stops them: week 0 is only history
    if room < 1:
        needed = settings.validation + 3
        raise InputError(
            f"transactions_train.csv: {log.weeks} week(s) of history, expected at least {needed} for "
            f"{settings.validation} validation weeks; bring more weeks or lower weeks.validation in params.yaml"
        )
    counts = buyers_per_week(log)
    # a shop closes over Christmas: nothing to learn from, and no reason to end
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
        refit=[*train, *stop, *validation][-len(train) - len(stop) :],  # as many as train and stop together
        submission=last + 1,
    )


def buyers_per_week(log: Log) -> list[int]:
    """Customers with a purchase in each week of the data."""
    return [int(n) for n in _buyers(log.user, log.day, first_day(log.days, 0), log.weeks)]


@numba.njit(cache=True)
def _buyers(user: Array, day: Array, first: int, weeks: int) -> Array:
    """(weeks,) customers; entries ascend by user and day, so that a customer's entries of a week lie together."""
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
    """For each run start[k]:start[k+1] of ascending days, the position of its first day that is not known."""
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
