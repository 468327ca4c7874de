"""Build the tables of customers and articles: ids and attribute values become dense codes, in ascending order."""

from collections.abc import Sequence

import polars as pl

from retail.shop import ATTRIBUTES, TRAITS
from retail_input.csvs import Rule

ARTICLE_ID_LENGTH = 10  # product code, zero-padded to seven digits, and three digits of the article
CUSTOMER_COLUMNS = ("age", *TRAITS)
TEXTS = ("prod_name", "product_type_name", "detail_desc")
AS_TEXT = "read and write the column as text, not as a number"


def find_name_column(attribute: str) -> str:
    """Return the column with an attribute's names: ``product_type_name`` for ``product_type_no``."""
    return f"{attribute.rsplit('_', 1)[0]}_name"


ARTICLE_COLUMNS = tuple(dict.fromkeys([*ATTRIBUTES, *(find_name_column(name) for name in ATTRIBUTES), *TEXTS]))


def build_article_id_rules() -> list[Rule]:
    """Build the rules of an article_id: exactly ten characters; a shorter id was once read as a number."""
    length = pl.col("article_id").str.len_bytes()
    ten = f"exactly {ARTICLE_ID_LENGTH} characters"
    return [
        Rule("article_id", length == 0, "an article id", "fill it in or delete the row"),
        Rule("article_id", length < ARTICLE_ID_LENGTH, ten, f"the id lost its leading zero; {AS_TEXT}"),
        Rule("article_id", length > ARTICLE_ID_LENGTH, ten, AS_TEXT),
    ]


def build_article_rules() -> list[Rule]:
    """Build the rules of a row of articles.csv."""
    blank = pl.col("article_id").str.contains(r"\s")
    return [
        *build_article_id_rules(),
        Rule("article_id", blank, "an article id without a blank", "fix the id: a submission separates ids by blanks"),
        Rule("article_id", ~pl.col("article_id").is_first_distinct(), "each article once", "delete the repeat"),
        Rule("product_code", pl.col("product_code") == "", "a product code", "fill it in"),
    ]


def build_customer_rules(columns: Sequence[str]) -> list[Rule]:
    """Build the rules of a row of customers.csv with these columns."""
    rules = [
        Rule("customer_id", pl.col("customer_id") == "", "a customer id", "fill it in or delete the row"),
        Rule("customer_id", ~pl.col("customer_id").is_first_distinct(), "each customer once", "delete the repeat"),
    ]
    if "age" in columns:
        filled = pl.col("age") != ""
        invalid = filled & ~is_amount(parse_number("age"))
        rules.append(Rule("age", invalid, "years or nothing", "fix or empty the field"))
    return rules


def build_wanted_rules(customers: pl.Series) -> list[Rule]:
    """Build the rules of a row of sample_submission.csv: a known customer, each once."""
    known = pl.col("customer_id").is_in(customers.implode())
    return [
        Rule("customer_id", pl.col("customer_id") == "", "a customer id", "fill it in or delete the row"),
        Rule("customer_id", ~known, "a customer of customers.csv", "add the customer there or delete the row here"),
        Rule("customer_id", ~pl.col("customer_id").is_first_distinct(), "each customer once", "delete the repeat"),
    ]


def build_customers(raw: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Build (rows by ascending customer_id, names of the columns left out).

    ``raw``: text columns, one row per customer. Columns: user, customer_id, age (Float32, NaN where missing) and the
    traits (Int32 dense code, -1 where missing). A column that is absent or has no value is left out.
    """
    rows = raw.sort("customer_id")
    present = [name for name in CUSTOMER_COLUMNS if is_filled(rows, name)]
    table = {"user": number_rows(rows.height), "customer_id": rows["customer_id"]}
    for name in present:
        if name == "age":
            table[name] = rows.select(parse_number("age").fill_null(float("nan"))).to_series()
        elif name == "fashion_news_frequency":
            table[name] = encode_values(rows[name].replace("None", "NONE"))  # the competition's file has both spellings
        else:
            table[name] = encode_values(rows[name])
    return pl.DataFrame(table), [name for name in CUSTOMER_COLUMNS if name not in present]


def build_articles(raw: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Build (rows by ascending article_id, names of the columns left out).

    ``raw``: text columns, one row per article. Columns: item, article_id, the attributes and the texts. An attribute
    is the Int32 dense code of its own column, or else of its column of names (-1 where missing). A column that is
    absent or has no value is left out.
    """
    rows = raw.sort("article_id")
    table = {"item": number_rows(rows.height), "article_id": rows["article_id"]}
    for name in ("product_code", *ATTRIBUTES):
        source = next((column for column in (name, find_name_column(name)) if is_filled(rows, column)), None)
        if source is not None:
            table[name] = encode_values(rows[source])
    for name in TEXTS:
        if is_filled(rows, name):
            table[name] = rows[name]
    return pl.DataFrame(table), [name for name in (*ATTRIBUTES, *TEXTS) if name not in table]


def encode_ids(column: str, ids: pl.Series) -> pl.Expr:
    """Return a UInt32 expression: the position of the column's id in ``ids`` (unique, ascending), null if unknown.

    A cast to an Enum replaces a join: it works row by row, so a stream keeps its order and its memory stays small.
    """
    return pl.col(column).cast(pl.Enum(ids), strict=False).to_physical().cast(pl.UInt32)


def encode_values(values: pl.Series) -> pl.Series:
    """Encode values as Int32 0..k-1 in ascending order, -1 for ""; if all are whole numbers, in numerical order."""
    filled = values.replace("", None)
    numbers = filled.cast(pl.Int64, strict=False)
    ranked = numbers if numbers.null_count() == filled.null_count() else filled
    return (ranked.rank("dense").cast(pl.Int32) - 1).fill_null(-1)


def parse_number(column: str) -> pl.Expr:
    """Return the text column as Float32, null where it is no number."""
    return pl.col(column).cast(pl.Float32, strict=False)


def is_amount(value: pl.Expr) -> pl.Expr:
    """Return a Boolean expression: the number is present, finite and not negative."""
    return (value.is_finite() & (value >= 0)).fill_null(False)


def is_filled(rows: pl.DataFrame, column: str) -> bool:
    """Return whether the column is present and has at least one value."""
    return column in rows.columns and bool((rows[column] != "").any())


def number_rows(n: int) -> pl.Series:
    """Return the UInt32 codes 0..n-1."""
    return pl.int_range(n, dtype=pl.UInt32, eager=True)
