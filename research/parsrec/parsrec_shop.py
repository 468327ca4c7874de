"""Write the PARSRec paper's synthetic shop as CSV files of the H&M competition, one session per customer and week."""

from pathlib import Path

import numpy as np
import polars as pl

from research.parsrec import parsrec_sales
from research.parsrec.parsrec_sales import Sales, Settings
from shops.csv_columns import CENTS_PER_PRICE, LAST_DATE, LISTED

# The paper's shop: customers, sessions per customer, articles per category. The released sample has 1,024 customers.
CUSTOMERS, SESSIONS, ARTICLES = 8_192, 100, 100
LEAST = 0.005  # smallest scale
FIRST_CODE = 100_000  # product codes have six digits


def make_articles(sales: Sales) -> pl.DataFrame:
    """Make articles.csv: one row per article, key ``article_id``; the product type is the category."""
    item = np.arange(sales.items)
    category = item // sales.settings.articles
    return pl.DataFrame({"product_code": FIRST_CODE + item, "product_type_no": 1 + category}).select(
        article_id=pl.format("0{}001", "product_code"),
        product_code="product_code",
        prod_name=pl.format("Article {}", "product_code"),
        product_type_no="product_type_no",
        product_type_name=pl.format("Category {}", pl.col("product_type_no") - 1),
    )


def make_customers(sales: Sales) -> pl.DataFrame:
    """Make customers.csv: one row per customer, key ``customer_id``; the planted group is left out."""
    return pl.DataFrame({"customer_id": [f"{user:064x}" for user in range(sales.settings.customers)]})


def make_transactions(sales: Sales, article_id: pl.Series, customer_id: pl.Series) -> pl.DataFrame:
    """Make transactions_train.csv: session t is on a random day of week t; rows are sorted by day, then customer."""
    sessions = sales.settings.sessions
    rng = np.random.default_rng([sales.settings.seed, 1])  # another random stream than that of the articles
    week = np.tile(np.arange(sessions), sales.settings.customers)
    day = 7 * week + rng.integers(7, size=len(week))
    session = np.repeat(np.arange(len(week)), np.diff(sales.ptr))
    order = np.argsort(day[session], kind="stable")
    session, item = session[order], sales.item[order]
    date = LAST_DATE - (7 * sessions - 1) + day[session]
    return pl.DataFrame(
        {
            "t_dat": pl.Series(date).cast(pl.String),
            "customer_id": customer_id.gather(session // sessions),
            "article_id": article_id.gather(item),
            "price": np.round(100 * sales.price[item]) / CENTS_PER_PRICE,
            "sales_channel_id": pl.repeat(2, len(item), eager=True),
        }
    )


def write(folder: Path, scale: float, seed: int) -> dict[str, str]:
    """Write the paper's shop with ``scale`` of its customers into ``folder``; return its sizes, for printing."""
    return write_settings(folder, Settings(round(CUSTOMERS * scale), SESSIONS, ARTICLES, seed))


def write_settings(folder: Path, settings: Settings) -> dict[str, str]:
    """Write a shop of any ``settings`` with the paper's two Sigmas, as four files; return its sizes, for printing."""
    sales = parsrec_sales.simulate(settings, parsrec_sales.make_paper_sigmas())
    article, customer = make_articles(sales), make_customers(sales)
    article.write_csv(folder / "articles.csv")
    customer.write_csv(folder / "customers.csv")
    rows = make_transactions(sales, article["article_id"], customer["customer_id"])
    rows.write_csv(folder / "transactions_train.csv")
    best = " ".join(article["article_id"].head(LISTED))
    customer.select("customer_id", prediction=pl.lit(best)).write_csv(folder / "sample_submission.csv")
    return {
        "customers": f"{customer.height:,}",
        "articles": f"{article.height:,}",
        "rows": f"{rows.height:,}",
        "articles per session": f"{rows.height / (len(sales.ptr) - 1):.2f}",
    }
