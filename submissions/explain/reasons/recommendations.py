"""Hold the recommended pairs of a shard of customers, with the data that the reasons are made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from features.engine import kernels, profiles
from features.engine.kernels import FIRST_DAY, LAST_DAY, VISITS
from retail.log import Array
from retail.pairs import Pairs
from retail.ragged import offsets, positions, row_of
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine.loaded import Loaded

WINDOW = 91  # days of sales over which an article's means are taken


@dataclass(frozen=True)
class Past:
    """Per row, the customer's past purchases of a set of articles; 0 without any. Days count back from the cutoff."""

    visits: Array  # (n,) int64 days with a purchase
    first: Array  # (n,) int64 days since the first one
    last: Array  # (n,) int64 days since the latest one


@dataclass(frozen=True)
class Recommendations:
    """Hold ``n`` rows in the order of ``pairs``: a customer, a recommended article, and the ranker's features."""

    history: History
    shop: Shop
    pairs: Pairs
    features: pl.DataFrame  # (n rows) the ranker's feature columns
    contributions: Array  # (n, f) float32, contribution of each feature column to the score
    candidates: Array  # (n,) number of candidates of the row's customer
    sources: Mapping[str, Loaded]
    articles: pl.DataFrame  # the table of ``labels.read_labels``

    @property
    def row_count(self) -> int:
        """Number of rows, ``n``."""
        return len(self.pairs.items)

    @cached_property
    def article_past(self) -> Past:
        """Past purchases of the article itself by the row's customer."""
        return self.count_past(np.arange(self.shop.log.items, dtype=np.int32))

    @cached_property
    def baskets(self) -> Array:
        """(n,) int64 number of baskets (days with a purchase) of the row's customer."""
        log, users = self.history.log, self.pairs.users
        stop = self.history.stop[users]
        has_bought = stop > log.start[users]
        count: Array = np.where(has_bought, log.visit[np.maximum(stop - 1, 0)].astype(np.int64) + 1, 0)
        return count[self.pairs.run]

    @cached_property
    def customer(self) -> dict[str, Array]:
        """The profile of the row's customer, (n,) each: the columns of ``profiles.describe_customers``."""
        columns = profiles.describe_customers(self.history, self.shop, self.pairs.users)
        return {name: values[self.pairs.run] for name, values in columns.items()}

    @cached_property
    def article(self) -> dict[str, Array]:
        """The profile of the row's article, (n,) each: the columns of ``profiles.describe_articles``."""
        columns = profiles.describe_articles(self.history, self.shop, WINDOW)
        return {name: values[self.pairs.items] for name, values in columns.items()}

    def count_past(self, code: Array) -> Past:
        """Count the customer's past purchases of articles that share the row's ``code`` (items,); -1 means no code."""
        columns = kernels.summarise_affinity(
            self.history, code, int(code.max(initial=0)) + 1, self.pairs.users, self.pairs.ptr,
            code[self.pairs.items].astype(np.int64), [1.0], (VISITS, FIRST_DAY, LAST_DAY),
        )  # fmt: skip
        return Past(*(np.nan_to_num(column).astype(np.int64) for column in columns))

    def name_articles(self, items: Array) -> pl.Series:
        """Name the articles ``items``."""
        return self.articles["name"].gather(items)

    def label_attribute(self, attribute: str) -> tuple[pl.Series, Array]:
        """Label the article's value: (n,) text such as " (BAG)", and (n,) bool, whether the value is informative.

        Without names in articles.csv, every known value is informative and its label is "". With names, a value named
        "none" or "unknown" is not informative.
        """
        known = self.shop.attributes[attribute][self.pairs.items] >= 0
        if attribute not in self.articles.columns:
            return pl.Series(np.full(self.row_count, ""), dtype=pl.String), known
        name = self.articles[attribute].gather(self.pairs.items)
        text = pl.select(pl.when(name == "").then(pl.lit("")).otherwise(pl.format(" ({})", name))).to_series()
        return text, known & (name != "").to_numpy()

    def scatter(self, rows: Array, text: pl.Series) -> pl.Series:
        """Scatter ``text`` to ``rows``: (n,) text, null elsewhere."""
        all_rows = pl.DataFrame({"row": np.arange(self.row_count)})
        with_text = pl.DataFrame({"row": rows.astype(np.int64), "text": text})
        return all_rows.join(with_text, on="row", how="left", validate="1:1", maintain_order="left")["text"]


def list_entries(history: History, users: Array) -> tuple[Array, Array]:
    """List the customers' past entries in the log's order: (k,) row in ``users`` and (k,) position in the log."""
    begin, count = history.log.start[users], history.stop[users] - history.log.start[users]
    return row_of(offsets(count)), positions(begin, count)
