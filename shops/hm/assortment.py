"""What the hm shop sells: the hidden truth of its articles, their demand on a day and their price.

The numbers are calibrated on the competition (``benchmarks.shop_statistics``): how fast one week's best sellers are
forgotten, how much the shop sells of what is new, and how much of what had seemed sold out.
"""

from dataclasses import dataclass

import numpy as np

from shops.demo.assortment import Array, Random
from shops.hm.hm_words import COLOUR_FALL, COLOURS, CUT_SHARES, CUTS, DEPARTMENTS, INDEXES, KINDS, STYLES

SECTIONS = sum(index.lines for index in INDEXES)
NEVER = 0.004  # share of articles that are on the list and never on the shelf
END = 0.06  # an article leaves the shelf when its demand has faded to this share of the first day's
LEFT = 0.0004  # demand for what has left the shelf, as a share of the first day's
LONG, LONG_PULL = 0.22, 0.7  # share of products that stay in the shop for years, and how they sell beside the others
RAMP = 2.0  # days until a new article has all its customers
SHOCK, HOLD = 0.5, 0.3  # sd of the logarithm of demand from week to week, and its correlation with the week before
OFFER, LOUD = 0.01, 3.0  # share of articles that are advertised in a week, and what it does to their demand
PRODUCT, ARTICLE = 0.9, 2.0  # shapes of the gamma laws of popularity: of a product, of an article within it
LEAST = 0.06  # what even the least wanted article adds to its popularity
WORN_MOST = 0.25  # an article in the k-th colour is wanted (k + 1) ** -WORN_MOST as much
LINE_FALL = 1.4  # the k-th line of an index has (k + 1) ** -LINE_FALL of its products
AGE_SPREAD = 9.0  # sd of the centre of the buyers' ages between products of an index


@dataclass(frozen=True)
class Shelf:
    """One entry per article, (N,) each, articles of one product side by side, products in order of launch."""

    product: Array  # dense code, ascending
    variant: Array  # 0, 1, .. within the product
    index: Array  # into INDEXES
    kind: Array  # into KINDS
    cut: Array  # into CUTS
    section: Array
    department: Array
    style: Array
    colour: Array
    age: Array  # years, centre of its buyers
    launch: Array  # first day of sale; negative: before the log begins; past its end: never
    half_life: Array  # days in which demand halves
    swing: Array
    peak: Array  # day of the year with the most sales where swing > 0, the fewest where swing < 0
    pull: Array  # popularity on the day of launch
    rebuy: Array  # chance that who takes it up again wants the same one
    gap: Array  # days after which it is worn out
    cents: Array  # price at launch

    @property
    def stay(self) -> Array:
        """(N,) days on the shelf."""
        return np.asarray(self.half_life * np.log2(1 / END))


def stocked(rng: Random, articles: int, products: int, days: int) -> Shelf:
    """A shelf of exactly ``articles`` in ``products`` for a log of ``days``."""
    of = np.repeat(np.arange(products), _sizes(rng, articles, products))  # (N,) product of each article
    index = rng.choice(len(INDEXES), products, p=_shares([one.share for one in INDEXES]))
    kind = _kinds(rng, index)
    style = rng.integers(STYLES, size=products)
    section = _sections(rng, index, style)
    half_life = np.clip(rng.lognormal(np.log(38), 0.7, products), 12, 300)
    long = rng.random(products) < LONG
    half_life[long] *= 8
    launch = _launches(rng, half_life * np.log2(1 / END), days)
    order = np.lexsort((np.arange(products), launch))
    launch, half_life, long = launch[order], half_life[order], long[order]
    variant = np.arange(articles) - np.searchsorted(of, of)
    late = (variant > 0) & (rng.random(articles) < 0.4)  # some colours come later
    launch = launch[of] + late * rng.integers(0, 120, articles)
    launch = np.where(rng.random(articles) < NEVER, days, np.minimum(launch, days - 1)).astype(np.int64)
    colour = _colours(rng, of, variant)
    lift = _shares([one.sales for one in INDEXES]) / _shares([one.share for one in INDEXES])
    pull = lift[index] * np.where(long, LONG_PULL, 1.0) * rng.gamma(PRODUCT, 1 / PRODUCT, products)
    cents = np.array([k.cents for k in KINDS])[kind] * rng.lognormal(-0.2, 0.35, products)
    return Shelf(
        product=of,
        variant=variant,
        index=index[of],
        kind=kind[of],
        cut=rng.choice(len(CUTS), products, p=CUT_SHARES)[of],
        section=section[of],
        department=_departments(section, index, kind)[of],
        style=style[of],
        colour=colour,
        age=(np.array([one.age for one in INDEXES])[index] + rng.normal(0, AGE_SPREAD, products))[of],
        launch=launch,
        half_life=half_life[of],
        swing=(np.array([k.swing for k in KINDS])[kind] + rng.normal(0, 0.2, products))[of],
        peak=(170 + rng.normal(0, 20, products))[of],  # the middle of June
        pull=(LEAST + pull[of] * rng.gamma(ARTICLE, 1 / ARTICLE, articles)) * (colour + 1.0) ** -WORN_MOST,
        rebuy=np.array([k.rebuy for k in KINDS])[kind][of],
        gap=np.clip(rng.lognormal(np.log(45), 0.6, products), 10, 200)[of],
        cents=np.maximum(np.floor(cents / 100) * 100 + 99, 99)[of],
    )


class Demand:
    """What passers-by want of the shelf, day after day: the shocks of the weeks are drawn as they come."""

    def __init__(self, rng: Random, shelf: Shelf) -> None:
        self.rng, self.shelf = rng, shelf
        self.shock = rng.normal(0, SHOCK, len(shelf.kind))  # (N,)

    def on(self, day: int, day_of_year: int) -> Array:
        """(N,) weight of each article on ``day``: pull x ramp x fading x season x shock; 0 before launch.

        Days must be asked for in turn.
        """
        shelf = self.shelf
        if day % 7 == 0:
            self.shock = HOLD * self.shock + self.rng.normal(0, SHOCK * np.sqrt(1 - HOLD**2), len(shelf.kind))
            self.loud = np.where(self.rng.random(len(shelf.kind)) < OFFER, LOUD, 1.0)
        age = day - shelf.launch
        fade = 2.0 ** (-np.maximum(age, 0) / shelf.half_life)
        season = np.exp(shelf.swing * np.cos(2 * np.pi * (day_of_year - shelf.peak) / 365.25))
        full = fade * np.minimum((age + 1) / RAMP, 1.0) * season * np.exp(self.shock) * self.loud
        weight = shelf.pull * np.where(age < shelf.stay, full, LEFT)
        return np.where(age >= 0, weight, 0.0)


def price(shelf: Shelf, day: int) -> Array:
    """(N,) price in cents on ``day``: the price at launch, marked down in three steps as demand fades."""
    halvings = (day - shelf.launch) / shelf.half_life
    reduced = np.array([1.0, 0.8, 0.6, 0.4])[np.digitize(halvings, (2.0, 3.0, 4.0))]
    return np.asarray(np.maximum(np.round(shelf.cents * reduced), 1)).astype(np.int64)


def _sizes(rng: Random, articles: int, products: int) -> Array:
    """(products,) number of colours, their sum ``articles``; half of the products have one, a few have dozens."""
    many = rng.random(products) < 0.1
    sizes = np.where(many, rng.geometric(0.17, products), rng.geometric(0.55, products))
    while gap := articles - int(sizes.sum()):
        can = np.flatnonzero(sizes > 1) if gap < 0 else np.arange(products)
        sizes[rng.choice(can, min(abs(gap), len(can)), replace=False)] += np.sign(gap)
    return np.asarray(sizes)


def _kinds(rng: Random, index: Array) -> Array:
    """(products,) a kind for each, of the rooms of its index."""
    kind = np.empty(len(index), np.int64)
    for at, one in enumerate(INDEXES):
        share = _shares([k.share if k.room in one.rooms else 0.0 for k in KINDS])
        here = index == at
        kind[here] = rng.choice(len(KINDS), int(here.sum()), p=share)
    return kind


def _sections(rng: Random, index: Array, style: Array) -> Array:
    """(products,) section: a line of the index holds a part of the styles, its first line the largest."""
    begin, section = 0, np.empty(len(index), np.int64)
    at = (style + rng.random(len(style))) / STYLES
    for number, one in enumerate(INDEXES):
        ends = np.cumsum(_shares([(line + 1) ** -LINE_FALL for line in range(one.lines)]))
        here = index == number
        section[here] = begin + np.searchsorted(ends[:-1], at[here], side="right")
        begin += one.lines
    return section


def _departments(section: Array, index: Array, kind: Array) -> Array:
    """(products,) department: those of a section share out the kinds of its index; sections lie side by side."""
    sold = np.array([[k.room in one.rooms for k in KINDS] for one in INDEXES])  # (indexes, kinds)
    rank, kinds = np.cumsum(sold, axis=1) - 1, sold.sum(axis=1)
    begin = np.arange(SECTIONS + 1) * DEPARTMENTS // SECTIONS
    return np.asarray(begin[section] + rank[index, kind] * (begin[section + 1] - begin[section]) // kinds[index])


def _launches(rng: Random, stay: Array, days: int) -> Array:
    """(products,) whole day of launch: as many are on the shelf on the first day as on any other."""
    before = rng.random(len(stay)) < stay / (stay + days)
    return np.asarray(np.floor(np.where(before, -stay * rng.random(len(stay)), days * rng.random(len(stay)))))


def _colours(rng: Random, product: Array, variant: Array) -> Array:
    """(N,) colour group; the first ones are worn most, and the colours of a product differ (up to the 50th)."""
    share = (np.arange(COLOURS) + 1.0) ** -COLOUR_FALL
    score = np.log(share)[None, :] + rng.gumbel(size=(int(product[-1]) + 1, COLOURS))  # (products, COLOURS)
    ranked = np.argsort(-score, axis=1)
    return np.asarray(ranked[product, variant % COLOURS])


def _shares(weights: list[float]) -> Array:
    """Weights as shares of their sum."""
    return np.asarray(weights, float) / sum(weights)
