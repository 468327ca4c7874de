"""One customer on the screen: the latest baskets, the twelve, why, and which sources proposed them."""

import json
from datetime import date, timedelta

import numpy as np
import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from retail import paths
from submissions.explain.explanation_table import REASONS, described
from submissions.explain.reasons import words

BASKETS = 5  # the latest ones
ARTICLES = 6  # named of each


def show(customer: pl.DataFrame, found: pl.DataFrame) -> None:
    """Print the page of ``customer`` (its row of the prepared customers); ``found``: its twelve, rows as explained."""
    calendar = json.loads(paths.CALENDAR.read_text())
    first = date.fromisoformat(calendar["first_day"])
    articles = described()
    log = pl.scan_parquet(paths.LOG).filter(pl.col("user") == customer["user"][0]).collect()
    console = Console(width=120)
    console.print(f"\n[bold]{escape(customer['customer_id'][0])}[/bold]: {_summary(customer, log, first)}")
    if log.height:
        console.print(baskets(log, articles, first))
    console.print(twelve(found, articles, first + timedelta(days=calendar["days"])))


def _summary(customer: pl.DataFrame, log: pl.DataFrame, first: date) -> str:
    age = customer["age"][0] if "age" in customer.columns else None
    who = f"{age:.0f} years old, " if age is not None and not np.isnan(age) else ""
    if log.height == 0:
        return f"{who}has bought nothing yet"
    begin = first + timedelta(days=int(log["day"].min()))  # type: ignore[arg-type]
    count, kinds = _several(log["day"].n_unique(), "basket"), _several(log["item"].n_unique(), "different article")
    return f"{who}{count} since {begin}, {kinds}"


def _several(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def baskets(log: pl.DataFrame, articles: pl.DataFrame, first: date) -> Table:
    """The latest baskets of a customer's rows of the log, newest first."""
    named = log.with_columns(name=articles["name"].gather(log["item"]), price=words.money(log["price"].to_numpy()))
    table = Table("date", "articles (price)", "", title=f"the latest of {_several(log['day'].n_unique(), 'basket')}")
    table.columns[2].justify = "right"
    for (day,), rows in named.sort("day", descending=True).group_by("day", maintain_order=True):
        if table.row_count == BASKETS:
            break
        shown = [f"{name} ({price})" for name, price in rows.select("name", "price").head(ARTICLES).iter_rows()]
        more = [f"and {rows.height - ARTICLES} more"] if rows.height > ARTICLES else []
        table.add_row(str(first + timedelta(days=int(day))), escape("\n".join([*shown, *more])), str(rows.height))
    return table


def twelve(found: pl.DataFrame, articles: pl.DataFrame, begin: date) -> Table:
    """The twelve articles of the week that begins at ``begin``."""
    table = Table(
        "", "article", "score", "why", "proposed by", title=f"twelve for the week from {begin}", show_lines=True
    )
    table.columns[3].ratio, table.columns[4].ratio = 3, 1
    named = found.join(articles, on="article_id", how="left", maintain_order="left")
    for row in named.iter_rows(named=True):
        reasons = [row[f"reason_{k + 1}"] for k in range(REASONS)]
        score = "" if row["score"] is None else f"{row['score']:.2f}"
        why = "\n".join(f"- {reason}" for reason in reasons if reason)
        table.add_row(
            str(row["place"]),
            escape(f"{row['article_id']}\n{row['name']}"),
            score,
            escape(why),
            ", ".join(row["sources"]),
        )
    return table
