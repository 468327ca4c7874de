"""Section "At a steady pace": the articles that their customers buy most regularly, and who is due."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
import polars as pl

from insights import cadence
from insights.page import drawing
from insights.project import Project
from retail import weeks
from submissions.report.figure import FROM_SOURCES, PLAIN, Figure, Section, Table, bars, plot

TITLE = ("cadence", "At a steady pace")
DAYS = [1, 2, 5, 10, 20, 50, 100, 200, 500]  # that are named on the axis
SHOWN, LISTED, MARKS = 15, 10, 1000  # articles of the bars, of the table, of the map


def section(project: Project) -> Section:
    log = project.shop.log
    rows = cadence.of_project(project, cadence.LEAST)
    worth = cadence.kept(weeks.history(log, log.weeks - 1), cadence.LEAST)
    text = (
        f"{rows.height:,} articles have {cadence.LEAST} customers or more who came back for them; no network needed. "
        f"A test: of {worth.due:,} purchases that were due in the data's last week, foretold from what lies before it, "
        f"{worth.share:.0%} were made in it; of all that these customers might have made again, {worth.usual:.1%}."
    )
    top = rows.head(SHOWN)
    figures = [
        Figure(
            "steady-articles",
            "The steadiest articles",
            _bars(project, top),
            f"A bar is the share of an article's gaps that lie within {cadence.AROUND:.0%} of its median gap, which is "
            f"written at its end; at random moments it would be {cadence.AT_RANDOM:.0%}. The whisker ends at the low "
            "end of the share's 95% interval, by which the articles are ordered: few gaps prove little.",
        ),
        Figure(
            "pace-of-articles",
            "Every article's pace",
            _map(project, rows),
            "Each mark is an article: the farther right, the longer between two purchases of a customer; the higher, "
            f"the more alike these gaps are. Below the dotted line, {cadence.AT_RANDOM:.0%}, they are no steadier than "
            f"chance; of more than {MARKS:,} articles those with most gaps are drawn.",
        ),
    ]
    return Section(*TITLE, text, [_table(project, rows.head(LISTED))], figures)


def _names(project: Project, rows: pl.DataFrame) -> list[str]:
    return drawing.articles(project, project.article_id.search_sorted(rows["article_id"]).to_numpy())


def _bars(project: Project, rows: pl.DataFrame) -> Any:
    shown = [f"{gap:.0f} days" for gap in rows["median_gap"]]
    figure = bars(_names(project, rows), rows["steady"].to_list(), FROM_SOURCES, "share of steady gaps", shown)
    down = (rows["steady"] - rows["steady_low"]).to_list()
    low = {"array": [0.0] * len(down), "arrayminus": down, "thickness": 1.5, "width": 0}
    figure.update_traces(error_x={**low, "color": "#222222"})
    figure.update_xaxes(tickformat=".0%")
    return figure


def _map(project: Project, rows: pl.DataFrame) -> Any:
    some = rows.sort("gaps", descending=True, maintain_order=True).head(MARKS)
    size = 5 + 9 * np.sqrt(some["repeat_buyers"].to_numpy() / some["repeat_buyers"].max())
    trace = go.Scatter(
        x=some["median_gap"].to_list(), y=some["steady"].to_list(), mode="markers", text=_names(project, some),
        marker={"color": PLAIN, "size": size.tolist(), "opacity": 0.55}, showlegend=False,
        hovertemplate="%{text}<br>%{x:.0f} days, %{y:.0%}<extra></extra>",
    )  # fmt: skip
    figure = plot([trace], 380, xaxis={"title": "median gap, days", "type": "log", "tickvals": DAYS})
    figure.update_yaxes(title="share of steady gaps", tickformat=".0%", rangemode="tozero")
    figure.add_hline(cadence.AT_RANDOM, line={"dash": "dot", "color": "#222222", "width": 1})
    return figure


def _table(project: Project, rows: pl.DataFrame) -> Table:
    cells = [
        [name, f"{gap:.0f}", *(f"{n:,}" for n in counts)]
        for name, gap, *counts in zip(
            _names(project, rows), rows["median_gap"], rows["repeat_buyers"], rows["due"], rows["late"], strict=True
        )
    ]
    return Table(
        ["article", "median gap, days", "came back", "due", "late"],
        cells,
        "Due: customers whose own median gap since their last purchase of the article ends in the week after the data. "
        "Late: those for whom it ended before, by less than once again as long. All: python -m insights.cadence.",
    )
