"""Draw the customers of the hm shop: their hidden tastes; module visits draws when they come."""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from retail.log import Array
from shops.hm.assortment import Assortment
from shops.hm.attributes import COLOUR_FALL, COLOURS, DEPARTMENTS, INDEXES, STYLES

YOUNG = 0.60  # share of customers around 25, the others around 49
AREAS = 0.257  # postal areas per customer
DEFAULT_AREA = 0.088  # share of customers in area 0, which has no local taste
LOCAL = 0.4  # share of the others whose first style is that of their area
AGE_WIDTH = 10.0  # years from the mean age of an index's buyers at which its appeal is exp(-1/2)
LOYAL = 0.75  # chance that a favourite department lies in the favourite index


class Crowd(NamedTuple):
    """All customers, (C, ...) each, in small types: there may be 1.4 million."""

    age: Array  # (C,) float32, years
    area: Array  # (C,) int32 postal area
    styles: Array  # (C, 2) int8, the favourite first
    index_code: Array  # (C,) int8, favourite, into INDEXES
    departments: Array  # (C, 3) int16, favourites
    colours: Array  # (C, 2) int8, favourites
    online: Array  # (C,) float32, share of visits through sales channel 2
    loyalty: Array  # (C,) float32, personal factor on the chance to rebuy


def draw_crowd(rng: Generator, customers: int, assortment: Assortment) -> Crowd:
    """Draw customers for ``assortment``: a department with more popular articles is the favourite of more customers."""
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
        index_code=index.astype(np.int8),
        departments=_favourite_departments(rng, index, assortment).astype(np.int16),
        colours=rng.choice(COLOURS, (customers, 2), p=colour / colour.sum()).astype(np.int8),
        online=rng.beta(0.9, 0.4, customers).astype(np.float32),
        loyalty=rng.uniform(0.2, 1.8, customers).astype(np.float32),
    )


def _favourite_index(rng: Generator, age: Array) -> Array:
    """Draw (C,) an index for each customer, by its share of the sales and the distance of ages (Gumbel-max)."""
    best, favourite = np.full(len(age), -np.inf), np.zeros(len(age), np.int64)
    for number, index in enumerate(INDEXES):
        appeal = np.log(index.sales) - 0.5 * ((age - index.age) / AGE_WIDTH) ** 2 + rng.gumbel(size=len(age))
        favourite[appeal > best] = number
        best = np.maximum(best, appeal)
    return favourite


def _favourite_departments(rng: Generator, index: Array, assortment: Assortment) -> Array:
    """Draw (C, 3) departments by the popularity of their articles, most of them in the customer's index."""
    pull = np.bincount(assortment.department, assortment.pull, DEPARTMENTS)
    ends = np.concatenate(([0.0], np.cumsum(pull)))  # (DEPARTMENTS + 1,)
    numbers = range(len(INDEXES))
    begin = np.array([assortment.department[assortment.index == number].min(initial=DEPARTMENTS) for number in numbers])
    end = np.array([assortment.department[assortment.index == number].max(initial=-1) + 1 for number in numbers])
    own = (rng.random((len(index), 3)) < LOYAL) & (begin < end)[index][:, None]
    low = np.where(own, ends[np.minimum(begin, end)[index]][:, None], 0.0)
    high = np.where(own, ends[end[index]][:, None], ends[-1])
    department = np.searchsorted(ends, low + rng.random(own.shape) * (high - low), side="right") - 1
    return np.asarray(np.clip(department, 0, DEPARTMENTS - 1))
