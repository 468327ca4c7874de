"""Draw the articles of the hm shop: their hidden properties, their demand on a day and their price.

The numbers are calibrated on the competition (``benchmarks.shop_statistics``): how fast best sellers change from week
to week, the sales of new articles, and the sales of articles that had not been sold for weeks.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from retail import ragged
from retail.log import Array
from shops.hm.attributes import COLOUR_FALL, COLOURS, CUT_SHARES, CUTS, DEPARTMENTS, INDEXES, KINDS, STYLES

SECTIONS = sum(index.lines for index in INDEXES)
NEVER = 0.004  # share of articles that are in the files and never on sale
END = 0.06  # regular sale ends when demand has decayed to this share of the first day's
REST = 0.0004  # demand after the regular sale, as a share of the first day's
LONG, LONG_PULL = 0.22, 0.7  # share of products that stay for years, and the factor on their popularity
RAMP = 2.0  # days until a new article has its full demand
SHOCK, HOLD = 0.5, 0.3  # sd of the logarithm of the weekly demand shock, and its correlation with the week before
ADVERTISED, ADVERTISING = 0.01, 3.0  # share of articles advertised in a week, and the factor on their demand
PRODUCT, ARTICLE = 0.9, 2.0  # shapes of the gamma distributions of popularity: of a product, of an article within it
MIN_PULL = 0.06  # lower bound of an article's popularity, before the factor of its colour
COLOUR_PULL = 0.25  # the popularity of an article in the k-th colour has the factor (k + 1) ** -COLOUR_PULL
LINE_FALL = 1.4  # the share of the k-th line of an index falls as (k + 1) ** -LINE_FALL
AGE_SPREAD = 9.0  # sd of the buyers' mean age between products of an index


@dataclass(frozen=True)
class Assortment:
    """All articles, (N,) each; the articles of a product are adjacent, products are in the order of their launch."""

    product: Array  # dense code, ascending
    variant: Array  # 0, 1, .. within the product
    index: Array  # into INDEXES
    kind: Array  # into KINDS
    cut: Array  # into CUTS
    section: Array
    department: Array
    style: Array
    colour: Array
    age: Array  # mean age of its buyers in years
    launch: Array  # first day of sale; negative: before the log begins; past its end: never
    half_life: Array  # days in which demand halves
    swing: Array
    peak: Array  # day of the year with the most sales if swing > 0, the fewest if swing < 0
    pull: Array  # popularity on the day of launch
    rebuy: Array  # chance that a customer who rebuys its product takes the same article
    gap: Array  # days until it is worn out
    cents: Array  # price at launch

    @property
    def stay(self) -> Array:
        """(N,) days of the regular sale."""
        return np.asarray(self.half_life * np.log2(1 / END))


def draw_assortment(rng: Generator, articles: int, products: int, days: int) -> Assortment:
    """Draw exactly ``articles`` articles in ``products`` products for a log of ``days``."""
    product = ragged.row_of(ragged.offsets(_draw_sizes(rng, articles, products)))  # (N,) of each article
    index = rng.choice(len(INDEXES), products, p=_normalise([index.share for index in INDEXES]))
    kind = _draw_kinds(rng, index)
    style = rng.integers(STYLES, size=products)
    section = _draw_sections(rng, index, style)
    half_life = np.clip(rng.lognormal(np.log(38), 0.7, products), 12, 300)
    long = rng.random(products) < LONG
    half_life[long] *= 8
    launch = _draw_launches(rng, half_life * np.log2(1 / END), days)
    order = np.lexsort((np.arange(products), launch))
    launch, half_life, long = launch[order], half_life[order], long[order]
    variant = np.arange(articles) - np.searchsorted(product, product)
    late = (variant > 0) & (rng.random(articles) < 0.4)  # some colours start later
    launch = launch[product] + late * rng.integers(0, 120, articles)
    launch = np.where(rng.random(articles) < NEVER, days, np.minimum(launch, days - 1)).astype(np.int64)
    colour = _draw_colours(rng, product, variant)
    lift = _normalise([index.sales for index in INDEXES]) / _normalise([index.share for index in INDEXES])
    pull = lift[index] * np.where(long, LONG_PULL, 1.0) * rng.gamma(PRODUCT, 1 / PRODUCT, products)
    cents = np.array([k.cents for k in KINDS])[kind] * rng.lognormal(-0.2, 0.35, products)
    return Assortment(
        product=product,
        variant=variant,
        index=index[product],
        kind=kind[product],
        cut=rng.choice(len(CUTS), products, p=CUT_SHARES)[product],
        section=section[product],
        department=_assign_departments(section, index, kind)[product],
        style=style[product],
        colour=colour,
        age=(np.array([index.age for index in INDEXES])[index] + rng.normal(0, AGE_SPREAD, products))[product],
        launch=launch,
        half_life=half_life[product],
        swing=(np.array([k.swing for k in KINDS])[kind] + rng.normal(0, 0.2, products))[product],
        peak=(170 + rng.normal(0, 20, products))[product],  # the middle of June
        pull=(MIN_PULL + pull[product] * rng.gamma(ARTICLE, 1 / ARTICLE, articles)) * (colour + 1.0) ** -COLOUR_PULL,
        rebuy=np.array([k.rebuy for k in KINDS])[kind][product],
        gap=np.clip(rng.lognormal(np.log(45), 0.6, products), 10, 200)[product],
        cents=np.maximum(np.floor(cents / 100) * 100 + 99, 99)[product],
    )


class Demand:
    """The demand for each article, day after day; the weekly shocks are drawn on the way."""

    def __init__(self, rng: Generator, assortment: Assortment) -> None:
        self.rng, self.assortment = rng, assortment
        self.shock = rng.normal(0, SHOCK, len(assortment.kind))  # (N,)

    def compute(self, day: int, day_of_year: int) -> Array:
        """Compute (N,) the demand on ``day``: pull x ramp x decay x season x shock x advertising; 0 before launch.

        It must be called for every day in turn.
        """
        assortment = self.assortment
        if day % 7 == 0:
            self.shock = HOLD * self.shock + self.rng.normal(0, SHOCK * np.sqrt(1 - HOLD**2), len(assortment.kind))
            advertised = self.rng.random(len(assortment.kind)) < ADVERTISED
            self.advertising = np.where(advertised, ADVERTISING, 1.0)
        age = day - assortment.launch
        decay = 2.0 ** (-np.maximum(age, 0) / assortment.half_life)
        season = np.exp(assortment.swing * np.cos(2 * np.pi * (day_of_year - assortment.peak) / 365.25))
        full = decay * np.minimum((age + 1) / RAMP, 1.0) * season * np.exp(self.shock) * self.advertising
        weight = assortment.pull * np.where(age < assortment.stay, full, REST)
        return np.where(age >= 0, weight, 0.0)


def compute_prices(assortment: Assortment, day: int) -> Array:
    """Compute (N,) the price in cents on ``day``: the launch price, marked down in three steps as demand decays."""
    halvings = (day - assortment.launch) / assortment.half_life
    reduced = np.array([1.0, 0.8, 0.6, 0.4])[np.digitize(halvings, (2.0, 3.0, 4.0))]
    return np.asarray(np.maximum(np.round(assortment.cents * reduced), 1)).astype(np.int64)


def _draw_sizes(rng: Generator, articles: int, products: int) -> Array:
    """Draw (products,) the number of colours, with sum ``articles``; half of them are 1, a few are dozens."""
    many = rng.random(products) < 0.1
    sizes = np.where(many, rng.geometric(0.17, products), rng.geometric(0.55, products))
    while gap := articles - int(sizes.sum()):
        candidates = np.flatnonzero(sizes > 1) if gap < 0 else np.arange(products)
        sizes[rng.choice(candidates, min(abs(gap), len(candidates)), replace=False)] += np.sign(gap)
    return np.asarray(sizes)


def _draw_kinds(rng: Generator, index: Array) -> Array:
    """Draw (products,) a kind that the product's index sells."""
    kind = np.empty(len(index), np.int64)
    for number, each in enumerate(INDEXES):
        share = _normalise([k.share if k.range in each.ranges else 0.0 for k in KINDS])
        mask = index == number
        kind[mask] = rng.choice(len(KINDS), int(mask.sum()), p=share)
    return kind


def _draw_sections(rng: Generator, index: Array, style: Array) -> Array:
    """Draw (products,) the section: a line of the index has a part of the styles, the first line the largest part."""
    begin, section = 0, np.empty(len(index), np.int64)
    point = (style + rng.random(len(style))) / STYLES
    for number, each in enumerate(INDEXES):
        ends = np.cumsum(_normalise([(line + 1) ** -LINE_FALL for line in range(each.lines)]))
        mask = index == number
        section[mask] = begin + np.searchsorted(ends[:-1], point[mask], side="right")
        begin += each.lines
    return section


def _assign_departments(section: Array, index: Array, kind: Array) -> Array:
    """Assign (products,) the department: a section's adjacent departments divide the kinds of its index."""
    sold = np.array([[k.range in each.ranges for k in KINDS] for each in INDEXES])  # (indexes, kinds)
    rank, kinds = np.cumsum(sold, axis=1) - 1, sold.sum(axis=1)
    begin = np.arange(SECTIONS + 1) * DEPARTMENTS // SECTIONS
    return np.asarray(begin[section] + rank[index, kind] * (begin[section + 1] - begin[section]) // kinds[index])


def _draw_launches(rng: Generator, stay: Array, days: int) -> Array:
    """Draw (products,) the day of launch, so that equally many products are on sale on each day."""
    before = rng.random(len(stay)) < stay / (stay + days)
    return np.asarray(np.floor(np.where(before, -stay * rng.random(len(stay)), days * rng.random(len(stay)))))


def _draw_colours(rng: Generator, product: Array, variant: Array) -> Array:
    """Draw (N,) the colour group, lower ones more often; the colours of a product differ (up to the 50th)."""
    share = (np.arange(COLOURS) + 1.0) ** -COLOUR_FALL
    score = np.log(share)[None, :] + rng.gumbel(size=(int(product[-1]) + 1, COLOURS))  # (products, COLOURS)
    ranked = np.argsort(-score, axis=1)
    return np.asarray(ranked[product, variant % COLOURS])


def _normalise(weights: list[float]) -> Array:
    """Divide the weights by their sum."""
    return np.asarray(weights, float) / sum(weights)
