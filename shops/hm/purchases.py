"""What is bought in the hm shop: day by day, every row of every visit, in one compiled walk.

A row is one of four things: one more of what lies in the basket already; an article taken up again, or another colour
of it; or something new: popularity behind one of four doors proposes, taste picks among the proposals.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numba
import numpy as np

from shops.demo.assortment import Array, Random
from shops.demo.shoppers import Bought, Door, door
from shops.hm.hm_crowd import Crowd
from shops.hm.hm_shelf import Demand, Shelf, price
from shops.hm.hm_visits import Visits
from shops.hm.hm_words import COLOURS, DEPARTMENTS, INDEXES, STYLES

PROPOSALS = 8  # articles a customer looks at for each row
DOORS = (0.55, 0.7, 0.88)  # up to which a row begins at: whole shelf, style, department; beyond: index and colour
RECENT = 48  # articles that a customer remembers
MORE = 0.155  # chance that a row after the first is one more of what lies in the basket
BACK = 0.088  # chance, times loyalty, that a row looks back at what is remembered
SWAP_DAYS, SWAP = 12, 0.6  # so soon after a purchase most who come back want the same again, in another size
WORN = 0.5  # width, in gaps, of the time at which what is worn out is replaced
OTHER_MOOD = 0.3  # chance that a visit follows the second of the customer's styles
LIKES_STYLE, LIKES_INDEX, LIKES_DEPARTMENT, LIKES_COLOUR = 0.8, 0.3, 0.6, 0.5
AGE_WIDTH = 12.0  # years at which an article's appeal falls to exp(-1/2)
TRIES = 3  # times a customer looks again where the choice is a product that is remembered
COUPON, OFF = 0.08, 9  # share of visits at nine tenths of the price


class Traits(NamedTuple):
    """What the walk must know of an article, (N,) each, in small types."""

    product: Array  # int32
    age: Array  # float32
    style: Array  # int8
    part: Array  # int8, its index
    department: Array  # int16
    colour: Array  # int8
    rebuy: Array  # float32
    gap: Array  # float32
    begin: Array  # (products + 1,) int32, first article of each product


class Memory(NamedTuple):
    """What customers remember: a ring of articles and days each."""

    item: Array  # (C, RECENT) int32
    day: Array  # (C, RECENT) int16
    known: Array  # (C,) int32, purchases so far; the next goes to slot known % RECENT


def traits(shelf: Shelf) -> Traits:
    """The shelf as the walk wants it."""
    return Traits(
        product=shelf.product.astype(np.int32),
        age=shelf.age.astype(np.float32),
        style=shelf.style.astype(np.int8),
        part=shelf.index.astype(np.int8),
        department=shelf.department.astype(np.int16),
        colour=shelf.colour.astype(np.int8),
        rebuy=shelf.rebuy.astype(np.float32),
        gap=shelf.gap.astype(np.float32),
        begin=np.searchsorted(shelf.product, np.arange(int(shelf.product[-1]) + 2)).astype(np.int32),
    )


def days(rng: Random, shelf: Shelf, crowd: Crowd, visits: Visits, first_date: np.datetime64) -> Iterator[Bought]:
    """Yield each day's rows in turn, sorted by customer; memory holds what customers remember, never the log."""
    demand, known = Demand(rng, shelf), traits(shelf)
    doors = (
        door(np.zeros(len(shelf.kind), np.int64), 1),
        door(shelf.style, STYLES),
        door(shelf.department, DEPARTMENTS),
        door(shelf.index * COLOURS + shelf.colour, len(INDEXES) * COLOURS),
    )
    customers = len(crowd.age)
    memory = Memory(
        np.zeros((customers, RECENT), np.int32), np.zeros((customers, RECENT), np.int16), np.zeros(customers, np.int32)
    )
    for day in range(len(visits.start) - 1):
        date = first_date + np.timedelta64(day, "D")
        weight = demand.on(day, int((date - date.astype("datetime64[Y]")).astype(int)))
        ends = [np.concatenate(([0.0], np.cumsum(weight[one.order]))) for one in doors]
        here = slice(visits.start[day], visits.start[day + 1])
        came, rows = visits.user[here], visits.rows[here]
        item = _basket_rows(rng, day, came, rows, crowd, known, weight, doors, tuple(ends), memory)
        coupon = np.repeat(rng.random(len(came)) < COUPON, rows)
        cents = price(shelf, day)[item]
        yield Bought(
            day=day,
            user=np.repeat(came, rows),
            item=item,
            cents=np.where(coupon, np.maximum(cents * OFF // 10, 1), cents),
            channel=np.repeat(1 + (rng.random(len(came)) < crowd.online[came]), rows),
        )


@numba.njit(cache=True)
def _basket_rows(
    rng: Random,
    day: int,
    came: Array,
    rows: Array,
    crowd: Crowd,
    shelf: Traits,
    weight: Array,
    doors: tuple[Door, ...],
    ends: tuple[Array, ...],
    memory: Memory,
) -> Array:
    """(rows,) int32 article of each row of the day's visits."""
    bought = np.empty(rows.sum(), np.int32)
    at = 0
    for visit in range(len(came)):
        user = came[visit]
        style = crowd.styles[user, 1 if rng.random() < OTHER_MOOD else 0]
        first = at
        for _ in range(rows[visit]):
            if at > first and rng.random() < MORE:
                item = bought[first + int(rng.random() * (at - first))]
            else:
                item = -1
                if rng.random() < BACK * crowd.loyalty[user]:
                    item = _again(rng, day, user, shelf, weight, memory)
                tries = 0
                while item < 0 or (0 < tries < TRIES and _remembers(memory, user, shelf, item)):
                    item = _new(rng, user, style, crowd, shelf, doors, ends)
                    tries += 1
                slot = memory.known[user] % RECENT
                memory.item[user, slot], memory.day[user, slot] = item, day
                memory.known[user] += 1
            bought[at] = item
            at += 1
    return bought


@numba.njit(cache=True)
def _again(rng: Random, day: int, user: int, shelf: Traits, weight: Array, memory: Memory) -> int:
    """The article that a customer takes up again, or another colour of it; -1 where none is on sale."""
    known = memory.known[user]
    if known == 0:
        return -1
    back = int(rng.random() ** 2 * min(known, RECENT))  # what was bought last is taken up most
    slot = (known - 1 - back) % RECENT
    item = memory.item[user, slot]
    passed = day - memory.day[user, slot]
    if passed == 0:
        return -1
    late = (passed / shelf.gap[item] - 1) / WORN
    same = SWAP if passed <= SWAP_DAYS else shelf.rebuy[item] * (0.2 + 2 * np.exp(-late * late))
    if rng.random() >= same:
        begin, end = shelf.begin[shelf.product[item]], shelf.begin[shelf.product[item] + 1]
        item = begin + int(rng.random() * (end - begin))
    return item if weight[item] > 0 else -1


@numba.njit(cache=True)
def _remembers(memory: Memory, user: int, shelf: Traits, item: int) -> bool:
    product = shelf.product[item]
    known = memory.item[user, : min(memory.known[user], RECENT)]
    return bool((shelf.product[known] == product).any())


@numba.njit(cache=True)
def _new(
    rng: Random,
    user: int,
    style: int,
    crowd: Crowd,
    shelf: Traits,
    doors: tuple[Door, ...],
    ends: tuple[Array, ...],
) -> int:
    """One article: PROPOSALS are drawn behind a door by their weight, and one of them is taken by taste.

    The smallest of exponentials with rates exp(taste) is a draw with these odds.
    """
    which = rng.random()
    if which < DOORS[0]:
        number, group = 0, 0
    elif which < DOORS[1]:
        number, group = 1, int(style)
    elif which < DOORS[2]:
        number, group = 2, int(crowd.departments[user, int(rng.random() * 3)])
    else:
        number, group = 3, crowd.part[user] * COLOURS + crowd.colours[user, int(rng.random() * 2)]
    low, high = doors[number].start[group], doors[number].start[group + 1]
    if ends[number][high] <= ends[number][low]:  # nothing on sale behind it
        number, low, high = 0, 0, len(shelf.age)
    order, end = doors[number].order, ends[number]
    best, least = -1, np.inf
    for _ in range(PROPOSALS):
        item = order[_drawn(end, low, high, rng.random())]
        gap = (crowd.age[user] - shelf.age[item]) / AGE_WIDTH
        taste = -0.5 * gap * gap
        if shelf.style[item] == style:
            taste += LIKES_STYLE
        if shelf.part[item] == crowd.part[user]:
            taste += LIKES_INDEX
        for k in range(3):
            if shelf.department[item] == crowd.departments[user, k]:
                taste += LIKES_DEPARTMENT
        for k in range(2):
            if shelf.colour[item] == crowd.colours[user, k]:
                taste += LIKES_COLOUR
        wait = rng.standard_exponential() * np.exp(-taste)
        if wait < least:
            best, least = item, wait
    return best


@numba.njit(cache=True)
def _drawn(end: Array, low: int, high: int, chance: float) -> int:
    """Position p in ``low..high`` with ``end[p] <= point < end[p + 1]``, the point at ``chance`` of the way."""
    point = end[low] + chance * (end[high] - end[low])
    while high - low > 1:
        middle = (low + high) // 2
        if end[middle] <= point:
            low = middle
        else:
            high = middle
    return low
