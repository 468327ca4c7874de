"""Make shops in memory: drawn by hand, at random, and with another future or none."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
from csv_shop import ROOT

from features.engine import group
from retail import params as parameters
from retail import paths, schema, weeks
from retail import shop as shops
from retail.log import Array
from retail.params import Params
from retail.shop import Shop
from retail_input import switch_network
from stage1_candidates.engine import source

DEFAULT: Params = parameters.read(ROOT / "params.yaml")
OPTIONAL = {name: {**dict(switch_network.read_block(name)), "use": False} for name in switch_network.list_optional()}
PARAMS: Params = DEFAULT.model_copy(update={"networks": {**DEFAULT.networks, **OPTIONAL}})  # every network's block
SOURCES = sorted(file.stem for file in (ROOT / "stage1_candidates/sources").glob("[!_]*.py"))
NETWORKS = sorted(file.parent.name for file in (ROOT / "stage1_candidates/networks").glob("*/plugin.py"))
GROUPS = sorted(file.stem for file in (ROOT / "features/groups").glob("[!_]*.py"))

# The checkerboard: a line per customer, a character per day, a letter per article. Customers 0 and 2 buy the white
# squares (a, c), customer 1 the black ones (b, d).
BOARD = (
    "a.c.a.c",
    ".b.d.b.",
    "a.c....",
)  # fmt: skip


def log_table(rows: Sequence[Sequence[float]]) -> pl.DataFrame:
    """Make a log (schema.LOG) of rows (user, item, day) or (user, item, day, price, channel, quantity)."""
    usual = (1.0, 2, 1)
    return pl.DataFrame([(*row, *usual[len(row) - 3 :]) for row in rows], schema=dict(schema.LOG), orient="row")


def small(
    rows: Sequence[Sequence[float]], users: int, items: int, days: int,
    articles: dict[str, Sequence[int]] | None = None, customers: dict[str, Sequence[float]] | None = None,
) -> Shop:  # fmt: skip
    """Make a shop of the given rows; each article is a product of its own unless ``articles`` gives other codes."""
    codes = {"product_code": range(items), **(articles or {})}
    return shops.build(
        log_table(rows),
        pl.DataFrame({"user": range(users), **{k: list(v) for k, v in (customers or {}).items()}}),
        pl.DataFrame({k: pl.Series(list(v), dtype=pl.Int32) for k, v in codes.items()}),
        days,
    )


def make_named_shop(rows: Sequence[Sequence[float]], users: int, names: list[str | None], days: int) -> Shop:
    """Make a shop of the given rows whose articles have these names."""
    shop = small(rows, users, len(names), days)
    return replace(shop, texts={"prod_name": pl.Series(names, dtype=pl.String)})


def drawn(*customers: str | tuple[str, ...], items: int | None = None, **columns: Any) -> Shop:
    """Make a shop from a drawing such as BOARD; a customer with several lines has baskets of several articles."""
    lines = [(line,) if isinstance(line, str) else line for line in customers]
    rows = [
        (user, ord(letter) - ord("a"), day)
        for user, user_lines in enumerate(lines)
        for line in user_lines
        for day, letter in enumerate(line)
        if letter != "."
    ]
    return small(rows, len(lines), items or 1 + max(row[1] for row in rows), len(lines[0][0]), **columns)


def closed() -> Shop:
    """Make a shop whose two customers buy in each of weeks 0 to 9; it is closed until week 14, where the log ends."""
    return drawn("ab.....ba....." * 5 + "." * 28, ".a.b...a.b...." * 5 + "." * 28, items=2)


def source_of(name: str, **changes: Any) -> tuple[Any, Any]:
    """Load the module of a source or network, and its block of params.yaml with the keys ``changes`` replaced."""
    kind = "networks" if name in PARAMS.networks else "sources"
    block = {**getattr(PARAMS, kind)[name], **changes}
    return source.load(name, PARAMS.model_copy(update={"sources": {}, "networks": {}, kind: {name: block}}))


def network_of(name: str, **changes: Any) -> tuple[Any, Any]:
    """Load a network's module and its block of params.yaml, with few epochs so that a test is fast."""
    return source_of(name, **{"training": {**PARAMS.networks[name]["training"], "epochs": 2}, **changes})


def train_weights(name: str, shop: Shop, week: int, seed: int = 1) -> dict[str, Array]:
    """Train a network on the past of ``week`` and return its weights."""
    module, settings = network_of(name)
    with TemporaryDirectory() as folder:
        weights: dict[str, Array] = module.train(weeks.history(shop.log, week), shop, settings, seed, Path(folder))
    return weights


def group_of(name: str, **changes: Any) -> tuple[Any, Any]:
    """Load a feature group's module, and its block of params.yaml with the keys ``changes`` replaced."""
    block = {**PARAMS.features[name], **changes}
    return group.load(name, PARAMS.model_copy(update={"features": {name: block}}))


@dataclass(frozen=True)
class World:
    """The prepared tables of a shop."""

    tx: pl.DataFrame
    customers: pl.DataFrame
    articles: pl.DataFrame
    days: int
    cold: tuple[int, ...]  # customers without any purchase

    @cached_property
    def shop(self) -> Shop:
        return shops.build(self.tx, self.customers, self.articles, self.days)

    @property
    def bare(self) -> "World":
        """The same log without any optional column."""
        customers, articles = self.customers[["user", "customer_id"]], self.articles[list(schema.ARTICLES)]
        unknown = self.tx.with_columns(channel=pl.lit(0, pl.UInt8))
        return replace(self, tx=unknown, customers=customers, articles=articles)

    def until(self, cutoff: int) -> "World":
        """Return the world whose data end on the day before ``cutoff``."""
        return replace(self, tx=self.tx.filter(pl.col("day") < cutoff), days=cutoff)

    def rewritten(self, cutoff: int, seed: int) -> "World":
        """Return the same days, customers and articles with other purchases from ``cutoff`` on.

        Rows are dropped, columns are shuffled and other rows are added. Some of these lie on the cutoff day itself,
        and some are of cold customers.
        """
        rng = np.random.default_rng(seed)
        past, future = self.tx.filter(pl.col("day") < cutoff), self.tx.filter(pl.col("day") >= cutoff)
        kept = future.sample(fraction=0.7, seed=seed)
        shuffled = kept.select(pl.col(name).shuffle(seed + k) for k, name in enumerate(kept.columns))
        n = self.customers.height * 3 if cutoff < self.days else 0
        first_day, last_day = min(cutoff, self.days - 1), self.days
        added = pl.DataFrame(
            {
                "user": np.arange(n) % max(self.customers.height, 1),
                "item": rng.integers(self.articles.height, size=n),
                "day": np.where(np.arange(n) % 3 == 0, first_day, rng.integers(first_day, last_day, n)),
                "price": rng.uniform(0, 500, n),
                "channel": rng.integers(3, size=n),
                "quantity": rng.integers(1, 90, n),
            },
            schema_overrides=dict(schema.LOG),
        )
        other = pl.concat([shuffled, added]).unique(["user", "day", "item"], keep="first", maintain_order=True)
        return replace(self, tx=pl.concat([past, other]))


def random_world(seed: int, users: int = 50, items: int = 40, days: int = 403, entries: int = 2500) -> World:
    """Make a random shop with habits, best sellers, launches and baskets.

    Every column has gaps. Some customers and articles never appear in the log.
    """
    rng = np.random.default_rng(seed)
    cold = (users // 2, users - 2, users - 1)
    buyers = np.setdiff1d(np.arange(users), cold)
    sold = np.arange(items - 2)
    activity, pull = rng.lognormal(0, 0.7, len(buyers)), rng.lognormal(0, 1, len(sold))
    launch = np.where(rng.random(items) < 0.4, rng.integers(0, days, items), 0)
    favourites = rng.choice(sold, (users, 3))
    user = rng.choice(buyers, entries, p=activity / activity.sum())
    often = rng.random(entries) < 0.5
    item = np.where(
        often, favourites[user, rng.integers(3, size=entries)], rng.choice(sold, entries, p=pull / pull.sum())
    )
    visits = rng.integers(0, days, (users, 25))  # a customer comes on few days, so that baskets hold several articles
    day = np.maximum(visits[user, rng.integers(25, size=entries)], launch[item])
    tx = pl.DataFrame(
        {
            "user": user,
            "item": item,
            "day": day,
            "price": np.where(rng.random(entries) < 0.02, 0, rng.lognormal(3, 1, entries)),
            "channel": rng.integers(3, size=entries),
            "quantity": rng.integers(1, 4, entries),
        },
        schema_overrides=dict(schema.LOG),
    ).unique(["user", "day", "item"], keep="first", maintain_order=True)

    def codes(n: int, kinds: int, missing: float) -> pl.Series:
        code = rng.integers(kinds, size=n)
        return pl.Series(np.where(rng.random(n) < missing, -1, code), dtype=pl.Int32)

    product = np.sort(rng.integers(items // 2, size=items))
    articles = pl.DataFrame(
        {
            "item": pl.Series(range(items), dtype=pl.UInt32),
            "article_id": [f"0{i:09d}" for i in range(items)],
            "product_code": pl.Series(np.unique(product, return_inverse=True)[1], dtype=pl.Int32),
            **{name: codes(items, 5, 0.1) for name in shops.ATTRIBUTES if name != "product_code"},
            "prod_name": make_names(items, np.random.default_rng([seed, 1])),
        }
    )
    age = np.where(rng.random(users) < 0.2, np.nan, rng.integers(16, 80, users))
    age[list(cold)] = 30, 30, 40
    customers = pl.DataFrame(
        {
            "user": pl.Series(range(users), dtype=pl.UInt32),
            "customer_id": [f"c{u:04d}" for u in range(users)],
            "age": pl.Series(age, dtype=pl.Float32),
            **{name: codes(users, 4, 0.3) for name in shops.TRAITS},
        }
    )
    return World(tx, customers, articles, days, tuple(int(u) for u in cold))


def make_names(items: int, rng: np.random.Generator) -> list[str | None]:
    """Make names of one to three out of nine words; a tenth of the names are missing."""
    words = np.array(["RED", "blue", "Heart", "HEART-SHAPED", "tin", "T-LIGHT", "No. 5", "étagère", "mug"])
    names = [" ".join(rng.choice(words, 1 + i % 3, replace=False)) for i in range(items)]
    return [None if missing else name for name, missing in zip(names, rng.random(items) < 0.1, strict=True)]


def write_prepared(world: World, **texts: Sequence[str]) -> None:
    """Write the tables of stage ``prepare`` to the current folder; ``texts``: further columns of articles."""
    paths.PREPARED.mkdir(parents=True, exist_ok=True)
    world.tx.sort("user", "day", "item").write_parquet(paths.LOG)
    world.customers.write_parquet(paths.CUSTOMERS)
    columns = [pl.Series(name, list(values)) for name, values in texts.items()]
    world.articles.with_columns(columns).write_parquet(paths.ARTICLES)
    calendar = {"first_day": "2019-01-01", "last_day": "2020-02-07", "days": world.days, "weeks": -(-world.days // 7)}
    paths.CALENDAR.write_text(json.dumps(calendar))
