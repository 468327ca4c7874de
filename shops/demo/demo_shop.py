"""The demo shop: invented sales with true structure, written as the four CSV files of the H&M competition.

What there is to find: popularity that fades, seasons, tastes (style, department, colour, age, postal area), other
colours of what was bought, and consumables that customers buy again at their own pace. See assortment and shoppers.
"""

from pathlib import Path

import numpy as np
import polars as pl

from retail import params
from retail.errors import InputError
from shops import csv_columns
from shops.csv_columns import CENTS_PER_PRICE, CODES, LAST_DATE, LISTED, article_codes, at, named, unless
from shops.demo.assortment import COLOURS, KINDS, STYLES, Array, Random, Shelf, stocked
from shops.demo.shoppers import Bought, Crowd, Trade, gathered

INDEXES = (("A", "Ladieswear", 1), ("D", "Divided", 2), ("F", "Menswear", 3), ("G", "Children", 4), ("S", "Sport", 26))
LINES = ("Everyday", "Trend", "Studio")  # a section is an index group x line; a line holds a third of the styles
PATTERNS = ("Solid", "Stripe", "Check", "All over pattern", "Melange", "Dot", "Lace", "Front print")
MASTERS = ("Black", "Blue", "Green", "Grey", "Beige", "Pink", "Red", "Yellow")
VALUES = ("Dark", "Light")
NAMES = ("Alba", "Birk", "Cleo", "Dune", "Elin", "Fjord", "Gaia", "Iris", "Juno", "Koda", "Liv", "Mika", "Nova")
FABRICS = (  # one per style: the text of about half of the articles tells theirs
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


def articles(rng: Random, shelf: Shelf) -> pl.DataFrame:
    """articles.csv: one row per article, key ``article_id``, the competition's 25 columns in its order."""
    rows, products = len(shelf.kind), int(shelf.product[-1]) + 1
    if products > CODES[1] - CODES[0]:
        raise InputError(
            f"params.yaml: 'demo.articles' is {rows}, which makes {products} products; "
            f"six digits number at most {CODES[1] - CODES[0]}; lower it"
        )
    code, ids = article_codes(rng, shelf.product, shelf.variant)
    style = shelf.style
    shown = rng.random(rows) < 0.5  # half of the articles show their style by pattern and text
    pattern = np.where(shown, style % len(PATTERNS), rng.integers(len(PATTERNS), size=rows))
    fabric = np.where(shown, style, rng.integers(STYLES, size=rows))
    master, value = shelf.colour // len(VALUES), shelf.colour % len(VALUES)
    line = style * len(LINES) // STYLES
    groups, group_names = named([kind.group for kind in KINDS])
    garments, garment_names = named([kind.garment for kind in KINDS])
    kinds = [kind.name for kind in KINDS]
    index_names = [name for _, name, _ in INDEXES]
    kind_name, index_name = at(kinds, shelf.kind), at(index_names, shelf.group)
    colour_names = [f"{VALUES[code % len(VALUES)]} {MASTERS[code // len(VALUES)]}" for code in range(COLOURS)]
    frame = pl.DataFrame(
        {
            "article_id": ids,
            "product_code": code,
            "prod_name": at(NAMES, code % len(NAMES)) + " " + kind_name,
            "product_type_no": 250 + shelf.kind,
            "product_type_name": kind_name,
            "product_group_name": at(group_names, groups[shelf.kind]),
            "graphical_appearance_no": 1_010_001 + pattern,
            "graphical_appearance_name": at(PATTERNS, pattern),
            "colour_group_code": 7 + shelf.colour,
            "colour_group_name": at(colour_names, shelf.colour),
            "perceived_colour_value_id": 1 + value,
            "perceived_colour_value_name": at(VALUES, value),
            "perceived_colour_master_id": 2 + master,
            "perceived_colour_master_name": at(MASTERS, master),
            "department_no": 1201 + shelf.department,
            "department_name": index_name + " " + kind_name,
            "index_code": at([letter for letter, _, _ in INDEXES], shelf.group),
            "index_name": index_name,
            "index_group_no": np.array([number for _, _, number in INDEXES])[shelf.group],
            "index_group_name": index_name,
            "section_no": 11 + shelf.group * len(LINES) + line,
            "section_name": index_name + " " + at(LINES, line),
            "garment_group_no": 1001 + garments[shelf.kind],
            "garment_group_name": at(garment_names, garments[shelf.kind]),
            "detail_desc": kind_name + " in " + at(FABRICS, fabric) + ", " + at(colour_names, shelf.colour) + ".",
        }
    )
    return frame.with_columns(detail_desc=unless(rng.random(rows) < 0.004, frame["detail_desc"]))


def customers(rng: Random, crowd: Crowd) -> pl.DataFrame:
    """customers.csv: one row per customer, key ``customer_id``, the competition's 7 columns in its order."""
    rows = len(crowd.age)
    news = rng.random(rows) < np.where(crowd.visits > np.median(crowd.visits), 0.45, 0.25)
    lapsed = rng.random(rows) < 0.04  # reads the news, but is not active
    club = rng.choice(4, rows, p=(0.925, 0.07, 0.001, 0.004))
    frequency = np.where(news & ~lapsed, 0, rng.choice((1, 2, 3, 4), rows, p=(0.977, 0.001, 0.001, 0.021)))
    return csv_columns.customers(rng, crowd.age, crowd.area, news, lapsed, club, frequency, 0.011)


def transactions(bought: Bought, date: np.datetime64, customer_id: pl.Series, article_id: pl.Series) -> pl.DataFrame:
    """One day's rows of transactions_train.csv; ``date`` is that of day 0, ``price`` in the competition's unit."""
    return pl.DataFrame(
        {
            "t_dat": pl.repeat(str(date + bought.day), len(bought.user), eager=True),
            "customer_id": customer_id.gather(bought.user),
            "article_id": article_id.gather(bought.item),
            "price": bought.cents / CENTS_PER_PRICE,
            "sales_channel_id": bought.channel,
        }
    )


def write(folder: Path, demo: params.Demo) -> dict[str, str]:
    """Write the four files of the shop ``demo`` into ``folder``, day by day; return what there is to say of them."""
    rng = np.random.default_rng(demo.seed)
    days = 7 * demo.weeks
    date = LAST_DATE - days + 1
    shelf, crowd = stocked(rng, demo.articles, days), gathered(rng, demo.customers, days)
    article, customer = articles(rng, shelf), customers(rng, crowd)
    article.write_csv(folder / "articles.csv")
    customer.write_csv(folder / "customers.csv")
    best = " ".join(article["article_id"].head(LISTED))
    customer.select("customer_id", prediction=pl.lit(best)).write_csv(folder / "sample_submission.csv")
    pairs: list[Array] = []  # one (rows,) array of user * articles + item per day
    with (folder / "transactions_train.csv").open("wb") as file:
        for bought in Trade(rng, shelf, crowd).days(date, days):
            rows = transactions(bought, date, customer["customer_id"], article["article_id"])
            rows.write_csv(file, include_header=bought.day == 0)
            pairs.append(bought.user * demo.articles + bought.item)
    last = np.unique(np.concatenate(pairs[-7:]))
    before = np.concatenate([np.empty(0, np.int64), *pairs[:-7]])
    return {
        "customers": f"{demo.customers:,}",
        "articles": f"{demo.articles:,}",
        "rows": f"{sum(map(len, pairs)):,}",
        "last week: buyers": f"{len(np.unique(last // demo.articles)):,}",
        "last week: bought before": f"{np.isin(last, before).sum() / max(len(last), 1):.1%}",
    }
