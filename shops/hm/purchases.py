"""Simulate the purchases of the hm shop: day by day, every row of every visit, in a compiled loop.

A row is one of four: another piece of an article in the basket; an article bought before; another colour of it; or a
new article. For a new article, proposals are drawn by popularity within one of four groupings, and taste chooses.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numba
import numpy as np
from numpy.random import Generator

from retail.log import Array
from shops.hm.assortment import Assortment, Demand, compute_prices
from shops.hm.attributes import COLOURS, DEPARTMENTS, INDEXES, STYLES
from shops.hm.crowd import Crowd
from shops.hm.visits import Visits
from shops.sales import DaySales, Grouping, group_articles

PROPOSALS = 8  # articles that a customer considers for each row
GROUPING_SHARES = (
    0.55,
    0.7,
    0.88,
)  # cumulative shares of rows that consider: all articles, style, department; rest: colour
RECENT = 48  # articles that a customer remembers
MORE = 0.155  # chance that a row after the first is another piece of an article in the basket
BACK = 0.088  # chance, times loyalty, that a row rebuys a remembered article
SWAP_DAYS, SWAP = (
    12,
    0.6,
)  # within so many days of a purchase, a rebuy is the same article (another size) with chance SWAP
WORN = 0.5  # width, in gaps, of the time in which a worn-out article is replaced
SECOND_STYLE = 0.3  # chance that a visit follows the second of the customer's styles
LIKES_STYLE, LIKES_INDEX, LIKES_DEPARTMENT, LIKES_COLOUR = 0.8, 0.3, 0.6, 0.5
AGE_WIDTH = 12.0  # years at which an article's appeal falls to exp(-1/2)
TRIES = 3  # tries, at most, to choose a product that is not remembered
COUPON, COUPON_TENTHS = 0.08, 9  # share of visits with a coupon, and tenths of the price that they pay


class Traits(NamedTuple):
    """The properties of articles that the loop reads, (N,) each, in small types."""

    product: Array  # int32
    age: Array  # float32
    style: Array  # int8
    index_code: Array  # int8
    department: Array  # int16
    colour: Array  # int8
    rebuy: Array  # float32
    gap: Array  # float32
    begin: Array  # (products + 1,) int32, first article of each product


class Memory(NamedTuple):
    """The articles that each customer remembers, and the days of purchase, in ring buffers."""

    item: Array  # (C, RECENT) int32
    day: Array  # (C, RECENT) int16
    known: Array  # (C,) int32, purchases so far; the next goes to slot known % RECENT


def pack_traits(assortment: Assortment) -> Traits:
    """Pack the articles' properties for the compiled loop."""
    return Traits(
        product=assortment.product.astype(np.int32),
        age=assortment.age.astype(np.float32),
        style=assortment.style.astype(np.int8),
        index_code=assortment.index.astype(np.int8),
        department=assortment.department.astype(np.int16),
        colour=assortment.colour.astype(np.int8),
        rebuy=assortment.rebuy.astype(np.float32),
        gap=assortment.gap.astype(np.float32),
        begin=np.searchsorted(assortment.product, np.arange(int(assortment.product[-1]) + 2)).astype(np.int32),
    )


def simulate_days(
    rng: Generator, assortment: Assortment, crowd: Crowd, visits: Visits, first_date: np.datetime64
) -> Iterator[DaySales]:
    """Yield each day's sales in turn; only the customers' memories are kept, never the log."""
    demand, traits = Demand(rng, assortment), pack_traits(assortment)
    groupings = (
        group_articles(np.zeros(len(assortment.kind), np.int64), 1),
        group_articles(assortment.style, STYLES),
        group_articles(assortment.department, DEPARTMENTS),
        group_articles(assortment.index * COLOURS + assortment.colour, len(INDEXES) * COLOURS),
    )
    customers = len(crowd.age)
    memory = Memory(
        np.zeros((customers, RECENT), np.int32), np.zeros((customers, RECENT), np.int16), np.zeros(customers, np.int32)
    )
    for day in range(len(visits.start) - 1):
        date = first_date + np.timedelta64(day, "D")
        weight = demand.compute(day, int((date - date.astype("datetime64[Y]")).astype(int)))
        ends = [np.concatenate(([0.0], np.cumsum(weight[grouping.order]))) for grouping in groupings]
        today = slice(visits.start[day], visits.start[day + 1])
        visitors, rows = visits.user[today], visits.rows[today]
        item = _choose_rows(rng, day, visitors, rows, crowd, traits, weight, groupings, tuple(ends), memory)
        coupon = np.repeat(rng.random(len(visitors)) < COUPON, rows)
        cents = compute_prices(assortment, day)[item]
        yield DaySales(
            day=day,
            user=np.repeat(visitors, rows),
            item=item,
            cents=np.where(coupon, np.maximum(cents * COUPON_TENTHS // 10, 1), cents),
            channel=np.repeat(1 + (rng.random(len(visitors)) < crowd.online[visitors]), rows),
        )


@numba.njit(cache=True)
def _choose_rows(
    rng: Generator,
    day: int,
    visitors: Array,
    rows: Array,
    crowd: Crowd,
    traits: Traits,
    weight: Array,
    groupings: tuple[Grouping, ...],
    ends: tuple[Array, ...],
    memory: Memory,
) -> Array:
    """Choose the article of each row of the day's visits: int32, as many as the sum of ``rows``."""
    bought = np.empty(rows.sum(), np.int32)
    place = 0
    for visit in range(len(visitors)):
        user = visitors[visit]
        style = crowd.styles[user, 1 if rng.random() < SECOND_STYLE else 0]
        first = place
        for _ in range(rows[visit]):
            if place > first and rng.random() < MORE:
                item = bought[first + int(rng.random() * (place - first))]
            else:
                item = -1
                if rng.random() < BACK * crowd.loyalty[user]:
                    item = _rebuy(rng, day, user, traits, weight, memory)
                tries = 0
                while item < 0 or (0 < tries < TRIES and _remembers(memory, user, traits, item)):
                    item = _choose_new(rng, user, style, crowd, traits, groupings, ends)
                    tries += 1
                slot = memory.known[user] % RECENT
                memory.item[user, slot], memory.day[user, slot] = item, day
                memory.known[user] += 1
            bought[place] = item
            place += 1
    return bought


@numba.njit(cache=True)
def _rebuy(rng: Generator, day: int, user: int, traits: Traits, weight: Array, memory: Memory) -> int:
    """Choose a remembered article, or another colour of it; -1 where it is not on sale or was bought today."""
    known = memory.known[user]
    if known == 0:
        return -1
    back = int(rng.random() ** 2 * min(known, RECENT))  # recent purchases are more likely
    slot = (known - 1 - back) % RECENT
    item = memory.item[user, slot]
    passed = day - memory.day[user, slot]
    if passed == 0:
        return -1
    late = (passed / traits.gap[item] - 1) / WORN
    same = SWAP if passed <= SWAP_DAYS else traits.rebuy[item] * (0.2 + 2 * np.exp(-late * late))
    if rng.random() >= same:
        begin, end = traits.begin[traits.product[item]], traits.begin[traits.product[item] + 1]
        item = begin + int(rng.random() * (end - begin))
    return item if weight[item] > 0 else -1


@numba.njit(cache=True)
def _remembers(memory: Memory, user: int, traits: Traits, item: int) -> bool:
    """Return whether the customer remembers an article of the same product."""
    product = traits.product[item]
    known = memory.item[user, : min(memory.known[user], RECENT)]
    return bool((traits.product[known] == product).any())


@numba.njit(cache=True)
def _choose_new(
    rng: Generator,
    user: int,
    style: int,
    crowd: Crowd,
    traits: Traits,
    groupings: tuple[Grouping, ...],
    ends: tuple[Array, ...],
) -> int:
    """Draw PROPOSALS articles of a group by their weight, and choose one with odds exp(taste).

    The minimum of exponential variables with rates exp(taste) is such a choice.
    """
    which = rng.random()
    if which < GROUPING_SHARES[0]:
        number, group = 0, 0
    elif which < GROUPING_SHARES[1]:
        number, group = 1, int(style)
    elif which < GROUPING_SHARES[2]:
        number, group = 2, int(crowd.departments[user, int(rng.random() * 3)])
    else:
        number, group = 3, crowd.index_code[user] * COLOURS + crowd.colours[user, int(rng.random() * 2)]
    low, high = groupings[number].start[group], groupings[number].start[group + 1]
    if ends[number][high] <= ends[number][low]:  # no article of the group is on sale
        number, low, high = 0, 0, len(traits.age)
    order, end = groupings[number].order, ends[number]
    best, least = -1, np.inf
    for _ in range(PROPOSALS):
        item = order[_draw_position(end, low, high, rng.random())]
        gap = (crowd.age[user] - traits.age[item]) / AGE_WIDTH
        taste = -0.5 * gap * gap
        if traits.style[item] == style:
            taste += LIKES_STYLE
        if traits.index_code[item] == crowd.index_code[user]:
            taste += LIKES_INDEX
        for k in range(3):
            if traits.department[item] == crowd.departments[user, k]:
                taste += LIKES_DEPARTMENT
        for k in range(2):
            if traits.colour[item] == crowd.colours[user, k]:
                taste += LIKES_COLOUR
        wait = rng.standard_exponential() * np.exp(-taste)
        if wait < least:
            best, least = item, wait
    return best


@numba.njit(cache=True)
def _draw_position(end: Array, low: int, high: int, chance: float) -> int:
    """Return p in ``low..high`` with ``end[p] <= point < end[p + 1]``, the point being at ``chance`` (0..1)."""
    point = end[low] + chance * (end[high] - end[low])
    while high - low > 1:
        middle = (low + high) // 2
        if end[middle] <= point:
            low = middle
        else:
            high = middle
    return low
