"""articles.csv and customers.csv of the hm shop: the hidden truth as far as the competition's columns tell it."""

import numpy as np
import polars as pl

from shops import csv_columns
from shops.csv_columns import article_codes, at, named, unless
from shops.demo.assortment import Array, Random
from shops.hm.hm_crowd import Crowd
from shops.hm.hm_shelf import Shelf
from shops.hm.hm_words import (
    CLOSINGS,
    COLOURS,
    CUTS,
    EDGES,
    FABRICS,
    INDEXES,
    KINDS,
    LININGS,
    MASTERS,
    NAMES,
    PATTERN_FALL,
    PATTERNS,
    POCKETS,
    STYLES,
    VALUES,
)

TELLING = 0.5  # share of products whose pattern and fabric tell their style
NO_TEXT = 0.004  # share of articles without a description


def articles(rng: Random, shelf: Shelf) -> pl.DataFrame:
    """articles.csv: one row per article, key ``article_id``, the competition's 25 columns in its order."""
    code, ids = article_codes(rng, shelf.product, shelf.variant)
    groups, group_names = named([kind.group for kind in KINDS])
    garments, garment_names = named([kind.garment for kind in KINDS])
    types = [cut + kind.name for kind in KINDS for cut in CUTS]
    type_no = shelf.kind * len(CUTS) + shelf.cut
    type_name = at(types, type_no)
    appearance = _patterns(rng, shelf)
    masters, values = np.arange(COLOURS) % len(MASTERS), _values()
    master, value = masters[shelf.colour], values[shelf.colour]
    colours = [f"{VALUES[v]} {MASTERS[m]}" for v, m in zip(values, masters, strict=True)]
    index_name = at([one.name for one in INDEXES], shelf.index)
    series = pl.Series(shelf.product % 97 + 1).cast(pl.String)  # products of one name are told apart by a number
    return pl.DataFrame(
        {
            "article_id": ids,
            "product_code": code,
            "prod_name": at(NAMES, code % len(NAMES)) + " " + type_name + " " + series,
            "product_type_no": 250 + type_no,
            "product_type_name": type_name,
            "product_group_name": at(group_names, groups[shelf.kind]),
            "graphical_appearance_no": 1_010_001 + appearance,
            "graphical_appearance_name": at(PATTERNS, appearance),
            "colour_group_code": 1 + shelf.colour,
            "colour_group_name": at(colours, shelf.colour),
            "perceived_colour_value_id": 1 + value,
            "perceived_colour_value_name": at(VALUES, value),
            "perceived_colour_master_id": 1 + master,
            "perceived_colour_master_name": at(MASTERS, master),
            "department_no": 1201 + 7 * shelf.department,
            "department_name": index_name + " department " + pl.Series(shelf.department % 250).cast(pl.String),
            "index_code": at([one.letter for one in INDEXES], shelf.index),
            "index_name": index_name,
            "index_group_no": np.array([one.number for one in INDEXES])[shelf.index],
            "index_group_name": at([one.group for one in INDEXES], shelf.index),
            "section_no": 2 + shelf.section,
            "section_name": index_name + " line " + pl.Series(shelf.section).cast(pl.String),
            "garment_group_no": 1001 + garments[shelf.kind],
            "garment_group_name": at(garment_names, garments[shelf.kind]),
            "detail_desc": unless(rng.random(len(code)) < NO_TEXT, _texts(rng, shelf, type_name)),
        }
    )


def customers(rng: Random, crowd: Crowd, visits: Array) -> pl.DataFrame:
    """customers.csv: one row per customer, key ``customer_id``, the competition's 7 columns in its order.

    ``visits`` (C,): who comes often reads the news more often.
    """
    rows = len(crowd.age)
    news = rng.random(rows) < np.where(visits > np.median(visits), 0.46, 0.26)
    lapsed = rng.random(rows) < 0.03  # reads the news, but is not active
    club = rng.choice(4, rows, p=(0.9275, 0.0678, 0.0003, 0.0044))
    frequency = np.where(news & ~lapsed, 0, rng.choice((1, 2, 4), rows, p=(0.983, 0.001, 0.016)))
    frequency[:2] = 3  # in the competition's file, two customers have it written otherwise
    return csv_columns.customers(rng, crowd.age, crowd.area, news, lapsed, club, frequency, 0.0116)


def _values() -> Array:
    """(COLOURS,) perceived value of each colour group: with its master colour it names the group."""
    colour = np.arange(COLOURS)
    return (colour // len(MASTERS) * 3 + colour % len(MASTERS) % 3) % len(VALUES)


def _patterns(rng: Random, shelf: Shelf) -> Array:
    """(N,) pattern of each product: half of the patterned ones show their style by it."""
    products = int(shelf.product[-1]) + 1
    share = (np.arange(len(PATTERNS)) + 1.0) ** -PATTERN_FALL
    drawn = rng.choice(len(PATTERNS), products, p=share / share.sum())[shelf.product]
    told = (rng.random(products) < TELLING)[shelf.product] & (drawn > 0)
    return np.where(told, 1 + shelf.style % (len(PATTERNS) - 1), drawn)


def _texts(rng: Random, shelf: Shelf, type_name: pl.Series) -> pl.Series:
    """(N,) a description per product of about 140 characters; the fabric of half of them tells the style."""
    products = int(shelf.product[-1]) + 1
    told = (rng.random(products) < TELLING)[shelf.product]

    def drawn(words: tuple[str, ...]) -> pl.Series:
        return at(words, rng.integers(len(words), size=products)[shelf.product])

    other = rng.integers(len(FABRICS), size=products)[shelf.product]
    fabric = np.where(told, shelf.style * len(FABRICS) // STYLES, other)
    share = pl.Series(rng.integers(20, 81, products)[shelf.product]).cast(pl.String)
    return (
        type_name + " in " + at(FABRICS, fabric) + " with " + drawn(CLOSINGS) + " and " + drawn(EDGES) + ". "
        + drawn(POCKETS) + " " + drawn(LININGS) + " The weave is " + share + "% " + drawn(FABRICS) + "."
    )  # fmt: skip
