"""Draw the customers of the demo shop and simulate what they buy each day."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from retail.log import Array
from shops.demo.assortment import (
    AGES,
    COLOURS,
    GROUP_SHARE,
    KINDS,
    LONGEST,
    SHORTEST,
    STYLES,
    Assortment,
    compute_demand,
    compute_prices,
)
from shops.sales import DaySales, Grouping, group_articles

PROPOSALS = 12  # articles that a customer considers for each line bought
GROUPING_SHARES = (0.3, 0.35, 0.25, 0.1)  # shares of lines that consider: all articles, a style, a department, a colour
RECENT = 30  # products that a customer remembers having bought
VARIANT = 0.06  # chance that a line looks for another colour of a product bought before
OWNED = 6.0  # reduction of the taste for an owned product: rebuying is simulated separately


@dataclass(frozen=True)
class Crowd:
    """All customers, (C, ...) each."""

    age: Array  # years
    area: Array  # (C,) postal area; 0 is the default area, which has no local taste
    styles: Array  # (C, 2) the favourite style first
    group: Array
    departments: Array  # (C, 3) favourites
    colours: Array  # (C, 2) favourites
    visits: Array  # expected visits per day
    first: Array  # day of the first visit; after the log for those who never buy
    last: Array  # no visit after this day
    basket: Array  # mean number of articles beyond the first
    pace: Array  # personal factor on the days until a consumable is used up
    loyalty: Array  # personal factor on the chance to buy again
    online: Array  # share of visits through sales channel 2


def draw_crowd(rng: Generator, customers: int, days: int) -> Crowd:
    """Draw customers for a log of ``days``: heavy-tailed activity, arrivals and churn over time, 1% who never buy."""
    areas = 1 + max(1, customers // 25)
    area = np.where(rng.random(customers) < 0.1, 0, rng.integers(1, areas, customers))
    local = rng.integers(STYLES, size=areas)[area]
    any_style = rng.integers(STYLES, size=(customers, 2))
    follows = (area > 0) & (rng.random(customers) < 0.4)
    styles = np.stack([np.where(follows, local, any_style[:, 0]), any_style[:, 1]], axis=1)
    young = rng.random(customers) < 0.62
    age = np.clip(np.where(young, rng.normal(26, 5, customers), rng.normal(49, 8, customers)), 16, 90)
    group = rng.choice(len(AGES), customers, p=GROUP_SHARE)
    kinds = rng.integers(len(KINDS), size=(customers, 3))
    first = np.where(
        rng.random(customers) < 0.5,
        np.minimum(rng.exponential(18, customers), days - 1),  # customers from before the log come soon
        rng.uniform(0, days, customers),
    ).astype(np.int64)
    stay = rng.exponential(560, customers).astype(np.int64)
    first[rng.random(customers) < 0.01] = days
    return Crowd(
        age=age,
        area=area,
        styles=styles,
        group=group,
        departments=group[:, None] * len(KINDS) + kinds,
        colours=rng.integers(COLOURS, size=(customers, 2)),
        visits=np.minimum(rng.gamma(0.7, 0.033, customers), 0.4),
        first=first,
        last=first + stay,
        basket=rng.gamma(2.0, 0.75, customers),
        pace=rng.lognormal(0, 0.3, customers),
        loyalty=rng.uniform(0.1, 1.1, customers),
        online=rng.beta(0.9, 0.5, customers),
    )


def draw_proposals(rng: Generator, grouping: Grouping, weight: Array, group: Array) -> Array:
    """Draw (lines, PROPOSALS) articles by ``weight`` (N,) within the ``group`` (lines,) of each line.

    Where no article of a group is on sale, all articles are candidates.
    """
    ends = np.concatenate(([0.0], np.cumsum(weight[grouping.order])))  # (N + 1,)
    low, high = ends[grouping.start[group]], ends[grouping.start[group + 1]]
    empty = high <= low
    low, high = np.where(empty, 0.0, low)[:, None], np.where(empty, ends[-1], high)[:, None]
    point = low + rng.random((len(group), PROPOSALS)) * (high - low)
    point = np.minimum(point, np.nextafter(high, low))  # rounding must not leave the group
    return np.asarray(grouping.order[np.searchsorted(ends, point, side="right") - 1])


class Simulation:
    """Simulate the sales day by day; the state is what customers own and when it is used up."""

    def __init__(self, rng: Generator, assortment: Assortment, crowd: Crowd) -> None:
        self.rng, self.assortment, self.crowd = rng, assortment, crowd
        colour = assortment.group * COLOURS + assortment.colour
        self.groupings = (
            group_articles(np.zeros(len(assortment.kind), np.int64), 1),
            group_articles(assortment.style, STYLES),
            group_articles(assortment.department, len(AGES) * len(KINDS)),
            group_articles(colour, len(AGES) * COLOURS),
        )
        self.recent = np.full((len(crowd.age), RECENT), -1, np.int32)  # products bought; a random slot is overwritten
        self.pending = np.empty((3, 0), np.int64)  # rows: user, item, day on which it is used up
        products = int(assortment.product[-1]) + 1
        self.begin = np.searchsorted(assortment.product, np.arange(products + 1))  # first article of each product

    def simulate_days(self, first_date: np.datetime64, days: int) -> Iterator[DaySales]:
        """Yield each day's sales in turn; only the customers' state is kept in memory, never the log."""
        for day in range(days):
            date = first_date + np.timedelta64(day, "D")
            day_of_year = int((date - date.astype("datetime64[Y]")).astype(int))
            weekday = int((date.astype("datetime64[D]").astype(int) + 3) % 7)  # Monday is 0
            yield self.simulate_day(day, day_of_year, weekday)

    def simulate_day(self, day: int, day_of_year: int, weekday: int) -> DaySales:
        """Simulate one day: customers rebuy what is used up, and visitors choose new articles."""
        rng, crowd = self.rng, self.crowd
        busy = (0.9, 0.85, 0.95, 1.0, 1.15, 1.25, 0.9)[weekday] * (1.2 if day_of_year > 324 else 1.0)
        weight = compute_demand(self.assortment, day, day_of_year)
        due_user, due_item, due_day = self.pending
        now = due_day == day
        self.pending = self.pending[:, ~now]
        now &= (crowd.last[due_user] >= day) & (weight[due_item] > 0)
        need_user, need_item = due_user[now], due_item[now]
        visits = (rng.random(len(crowd.age)) < crowd.visits * busy) & (crowd.first < day) & (day <= crowd.last)
        visits |= crowd.first == day
        visitors = np.flatnonzero(visits)
        browsing = np.unique(need_user[rng.random(len(need_user)) < 0.4])  # the others buy what they need and leave
        visitors = np.union1d(visitors, browsing)
        size = np.minimum(1 + rng.poisson(rng.exponential(crowd.basket[visitors])), 10)
        style = crowd.styles[visitors, (rng.random(len(visitors)) < 0.3).astype(int)]
        user = np.repeat(visitors, size)
        item = self.choose_articles(user, np.repeat(style, size), weight)
        new = ~self.owns(user, item[:, None])[:, 0]
        user, item = user[new], item[new]  # an owned product is bought again only when it is used up
        item = self.swap_colours(user, item, weight)
        user, item = _sort_unique(np.concatenate([need_user, user]), np.concatenate([need_item, item]))
        self.remember(user, item, day)
        quantity = np.minimum(rng.geometric(0.9, len(user)), 5)
        cents = compute_prices(self.assortment, item, day)
        coupon = rng.random(len(item)) < 0.06
        cents = np.where(coupon, np.maximum(cents * 9 // 10, 1), cents)
        shoppers, visit = np.unique(user, return_inverse=True)
        channel = (1 + (rng.random(len(shoppers)) < crowd.online[shoppers]))[visit]
        return DaySales(day, *(np.repeat(column, quantity) for column in (user, item, cents, channel)))

    def choose_articles(self, user: Array, style: Array, weight: Array) -> Array:
        """Choose (lines,) one article per line, for ``user`` (lines,) who looks for ``style`` (lines,).

        Proposals are drawn by popularity within one of four groupings; taste chooses among them (Gumbel-max trick).
        """
        rng, assortment, crowd = self.rng, self.assortment, self.crowd
        lines = np.arange(len(user))
        favourite = crowd.departments[user, rng.integers(3, size=len(user))]
        colour = crowd.group[user] * COLOURS + crowd.colours[user, rng.integers(2, size=len(user))]
        which = np.searchsorted(np.cumsum(GROUPING_SHARES[:-1]), rng.random(len(user)), side="right")
        items = np.empty((len(user), PROPOSALS), np.int64)
        for number, group in enumerate((np.zeros_like(user), style, favourite, colour)):
            mask = which == number
            items[mask] = draw_proposals(rng, self.groupings[number], weight, group[mask])
        taste = (
            -0.5 * ((crowd.age[user, None] - assortment.age[items]) / 10) ** 2
            + 2.2 * (assortment.style[items] == style[:, None])
            + 1.5 * (assortment.group[items] == crowd.group[user, None])
            + 1.2 * (assortment.department[items][:, :, None] == crowd.departments[user][:, None, :]).any(axis=2)
            + 0.8 * (assortment.colour[items][:, :, None] == crowd.colours[user][:, None, :]).any(axis=2)
            - OWNED * self.owns(user, items)
        )  # (lines, PROPOSALS)
        return np.asarray(items[lines, np.argmax(taste + rng.gumbel(size=items.shape), axis=1)])

    def owns(self, user: Array, items: Array) -> Array:
        """Return (lines, m) bool: the line's customer remembers having bought the product of ``items`` (lines, m)."""
        return np.asarray((self.assortment.product[items][:, :, None] == self.recent[user][:, None, :]).any(axis=2))

    def swap_colours(self, user: Array, item: Array, weight: Array) -> Array:
        """Replace part of ``item`` (lines,) by another colour, on sale today, of a product bought before."""
        rng = self.rng
        product = self.recent[user, rng.integers(RECENT, size=len(user))]  # -1: an empty slot
        begin = self.begin[np.maximum(product, 0)]
        end = self.begin[np.maximum(product, 0) + 1]
        other = rng.integers(begin, end)
        swaps = (rng.random(len(user)) < VARIANT) & (product >= 0) & (end - begin > 1) & (weight[other] > 0)
        return np.where(swaps, other, item)

    def remember(self, user: Array, item: Array, day: int) -> None:
        """Store today's (user, item) as owned, and plan the day on which it is used up and bought again."""
        rng, assortment, crowd = self.rng, self.assortment, self.crowd
        self.recent[user, rng.integers(RECENT, size=len(user))] = assortment.product[item]
        rebuys = rng.random(len(user)) < assortment.rebuy[item] * crowd.loyalty[user]
        user, item = user[rebuys], item[rebuys]
        gap = assortment.gap[item] * crowd.pace[user] * rng.lognormal(0, 0.12, len(user))
        due = day + np.clip(np.round(gap), SHORTEST, LONGEST).astype(np.int64)
        plans = np.concatenate([np.stack([user, item, due]), self.pending], axis=1)
        pair = plans[0] * len(assortment.kind) + plans[1]
        self.pending = plans[:, np.unique(pair, return_index=True)[1]]  # a newer purchase moves the date


def _sort_unique(user: Array, item: Array) -> tuple[Array, Array]:
    """Return the unique pairs, sorted by user, then item."""
    order = np.lexsort((item, user))
    user, item = user[order], item[order]
    new = np.ones(len(user), bool)
    new[1:] = (user[1:] != user[:-1]) | (item[1:] != item[:-1])
    return user[new], item[new]
