"""The PARSRec paper's synthetic shop as CSV files of the H&M competition: one session of each customer a week."""

from pathlib import Path

import numpy as np
import polars as pl

from research.parsrec import parsrec_sales
from research.parsrec.parsrec_sales import Sales, Settings
from shops.csv_columns import CENTS_PER_PRICE, LAST_DATE, LISTED

CUSTOMERS, SESSIONS, ARTICLES = (
    8_192,
    100,
    100,
)  # of the paper's shop; the released sample has an eighth of the customers
LEAST = 0.005  # scale
FIRST_CODE = 100_000  # product codes have six digits


def articles(sales: Sales) -> pl.DataFrame:
    """articles.csv: one row per article, key ``article_id``; its product type is its category."""
    item = np.arange(sales.items)
    category = item // sales.settings.articles
    return pl.DataFrame({"product_code": FIRST_CODE + item, "product_type_no": 1 + category}).select(
        article_id=pl.format("0{}001", "product_code"),
        product_code="product_code",
        prod_name=pl.format("Article {}", "product_code"),
        product_type_no="product_type_no",
        product_type_name=pl.format("Category {}", pl.col("product_type_no") - 1),
    )


def customers(sales: Sales) -> pl.DataFrame:
    """customers.csv: one row per customer, key ``customer_id``; which group one is of is not told."""
    return pl.DataFrame({"customer_id": [f"{user:064x}" for user in range(sales.settings.customers)]})


def transactions(sales: Sales, article_id: pl.Series, customer_id: pl.Series) -> pl.DataFrame:
    """transactions_train.csv: session t of a customer lies on a drawn day of week t; rows by day, then customer."""
    sessions = sales.settings.sessions
    rng = np.random.default_rng([sales.settings.seed, 1])  # not the stream that chose the articles
    week = np.tile(np.arange(sessions), sales.settings.customers)
    day = 7 * week + rng.integers(7, size=len(week))
    of_session = np.repeat(np.arange(len(week)), np.diff(sales.ptr))
    order = np.argsort(day[of_session], kind="stable")
    of_session, item = of_session[order], sales.item[order]
    date = LAST_DATE - (7 * sessions - 1) + day[of_session]
    return pl.DataFrame(
        {
            "t_dat": pl.Series(date).cast(pl.String),
            "customer_id": customer_id.gather(of_session // sessions),
            "article_id": article_id.gather(item),
            "price": np.round(100 * sales.price[item]) / CENTS_PER_PRICE,
            "sales_channel_id": pl.repeat(2, len(item), eager=True),
        }
    )


def write(folder: Path, scale: float, seed: int) -> dict[str, str]:
    """Write the paper's shop, ``scale`` of its customers, as four files into ``folder``; return what to say of it."""
    return written(folder, Settings(round(CUSTOMERS * scale), SESSIONS, ARTICLES, seed))


def written(folder: Path, settings: Settings) -> dict[str, str]:
    """``write`` for a shop of any settings, with the paper's two Sigmas."""
    sales = parsrec_sales.sold(settings, parsrec_sales.paper_sigmas())
    article, customer = articles(sales), customers(sales)
    article.write_csv(folder / "articles.csv")
    customer.write_csv(folder / "customers.csv")
    rows = transactions(sales, article["article_id"], customer["customer_id"])
    rows.write_csv(folder / "transactions_train.csv")
    best = " ".join(article["article_id"].head(LISTED))
    customer.select("customer_id", prediction=pl.lit(best)).write_csv(folder / "sample_submission.csv")
    return {
        "customers": f"{customer.height:,}",
        "articles": f"{article.height:,}",
        "rows": f"{rows.height:,}",
        "articles per session": f"{rows.height / (len(sales.ptr) - 1):.2f}",
    }
