"""The table of reasons as it is stored and read: its file, its columns, the names of its articles."""

import polars as pl

from retail import paths
from retail.shop import called

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


def stored(customer_id: str) -> pl.DataFrame:
    """The customer's rows of FILE, none where the stage has not explained it."""
    if not FILE.exists():
        return pl.DataFrame(schema=COLUMNS)
    return pl.scan_parquet(FILE).filter(pl.col("customer_id") == customer_id).collect()


def described() -> pl.DataFrame:
    """One row per article of the shop: article_id and name, else its type, else its id."""
    table = pl.read_parquet(paths.ARTICLES)
    return table.select("article_id", name=called(table.columns))
