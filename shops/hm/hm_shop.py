"""A shop of the competition's kind and size: its four CSV files, their statistics close to the competition's.

At scale 1: 105,542 articles in 47,224 products, 1,371,980 customers (9,699 never buy) and 31,788,324 transactions,
exactly, over the 734 days to 2020-09-22. A smaller scale keeps what a customer does, and its days: customers and
transactions shrink with the scale. Articles shrink with its power ``SHELF``, between two faults: were all kept, a small
shop would sell most of them never, and what had sold in a month would say little of the next week; were they to shrink
as fast as the customers, the same few articles would lie in everybody's basket and be bought again by chance.
``benchmarks.shop_statistics`` sets a shop beside the competition.
"""

from pathlib import Path

import numpy as np
import polars as pl
from tqdm import tqdm

from shops.csv_columns import CENTS_PER_PRICE, LAST_DATE, LISTED
from shops.demo.shoppers import Bought
from shops.hm import hm_crowd, hm_frames, hm_shelf, hm_trade, hm_visits

ARTICLES, PRODUCTS = 105_542, 47_224
CUSTOMERS, NEVER = 1_371_980, 9_699
ROWS, DAYS = 31_788_324, 734
SHELF = 0.5
LEAST = 0.001  # scale; a smaller shop has hardly an article on sale in each department


def write(folder: Path, scale: float, seed: int) -> dict[str, str]:
    """Write the four files of the shop at ``scale`` into ``folder``, day by day; return what to say of them."""
    rng = np.random.default_rng(seed)
    articles, products = (round(n * scale**SHELF) for n in (ARTICLES, PRODUCTS))
    customers, never, rows = (round(n * scale) for n in (CUSTOMERS, NEVER, ROWS))
    first_date = LAST_DATE - DAYS + 1
    shelf = hm_shelf.stocked(rng, articles, products, DAYS)
    crowd = hm_crowd.gathered(rng, customers, shelf)
    visits = hm_visits.drawn(rng, customers, never, rows, first_date, DAYS)
    article = hm_frames.articles(rng, shelf)
    article.write_csv(folder / "articles.csv")
    customer = hm_frames.customers(rng, crowd, np.bincount(visits.user, minlength=customers))
    customer.write_csv(folder / "customers.csv")
    best = " ".join(article["article_id"].head(LISTED))
    customer_id, article_id = customer["customer_id"], article["article_id"]
    customer_id.to_frame().with_columns(prediction=pl.lit(best)).write_csv(folder / "sample_submission.csv")
    del customer, article
    digits = prices(int(shelf.cents.max()))
    trade = hm_trade.days(rng, shelf, crowd, visits, first_date)
    with (folder / "transactions_train.csv").open("wb") as file:
        for day in tqdm(trade, total=DAYS, desc=f"hm shop at scale {scale:g}", unit="day"):
            rows_of(day, first_date, customer_id, article_id, digits).write_csv(file, include_header=day.day == 0)
    return {
        "customers": f"{customers:,} ({never:,} never buy)",
        "articles": f"{articles:,} in {products:,} product codes",
        "rows": f"{rows:,}",
        "visits": f"{len(visits.user):,}",
        "days": f"{DAYS}",
    }


def prices(most: int) -> pl.Series:
    """(most + 1,) the price of each number of cents in the competition's unit, in its 15 digits."""
    return pl.Series([f"{cents / CENTS_PER_PRICE:.15g}" for cents in range(most + 1)], dtype=pl.String)


def rows_of(
    bought: Bought, first_date: np.datetime64, customer_id: pl.Series, article_id: pl.Series, digits: pl.Series
) -> pl.DataFrame:
    """One day's rows of transactions_train.csv; ``digits`` are the ``prices``."""
    return pl.DataFrame(
        {
            "t_dat": pl.repeat(str(first_date + bought.day), len(bought.user), eager=True),
            "customer_id": customer_id.gather(bought.user),
            "article_id": article_id.gather(bought.item),
            "price": digits.gather(bought.cents),
            "sales_channel_id": bought.channel,
        }
    )
