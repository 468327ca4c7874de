"""How good the lists are: MAP@12 beside the baselines, by week and by recency."""

from typing import Any

import plotly.graph_objects as go
import polars as pl

from submissions.report.figure import COLOURS, NAMES, Figure, Section, Table, bars, plot
from submissions.scoring.recency import NEVER, SEGMENTS

LISTS = ("twelve", "repurchase_popular", "popular")
SEGMENT_NAMES = dict(
    zip([*SEGMENTS, NEVER], ["1-7 days", "8-30 days", "31-90 days", "over 90 days", "never"], strict=True)
)
INTERVAL = "Whiskers are 95% intervals: customers drawn again with replacement"


def headline(metrics: dict[str, Any], intervals: pl.DataFrame, days_of: dict[str, str], draws: int) -> Section:
    """MAP@12 of every list, the paired differences, and the same by label week; ``days_of``: week -> its first day."""
    rows = []
    for name in LISTS:
        minus = metrics["twelve_minus"].get(name)
        rows.append(
            [NAMES[name], _figure(metrics["map12"][name]), f"{minus['mean']:+.4f} {_range(minus)}" if minus else ""]
        )
    table = Table(
        ["list", "MAP@12 and 95% interval", "twelve minus it"],
        rows,
        f"Mean of {len(days_of)} label weeks; customers who bought nothing in a week do not count in it. Intervals: "
        f"customers drawn again {draws:,} times; the differences are of the same customers.",
        marked=True,
    )
    by_week = intervals.filter(pl.col("by") == "week")
    buyers = by_week.filter(pl.col("list") == "twelve")["customers"].to_list()
    figure = Figure(
        "map-by-week",
        "MAP@12 by label week",
        _whiskers(
            by_week,
            [f"{day[5:]}<br>{day[:4]}<br>{n:,}" for day, n in zip(days_of.values(), buyers, strict=True)],
            list(days_of),
        ),
        f"Each mark is the mean over a week's buyers; below it the week's first day and their number. {INTERVAL}.",
    )
    text = (
        "MAP@12 is what the H&M competition scores: of twelve articles, how many were bought in the week and how near "
        "to the top they stand; 1 is a list that begins with everything bought. The evaluated ranker has seen none of "
        "these weeks."
    )
    return Section("score", "How good the lists are", text, [table], [figure])


def recency(intervals: pl.DataFrame) -> Section:
    """MAP@12 by how long ago the customer last bought."""
    rows = intervals.filter(pl.col("by") == "recency")
    counts = dict(rows.filter(pl.col("list") == "twelve").select("name", "customers").iter_rows())
    segments = [name for name in SEGMENT_NAMES if name in counts]
    figure = Figure(
        "map-by-recency",
        "MAP@12 by days since the last purchase",
        _whiskers(
            rows, [f"{SEGMENT_NAMES[name].removesuffix(' days')}<br>{counts[name]:,}" for name in segments], segments
        ),
        "Buyers of all label weeks by the days between their last purchase and the week's first day; below each number "
        f"of days that of its buyers, a customer counted in each week bought in. {INTERVAL}.",
    )
    text = "The more a customer bought and the more lately, the more is known; one who never bought is answered too."
    return Section("recency", "For whom they are good", text, figures=[figure])


def calibration(by_score: pl.DataFrame, by_place: pl.DataFrame) -> Section:
    """Share of candidates bought by score, and share of customers who bought the article at each place."""
    parts = by_score.group_by("upto").agg(pl.col("candidates", "bought").sum()).sort("upto")
    share = (parts["bought"] / parts["candidates"]).to_list()
    ends = [f"{100 * end:g}" for end in parts["upto"]]
    names = [f"{low}-{high}%" for low, high in zip(["0", *ends[:-1]], ends, strict=True)]
    score = bars(names, share, COLOURS["twelve"], "share bought", [f"{100 * value:.1f}%" for value in share])
    score.update_xaxes(tickformat=".0%")
    places = by_place.group_by("list", "place").agg(pl.col("customers", "bought").sum()).sort("place")
    lines = []
    for name in LISTS:
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
            "Share bought by score",
            score,
            f"The {total:,} candidates of the label weeks' buyers, each week's in the order of the ranker's score: of "
            "the best-scored hundredth, of the next, and so on, the share that the customer bought in the week.",
        ),
        Figure(
            "bought-by-place",
            "Share bought by place in the list",
            plot(lines, 360, xaxis={"title": "place in the list", "dtick": 1}, yaxis=shares),
            "Share of the label weeks' buyers who bought the article at each place of their list in the week.",
        ),
    ]
    text = "The score is no probability, but a higher one should mean more purchases: bars should shorten downwards."
    return Section("calibration", "What a score is worth", text, figures=figures)


def _whiskers(rows: pl.DataFrame, labels: list[str], names: list[str]) -> Any:
    """A mark with its interval per list at each of ``names``, written as ``labels``."""
    traces = []
    for at, which in enumerate(LISTS):
        of_name = {row["name"]: row for row in rows.filter(pl.col("list") == which).iter_rows(named=True)}
        found = [of_name[name] for name in names]
        mean = [row["mean"] for row in found]
        error = {
            "array": [row["high"] - row["mean"] for row in found],
            "arrayminus": [row["mean"] - row["low"] for row in found],
            "thickness": 1.5,
            "width": 4,
        }
        x = [place + (at - 1) * 0.12 for place in range(len(names))]
        traces.append(
            go.Scatter(
                x=x, y=mean, error_y=error, name=NAMES[which], mode="markers",
                marker={"color": COLOURS[which], "size": 9}, hovertemplate="%{y:.4f}",
            )
        )  # fmt: skip
    axis = {
        "tickvals": list(range(len(names))),
        "ticktext": labels,
        "range": [-0.5, len(names) - 0.5],
        "zeroline": False,
    }
    return plot(traces, 380, xaxis=axis, yaxis={"title": "MAP@12", "rangemode": "tozero"})


def _figure(row: dict[str, float]) -> str:
    return f"{row['mean']:.4f} {_range(row)}"


def _range(row: dict[str, float]) -> str:
    return f"[{row['low']:.4f}, {row['high']:.4f}]"
