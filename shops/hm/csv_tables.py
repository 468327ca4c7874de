"""Build articles.csv and customers.csv of the hm shop, with the competition's columns."""

import numpy as np
import polars as pl
from numpy.random import Generator

from retail.log import Array
from shops import csv_columns
from shops.csv_columns import draw_article_codes, encode_names, look_up, set_null
from shops.hm.assortment import Assortment
from shops.hm.attributes import (
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
from shops.hm.crowd import Crowd

SHOWS_STYLE = 0.5  # share of products whose pattern, and whose fabric, shows their style
NO_TEXT = 0.004  # share of articles without a description


def build_articles(rng: Generator, assortment: Assortment) -> pl.DataFrame:
    """Build articles.csv: one row per article, key ``article_id``, the competition's 25 columns in its order."""
    code, ids = draw_article_codes(rng, assortment.product, assortment.variant)
    groups, group_names = encode_names([kind.group for kind in KINDS])
    garments, garment_names = encode_names([kind.garment for kind in KINDS])
    types = [cut + kind.name for kind in KINDS for cut in CUTS]
    type_no = assortment.kind * len(CUTS) + assortment.cut
    type_name = look_up(types, type_no)
    appearance = _draw_patterns(rng, assortment)
    masters, values = np.arange(COLOURS) % len(MASTERS), _assign_values()
    master, value = masters[assortment.colour], values[assortment.colour]
    colours = [f"{VALUES[v]} {MASTERS[m]}" for v, m in zip(values, masters, strict=True)]
    index_name = look_up([index.name for index in INDEXES], assortment.index)
    series = pl.Series(assortment.product % 97 + 1).cast(pl.String)  # a number distinguishes products of the same name
    return pl.DataFrame(
        {
            "article_id": ids,
            "product_code": code,
            "prod_name": look_up(NAMES, code % len(NAMES)) + " " + type_name + " " + series,
            "product_type_no": 250 + type_no,
            "product_type_name": type_name,
            "product_group_name": look_up(group_names, groups[assortment.kind]),
            "graphical_appearance_no": 1_010_001 + appearance,
            "graphical_appearance_name": look_up(PATTERNS, appearance),
            "colour_group_code": 1 + assortment.colour,
            "colour_group_name": look_up(colours, assortment.colour),
            "perceived_colour_value_id": 1 + value,
            "perceived_colour_value_name": look_up(VALUES, value),
            "perceived_colour_master_id": 1 + master,
            "perceived_colour_master_name": look_up(MASTERS, master),
            "department_no": 1201 + 7 * assortment.department,
            "department_name": index_name + " department " + pl.Series(assortment.department % 250).cast(pl.String),
            "index_code": look_up([index.letter for index in INDEXES], assortment.index),
            "index_name": index_name,
            "index_group_no": np.array([index.number for index in INDEXES])[assortment.index],
            "index_group_name": look_up([index.group for index in INDEXES], assortment.index),
            "section_no": 2 + assortment.section,
            "section_name": index_name + " line " + pl.Series(assortment.section).cast(pl.String),
            "garment_group_no": 1001 + garments[assortment.kind],
            "garment_group_name": look_up(garment_names, garments[assortment.kind]),
            "detail_desc": set_null(rng.random(len(code)) < NO_TEXT, _draw_descriptions(rng, assortment, type_name)),
        }
    )


def build_customers(rng: Generator, crowd: Crowd, visits: Array) -> pl.DataFrame:
    """Build customers.csv: one row per customer, key ``customer_id``, the competition's 7 columns in its order.

    ``visits`` (C,): number of visits; customers with many are more likely to read the newsletter.
    """
    rows = len(crowd.age)
    news = rng.random(rows) < np.where(visits > np.median(visits), 0.46, 0.26)
    lapsed = rng.random(rows) < 0.03  # reads the newsletter, but is not active
    club = rng.choice(4, rows, p=(0.9275, 0.0678, 0.0003, 0.0044))
    frequency = np.where(news & ~lapsed, 0, rng.choice((1, 2, 4), rows, p=(0.983, 0.001, 0.016)))
    frequency[:2] = 3  # in the competition's file, two customers have another spelling
    return csv_columns.build_customers(rng, crowd.age, crowd.area, news, lapsed, club, frequency, 0.0116)


def _assign_values() -> Array:
    """Assign (COLOURS,) a perceived value to each colour group; with its master colour it names the group."""
    colour = np.arange(COLOURS)
    return (colour // len(MASTERS) * 3 + colour % len(MASTERS) % 3) % len(VALUES)


def _draw_patterns(rng: Generator, assortment: Assortment) -> Array:
    """Draw (N,) the pattern of each product; half of the patterned products show their style by it."""
    products = int(assortment.product[-1]) + 1
    share = (np.arange(len(PATTERNS)) + 1.0) ** -PATTERN_FALL
    drawn = rng.choice(len(PATTERNS), products, p=share / share.sum())[assortment.product]
    shows_style = (rng.random(products) < SHOWS_STYLE)[assortment.product] & (drawn > 0)
    return np.where(shows_style, 1 + assortment.style % (len(PATTERNS) - 1), drawn)


def _draw_descriptions(rng: Generator, assortment: Assortment, type_name: pl.Series) -> pl.Series:
    """Draw (N,) a description of about 140 characters per product; half of them show the style by the fabric."""
    products = int(assortment.product[-1]) + 1
    shows_style = (rng.random(products) < SHOWS_STYLE)[assortment.product]

    def draw(words: tuple[str, ...]) -> pl.Series:
        return look_up(words, rng.integers(len(words), size=products)[assortment.product])

    other = rng.integers(len(FABRICS), size=products)[assortment.product]
    fabric = np.where(shows_style, assortment.style * len(FABRICS) // STYLES, other)
    share = pl.Series(rng.integers(20, 81, products)[assortment.product]).cast(pl.String)
    return (
        type_name + " in " + look_up(FABRICS, fabric) + " with " + draw(CLOSINGS) + " and " + draw(EDGES) + ". "
        + draw(POCKETS) + " " + draw(LININGS) + " The weave is " + share + "% " + draw(FABRICS) + "."
    )  # fmt: skip
