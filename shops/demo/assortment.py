"""What the demo shop sells: the hidden truth of its articles, their demand on a day and their price."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Random = np.random.Generator

STYLES = 12  # latent tastes that tie articles together across departments; no column of the CSV files names them
COLOURS = 16
AGES = (34.0, 24.0, 44.0, 37.0, 30.0)  # centre of the buyers' age per index group
GROUP_SHARE = (0.46, 0.22, 0.14, 0.12, 0.06)
SHORTEST, LONGEST = 7, 60  # days between two purchases of the same consumable
BEFORE = -150  # day of the earliest launch
EVER = 10_000.0  # half-life in days of what never goes out of fashion


class Kind(NamedTuple):
    """A product type; ``swing`` > 0 sells in summer and < 0 in winter, as exp(swing * cos(season))."""

    name: str
    group: str
    garment: str
    cents: int  # usual price
    swing: float
    rebuy: float  # chance that an owner comes back for the same article


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
BASIC = 0.05  # from this rebuy chance on, a product type is a basic


@dataclass(frozen=True)
class Shelf:
    """One entry per article, (N,) each, articles of one product side by side, products in order of launch."""

    product: Array  # dense code, ascending
    variant: Array  # 0, 1, .. within the product
    kind: Array  # index into KINDS
    group: Array  # index group, index into AGES
    style: Array
    colour: Array
    age: Array  # years, centre of its buyers
    launch: Array  # day of the first sale; negative: before the log begins
    half_life: Array  # days in which demand halves after launch
    swing: Array
    peak: Array  # day of the year with the most sales where swing > 0, the fewest where swing < 0
    pull: Array  # popularity on the day of launch
    rebuy: Array  # chance that a purchase is followed by another one of the same article
    gap: Array  # days after which it is used up
    cents: Array  # price at launch

    @property
    def department(self) -> Array:
        """(N,) index group x kind."""
        return np.asarray(self.group * len(KINDS) + self.kind)


def stocked(rng: Random, articles: int, days: int) -> Shelf:
    """A shelf of ``articles`` for a log of ``days``; products have 1-8 colours, about 2.2 on average."""
    sizes = np.minimum(rng.geometric(0.45, articles), 8)
    of = np.repeat(np.arange(articles), sizes)[:articles]  # (N,) product of each article; surplus products fall away
    products = int(of[-1]) + 1
    launch = np.sort(rng.uniform(BEFORE, days, products))
    launch[0] = BEFORE  # one product is always on sale, however small the shop
    kind = rng.integers(len(KINDS), size=products)
    kinds_rebuy = np.array([k.rebuy for k in KINDS])
    basic = kinds_rebuy[kind] >= BASIC
    half_life = np.clip(rng.lognormal(np.log(40), 0.6, products), 12, 250)
    half_life[basic] *= 8
    half_life[0] = EVER
    launch[basic] = np.where(rng.random(basic.sum()) < 0.75, BEFORE, launch[basic])  # most basics were always there
    order = np.lexsort((np.arange(products), launch))
    launch, kind, half_life, basic = launch[order], kind[order], half_life[order], basic[order]
    group = rng.choice(len(AGES), products, p=GROUP_SHARE)
    variant = np.arange(articles) - np.searchsorted(of, of)
    delay = rng.integers(0, 60, articles) * ((variant > 0) & (rng.random(articles) < 0.3))  # some colours come later
    rebuy = np.clip(kinds_rebuy[kind] * rng.lognormal(0, 0.35, products), 0, 0.95)
    cents = np.array([k.cents for k in KINDS])[kind] * rng.lognormal(0, 0.3, products)
    pull = rng.lognormal(0, 1.2, products) * np.where(basic, 0.25, 1.0)
    return Shelf(
        product=of,
        variant=variant,
        kind=kind[of],
        group=group[of],
        style=rng.integers(STYLES, size=products)[of],
        colour=(rng.integers(COLOURS, size=products)[of] + variant * 3) % COLOURS,  # colours of a product differ
        age=(np.array(AGES)[group] + rng.normal(0, 9, products))[of],
        launch=np.minimum(np.floor(launch)[of] + delay, days - 1).astype(np.int64),
        half_life=half_life[of],
        swing=(np.array([k.swing for k in KINDS])[kind] + rng.normal(0, 0.15, products))[of],
        peak=(196 + rng.normal(0, 20, products))[of],  # the middle of July
        pull=pull[of] * rng.lognormal(0, 0.7, articles),
        rebuy=rebuy[of],
        gap=np.clip(rng.lognormal(np.log(24), 0.35, products), SHORTEST, LONGEST)[of],
        cents=np.maximum(np.floor(cents / 100) * 100 + 99, 99)[of],
    )


def demand(shelf: Shelf, day: int, day_of_year: int) -> Array:
    """(N,) weight of each article on ``day``: pull x season x fading; 0 before launch and when nearly faded."""
    age = day - shelf.launch
    fade = 2.0 ** (-np.maximum(age, 0) / shelf.half_life)
    season = np.exp(shelf.swing * np.cos(2 * np.pi * (day_of_year - shelf.peak) / 365.25))
    return np.where((age >= 0) & (fade > 0.02), shelf.pull * fade * season, 0.0)


def price(shelf: Shelf, item: Array, day: int) -> Array:
    """(rows,) price in cents on ``day``: the price at launch, marked down in three steps as demand fades."""
    halvings = (day - shelf.launch[item]) / shelf.half_life[item]
    reduced = np.array([1.0, 0.8, 0.6, 0.4])[np.digitize(halvings, (1.5, 2.5, 3.5))]
    return np.asarray(np.maximum(np.round(shelf.cents[item] * reduced), 1)).astype(np.int64)
