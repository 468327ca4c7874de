"""Check columns and dtypes of the tables that a stage passes to another."""

from collections.abc import Mapping

import polars as pl

from retail.errors import InputError

USER, ITEM, DAY = pl.UInt32, pl.UInt32, pl.Int16

LOG: Mapping[str, type[pl.DataType]] = {
    "user": USER,
    "item": ITEM,
    "day": DAY,
    "price": pl.Float32,
    "channel": pl.UInt8,
    "quantity": pl.UInt16,
}
WANTED: Mapping[str, type[pl.DataType]] = {"user": USER}
CUSTOMERS: Mapping[str, type[pl.DataType]] = {"user": USER, "customer_id": pl.String}
ARTICLES: Mapping[str, type[pl.DataType]] = {"item": ITEM, "article_id": pl.String, "product_code": pl.Int32}
CANDIDATES: Mapping[str, type[pl.DataType]] = {"user": USER, "item": ITEM, "score": pl.Float32}
POOL: Mapping[str, type[pl.DataType]] = {
    "user": USER,
    "item": ITEM,
    "label": pl.UInt8,
}
SAMPLE: Mapping[str, type[pl.DataType]] = {"user": USER, "item": ITEM, "sampled": pl.Boolean, "kept": pl.Boolean}
TABLE: Mapping[str, type[pl.DataType]] = {**POOL, "sampled": pl.Boolean}  # then the features


def check(
    frame: pl.DataFrame,
    expected: Mapping[str, type[pl.DataType]],
    stage: str,
    key: tuple[str, ...] = (),
    more: bool = False,
) -> pl.DataFrame:
    """Return ``frame`` unchanged. InputError names stage, column, what was expected and what was found.

    ``stage``: named in the error. ``key``: columns whose combination must be unique. ``more``: allow other columns.
    """
    for column, dtype in expected.items():
        if column not in frame.columns:
            raise InputError(f"{stage}: column '{column}' expected ({dtype}), found only {frame.columns}")
        if frame.schema[column] != dtype:
            raise InputError(f"{stage}: column '{column}' expected {dtype}, found {frame.schema[column]}")
        if frame[column].null_count():
            raise InputError(f"{stage}: column '{column}' expected no nulls, found {frame[column].null_count()}")
    extra = [column for column in frame.columns if column not in expected]
    if extra and not more:
        raise InputError(f"{stage}: column '{extra[0]}' found, expected only {list(expected)}")
    if key and frame.select(pl.struct(key).is_duplicated().any()).item():
        raise InputError(f"{stage}: rows expected unique by {'+'.join(key)}, found duplicates")
    return frame
