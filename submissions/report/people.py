"""Build the section about example customers: their purchases, their recommended articles, and the reasons."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from retail.log import Array
from retail.shop import name_article
from submissions.report.figure import Section
from submissions.report.quality import SEGMENT_NAMES
from submissions.scoring.recency import name_segments

PEOPLE = 12  # example customers in the report
BASKETS = 5  # latest baskets shown
ARTICLES = 6  # articles shown of each basket
LONGEST_ID = 16  # characters of an id in a heading
REASONS = ("reason_1", "reason_2", "reason_3")


@dataclass(frozen=True)
class Basket:
    """A customer's purchases of one day, cut to ARTICLES names."""

    day: str
    articles: list[str]
    more: int  # number of further articles


@dataclass(frozen=True)
class Place:
    """A recommended article with the text of the report about it."""

    article: str  # its name
    article_id: str
    sources: str
    reasons: list[str]


@dataclass(frozen=True)
class Person:
    """An example customer: past baskets and recommended articles, in order."""

    customer_id: str
    short: str  # the id, cut to LONGEST_ID characters
    segment: str  # name of the recency segment, such as 1-7 days
    baskets: int
    entries: int  # purchases: different articles of a day count once each
    history: list[Basket]
    places: list[Place]


def build_customers_section(
    explained: pl.DataFrame | None,
    log: pl.DataFrame,
    days: int,
    begin: date,
    customer_id: pl.Series,
    articles: pl.DataFrame,
) -> Section:
    """Build the section about PEOPLE customers.

    ``explained``: customer_id, place, article_id, sources, reason_1..reason_3; None if reasons were not computed.
    ``log``: user, item, day; ``days``: length of the data; ``begin``: the date of ``day`` 0; ``customer_id`` and
    ``articles`` are ordered by code.
    """
    title = "Example customers"
    if explained is None or explained.height == 0:
        text = "No reasons were computed. Set explain.customers in params.yaml above 0 and run `dvc repro`."
        return Section("customers", title, text)
    codes = pl.DataFrame({"customer_id": customer_id, "user": pl.Series(range(len(customer_id)), dtype=pl.UInt32)})
    ids = explained.select("customer_id").unique(maintain_order=True)
    users = ids.join(codes, on="customer_id", how="inner", validate="1:1")["user"].sort()
    bought = log.filter(pl.col("user").is_in(users.implode()))
    examples = choose_examples(users, bought, days)
    names = articles.select("item", "article_id", name=name_article(articles.columns))
    persons = [
        _describe_person(user, segment, str(customer_id[user]), bought, explained, names, begin)
        for user, segment in examples
    ]
    text = (
        f"{len(persons)} of the {len(users):,} customers with computed reasons. They are spread over the days since "
        "the last purchase and the number of baskets. Each example lists the latest baskets, then the recommended "
        "articles for the forecast week in order of score. The reasons are the strongest contributions to the "
        "ranker's score, addressed to the customer; below them are the candidate sources that proposed the article."
    )
    return Section("customers", title, text, people=persons)


def choose_examples(users: pl.Series, bought: pl.DataFrame, days: int) -> list[tuple[int, str]]:
    """Choose up to PEOPLE of ``users``, spread evenly over the recency segments; return them with their segment.

    Within a segment they are spread evenly over the number of baskets, ties by customer. ``bought``: their log.
    """
    past = bought.group_by("user").agg(last=pl.col("day").max().cast(pl.Int32), baskets=pl.col("day").n_unique())
    rows = pl.DataFrame({"user": users}).join(past, on="user", how="left", validate="1:1", maintain_order="left")
    since = (days - rows["last"]).fill_null(-1).to_numpy()
    rows = rows.with_columns(
        segment=pl.Series(name_segments(since), dtype=pl.String), baskets=pl.col("baskets").fill_null(0)
    )
    by_segment = {name: rows.filter(pl.col("segment") == name).sort("baskets", "user") for name in SEGMENT_NAMES}
    quota = dict.fromkeys(by_segment, 0)
    while sum(quota.values()) < min(PEOPLE, rows.height):
        for name, part in by_segment.items():
            if quota[name] < part.height and sum(quota.values()) < PEOPLE:
                quota[name] += 1
    return [
        (int(part["user"][int(at)]), name)
        for name, part in by_segment.items()
        for at in _spread_evenly(part.height, quota[name])
    ]


def _spread_evenly(size: int, count: int) -> Array:
    """Return (count,) distinct places among 0..size-1, the middles of ``count`` equal parts."""
    return (2 * np.arange(count) + 1) * size // (2 * max(count, 1))


def _describe_person(
    user: int,
    segment: str,
    customer_id: str,
    bought: pl.DataFrame,
    explained: pl.DataFrame,
    names: pl.DataFrame,
    begin: date,
) -> Person:
    own = bought.filter(pl.col("user") == user).join(names, on="item", how="left", validate="m:1")
    history: list[Basket] = []
    for (day,), basket in own.sort(["day", "item"], descending=[True, False]).group_by("day", maintain_order=True):
        if len(history) == BASKETS:
            break
        article_names = basket["name"].to_list()
        history.append(
            Basket(
                (begin + timedelta(int(str(day)))).isoformat(),
                article_names[:ARTICLES],
                max(len(article_names) - ARTICLES, 0),
            )
        )
    twelve = explained.filter(pl.col("customer_id") == customer_id).sort("place")
    twelve = twelve.join(names, on="article_id", how="left", validate="m:1", maintain_order="left")
    places = [
        Place(
            str(row["name"]),
            str(row["article_id"]),
            ", ".join(row["sources"] or ["best sellers (to complete the list)"]),
            [reason for key in REASONS if (reason := row[key])],
        )
        for row in twelve.iter_rows(named=True)
    ]
    short = customer_id if len(customer_id) <= LONGEST_ID else f"{customer_id[:LONGEST_ID]}…"
    return Person(customer_id, short, SEGMENT_NAMES[segment], own["day"].n_unique(), own.height, history, places)
