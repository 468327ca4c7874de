"""Build the section "Bought regularly": articles with regular gaps, and customers who are due."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
import polars as pl

from insights import cadence
from insights.page import drawing
from insights.project import Project
from retail import weeks
from submissions.report.figure import FROM_SOURCES, PLAIN, Figure, Section, Table, plot, plot_bars

TITLE = ("cadence", "Bought regularly")
TICKS = [1, 2, 5, 10, 20, 50, 100, 200, 500]  # days, on the axis
BARS, ROWS, MARKS = 15, 10, 1000  # articles in the bar chart, the table and the scatter plot


def build_section(project: Project) -> Section:
    """Build the section; raise InputError if no article has enough repeat buyers."""
    log = project.shop.log
    rows = cadence.build_table(project, cadence.MIN_REPEAT_BUYERS)
    backtest = cadence.backtest_due(weeks.history(log, log.weeks - 1), cadence.MIN_REPEAT_BUYERS)
    text = (
        f"{rows.height:,} articles have at least {cadence.MIN_REPEAT_BUYERS} customers who bought them again. No "
        f"network is needed. A test forecasts the last week from the weeks before it: {backtest.due:,} purchases were "
        f"due. {backtest.share:.0%} of them were made in that week. Of all possible repeat purchases of these "
        f"articles, {backtest.usual:.1%} were made."
    )
    figures = [
        Figure(
            "steady-articles",
            "The most regular articles",
            _draw_bars(project, rows.head(BARS)),
            f"A bar is the share of an article's gaps that lie within {cadence.STEADY:.0%} of its median gap. The "
            f"median gap is written at the bar's end. Purchases at random times have {cadence.STEADY_AT_RANDOM:.0%}. "
            "The whisker ends at the lower end of the share's 95% interval. The articles are ordered by it, because "
            "few gaps prove little.",
        ),
        Figure(
            "pace-of-articles",
            "Every article's gaps",
            _draw_scatter(project, rows),
            "Each mark is an article. Right: longer gaps between two purchases of a customer. Up: more regular gaps. "
            f"Articles below the dotted line ({cadence.STEADY_AT_RANDOM:.0%}) are no more regular than chance. At most "
            f"{MARKS:,} articles are drawn, those with the most gaps.",
        ),
    ]
    return Section(*TITLE, text, [_build_table(project, rows.head(ROWS))], figures)


def _label(project: Project, rows: pl.DataFrame) -> list[str]:
    return drawing.label_articles(project, project.article_id.search_sorted(rows["article_id"]).to_numpy())


def _draw_bars(project: Project, rows: pl.DataFrame) -> Any:
    ends = [f"{gap:.0f} days" for gap in rows["median_gap"]]
    figure = plot_bars(_label(project, rows), rows["steady"].to_list(), FROM_SOURCES, "share of regular gaps", ends)
    down = (rows["steady"] - rows["steady_low"]).to_list()
    whisker = {"array": [0.0] * len(down), "arrayminus": down, "thickness": 1.5, "width": 0}
    figure.update_traces(error_x={**whisker, "color": "#222222"})
    figure.update_xaxes(tickformat=".0%")
    return figure


def _draw_scatter(project: Project, rows: pl.DataFrame) -> Any:
    drawn = rows.sort("gaps", descending=True, maintain_order=True).head(MARKS)
    size = 5 + 9 * np.sqrt(drawn["repeat_buyers"].to_numpy() / drawn["repeat_buyers"].max())
    trace = go.Scatter(
        x=drawn["median_gap"].to_list(), y=drawn["steady"].to_list(), mode="markers", text=_label(project, drawn),
        marker={"color": PLAIN, "size": size.tolist(), "opacity": 0.55}, showlegend=False,
        hovertemplate="%{text}<br>%{x:.0f} days, %{y:.0%}<extra></extra>",
    )  # fmt: skip
    figure = plot([trace], 380, xaxis={"title": "median gap, days", "type": "log", "tickvals": TICKS})
    figure.update_yaxes(title="share of regular gaps", tickformat=".0%", rangemode="tozero")
    figure.add_hline(cadence.STEADY_AT_RANDOM, line={"dash": "dot", "color": "#222222", "width": 1})
    return figure


def _build_table(project: Project, rows: pl.DataFrame) -> Table:
    cells = [
        [name, f"{gap:.0f}", *(f"{n:,}" for n in counts)]
        for name, gap, *counts in zip(
            _label(project, rows), rows["median_gap"], rows["repeat_buyers"], rows["due"], rows["late"], strict=True
        )
    ]
    return Table(
        ["article", "median gap, days", "repeat buyers", "due", "late"],
        cells,
        "A customer's next purchase is expected one median gap (the customer's own) after the last. Due: customers "
        "expected in the week after the data. Late: customers expected before, less than one gap ago. For all "
        "articles, run python -m insights.cadence.",
    )
