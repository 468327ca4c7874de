"""The demo shop: invented sales with true structure, written as the four CSV files of the H&M competition.

What there is to find: popularity that fades, seasons, tastes (style, department, colour, age, postal area), other
colours of what was bought, and consumables that customers buy again at their own pace. See assortment and shoppers.
"""

from pathlib import Path

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from retail import params, paths, stage
from retail.assortment import COLOURS, KINDS, STYLES, Array, Random, Shelf, stocked
from retail.errors import InputError
from retail.shoppers import Bought, Crowd, Trade, gathered

LAST_DATE = np.datetime64("2020-09-22", "D")  # the competition's last day
CENTS_PER_PRICE = 59_000  # the competition's prices are whole cents divided by this
LISTED = 12  # articles in each prediction of sample_submission.csv
CODES = (100_000, 1_000_000)  # product codes have six digits

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


def tokens(rng: Random, rows: int) -> pl.Series:
    """(rows,) unique strings of 64 hex characters, ascending; a counter in the last eight keeps them apart."""
    counter = np.arange(rows, dtype=">u4").view(np.uint8).reshape(rows, 4)
    data = np.concatenate([rng.integers(0, 256, (rows, 28), dtype=np.uint8), counter], axis=1)  # (rows, 32)
    text = data.tobytes().hex()
    return pl.Series([text[at : at + 64] for at in range(0, len(text), 64)], dtype=pl.String).sort()


def article_codes(rng: Random, shelf: Shelf) -> tuple[Array, pl.Series]:
    """(N,) six-digit product codes, earlier launches lower, and (N,) ids: '0' + product code + 3 digits of colour."""
    products = int(shelf.product[-1]) + 1
    if products > CODES[1] - CODES[0]:
        raise InputError(
            f"params.yaml: 'demo.articles' is {len(shelf.product)}, which makes {products} products; "
            f"six digits number at most {CODES[1] - CODES[0]}; lower it"
        )
    code = np.sort(CODES[0] + rng.choice(CODES[1] - CODES[0], products, replace=False))[shelf.product]
    steps = np.cumsum(rng.integers(1, 5, len(code)))
    first = np.flatnonzero(shelf.variant == 0)[shelf.product]  # (N,) first colour of the same product
    suffix = 1 + steps - steps[first]  # gaps, as in a shop that keeps only some colours
    ids = pl.DataFrame({"code": code, "suffix": suffix}).select(
        pl.lit("0") + pl.col("code").cast(pl.String) + pl.col("suffix").cast(pl.String).str.zfill(3)
    )
    return code, ids.to_series()


def articles(rng: Random, shelf: Shelf) -> pl.DataFrame:
    """articles.csv: one row per article, key ``article_id``, the competition's 25 columns in its order."""
    rows = len(shelf.kind)
    code, ids = article_codes(rng, shelf)
    style = shelf.style
    shown = rng.random(rows) < 0.5  # half of the articles show their style by pattern and text
    pattern = np.where(shown, style % len(PATTERNS), rng.integers(len(PATTERNS), size=rows))
    fabric = np.where(shown, style, rng.integers(STYLES, size=rows))
    master, value = shelf.colour // len(VALUES), shelf.colour % len(VALUES)
    line = style * len(LINES) // STYLES
    groups, group_names = _named([kind.group for kind in KINDS])
    garments, garment_names = _named([kind.garment for kind in KINDS])
    kinds = [kind.name for kind in KINDS]
    index_names = [name for _, name, _ in INDEXES]
    kind_name, index_name = _at(kinds, shelf.kind), _at(index_names, shelf.group)
    colour_names = [f"{VALUES[at % len(VALUES)]} {MASTERS[at // len(VALUES)]}" for at in range(COLOURS)]
    frame = pl.DataFrame(
        {
            "article_id": ids,
            "product_code": code,
            "prod_name": _at(NAMES, code % len(NAMES)) + " " + kind_name,
            "product_type_no": 250 + shelf.kind,
            "product_type_name": kind_name,
            "product_group_name": _at(group_names, groups[shelf.kind]),
            "graphical_appearance_no": 1_010_001 + pattern,
            "graphical_appearance_name": _at(PATTERNS, pattern),
            "colour_group_code": 7 + shelf.colour,
            "colour_group_name": _at(colour_names, shelf.colour),
            "perceived_colour_value_id": 1 + value,
            "perceived_colour_value_name": _at(VALUES, value),
            "perceived_colour_master_id": 2 + master,
            "perceived_colour_master_name": _at(MASTERS, master),
            "department_no": 1201 + shelf.department,
            "department_name": index_name + " " + kind_name,
            "index_code": _at([letter for letter, _, _ in INDEXES], shelf.group),
            "index_name": index_name,
            "index_group_no": np.array([number for _, _, number in INDEXES])[shelf.group],
            "index_group_name": index_name,
            "section_no": 11 + shelf.group * len(LINES) + line,
            "section_name": index_name + " " + _at(LINES, line),
            "garment_group_no": 1001 + garments[shelf.kind],
            "garment_group_name": _at(garment_names, garments[shelf.kind]),
            "detail_desc": kind_name + " in " + _at(FABRICS, fabric) + ", " + _at(colour_names, shelf.colour) + ".",
        }
    )
    return frame.with_columns(detail_desc=_unless(rng.random(rows) < 0.004, frame["detail_desc"]))


def customers(rng: Random, crowd: Crowd) -> pl.DataFrame:
    """customers.csv: one row per customer, key ``customer_id``, the competition's 7 columns in its order."""
    rows = len(crowd.age)
    news = rng.random(rows) < np.where(crowd.visits > np.median(crowd.visits), 0.45, 0.25)
    lapsed = rng.random(rows) < 0.04  # reads the news, but is not active
    club = rng.choice(4, rows, p=(0.925, 0.07, 0.001, 0.004))
    frequency = np.where(news & ~lapsed, 0, rng.choice((1, 2, 3, 4), rows, p=(0.977, 0.001, 0.001, 0.021)))
    areas = int(crowd.area.max()) + 1
    codes = tokens(rng, areas).gather(rng.permutation(areas))
    one = pl.Series(np.ones(rows))
    return pl.DataFrame(
        {
            "customer_id": tokens(rng, rows),
            "FN": _unless(~news, one),
            "Active": _unless(~news | lapsed, one),
            "club_member_status": _at(("ACTIVE", "PRE-CREATE", "LEFT CLUB", None), club),
            "fashion_news_frequency": _at(("Regularly", "NONE", "Monthly", "None", None), frequency),
            "age": _unless(rng.random(rows) < 0.011, pl.Series(crowd.age.astype(np.int64))),
            "postal_code": codes.gather(crowd.area),
        }
    )


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


def main() -> None:
    """Write data/demo and print what is in it."""
    with stage.whole_folder(paths.DEMO) as folder:
        facts = write(folder, params.read().demo)
    table = Table("demo shop", "", title=str(paths.DEMO))
    for name, value in facts.items():
        table.add_row(name, value)
    Console().print(table)


def _at(names: list[str] | tuple[str | None, ...], code: Array) -> pl.Series:
    """(rows,) the name of each code."""
    return pl.Series(names, dtype=pl.String).gather(code)


def _named(names: list[str]) -> tuple[Array, list[str]]:
    """Code of each name, and the unique names by code."""
    unique, code = np.unique(names, return_inverse=True)
    return code, unique.tolist()


def _unless(missing: Array, values: pl.Series) -> pl.Series:
    """``values`` with nulls where ``missing``."""
    return pl.select(pl.when(pl.Series(~missing)).then(values)).to_series()


if __name__ == "__main__":
    stage.run(main, "synthesize")
