"""Read the names of the articles' attribute values from articles.csv."""

from pathlib import Path

import polars as pl

from retail.shop import ATTRIBUTES
from retail_input import csvs
from retail_input.dictionaries import find_name_column

NAMELESS = ("", "none", "other", "unknown", "undefined")  # names that carry no information


def read_labels(folder: Path, articles: pl.DataFrame) -> pl.DataFrame:
    """Read the labels: columns article_id, name and one column per attribute, in the row order of ``articles``.

    ``articles``: columns article_id, name. A label is "" if the file's name for the value is in NAMELESS. Attributes
    without a column of names in the file are left out.
    """
    file = csvs.open_csv(folder / "articles.csv", ("article_id",))
    name_columns = {name: find_name_column(name) for name in ATTRIBUTES if find_name_column(name) in file.columns}
    raw = file.read(["article_id", *name_columns.values()]).select(
        "article_id",
        *(
            pl.when(pl.col(column).str.to_lowercase().is_in(NAMELESS)).then(pl.lit("")).otherwise(column).alias(name)
            for name, column in name_columns.items()
        ),
    )
    return articles.select("article_id", "name").join(
        raw, on="article_id", how="left", validate="1:1", maintain_order="left"
    )
