"""Compare a shop's statistics with the competition's: ``python -m benchmarks.shop_statistics FOLDER``.

FOLDER holds CSV files in the competition's format: those of ``shops.synthesize --preset hm``, of the competition, or of
its sample. The column "competition" has figures that participants published. Where none exists, a star marks the figure
of a sample of 1,364 customers with all their purchases. The log takes 15 bytes of memory per row.
"""

import argparse
import time
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks import record
from benchmarks.shop_figures import (
    describe_articles,
    describe_customers,
    describe_histories,
    describe_prices,
    describe_weeks,
    read,
)
from retail import stage

NOTE = (
    "* from a sample of 1,364 customers. A sample or a small shop sells few of the articles in a week. Figures on "
    "articles never sold, new, or sold in the 30 days before, and on top lists, then depend more on the number of "
    "customers than on the shop. Published and sample figures differ: customers without a purchase in the last 3 "
    "months are 'about 50%' and 60%; pairs of a product type bought before are 50.6% and 64%. The published top decile "
    "does not say when popularity was measured; here it is that of the 4 weeks before."
)


class Known(NamedTuple):
    """The competition's value of a statistic."""

    value: float
    sampled: bool = False  # measured on the sample of customers, not published


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


def compute_statistics(folder: Path) -> dict[str, float]:
    """Compute every statistic of ``KNOWN`` for the shop in ``folder``."""
    shop = read(folder)
    figures = {
        **describe_customers(shop),
        **describe_articles(shop),
        **describe_histories(shop),
        **describe_weeks(shop),
        **describe_prices(shop),
    }
    size = (folder / "transactions_train.csv").stat().st_size
    figures["transactions_train.csv, bytes per row"] = size / shop.log.height
    return {name: float(figures[name]) for name in KNOWN}


def main() -> None:
    """Compute the statistics; print and write them next to the competition's."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shop_statistics", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder with the shop's CSV files")
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    arguments = parser.parse_args()
    began = time.perf_counter()
    values = compute_statistics(arguments.folder)
    seconds = time.perf_counter() - began
    table = Table("statistic", "competition", "this shop", "ratio", title=str(arguments.folder))
    for name, known in KNOWN.items():
        mark = "*" if known.sampled else ""
        table.add_row(
            name, format_value(known.value) + mark, format_value(values[name]), f"{values[name] / known.value:.2f}"
        )
    Console().print(table, NOTE)
    rows = {
        name: {"competition": known.value, "of its sample": known.sampled, "this shop": values[name]}
        for name, known in KNOWN.items()
    }
    command = f"python -m benchmarks.shop_statistics {arguments.folder.name}"
    origin = record.describe_origin(sorted(arguments.folder.glob("*.csv")), [], command, seconds)
    record.write_json(
        f"shop_statistics_{arguments.folder.name}", origin, {"note": NOTE, "statistics": rows}, arguments.out
    )


def format_value(value: float) -> str:
    """Format a value with four significant digits; whole numbers and numbers from 10,000 without decimals."""
    return f"{value:,.0f}" if value == int(value) or value >= 10_000 else f"{value:.4g}"


if __name__ == "__main__":
    stage.guarded(main, "shop_statistics")
