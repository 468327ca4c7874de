"""Write the hm shop: four CSV files whose size and statistics are close to the H&M competition's.

At scale 1 it has exactly as many articles, products, customers and transactions as the competition, over its 734 days.
A smaller scale keeps the days and each customer's behaviour: customers and transactions are multiplied by the scale.
Articles are multiplied by scale ** ARTICLE_POWER, a compromise. With all articles, a small shop would never sell most
of them, and a month's sales would say little about the next week. With articles proportional to customers, the same few
articles would be in every basket, and be sales again by chance. ``benchmarks.shop_statistics`` compares a shop with
the competition.
"""

from pathlib import Path

import numpy as np
import polars as pl
from tqdm import tqdm

from shops.csv_columns import CENTS_PER_PRICE, LAST_DATE, LISTED
from shops.hm.assortment import draw_assortment
from shops.hm.crowd import draw_crowd
from shops.hm.csv_tables import build_articles, build_customers
from shops.hm.purchases import simulate_days
from shops.hm.visits import draw_visits
from shops.sales import DaySales

ARTICLES, PRODUCTS = 105_542, 47_224
CUSTOMERS, NEVER = 1_371_980, 9_699  # NEVER: customers without a purchase
ROWS, DAYS = 31_788_324, 734
ARTICLE_POWER = 0.5
LEAST = 0.001  # least scale; a smaller shop has too few articles on sale in each department


def write(folder: Path, scale: float, seed: int) -> dict[str, str]:
    """Write the four files of the shop at ``scale`` into ``folder``, day by day; return the facts to print."""
    rng = np.random.default_rng(seed)
    articles, products = (round(n * scale**ARTICLE_POWER) for n in (ARTICLES, PRODUCTS))
    customers, never, rows = (round(n * scale) for n in (CUSTOMERS, NEVER, ROWS))
    first_date = LAST_DATE - DAYS + 1
    assortment = draw_assortment(rng, articles, products, DAYS)
    crowd = draw_crowd(rng, customers, assortment)
    visits = draw_visits(rng, customers, never, rows, first_date, DAYS)
    article = build_articles(rng, assortment)
    article.write_csv(folder / "articles.csv")
    customer = build_customers(rng, crowd, np.bincount(visits.user, minlength=customers))
    customer.write_csv(folder / "customers.csv")
    best = " ".join(article["article_id"].head(LISTED))
    customer_id, article_id = customer["customer_id"], article["article_id"]
    customer_id.to_frame().with_columns(prediction=pl.lit(best)).write_csv(folder / "sample_submission.csv")
    del customer, article
    prices = format_prices(int(assortment.cents.max()))
    days = simulate_days(rng, assortment, crowd, visits, first_date)
    with (folder / "transactions_train.csv").open("wb") as file:
        for sales in tqdm(days, total=DAYS, desc=f"hm shop at scale {scale:g}", unit="day"):
            table = build_transactions(sales, first_date, customer_id, article_id, prices)
            table.write_csv(file, include_header=sales.day == 0)
    return {
        "customers": f"{customers:,} ({never:,} never buy)",
        "articles": f"{articles:,} in {products:,} product codes",
        "rows": f"{rows:,}",
        "visits": f"{len(visits.user):,}",
        "days": f"{DAYS}",
    }


def format_prices(most: int) -> pl.Series:
    """Format (most + 1,) the price of 0..most cents in the competition's unit, with its 15 digits."""
    return pl.Series([f"{cents / CENTS_PER_PRICE:.15g}" for cents in range(most + 1)], dtype=pl.String)


def build_transactions(
    sales: DaySales, first_date: np.datetime64, customer_id: pl.Series, article_id: pl.Series, prices: pl.Series
) -> pl.DataFrame:
    """Build one day's rows of transactions_train.csv; ``prices`` as ``format_prices`` returns them."""
    return pl.DataFrame(
        {
            "t_dat": pl.repeat(str(first_date + sales.day), len(sales.user), eager=True),
            "customer_id": customer_id.gather(sales.user),
            "article_id": article_id.gather(sales.item),
            "price": prices.gather(sales.cents),
            "sales_channel_id": sales.channel,
        }
    )
