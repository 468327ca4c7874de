"""Print one customer's latest baskets and twelve recommended articles, with reasons and sources."""

import json
from datetime import date, timedelta

import numpy as np
import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from retail import paths
from submissions.explain.explanation_table import REASONS, read_article_names
from submissions.explain.reasons import format_numbers

BASKETS = 5  # latest baskets shown
ARTICLES = 6  # articles named in each basket


def show(customer: pl.DataFrame, explanation: pl.DataFrame) -> None:
    """Print ``customer``, a row of the prepared customers, and ``explanation``, its rows of the table of reasons."""
    calendar = json.loads(paths.CALENDAR.read_text())
    first_day = date.fromisoformat(calendar["first_day"])
    articles = read_article_names()
    log = pl.scan_parquet(paths.LOG).filter(pl.col("user") == customer["user"][0]).collect()
    console = Console(width=120)
    console.print(f"\n[bold]{escape(customer['customer_id'][0])}[/bold]: {_summarise(customer, log, first_day)}")
    if log.height:
        console.print(make_basket_table(log, articles, first_day))
    console.print(make_list_table(explanation, articles, first_day + timedelta(days=calendar["days"])))


def _summarise(customer: pl.DataFrame, log: pl.DataFrame, first_day: date) -> str:
    age = customer["age"][0] if "age" in customer.columns else None
    years = f"{age:.0f} years old, " if age is not None and not np.isnan(age) else ""
    if log.height == 0:
        return f"{years}no purchases yet"
    begin = first_day + timedelta(days=int(log["day"].min()))  # type: ignore[arg-type]
    baskets = _format_count(log["day"].n_unique(), "basket")
    articles = _format_count(log["item"].n_unique(), "different article")
    return f"{years}{baskets} since {begin}, {articles}"


def _format_count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def make_basket_table(log: pl.DataFrame, articles: pl.DataFrame, first_day: date) -> Table:
    """Make a table of the latest baskets, newest first; ``log``: the customer's rows of the log."""
    prices = format_numbers.format_money(log["price"].to_numpy())
    named = log.with_columns(name=articles["name"].gather(log["item"]), price=prices)
    title = f"Latest baskets, {log['day'].n_unique()} in all"
    table = Table("date", "articles (price paid)", "articles in all", title=title)
    table.columns[2].justify = "right"
    for (day,), rows in named.sort("day", descending=True).group_by("day", maintain_order=True):
        if table.row_count == BASKETS:
            break
        lines = [f"{name} ({price})" for name, price in rows.select("name", "price").head(ARTICLES).iter_rows()]
        more = [f"and {rows.height - ARTICLES} more"] if rows.height > ARTICLES else []
        table.add_row(str(first_day + timedelta(days=int(day))), escape("\n".join([*lines, *more])), str(rows.height))
    return table


def make_list_table(explanation: pl.DataFrame, articles: pl.DataFrame, begin: date) -> Table:
    """Make a table of the twelve articles for the week that begins on ``begin``, with reasons and sources."""
    title = f"Twelve articles for the week from {begin}"
    table = Table("place", "article", "score", "reasons", "proposed by", title=title, show_lines=True)
    table.caption = "Articles are ordered by score. Reasons: the strongest first, addressed to the customer."
    table.columns[3].ratio, table.columns[4].ratio = 3, 1
    named = explanation.join(articles, on="article_id", how="left", maintain_order="left")
    for row in named.iter_rows(named=True):
        reasons = [row[f"reason_{k + 1}"] for k in range(REASONS)]
        score = "" if row["score"] is None else f"{row['score']:.2f}"
        lines = "\n".join(f"- {reason}" for reason in reasons if reason)
        table.add_row(
            str(row["place"]),
            escape(f"{row['article_id']}\n{row['name']}"),
            score,
            escape(lines),
            ", ".join(row["sources"]),
        )
    return table
