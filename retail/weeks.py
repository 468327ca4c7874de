"""Plan the weeks, and read the past of a label week: only the entries before its first day.

Weeks count up. The last seven days of data are week W-1; the label week of the submission is W. Here W = 104, with four
validation weeks, two training weeks and two stopping weeks (s: early stopping, t: training, v: validation):

    week       96  97  98  99 100 101 102 103 104
    evaluated   t   t   s   s   v   v   v   v
    submitted                   t   t   t   t   answered

The ranker is trained on t and stopped by s. Then its training continues on both for a few rounds. The
last training weeks are also tuning weeks. A search for settings trains its models on the weeks before them, stops them
by s, and compares them on the tuning weeks. Then the ranker with the chosen settings is trained on all of t.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from retail import chunks
from retail.chunks import freeze, kernel
from retail.errors import InputError
from retail.log import Array, Log
from retail.params import Weeks
from retail.ragged import pair_codes, pairs_of_codes
from retail.selection import find_first


@dataclass(frozen=True)
class History:
    """Hold what is known when a label week begins: the entries before ``cutoff`` of each customer and article."""

    log: Log
    week: int  # the label week
    cutoff: int  # its first day; every known entry has day < cutoff
    stop: Array  # (users,) int64: entries start[u]:stop[u] of customer u are known
    item_stop: Array  # (items,) int64: entries by_item[item_start[i]:stop[i]] of article i are known
    memo: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)

    def once(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        """Return the result of ``compute``, called once per key, so that all shards of customers share it."""
        if key not in self.memo:
            self.memo[key] = compute()
        return self.memo[key]

    @cached_property
    def known(self) -> Array:
        """Return the positions (k,) int64 of the known entries, in the log's order by user, day, item."""
        start = self.log.start[:-1]
        positions = np.empty(int((self.stop - start).sum()), np.int64)
        _list_positions(freeze(start), freeze(self.stop), positions)
        return positions

    def decay(self, half_life: float) -> Array:
        """Return the weight 2^(-age / half_life) (k,) float of each known entry, in the order of ``known``.

        Age is in days before the cutoff; the last known day has age 1. ``half_life``: days, inf for equal weights.
        """
        weight: Array = np.exp2(-(self.cutoff - self.log.day[self.known]) / half_life)
        return weight


def history(log: Log, week: int) -> History:
    """Return the past of label week ``week``; every source, feature and network reads the log through it."""
    cutoff = first_day(log.days, week)
    stop = _find_stops(log.start, log.day, cutoff)
    item_stop = _find_stops(log.item_start, log.item_day, cutoff)
    return History(log, week, cutoff, stop, item_stop)


def first_day(days: int, week: int) -> int:
    """Return the first day of ``week``; it may be negative in week 0."""
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
    """Return the customers (c,) uint32 of label week ``week``, ascending: its buyers, or a seeded sample of them.

    A validation week keeps all buyers. A training week keeps at most its share of ``train.customers``, a stopping week
    at most its share of ``stop_customers``.
    """
    users = buyers(log, week)
    if week in plan.validation:
        return users
    return sample_users(
        users, stop_share(plan, settings) if week in plan.stop else train_share(plan, settings), week, seed
    )


def train_share(plan: "Plan", settings: Weeks) -> int:
    """Return the largest number of customers of a training week."""
    return -(-settings.train.customers // len(plan.train))


def stop_share(plan: "Plan", settings: Weeks) -> int:
    """Return the largest number of customers of a stopping week."""
    return -(-settings.stop_customers // len(plan.stop))


def tuning_customers(log: Log, plan: "Plan", week: int, settings: Weeks, most: int, seed: int) -> Array:
    """Return at most ``most`` customers (c,) uint32 of tuning week ``week``, on whom trials are compared."""
    return sample_users(customers(log, plan, week, settings, seed), most, week, seed)


def sample_users(users: Array, most: int, week: int, seed: int) -> Array:
    """Return ``users``, or a seeded sample of ``most`` of them, ascending."""
    if len(users) <= most:
        return users
    return np.sort(np.random.default_rng([seed, week]).choice(users, most, replace=False))


@dataclass(frozen=True)
class Plan:
    """List the weeks by their use, ascending."""

    train: list[int]  # label weeks on which the evaluated ranker is trained
    stop: list[int]  # label weeks of its early stopping
    validation: list[int]  # label weeks that are reported
    final: list[int]  # label weeks on which the ranker that answers the submission is trained
    submission: int  # the week after the data

    def tuning(self, most: int) -> list[int]:
        """Return the tuning weeks: the last weeks of ``train``, at most ``most`` and at most half of them."""
        return self.train[len(self.train) - min(most, len(self.train) // 2) :]

    @property
    def labelled(self) -> list[int]:
        """Return all weeks whose truth is known and used."""
        return sorted({*self.train, *self.stop, *self.validation, *self.final})

    @property
    def all(self) -> list[int]:
        return [*self.labelled, self.submission]


def plan(log: Log, settings: Weeks) -> Plan:
    """Plan the weeks of ``log``: as many training weeks as ``train.customers`` buyers fill, within least..most.

    The stopping weeks are at most a quarter of the weeks before the validation weeks, but at least one. Week 0 is never
    a label week, so that every label week has a history.
    """
    last = log.weeks - 1
    validation = list(range(last - settings.validation + 1, last + 1))
    room = validation[0] - 2  # the number of training weeks with one stopping week: 1..room; week 0 is history only
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
            "expected buyers to train on; bring more weeks or lower weeks.validation in params.yaml"
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
    count = np.zeros(log.weeks, np.int64)
    _count_buyers(freeze(log.user), freeze(log.day), first_day(log.days, 0), count)
    return [int(n) for n in count]


@kernel
def _count_buyers(user: Array, day: Array, first: int, count: Array) -> None:
    """Count the customers of each week in ``count`` (weeks,). The entries ascend by user and day."""
    last = -1
    for k in range(len(user)):
        week = (day[k] - first) // 7
        if week != last or user[k] != user[k - 1]:
            count[week] += 1
            last = week


def _find_stops(start: Array, day: Array, cutoff: int) -> Array:
    """Find in each run ``start[k]:start[k+1]`` of ascending days the first position at or after ``cutoff``."""
    stop = np.empty(len(start) - 1, np.int64)
    chunks.run(_find_stops_of, len(stop), (start, day, cutoff), (stop,))
    return stop


@kernel
def _find_stops_of(low: int, high: int, start: Array, day: Array, cutoff: int, stop: Array) -> None:
    for k in range(low, high):
        stop[k] = find_first(day, start[k], start[k + 1], cutoff)


@kernel
def _list_positions(start: Array, stop: Array, positions: Array) -> None:
    """List the positions in the runs ``start[k]:stop[k]``, run after run."""
    n = 0
    for k in range(len(stop)):
        for p in range(start[k], stop[k]):
            positions[n] = p
            n += 1
