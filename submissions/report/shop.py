"""Build the section about the data: activity by week, basket sizes, days since the last purchase."""

from typing import Any

import plotly.graph_objects as go
import polars as pl
from plotly.subplots import make_subplots

from submissions.report import activity
from submissions.report.figure import PLAIN, Figure, Section, apply_style, plot, plot_bars

COUNTS = {"buyers": "buyers", "baskets": "baskets", "entries": "purchases"}  # column of count_by_week -> label
SHARES = {"repurchase": ("repeat purchases", "#882255"), "cold": ("first-time buyers", "#44AA99")}


def build_data_section(log: pl.DataFrame, days: int, first_days: list[str], customers: int) -> Section:
    """Build the section; ``log``: user, item, day; ``days``: length of the data.

    ``first_days``: ISO date of the first day of every week; ``customers``: number of customers in customers.csv.
    """
    weekly = activity.count_by_week(log, days)
    sizes = activity.count_basket_sizes(log)
    last = activity.count_last_purchases(log, days, customers)
    figures = [
        Figure(
            "weeks",
            "Buyers, baskets and purchases by week",
            _plot_counts(weekly, first_days),
            "Each line counts one kind of activity per week. A buyer is a customer with a purchase in the week. A "
            "basket is one customer's purchases of a day; each different article in it counts as one purchase. The "
            "last week ends on the data's last day, so the first week may be shorter.",
        ),
        Figure(
            "shares-by-week",
            "Repeat purchases and first-time buyers by week",
            _plot_shares(weekly, first_days),
            "Repeat purchases: share of the week's (customer, article) pairs that the customer bought in an earlier "
            "week. First-time buyers: share of the week's buyers without a purchase in an earlier week of the data. "
            "In the first weeks of the data nearly every buyer counts as first-time.",
        ),
        Figure(
            "basket-sizes",
            "Basket size",
            _plot_classes(sizes["entries"].to_list(), sizes["baskets"].to_list(), "baskets"),
            f"A bar counts the baskets with so many different articles; {int(sizes['baskets'].sum()):,} baskets in "
            "all.",
            half=True,
        ),
        Figure(
            "last-bought",
            "Days since the last purchase",
            _plot_classes(last["days"].to_list(), last["customers"].to_list(), "customers"),
            f"A bar counts the customers by days from their last purchase to the forecast week; {customers:,} in all.",
            half=True,
        ),
    ]
    text = f"The models were trained and evaluated on {log.height:,} purchases in {len(first_days)} weeks."
    return Section("data", "The data", text, figures=figures)


def _plot_counts(weekly: pl.DataFrame, first_days: list[str]) -> Any:
    figure = make_subplots(rows=len(COUNTS), shared_xaxes=True, vertical_spacing=0.06)
    line = {"color": PLAIN, "width": 2}
    for row, name in enumerate(COUNTS, 1):
        figure.add_trace(
            go.Scatter(x=first_days, y=weekly[name].to_list(), name=COUNTS[name], line=line, mode="lines"), row, 1
        )
        figure.update_yaxes(title=COUNTS[name], rangemode="tozero", nticks=4, row=row)
    return apply_style(figure, 460, showlegend=False)


def _plot_shares(weekly: pl.DataFrame, first_days: list[str]) -> Any:
    lines = [
        go.Scatter(x=first_days, y=weekly[name].to_list(), name=label, mode="lines", line={"color": colour, "width": 2})
        for name, (label, colour) in SHARES.items()
    ]
    return plot(lines, 340, yaxis={"tickformat": ".0%", "rangemode": "tozero"})


def _plot_classes(names: list[str], values: list[int], label: str) -> Any:
    return plot_bars(names, [float(n) for n in values], PLAIN, label, [f"{n:,}" for n in values])
