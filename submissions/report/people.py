"""A dozen customers: what they bought, the twelve they are recommended, and why."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from retail.log import Array
from retail.shop import called
from submissions.report.figure import Section
from submissions.report.quality import SEGMENT_NAMES
from submissions.scoring.recency import segments

PEOPLE = 12
BASKETS = 5  # shown of a history, newest first
ARTICLES = 6  # shown of a basket
LONG = 16  # characters of an id, in a title
REASONS = ("reason_1", "reason_2", "reason_3")


@dataclass(frozen=True)
class Basket:
    day: str
    articles: list[str]
    more: int  # further articles that are not named


@dataclass(frozen=True)
class Place:
    article: str
    article_id: str
    sources: str
    reasons: list[str]


@dataclass(frozen=True)
class Person:
    customer_id: str
    short: str  # of an id too long for a title
    segment: str  # when the customer last bought
    baskets: int
    entries: int
    history: list[Basket]
    places: list[Place]


def people(
    explained: pl.DataFrame | None,
    log: pl.DataFrame,
    days: int,
    begin: date,
    customer_id: pl.Series,
    articles: pl.DataFrame,
) -> Section:
    """The section; ``explained``: customer_id, place, article_id, sources, reason_1..3, None where nobody computed it.

    ``log``: user, item, day; ``begin``: the day of ``day`` 0; ``customer_id`` and ``articles`` by code.
    """
    title = "A dozen customers"
    if explained is None or explained.height == 0:
        text = "No reasons were computed: explain.customers in params.yaml is 0, or their stage has not run."
        return Section("customers", title, text)
    codes = pl.DataFrame({"customer_id": customer_id, "user": pl.Series(range(len(customer_id)), dtype=pl.UInt32)})
    ids = explained.select("customer_id").unique(maintain_order=True)
    users = ids.join(codes, on="customer_id", how="inner", validate="1:1")["user"].sort()
    bought = log.filter(pl.col("user").is_in(users.implode()))
    picked = chosen(users, bought, days)
    names = articles.select("item", "article_id", name=called(articles.columns))
    found = [
        _person(user, segment, str(customer_id[user]), bought, explained, names, begin) for user, segment in picked
    ]
    text = (
        f"{len(found)} of the {len(users):,} customers with computed reasons, spread over the days since their last "
        "purchase and the number of their baskets: their newest baskets, the twelve articles for the week after the "
        "data with the sources that proposed each, and the strongest reasons of the ranker's score."
    )
    return Section("customers", title, text, people=found)


def chosen(users: pl.Series, bought: pl.DataFrame, days: int) -> list[tuple[int, str]]:
    """Up to PEOPLE of ``users`` with their segment of recency, as many from each segment as there are.

    Within a segment they lie evenly over the number of baskets, ties by customer. ``bought``: the customers' log.
    """
    past = bought.group_by("user").agg(last=pl.col("day").max().cast(pl.Int32), baskets=pl.col("day").n_unique())
    rows = pl.DataFrame({"user": users}).join(past, on="user", how="left", validate="1:1", maintain_order="left")
    since = (days - rows["last"]).fill_null(-1).to_numpy()
    rows = rows.with_columns(
        segment=pl.Series(segments(since), dtype=pl.String), baskets=pl.col("baskets").fill_null(0)
    )
    of_segment = {name: rows.filter(pl.col("segment") == name).sort("baskets", "user") for name in SEGMENT_NAMES}
    quota = dict.fromkeys(of_segment, 0)
    while sum(quota.values()) < min(PEOPLE, rows.height):
        for name, part in of_segment.items():
            if quota[name] < part.height and sum(quota.values()) < PEOPLE:
                quota[name] += 1
    return [
        (int(part["user"][int(at)]), name)
        for name, part in of_segment.items()
        for at in _evenly(part.height, quota[name])
    ]


def _evenly(size: int, wanted: int) -> Array:
    """(wanted,) distinct places among 0..size-1, the middles of as many equal parts."""
    return (2 * np.arange(wanted) + 1) * size // (2 * max(wanted, 1))


def _person(
    user: int,
    segment: str,
    customer_id: str,
    bought: pl.DataFrame,
    explained: pl.DataFrame,
    names: pl.DataFrame,
    begin: date,
) -> Person:
    mine = bought.filter(pl.col("user") == user).join(names, on="item", how="left", validate="m:1")
    history: list[Basket] = []
    for (day,), basket in mine.sort(["day", "item"], descending=[True, False]).group_by("day", maintain_order=True):
        if len(history) == BASKETS:
            break
        shown = basket["name"].to_list()
        history.append(
            Basket((begin + timedelta(int(str(day)))).isoformat(), shown[:ARTICLES], max(len(shown) - ARTICLES, 0))
        )
    twelve = explained.filter(pl.col("customer_id") == customer_id).sort("place")
    twelve = twelve.join(names, on="article_id", how="left", validate="m:1", maintain_order="left")
    places = [
        Place(
            str(row["name"]),
            str(row["article_id"]),
            ", ".join(row["sources"] or ["best sellers, as a filler"]),
            [reason for key in REASONS if (reason := row[key])],
        )
        for row in twelve.iter_rows(named=True)
    ]
    short = customer_id if len(customer_id) <= LONG else f"{customer_id[:LONG]}…"
    return Person(customer_id, short, SEGMENT_NAMES[segment], mine["day"].n_unique(), mine.height, history, places)
