"""Build the sections about quality: MAP@12 of Twelve and the baselines, and purchases by score and by place."""

from typing import Any

import plotly.graph_objects as go
import polars as pl

from submissions.report.figure import COLOURS, NAMES, Figure, Section, Table, plot, plot_bars
from submissions.scoring.recency import NEVER, SEGMENTS

SCORED_LISTS = ("twelve", "repurchase_popular", "popular")  # in the order of the tables and legends
SEGMENT_NAMES = dict(
    zip([*SEGMENTS, NEVER], ["1-7 days", "8-30 days", "31-90 days", "over 90 days", "never"], strict=True)
)
INTERVAL = "Vertical lines are 95% bootstrap intervals over customers"


def build_score_section(
    metrics: dict[str, Any], intervals: pl.DataFrame, first_days: dict[str, str], draws: int
) -> Section:
    """Build the section with MAP@12 of each list, overall and by label week.

    ``intervals``: table of ``evaluate.bootstrap_intervals``; ``first_days``: label week -> ISO date of its first day;
    ``draws``: number of bootstrap samples.
    """
    rows = []
    for name in SCORED_LISTS:
        minus = metrics["twelve_minus"].get(name)
        rows.append(
            [
                NAMES[name],
                _format_mean(metrics["map12"][name]),
                f"{minus['mean']:+.4f} {_format_range(minus)}" if minus else "",
            ]
        )
    table = Table(
        ["list", "MAP@12 and 95% interval", "Twelve minus this list"],
        rows,
        f"MAP@12 of each list, mean of {len(first_days)} held-out weeks, over the customers who bought in the week. "
        "A difference is reliable if its interval does not contain 0. The intervals come from "
        f"{draws:,} bootstrap samples of customers; both lists of a difference use the same samples.",
        marked=True,
    )
    by_week = intervals.filter(pl.col("by") == "week")
    buyers = by_week.filter(pl.col("list") == "twelve")["customers"].to_list()
    figure = Figure(
        "map-by-week",
        "MAP@12 by held-out week",
        _plot_intervals(
            by_week,
            [f"{day[5:]}<br>{day[:4]}<br>{n:,}" for day, n in zip(first_days.values(), buyers, strict=True)],
            list(first_days),
        ),
        "Each point is a list's MAP@12 in one week; higher is better. The labels give the week's first day and its "
        f"number of buyers. {INTERVAL}.",
    )
    text = (
        "MAP@12 (mean average precision) is the score of the H&M competition. It rises with the number of recommended "
        "articles that the customer bought, and with how high they rank. The maximum is 1. The repurchase baseline "
        "recommends the customer's own past purchases, then best sellers. The best-seller baseline recommends the best "
        "sellers of the last 7 days to everyone. The ranker was not trained on these weeks."
    )
    return Section("score", "Quality of the lists", text, [table], [figure])


def build_recency_section(intervals: pl.DataFrame) -> Section:
    """Build the section with MAP@12 by days since the customer's last purchase."""
    rows = intervals.filter(pl.col("by") == "recency")
    counts = dict(rows.filter(pl.col("list") == "twelve").select("name", "customers").iter_rows())
    segments = [name for name in SEGMENT_NAMES if name in counts]
    figure = Figure(
        "map-by-recency",
        "MAP@12 by days since the last purchase",
        _plot_intervals(
            rows, [f"{SEGMENT_NAMES[name].removesuffix(' days')}<br>{counts[name]:,}" for name in segments], segments
        ),
        "Each point is a list's MAP@12 over the buyers whose last purchase was so many days before the week. The "
        f"second line of a label gives the number of buyers; a customer counts once per week. {INTERVAL}.",
    )
    text = (
        "Lists are usually better for customers who bought recently, because more is known about them. "
        "Customers without past purchases receive a list, too."
    )
    return Section("recency", "Quality by recency of the last purchase", text, figures=[figure])


def build_calibration_section(by_score: pl.DataFrame, by_place: pl.DataFrame) -> Section:
    """Build the section with the share bought by score, and by place in the list."""
    parts = by_score.group_by("upto").agg(pl.col("candidates", "bought").sum()).sort("upto")
    share = (parts["bought"] / parts["candidates"]).to_list()
    ends = [f"{100 * end:g}" for end in parts["upto"]]
    names = [f"top {low}-{high}%" for low, high in zip(["0", *ends[:-1]], ends, strict=True)]
    score = plot_bars(names, share, COLOURS["twelve"], "share bought", [f"{100 * value:.1f}%" for value in share])
    score.update_xaxes(tickformat=".0%")
    places = by_place.group_by("list", "place").agg(pl.col("customers", "bought").sum()).sort("place")
    lines = []
    for name in SCORED_LISTS:
        rows = places.filter(pl.col("list") == name)
        lines.append(
            go.Scatter(
                x=rows["place"].to_list(), y=(rows["bought"] / rows["customers"]).to_list(), name=NAMES[name],
                mode="lines+markers", line={"color": COLOURS[name]},
            )
        )  # fmt: skip
    total = int(parts["candidates"].sum())
    shares = {"tickformat": ".1~%", "rangemode": "tozero"}
    figures = [
        Figure(
            "bought-by-score",
            "Purchases by score",
            score,
            f"The {total:,} candidates of the held-out weeks' buyers, ordered by score within each week. A bar shows "
            "the share of the candidates in this range that the customer bought in the week. A good ranker has a "
            "long first bar and shorter bars below.",
        ),
        Figure(
            "bought-by-place",
            "Purchases by place in the list",
            plot(lines, 360, xaxis={"title": "place in the list", "dtick": 1}, yaxis=shares),
            "A point shows the share of the held-out weeks' buyers who bought the article at this place of their "
            "list. Higher is better; a good list falls from left to right.",
        ),
    ]
    text = "The ranker's score is not a probability, but a higher score should mean more purchases."
    return Section("calibration", "Scores and purchases", text, figures=figures)


def _plot_intervals(rows: pl.DataFrame, labels: list[str], names: list[str]) -> Any:
    """Plot one point with its interval per list at each of ``names``, labelled ``labels``."""
    traces = []
    for number, list_name in enumerate(SCORED_LISTS):
        by_name = {row["name"]: row for row in rows.filter(pl.col("list") == list_name).iter_rows(named=True)}
        ordered = [by_name[name] for name in names]
        mean = [row["mean"] for row in ordered]
        error = {
            "array": [row["high"] - row["mean"] for row in ordered],
            "arrayminus": [row["mean"] - row["low"] for row in ordered],
            "thickness": 1.5,
            "width": 4,
        }
        x = [place + (number - 1) * 0.12 for place in range(len(names))]
        traces.append(
            go.Scatter(
                x=x, y=mean, error_y=error, name=NAMES[list_name], mode="markers",
                marker={"color": COLOURS[list_name], "size": 9}, hovertemplate="%{y:.4f}",
            )
        )  # fmt: skip
    axis = {
        "tickvals": list(range(len(names))),
        "ticktext": labels,
        "range": [-0.5, len(names) - 0.5],
        "zeroline": False,
    }
    return plot(traces, 380, xaxis=axis, yaxis={"title": "MAP@12", "rangemode": "tozero"})


def _format_mean(row: dict[str, float]) -> str:
    return f"{row['mean']:.4f} {_format_range(row)}"


def _format_range(row: dict[str, float]) -> str:
    return f"[{row['low']:.4f}, {row['high']:.4f}]"
