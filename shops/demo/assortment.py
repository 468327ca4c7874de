"""Draw the articles of the demo shop: their hidden properties, their demand on a day and their price."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from retail import ragged
from retail.log import Array

STYLES = 12  # latent tastes that connect articles of different departments; no CSV column contains them
COLOURS = 16
AGES = (34.0, 24.0, 44.0, 37.0, 30.0)  # centre of the buyers' age per index group
GROUP_SHARE = (0.46, 0.22, 0.14, 0.12, 0.06)
SHORTEST, LONGEST = 7, 60  # days between two purchases of the same consumable
FIRST_LAUNCH = -150  # day
UNLIMITED = 10_000.0  # half-life in days of an article that never goes out of fashion


class Kind(NamedTuple):
    """A product type. Its seasonal factor is exp(swing * cos(season)): ``swing`` > 0 sells in summer, < 0 in winter."""

    name: str
    group: str
    garment: str
    cents: int  # usual price
    swing: float
    rebuy: float  # chance that a purchase is followed by one of the same article


KINDS = (
    Kind("T-shirt", "Upper body", "Jersey", 1299, 0.5, 0.05),
    Kind("Vest top", "Upper body", "Jersey", 799, 0.9, 0.12),
    Kind("Blouse", "Upper body", "Blouses", 2499, 0.2, 0.01),
    Kind("Shirt", "Upper body", "Shirts", 2499, 0.1, 0.02),
    Kind("Sweater", "Upper body", "Knitwear", 2999, -1.0, 0.01),
    Kind("Cardigan", "Upper body", "Knitwear", 2999, -0.7, 0.01),
    Kind("Hoodie", "Upper body", "Sweatshirts", 2499, -0.5, 0.02),
    Kind("Trousers", "Lower body", "Trousers", 2999, -0.1, 0.03),
    Kind("Jeans", "Lower body", "Denim", 3999, -0.2, 0.03),
    Kind("Leggings", "Lower body", "Jersey", 999, -0.2, 0.12),
    Kind("Shorts", "Lower body", "Shorts", 1999, 1.8, 0.01),
    Kind("Skirt", "Lower body", "Skirts", 1999, 0.6, 0.01),
    Kind("Dress", "Full body", "Dresses", 3499, 0.7, 0.01),
    Kind("Jumpsuit", "Full body", "Dresses", 3999, 0.6, 0.01),
    Kind("Coat", "Outerwear", "Outdoor", 6999, -1.8, 0.01),
    Kind("Jacket", "Outerwear", "Outdoor", 4999, -0.8, 0.01),
    Kind("Bikini", "Swimwear", "Swimwear", 1799, 2.2, 0.01),
    Kind("Bra", "Underwear", "Underwear", 1799, 0.0, 0.08),
    Kind("Briefs", "Underwear", "Underwear", 999, 0.0, 0.25),
    Kind("Pyjamas", "Nightwear", "Nightwear", 2499, -0.6, 0.02),
    Kind("Socks", "Socks and tights", "Hosiery", 699, -0.1, 0.5),
    Kind("Tights", "Socks and tights", "Hosiery", 899, -0.6, 0.55),
    Kind("Scarf", "Accessories", "Accessories", 1299, -1.4, 0.01),
    Kind("Bag", "Accessories", "Accessories", 2499, 0.2, 0.01),
)
BASIC = 0.05  # a product type with at least this rebuy chance is a basic


@dataclass(frozen=True)
class Assortment:
    """All articles, (N,) each; the articles of a product are adjacent, products are in the order of their launch."""

    product: Array  # dense code, ascending
    variant: Array  # 0, 1, .. within the product
    kind: Array  # index into KINDS
    group: Array  # index group, index into AGES
    style: Array
    colour: Array
    age: Array  # mean age of its buyers in years
    launch: Array  # first day on sale; negative: before the log begins
    half_life: Array  # days in which demand halves after launch
    swing: Array
    peak: Array  # day of the year with the most sales if swing > 0, the fewest if swing < 0
    pull: Array  # popularity on the day of launch
    rebuy: Array  # chance that a purchase is followed by one of the same article
    gap: Array  # days until it is used up
    cents: Array  # price at launch

    @property
    def department(self) -> Array:
        """(N,) index group x kind."""
        return np.asarray(self.group * len(KINDS) + self.kind)


def draw_assortment(rng: Generator, articles: int, days: int) -> Assortment:
    """Draw ``articles`` articles for a log of ``days``; products have 1-8 colours, about 2.2 on average."""
    sizes = np.minimum(rng.geometric(0.45, articles), 8)
    product = ragged.row_of(ragged.offsets(sizes))[:articles]  # (N,) of each article; surplus products are dropped
    products = int(product[-1]) + 1
    launch = np.sort(rng.uniform(FIRST_LAUNCH, days, products))
    launch[0] = FIRST_LAUNCH  # one product is always on sale, however small the shop
    kind = rng.integers(len(KINDS), size=products)
    kinds_rebuy = np.array([k.rebuy for k in KINDS])
    basic = kinds_rebuy[kind] >= BASIC
    half_life = np.clip(rng.lognormal(np.log(40), 0.6, products), 12, 250)
    half_life[basic] *= 8
    half_life[0] = UNLIMITED
    launch[basic] = np.where(rng.random(basic.sum()) < 0.75, FIRST_LAUNCH, launch[basic])  # most basics are old
    order = np.lexsort((np.arange(products), launch))
    launch, kind, half_life, basic = launch[order], kind[order], half_life[order], basic[order]
    group = rng.choice(len(AGES), products, p=GROUP_SHARE)
    variant = np.arange(articles) - np.searchsorted(product, product)
    delay = rng.integers(0, 60, articles) * ((variant > 0) & (rng.random(articles) < 0.3))  # some colours start later
    rebuy = np.clip(kinds_rebuy[kind] * rng.lognormal(0, 0.35, products), 0, 0.95)
    cents = np.array([k.cents for k in KINDS])[kind] * rng.lognormal(0, 0.3, products)
    pull = rng.lognormal(0, 1.2, products) * np.where(basic, 0.25, 1.0)
    return Assortment(
        product=product,
        variant=variant,
        kind=kind[product],
        group=group[product],
        style=rng.integers(STYLES, size=products)[product],
        colour=(rng.integers(COLOURS, size=products)[product] + variant * 3) % COLOURS,  # colours of a product differ
        age=(np.array(AGES)[group] + rng.normal(0, 9, products))[product],
        launch=np.minimum(np.floor(launch)[product] + delay, days - 1).astype(np.int64),
        half_life=half_life[product],
        swing=(np.array([k.swing for k in KINDS])[kind] + rng.normal(0, 0.15, products))[product],
        peak=(196 + rng.normal(0, 20, products))[product],  # the middle of July
        pull=pull[product] * rng.lognormal(0, 0.7, articles),
        rebuy=rebuy[product],
        gap=np.clip(rng.lognormal(np.log(24), 0.35, products), SHORTEST, LONGEST)[product],
        cents=np.maximum(np.floor(cents / 100) * 100 + 99, 99)[product],
    )


def compute_demand(assortment: Assortment, day: int, day_of_year: int) -> Array:
    """Compute (N,) the demand for each article on ``day``: pull x decay x season.

    It is 0 before the launch, and after the decay has reached 2%.
    """
    age = day - assortment.launch
    decay = 2.0 ** (-np.maximum(age, 0) / assortment.half_life)
    season = np.exp(assortment.swing * np.cos(2 * np.pi * (day_of_year - assortment.peak) / 365.25))
    return np.where((age >= 0) & (decay > 0.02), assortment.pull * decay * season, 0.0)


def compute_prices(assortment: Assortment, item: Array, day: int) -> Array:
    """Compute (rows,) the price in cents on ``day``: the launch price, marked down in three steps as demand decays."""
    halvings = (day - assortment.launch[item]) / assortment.half_life[item]
    reduced = np.array([1.0, 0.8, 0.6, 0.4])[np.digitize(halvings, (1.5, 2.5, 3.5))]
    return np.asarray(np.maximum(np.round(assortment.cents[item] * reduced), 1)).astype(np.int64)
