"""What the data look like: the weeks, the baskets, who comes back."""

from typing import Any

import plotly.graph_objects as go
import polars as pl
from plotly.subplots import make_subplots

from submissions.report import activity
from submissions.report.figure import PLAIN, Figure, Section, bars, dressed, plot

COUNTS = ("buyers", "baskets", "entries")
SHARES = {"repurchase": ("repurchase share", "#882255"), "cold": ("first-time buyers", "#44AA99")}


def shop(log: pl.DataFrame, days: int, first_days: list[str], customers: int) -> Section:
    """``log``: user, item, day; ``first_days``: ISO date of every week; ``customers``: of customers.csv."""
    weekly = activity.by_week(log, days)
    sizes = activity.basket_sizes(log)
    last = activity.last_purchases(log, days, customers)
    figures = [
        Figure(
            "weeks",
            "Buyers, baskets and entries by week",
            _counts(weekly, first_days),
            "A buyer is a customer with a purchase in the week, a basket one customer's day, an entry one article in "
            "it. Weeks end with the data's last day, so the earliest may be shorter.",
        ),
        Figure(
            "shares-by-week",
            "Who comes back, and for what",
            _shares(weekly, first_days),
            "Repurchase share: of the (customer, article) pairs of a week, those the customer bought in an earlier "
            "week. First-time buyers: of the week's buyers, those who bought in no earlier week of the data; in its "
            "first weeks that is nearly everybody.",
        ),
        Figure(
            "basket-sizes",
            "Entries of a basket",
            _bars(sizes["entries"].to_list(), sizes["baskets"].to_list(), "baskets"),
            f"All {int(sizes['baskets'].sum()):,} baskets by the number of different articles in them.",
            half=True,
        ),
        Figure(
            "last-bought",
            "Days since the last purchase",
            _bars(last["days"].to_list(), last["customers"].to_list(), "customers"),
            f"All {customers:,} customers by the days between their last purchase and the week that is answered.",
            half=True,
        ),
    ]
    text = f"What all of the above was learned from and judged by: {log.height:,} entries in {len(first_days)} weeks."
    return Section("data", "What the data look like", text, figures=figures)


def _counts(weekly: pl.DataFrame, first_days: list[str]) -> Any:
    figure = make_subplots(rows=len(COUNTS), shared_xaxes=True, vertical_spacing=0.06)
    line = {"color": PLAIN, "width": 2}
    for row, name in enumerate(COUNTS, 1):
        figure.add_trace(go.Scatter(x=first_days, y=weekly[name].to_list(), name=name, line=line, mode="lines"), row, 1)
        figure.update_yaxes(title=name, rangemode="tozero", nticks=4, row=row)
    return dressed(figure, 460, showlegend=False)


def _shares(weekly: pl.DataFrame, first_days: list[str]) -> Any:
    lines = [
        go.Scatter(x=first_days, y=weekly[name].to_list(), name=label, mode="lines", line={"color": colour, "width": 2})
        for name, (label, colour) in SHARES.items()
    ]
    return plot(lines, 340, yaxis={"tickformat": ".0%", "rangemode": "tozero"})


def _bars(names: list[str], values: list[int], label: str) -> Any:
    return bars(names, [float(n) for n in values], PLAIN, label, [f"{n:,}" for n in values])
