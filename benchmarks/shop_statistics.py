"""A shop beside the competition, statistic by statistic. ``python -m benchmarks.shop_statistics FOLDER``.

FOLDER holds the competition's CSV files: those of ``shops.synthesize --preset hm``, of the competition, or of its
sample. Two kinds of figures stand under "competition": those that its participants published, and, marked with a star,
those of a sample of 1,364 of its customers with all their purchases, where no one published any.
The log is held as 15 bytes a row.
"""

import argparse
import time
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks import record
from benchmarks.shop_figures import of_articles, of_customers, of_histories, of_prices, of_weeks, read
from retail import stage

NOTE = (
    "* seen in a sample of 1,364 customers. Few customers, a sample's or a small shop's, do what customers do, "
    "but they sell few of the articles in a week: of articles never sold, new, or sold in the 30 days before, and "
    "of top lists, the table then tells the number of customers more than the shop. Published: 'about 50%' "
    "without a purchase in the last 3 months, where the sample has 60%; 50.6% of pairs of a product type bought "
    "before, where it has 64%. Of whose popularity the top decile is meant is not said; here it is that of the 4 "
    "weeks before."
)


class Known(NamedTuple):
    """What is known of a statistic of the competition."""

    value: float
    sampled: bool = False  # seen in the sample of its customers, not published


KNOWN = {
    "transactions": Known(31_788_324),
    "days": Known(734),
    "customers": Known(1_371_980),
    "customers who never bought, share": Known(9_699 / 1_371_980),
    "articles": Known(105_542),
    "product codes": Known(47_224),
    "articles never sold, share": Known(995 / 105_542),
    "rows per customer: mean": Known(31_788_324 / 1_362_281),
    "rows per customer: median": Known(9, True),
    "rows per customer: 90%": Known(61, True),
    "rows per customer: 99%": Known(191, True),
    "baskets per customer: mean": Known(6.42, True),
    "baskets per customer: median": Known(3, True),
    "baskets per customer: 90%": Known(16, True),
    "baskets per customer: 99%": Known(42, True),
    "one basket only, share": Known(0.332, True),
    "rows per basket: mean": Known(3.60, True),
    "rows per basket: median": Known(2, True),
    "rows per basket: 90%": Known(8, True),
    "rows per basket: 99%": Known(19, True),
    "baskets of one row, share": Known(0.290, True),
    "days between baskets: 25%": Known(7, True),
    "days between baskets: median": Known(22, True),
    "days between baskets: 90%": Known(125, True),
    "no purchase in the last 91 days, share": Known(0.50),
    "first purchase in the first 91 days, share": Known(0.395, True),
    "buyers in a week, share of customers": Known(68_984 / 1_371_980),
    "pairs per buyer and week": Known(213_728 / 68_984),
    "repeat rows in a week, share": Known(26_583 / 240_311),
    "cold buyers, share": Known(0.0808),
    "bought before, share of pairs: article": Known(0.046),
    "bought before, share of pairs: product code": Known(0.085),
    "bought before, share of pairs: product type": Known(0.506),
    "new articles, share of the week's articles": Known(0.0371),
    "new articles, share of pairs": Known(0.043),
    "sold in the 30 days before, share of the week's articles": Known(0.92),
    "top decile of the articles of the 4 weeks before, share of pairs": Known(0.62),
    "top 20,000 of the week before, share of pairs": Known(0.937),
    "top 60 of the week before, share of pairs": Known(0.0778),
    "Jaccard of the top 12 with the week before": Known(0.20),
    "same article in a week, two customers' rows (x articles)": Known(29.8, True),
    "the same, 1 week apart, ratio": Known(0.84, True),
    "the same, 8 weeks apart, ratio": Known(0.48, True),
    "the same, 32 weeks apart, ratio": Known(0.15, True),
    "price: 25%": Known(0.0158, True),
    "price: median": Known(0.0254, True),
    "price: mean": Known(0.0276, True),
    "price: 99%": Known(0.0915, True),
    "sales channel 2, share of rows": Known(0.710, True),
    "age: 25%": Known(24, True),
    "age: median": Known(31, True),
    "age: 75%": Known(48, True),
    "age missing, share": Known(0.0088, True),
    "FN missing, share": Known(0.65),
    "Active missing, share": Known(0.65),
    "articles per product code: one, share": Known(24_066 / 47_224),
    "product types": Known(132),
    "product groups": Known(19),
    "graphical appearances": Known(30),
    "colour groups": Known(50),
    "perceived colour values": Known(8),
    "perceived colour masters": Known(20),
    "departments": Known(299),
    "indexes": Known(10),
    "index groups": Known(5),
    "sections": Known(57),
    "garment groups": Known(21),
    "two rows of a customer, same product type": Known(0.085, True),
    "two rows of anybody, same product type": Known(0.056, True),
    "two rows of a customer, same section": Known(0.115, True),
    "two rows of anybody, same section": Known(0.076, True),
    "two rows of a customer, same department": Known(0.043, True),
    "two rows of anybody, same department": Known(0.022, True),
    "transactions_train.csv, bytes per row": Known(107.9, True),
}


def statistics(folder: Path) -> dict[str, float]:
    """Every statistic of ``KNOWN`` for the shop in ``folder``."""
    shop = read(folder)
    figures = of_customers(shop) | of_articles(shop) | of_histories(shop) | of_weeks(shop) | of_prices(shop)
    size = (folder / "transactions_train.csv").stat().st_size
    figures["transactions_train.csv, bytes per row"] = size / shop.log.height
    return {name: float(figures[name]) for name in KNOWN}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shop_statistics", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    asked = parser.parse_args()
    started = time.perf_counter()
    found = statistics(asked.folder)
    seconds = time.perf_counter() - started
    table = Table("statistic", "competition", "this shop", "ratio", title=str(asked.folder))
    for name, known in KNOWN.items():
        mark = "*" if known.sampled else ""
        table.add_row(name, told(known.value) + mark, told(found[name]), f"{found[name] / known.value:.2f}")
    Console().print(table, NOTE)
    rows = {
        name: {"competition": known.value, "of its sample": known.sampled, "this shop": found[name]}
        for name, known in KNOWN.items()
    }
    command = f"python -m benchmarks.shop_statistics {asked.folder.name}"
    made = record.made_from(sorted(asked.folder.glob("*.csv")), [], command, seconds)
    record.write_json(f"shop_statistics_{asked.folder.name}", made, {"note": NOTE, "statistics": rows}, asked.out)


def told(value: float) -> str:
    """A figure in four digits, whole numbers whole."""
    return f"{value:,.0f}" if value == int(value) or value >= 10_000 else f"{value:.4g}"


if __name__ == "__main__":
    stage.guarded(main, "shop_statistics")
