"""Customers and articles: every raw id gets a dense code by ascending id, every attribute a dense code by value."""

from collections.abc import Sequence

import polars as pl

from retail.shop import ATTRIBUTES, TRAITS
from retail_input.csvs import Rule

ARTICLE_ID_LENGTH = 10  # product_code, zero-padded to seven, then three digits of the article
CUSTOMER_COLUMNS = ("age", *TRAITS)
TEXTS = ("prod_name", "product_type_name", "detail_desc")
AS_TEXT = "read and write the column as text, not as a number"


def twin(attribute: str) -> str:
    """The column of names beside a column of numbers: ``product_type_no`` has ``product_type_name``."""
    return f"{attribute.rsplit('_', 1)[0]}_name"


ARTICLE_COLUMNS = tuple(dict.fromkeys([*ATTRIBUTES, *(twin(name) for name in ATTRIBUTES), *TEXTS]))


def article_id_rules() -> list[Rule]:
    """An article_id has exactly ten characters; one with fewer was once read as a number."""
    length = pl.col("article_id").str.len_bytes()
    ten = f"exactly {ARTICLE_ID_LENGTH} characters"
    return [
        Rule("article_id", length == 0, "an article id", "fill it in or delete the row"),
        Rule("article_id", length < ARTICLE_ID_LENGTH, ten, f"the id lost its leading zero; {AS_TEXT}"),
        Rule("article_id", length > ARTICLE_ID_LENGTH, ten, AS_TEXT),
    ]


def article_rules() -> list[Rule]:
    """The rules of a row of articles.csv."""
    blank = pl.col("article_id").str.contains(r"\s")
    return [
        *article_id_rules(),
        Rule("article_id", blank, "an article id without a blank", "mend the id: a submission parts ids by blanks"),
        Rule("article_id", ~pl.col("article_id").is_first_distinct(), "each article once", "delete the repeat"),
        Rule("product_code", pl.col("product_code") == "", "a product code", "fill it in"),
    ]


def customer_rules(columns: Sequence[str]) -> list[Rule]:
    """The rules of a row of customers.csv with these columns."""
    rules = [
        Rule("customer_id", pl.col("customer_id") == "", "a customer id", "fill it in or delete the row"),
        Rule("customer_id", ~pl.col("customer_id").is_first_distinct(), "each customer once", "delete the repeat"),
    ]
    if "age" in columns:
        filled = pl.col("age") != ""
        rules.append(Rule("age", filled & ~is_amount(number("age")), "years or nothing", "mend or empty the field"))
    return rules


def wanted_rules(customers: pl.Series) -> list[Rule]:
    """The rules of a row of sample_submission.csv: each a known customer, each once."""
    known = pl.col("customer_id").is_in(customers.implode())
    return [
        Rule("customer_id", pl.col("customer_id") == "", "a customer id", "fill it in or delete the row"),
        Rule("customer_id", ~known, "a customer of customers.csv", "add the customer there or delete the row here"),
        Rule("customer_id", ~pl.col("customer_id").is_first_distinct(), "each customer once", "delete the repeat"),
    ]


def customers(raw: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Rows (user, customer_id, age, traits) by ascending customer_id, and the names of the columns left out.

    ``raw``: text columns, one row per customer. ``age`` is Float32 (NaN where missing), a trait its Int32 dense code
    (-1 where missing). A column that is absent or wholly empty is left out and named.
    """
    rows = raw.sort("customer_id")
    present = [name for name in CUSTOMER_COLUMNS if is_filled(rows, name)]
    table = {"user": codes(rows.height), "customer_id": rows["customer_id"]}
    for name in present:
        if name == "age":
            table[name] = rows.select(number("age").fill_null(float("nan"))).to_series()
        elif name == "fashion_news_frequency":
            table[name] = dense(rows[name].replace("None", "NONE"))  # the competition's file spells it both ways
        else:
            table[name] = dense(rows[name])
    return pl.DataFrame(table), [name for name in CUSTOMER_COLUMNS if name not in present]


def articles(raw: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Rows (item, article_id, attributes, texts) by ascending article_id, and the names of the columns left out.

    ``raw``: text columns, one row per article. An attribute is the Int32 dense code of its own column, or else of its
    twin of names (-1 where missing); a text stays text. An absent or wholly empty column is left out and named.
    """
    rows = raw.sort("article_id")
    table = {"item": codes(rows.height), "article_id": rows["article_id"]}
    for name in ("product_code", *ATTRIBUTES):
        source = next((column for column in (name, twin(name)) if is_filled(rows, column)), None)
        if source is not None:
            table[name] = dense(rows[source])
    for name in TEXTS:
        if is_filled(rows, name):
            table[name] = rows[name]
    return pl.DataFrame(table), [name for name in (*ATTRIBUTES, *TEXTS) if name not in table]


def code_of(column: str, ids: pl.Series) -> pl.Expr:
    """UInt32 position of the column's id in ``ids`` (unique, ascending), null where it is unknown.

    A cast to an Enum is a join without the join: row by row, so that a stream keeps its order and its memory.
    """
    return pl.col(column).cast(pl.Enum(ids), strict=False).to_physical().cast(pl.UInt32)


def dense(values: pl.Series) -> pl.Series:
    """Int32 code 0..k-1 by ascending value, -1 for ""; values that are all whole numbers ascend as numbers."""
    filled = values.replace("", None)
    numbers = filled.cast(pl.Int64, strict=False)
    ranked = numbers if numbers.null_count() == filled.null_count() else filled
    return (ranked.rank("dense").cast(pl.Int32) - 1).fill_null(-1)


def number(column: str) -> pl.Expr:
    """The text column as Float32, null where it is no number."""
    return pl.col(column).cast(pl.Float32, strict=False)


def is_amount(value: pl.Expr) -> pl.Expr:
    """True where the number is there, finite and not negative."""
    return (value.is_finite() & (value >= 0)).fill_null(False)


def is_filled(rows: pl.DataFrame, column: str) -> bool:
    """Whether the column is there with at least one value."""
    return column in rows.columns and bool((rows[column] != "").any())


def codes(n: int) -> pl.Series:
    return pl.int_range(n, dtype=pl.UInt32, eager=True)
