"""The recommended pairs of a shard of customers, with all that reasons may be made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from features.engine import kernels, profiles
from features.engine.kernels import FIRST_DAY, LAST_DAY, VISITS
from retail.log import Array
from retail.pairs import Pairs
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine.loaded import Loaded

WINDOW = 91  # days of sales that make an article's means


@dataclass(frozen=True)
class Past:
    """A customer's past with some kind of articles, per row; 0 where there is none. Days count back from the cutoff."""

    visits: Array  # (n,) int64 days with a purchase
    first: Array  # (n,) int64 days since the first one
    last: Array  # (n,) int64 days since the latest one


@dataclass(frozen=True)
class Chosen:
    """``n`` rows in the order of ``pairs``: a customer, a recommended article, and what the ranker saw of the two."""

    history: History
    shop: Shop
    pairs: Pairs
    features: pl.DataFrame  # (n rows) the ranker's columns
    contributions: Array  # (n, f) float32, of those columns
    candidates: Array  # (n,) how many candidates the row's customer had
    sources: Mapping[str, Loaded]
    articles: pl.DataFrame  # ``labels.labels``

    @property
    def rows(self) -> int:
        return len(self.pairs.items)

    @cached_property
    def own(self) -> Past:
        """The past with the article itself."""
        return self.past_with(np.arange(self.shop.log.items, dtype=np.int32))

    @cached_property
    def baskets(self) -> Array:
        """(n,) int64 baskets (days with a purchase) of the row's customer."""
        log, users = self.history.log, self.pairs.users
        stop = self.history.stop[users]
        some = stop > log.start[users]
        count: Array = np.where(some, log.visit[np.maximum(stop - 1, 0)].astype(np.int64) + 1, 0)
        return count[self.pairs.run]

    @cached_property
    def customer(self) -> dict[str, Array]:
        """What the row's customer is like, (n,) each: the columns of ``profiles.customers``."""
        found = profiles.customers(self.history, self.shop, self.pairs.users)
        return {what: values[self.pairs.run] for what, values in found.items()}

    @cached_property
    def article(self) -> dict[str, Array]:
        """What the row's article is like, (n,) each: the columns of ``profiles.articles``."""
        found = profiles.articles(self.history, self.shop, WINDOW)
        return {what: values[self.pairs.items] for what, values in found.items()}

    def past_with(self, code: Array) -> Past:
        """The past with the articles that share the row's ``code`` (items,), -1 where an article has none."""
        found = kernels.affinity(
            self.history, code, int(code.max(initial=0)) + 1, self.pairs.users, self.pairs.ptr,
            code[self.pairs.items].astype(np.int64), [1.0], (VISITS, FIRST_DAY, LAST_DAY),
        )  # fmt: skip
        return Past(*(np.nan_to_num(column).astype(np.int64) for column in found))

    def named(self, items: Array) -> pl.Series:
        """The names of articles."""
        return self.articles["name"].gather(items)

    def label(self, attribute: str) -> tuple[pl.Series, Array]:
        """(n,) what the article's value is called, " (BAG)", "" without a name; (n,) whether the value says anything.

        A value without a name may well be told from others; one that is named "none" or "unknown" may not.
        """
        known = self.shop.attributes[attribute][self.pairs.items] >= 0
        if attribute not in self.articles.columns:
            return pl.Series(np.full(self.rows, ""), dtype=pl.String), known
        name = self.articles[attribute].gather(self.pairs.items)
        text = pl.select(pl.when(name == "").then(pl.lit("")).otherwise(pl.format(" ({})", name))).to_series()
        return text, known & (name != "").to_numpy()

    def filled(self, rows: Array, text: pl.Series) -> pl.Series:
        """(n,) ``text`` at its ``rows``, null elsewhere."""
        wide = pl.DataFrame({"row": np.arange(self.rows)})
        some = pl.DataFrame({"row": rows.astype(np.int64), "text": text})
        return wide.join(some, on="row", how="left", validate="1:1", maintain_order="left")["text"]


def entries(history: History, users: Array) -> tuple[Array, Array]:
    """(k,) row in ``users`` and position in the log of every known entry of these customers, in the log's order."""
    begin, count = history.log.start[users], history.stop[users] - history.log.start[users]
    row = np.repeat(np.arange(len(users)), count)
    position = np.arange(len(row)) + np.repeat(begin - (np.cumsum(count) - count), count)
    return row, position
