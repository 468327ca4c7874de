"""What the values of an article's attributes are called, as articles.csv has it."""

from pathlib import Path

import polars as pl

from retail.shop import ATTRIBUTES
from retail_input import csvs
from retail_input.dictionaries import find_name_column

NAMELESS = ("", "none", "other", "unknown", "undefined")  # say that nothing is known


def labels(folder: Path, articles: pl.DataFrame) -> pl.DataFrame:
    """article_id, name, then a column per attribute; row r is article r of ``articles`` (article_id, name).

    A label is "" where the file's word for it says nothing. An attribute without a column of names is left out.
    """
    file = csvs.open_csv(folder / "articles.csv", ("article_id",))
    named = {name: find_name_column(name) for name in ATTRIBUTES if find_name_column(name) in file.columns}
    raw = file.read(["article_id", *named.values()]).select(
        "article_id",
        *(
            pl.when(pl.col(column).str.to_lowercase().is_in(NAMELESS)).then(pl.lit("")).otherwise(column).alias(name)
            for name, column in named.items()
        ),
    )
    return articles.select("article_id", "name").join(
        raw, on="article_id", how="left", validate="1:1", maintain_order="left"
    )
