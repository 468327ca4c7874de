"""Who shops in the hm shop: the hidden truth of its customers; when they come is told by hm_visits."""

from typing import NamedTuple

import numpy as np

from shops.demo.assortment import Array, Random
from shops.hm.hm_shelf import Shelf
from shops.hm.hm_words import COLOUR_FALL, COLOURS, DEPARTMENTS, INDEXES, STYLES

YOUNG = 0.60  # share of customers around 25, the others around 49
AREAS = 0.257  # postal areas per customer
DEFAULT_AREA = 0.088  # share of customers in area 0, which has no local taste
LOCAL = 0.4  # share of the others whose first style is that of their area
AGE_WIDTH = 10.0  # years from the centre of an index's buyers at which it appeals exp(-1/2) as much
LOYAL = 0.75  # chance that a favourite department lies in the favourite index


class Crowd(NamedTuple):
    """One entry per customer, (C, ...) each, in types that keep 1.4 million of them small."""

    age: Array  # (C,) float32, years
    area: Array  # (C,) int32 postal area
    styles: Array  # (C, 2) int8, the one loved most first
    part: Array  # (C,) int8, favourite index of the shop
    departments: Array  # (C, 3) int16, favourites
    colours: Array  # (C, 2) int8, favourites
    online: Array  # (C,) float32, share of visits through sales channel 2
    loyalty: Array  # (C,) float32, personal factor on the chance to come back to what was bought


def gathered(rng: Random, customers: int, shelf: Shelf) -> Crowd:
    """A crowd for ``shelf``: where it has more to offer, more customers have their favourites."""
    areas = 1 + int(AREAS * customers)
    area = np.where(rng.random(customers) < DEFAULT_AREA, 0, rng.integers(1, areas + 1, customers))
    styles = rng.integers(STYLES, size=(customers, 2))
    follows = (area > 0) & (rng.random(customers) < LOCAL)
    styles[:, 0] = np.where(follows, rng.integers(STYLES, size=areas + 1)[area], styles[:, 0])
    young = rng.random(customers) < YOUNG
    age = np.where(young, rng.gamma(3.0, 3.3, customers) + 17.0, rng.normal(50, 8.5, customers))
    age = np.clip(age, 16, 99)
    index = _favourite_index(rng, age)
    colour = (np.arange(COLOURS) + 1.0) ** -COLOUR_FALL
    return Crowd(
        age=age.astype(np.float32),
        area=area.astype(np.int32),
        styles=styles.astype(np.int8),
        part=index.astype(np.int8),
        departments=_favourite_departments(rng, index, shelf).astype(np.int16),
        colours=rng.choice(COLOURS, (customers, 2), p=colour / colour.sum()).astype(np.int8),
        online=rng.beta(0.9, 0.4, customers).astype(np.float32),
        loyalty=rng.uniform(0.2, 1.8, customers).astype(np.float32),
    )


def _favourite_index(rng: Random, age: Array) -> Array:
    """(C,) a part of the shop for each customer: by its share of the sales and the distance of ages (Gumbel-max)."""
    best, index = np.full(len(age), -np.inf), np.zeros(len(age), np.int64)
    for at, one in enumerate(INDEXES):
        appeal = np.log(one.sales) - 0.5 * ((age - one.age) / AGE_WIDTH) ** 2 + rng.gumbel(size=len(age))
        index[appeal > best] = at
        best = np.maximum(best, appeal)
    return index


def _favourite_departments(rng: Random, index: Array, shelf: Shelf) -> Array:
    """(C, 3) departments, by the pull of their articles, most of them of the customer's own index."""
    pull = np.bincount(shelf.department, shelf.pull, DEPARTMENTS)
    ends = np.concatenate(([0.0], np.cumsum(pull)))  # (DEPARTMENTS + 1,)
    of = np.arange(len(INDEXES))
    begin = np.array([shelf.department[shelf.index == at].min(initial=DEPARTMENTS) for at in of])
    end = np.array([shelf.department[shelf.index == at].max(initial=-1) + 1 for at in of])
    own = (rng.random((len(index), 3)) < LOYAL) & (begin < end)[index][:, None]
    low = np.where(own, ends[np.minimum(begin, end)[index]][:, None], 0.0)
    high = np.where(own, ends[end[index]][:, None], ends[-1])
    found = np.searchsorted(ends, low + rng.random(own.shape) * (high - low), side="right") - 1
    return np.asarray(np.clip(found, 0, DEPARTMENTS - 1))
