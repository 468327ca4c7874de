"""Write the demo shop: synthetic sales with a planted structure, as the four CSV files of the H&M competition.

The structure: popularity that decays, seasons, tastes (style, department, colour, age, postal area), purchases of
another colour, and consumables that customers buy again at regular intervals. See assortment and shoppers.
"""

from pathlib import Path

import numpy as np
import polars as pl
from numpy.random import Generator

from retail import params
from retail.errors import InputError
from retail.log import Array
from shops import csv_columns
from shops.csv_columns import (
    CENTS_PER_PRICE,
    CODES,
    LAST_DATE,
    LISTED,
    draw_article_codes,
    encode_names,
    look_up,
    set_null,
)
from shops.demo.assortment import COLOURS, KINDS, STYLES, Assortment, draw_assortment
from shops.demo.shoppers import Crowd, Simulation, draw_crowd
from shops.sales import DaySales

INDEXES = (("A", "Ladieswear", 1), ("D", "Divided", 2), ("F", "Menswear", 3), ("G", "Children", 4), ("S", "Sport", 26))
LINES = ("Everyday", "Trend", "Studio")  # a section is an index group x line; a line has a third of the styles
PATTERNS = ("Solid", "Stripe", "Check", "All over pattern", "Melange", "Dot", "Lace", "Front print")
MASTERS = ("Black", "Blue", "Green", "Grey", "Beige", "Pink", "Red", "Yellow")
VALUES = ("Dark", "Light")
NAMES = ("Alba", "Birk", "Cleo", "Dune", "Elin", "Fjord", "Gaia", "Iris", "Juno", "Koda", "Liv", "Mika", "Nova")
FABRICS = (  # one per style; the description names it for about half of the articles
    "airy viscose",
    "brushed cotton",
    "crinkled satin",
    "double-faced wool",
    "embroidered mesh",
    "flowing modal",
    "glossy nylon",
    "heavy twill",
    "imitation leather",
    "slub linen",
    "ribbed jersey",
    "washed denim",
)


def build_articles(rng: Generator, assortment: Assortment) -> pl.DataFrame:
    """Build articles.csv: one row per article, key ``article_id``, the competition's 25 columns in its order."""
    rows, products = len(assortment.kind), int(assortment.product[-1]) + 1
    if products > CODES[1] - CODES[0]:
        raise InputError(
            f"params.yaml: 'demo.articles' is {rows}, which makes {products} products; "
            f"six digits number at most {CODES[1] - CODES[0]}; lower it"
        )
    code, ids = draw_article_codes(rng, assortment.product, assortment.variant)
    style = assortment.style
    shown = rng.random(rows) < 0.5  # half of the articles show their style in pattern and description
    pattern = np.where(shown, style % len(PATTERNS), rng.integers(len(PATTERNS), size=rows))
    fabric = np.where(shown, style, rng.integers(STYLES, size=rows))
    master, value = assortment.colour // len(VALUES), assortment.colour % len(VALUES)
    line = style * len(LINES) // STYLES
    groups, group_names = encode_names([kind.group for kind in KINDS])
    garments, garment_names = encode_names([kind.garment for kind in KINDS])
    kinds = [kind.name for kind in KINDS]
    index_names = [name for _, name, _ in INDEXES]
    kind_name, index_name = look_up(kinds, assortment.kind), look_up(index_names, assortment.group)
    colour_names = [f"{VALUES[code % len(VALUES)]} {MASTERS[code // len(VALUES)]}" for code in range(COLOURS)]
    frame = pl.DataFrame(
        {
            "article_id": ids,
            "product_code": code,
            "prod_name": look_up(NAMES, code % len(NAMES)) + " " + kind_name,
            "product_type_no": 250 + assortment.kind,
            "product_type_name": kind_name,
            "product_group_name": look_up(group_names, groups[assortment.kind]),
            "graphical_appearance_no": 1_010_001 + pattern,
            "graphical_appearance_name": look_up(PATTERNS, pattern),
            "colour_group_code": 7 + assortment.colour,
            "colour_group_name": look_up(colour_names, assortment.colour),
            "perceived_colour_value_id": 1 + value,
            "perceived_colour_value_name": look_up(VALUES, value),
            "perceived_colour_master_id": 2 + master,
            "perceived_colour_master_name": look_up(MASTERS, master),
            "department_no": 1201 + assortment.department,
            "department_name": index_name + " " + kind_name,
            "index_code": look_up([letter for letter, _, _ in INDEXES], assortment.group),
            "index_name": index_name,
            "index_group_no": np.array([number for _, _, number in INDEXES])[assortment.group],
            "index_group_name": index_name,
            "section_no": 11 + assortment.group * len(LINES) + line,
            "section_name": index_name + " " + look_up(LINES, line),
            "garment_group_no": 1001 + garments[assortment.kind],
            "garment_group_name": look_up(garment_names, garments[assortment.kind]),
            "detail_desc": kind_name
            + " in "
            + look_up(FABRICS, fabric)
            + ", "
            + look_up(colour_names, assortment.colour)
            + ".",
        }
    )
    return frame.with_columns(detail_desc=set_null(rng.random(rows) < 0.004, frame["detail_desc"]))


def build_customers(rng: Generator, crowd: Crowd) -> pl.DataFrame:
    """Build customers.csv: one row per customer, key ``customer_id``, the competition's 7 columns in its order."""
    rows = len(crowd.age)
    news = rng.random(rows) < np.where(crowd.visits > np.median(crowd.visits), 0.45, 0.25)
    lapsed = rng.random(rows) < 0.04  # reads the newsletter, but is not active
    club = rng.choice(4, rows, p=(0.925, 0.07, 0.001, 0.004))
    frequency = np.where(news & ~lapsed, 0, rng.choice((1, 2, 3, 4), rows, p=(0.977, 0.001, 0.001, 0.021)))
    return csv_columns.build_customers(rng, crowd.age, crowd.area, news, lapsed, club, frequency, 0.011)


def build_transactions(
    sales: DaySales, date: np.datetime64, customer_id: pl.Series, article_id: pl.Series
) -> pl.DataFrame:
    """Build one day's rows of transactions_train.csv; ``date`` is that of day 0."""
    return pl.DataFrame(
        {
            "t_dat": pl.repeat(str(date + sales.day), len(sales.user), eager=True),
            "customer_id": customer_id.gather(sales.user),
            "article_id": article_id.gather(sales.item),
            "price": sales.cents / CENTS_PER_PRICE,
            "sales_channel_id": sales.channel,
        }
    )


def write(folder: Path, demo: params.Demo) -> dict[str, str]:
    """Write the four files of the shop ``demo`` into ``folder``, day by day; return the facts to print."""
    rng = np.random.default_rng(demo.seed)
    days = 7 * demo.weeks
    date = LAST_DATE - days + 1
    assortment, crowd = draw_assortment(rng, demo.articles, days), draw_crowd(rng, demo.customers, days)
    article, customer = build_articles(rng, assortment), build_customers(rng, crowd)
    article.write_csv(folder / "articles.csv")
    customer.write_csv(folder / "customers.csv")
    best = " ".join(article["article_id"].head(LISTED))
    customer.select("customer_id", prediction=pl.lit(best)).write_csv(folder / "sample_submission.csv")
    pairs: list[Array] = []  # one (rows,) array of user * articles + item per day
    with (folder / "transactions_train.csv").open("wb") as file:
        for sales in Simulation(rng, assortment, crowd).simulate_days(date, days):
            rows = build_transactions(sales, date, customer["customer_id"], article["article_id"])
            rows.write_csv(file, include_header=sales.day == 0)
            pairs.append(sales.user * demo.articles + sales.item)
    last = np.unique(np.concatenate(pairs[-7:]))
    before = np.concatenate([np.empty(0, np.int64), *pairs[:-7]])
    return {
        "customers": f"{demo.customers:,}",
        "articles": f"{demo.articles:,}",
        "rows": f"{sum(map(len, pairs)):,}",
        "last week: buyers": f"{len(np.unique(last // demo.articles)):,}",
        "last week: sales before": f"{np.isin(last, before).sum() / max(len(last), 1):.1%}",
    }
