"""Read the prepared shop: its log, and dense codes of its articles' and customers' columns."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated

import numpy as np
import polars as pl
from pydantic import Field

from retail import log as logs
from retail import paths, schema, wording
from retail.log import Array, Log
from retail.wording import Wording

# Article columns that group articles. Sources and features call the first one the category.
ATTRIBUTES = (
    "product_type_no",
    "product_code",
    "department_no",
    "colour_group_code",
    "graphical_appearance_no",
    "garment_group_no",
    "index_code",
    "section_no",
)
Attribute = Annotated[str, Field(pattern=f"^({'|'.join(ATTRIBUTES)})$")]  # a value in params.yaml
NAMES = ("prod_name", "product_type_name")  # an article's name is the first of them that is filled
TEXTS = ("prod_name", "detail_desc")  # columns whose words describe an article; its type is an attribute
TRAITS = ("FN", "Active", "club_member_status", "fashion_news_frequency", "postal_code")
AGE_BINS = (20, 25, 30, 35, 45, 55, 65)  # upper ends, exclusive; buyers cluster below 35


def name_article(columns: Sequence[str]) -> pl.Expr:
    """Return an expression that names an article: its own name, or its type's name, or its id."""
    known = [pl.col(name).replace("", None) for name in NAMES if name in columns]
    return pl.coalesce(*known, "article_id")


@dataclass(frozen=True)
class Shop:
    """Hold the log and the columns of articles and customers. A column that the files lack is absent."""

    log: Log
    attributes: Mapping[str, Array]  # name -> (items,) int32 dense code, -1 where missing
    traits: Mapping[str, Array]  # name -> (users,) int32 dense code, -1 where missing
    age: Array | None  # (users,) float32, NaN where missing
    texts: Mapping[str, pl.Series] = field(default_factory=dict)  # name -> (items,) text, null or "" where missing

    @property
    def category(self) -> Array:
        """Return the category (items,) int32 of each article: its product type, or else its product_code."""
        return self.attributes.get("product_type_no", self.attributes["product_code"])

    @cached_property
    def wording(self) -> Wording:
        """Return the weighted words of the articles' texts."""
        return wording.weigh_words(list(self.texts.values()), self.log.items)

    @cached_property
    def age_bin(self) -> Array | None:
        """Return the bin (users,) int32 of each customer's age, -1 where it is missing; None in a shop without ages."""
        if self.age is None:
            return None
        bins = np.digitize(self.age, AGE_BINS).astype(np.int32)
        return np.where(np.isnan(self.age), np.int32(-1), bins)


def read() -> Shop:
    """Read the tables of ``data/prepared`` as a Shop and check their schemas."""
    tx = schema.check(pl.read_parquet(paths.LOG), schema.LOG, "prepared log")
    customers = schema.check(pl.read_parquet(paths.CUSTOMERS), schema.CUSTOMERS, "prepared customers", more=True)
    articles = schema.check(pl.read_parquet(paths.ARTICLES), schema.ARTICLES, "prepared articles", more=True)
    days = json.loads(paths.CALENDAR.read_text())["days"]
    return build(tx, customers, articles, days)


def build(tx: pl.DataFrame, customers: pl.DataFrame, articles: pl.DataFrame, days: int) -> Shop:
    """Build a Shop from tables; rows of ``customers`` and ``articles`` are in the order of their codes."""
    return Shop(
        log=logs.build(tx, customers.height, articles.height, days),
        attributes={name: articles[name].to_numpy() for name in ATTRIBUTES if name in articles.columns},
        traits={name: customers[name].to_numpy() for name in TRAITS if name in customers.columns},
        age=customers["age"].to_numpy().astype(np.float32) if "age" in customers.columns else None,
        texts={name: articles[name] for name in TEXTS if name in articles.columns},
    )
