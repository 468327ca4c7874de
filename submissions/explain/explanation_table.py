"""Define the table of reasons: its file, its columns, and how to read it."""

import polars as pl

from retail import paths
from retail.shop import name_article

FILE = paths.OUTPUTS / "explanations.parquet"
REASONS = 3
COLUMNS: dict[str, pl.DataType] = {
    "customer_id": pl.String(),
    "place": pl.Int8(),
    "article_id": pl.String(),
    "score": pl.Float32(),
    "sources": pl.List(pl.String()),
    **{f"reason_{k + 1}": pl.String() for k in range(REASONS)},
}


def read_rows(customer_id: str) -> pl.DataFrame:
    """Read the customer's rows of FILE; no rows if FILE does not contain the customer."""
    if not FILE.exists():
        return pl.DataFrame(schema=COLUMNS)
    return pl.scan_parquet(FILE).filter(pl.col("customer_id") == customer_id).collect()


def read_article_names() -> pl.DataFrame:
    """Read columns article_id and name of every article; the type or the id replaces a missing name."""
    table = pl.read_parquet(paths.ARTICLES)
    return table.select("article_id", name=name_article(table.columns))
