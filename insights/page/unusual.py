"""Build the section "Unusual baskets": how far the last baskets are from the expected ones, in articles and in time."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
import polars as pl

from insights import anomalies, models
from insights.anomalies import BasketScores
from insights.page import drawing
from insights.project import Project
from submissions.report.figure import AGAINST, PLAIN, Figure, Section, Table, plot

TITLE = ("unusual", "Unusual baskets")
ROWS, MARKS, ID = 10, 1500, 13  # baskets in the table; marks of each colour; characters of an id
LOW, HIGH = -4.0, 12.0  # a z outside of these is drawn at the border


def build_section(project: Project, seed: int) -> Section:
    """Build the section; raise InputError if no last basket can be scored."""
    description, queries, scores = anomalies.score_project(project, "auto", anomalies.DAYS, seed)
    flagged = int(scores.flagged.sum())
    text = (
        f"Each customer's last basket of the last {anomalies.DAYS} days is compared with the expected one (Damian et "
        f"al. 2019, algorithm 1). Model: {description}. {flagged:,} of {len(scores.user):,} baskets are unusual. Such "
        f"a basket lies more than {anomalies.FLAG} robust deviations above the median of its cluster, in articles or "
        f"in time. {(scores.articles == 1).mean():.0%} of the baskets share no article with the expected one. Where "
        "that is common, only the time can show a difference."
    )
    figure = Figure(
        "unusual-baskets",
        "Distance from the expected basket",
        _draw_scatter(scores, seed),
        "Each mark is a customer. Right: more articles differ from the expected ones. Up: the day is farther from the "
        "expected day. Both are deviations above the median of the customer's cluster. Baskets beyond a dotted line "
        f"are flagged. Marks above {HIGH:.0f} or below {LOW:.0f} are drawn at the border. At most {MARKS:,} marks of "
        "each colour are drawn.",
    )
    rows = anomalies.build_table(project, scores, queries).head(ROWS)
    tables = [_build_table(rows)] if flagged else []
    return Section(*TITLE, text + models.suggest_lens(description), tables, [figure])


def _draw_scatter(scores: BasketScores, seed: int) -> Any:
    rng, traces = np.random.default_rng(seed), []
    for name, mask, colour in (("as expected", ~scores.flagged, PLAIN), ("unusual", scores.flagged, AGAINST)):
        drawn = np.flatnonzero(mask)
        if len(drawn) > MARKS:
            drawn = np.sort(rng.choice(drawn, MARKS, replace=False))
        x, y = (np.clip(z[drawn], LOW, HIGH).tolist() for z in (scores.articles_z, scores.time_z))
        marker = {"color": colour, "size": 6, "opacity": 0.6}
        traces.append(go.Scatter(x=x, y=y, mode="markers", marker=marker, name=name, hoverinfo="x+y"))
    figure = plot(traces, 400, xaxis={"title": "articles"}, yaxis={"title": "time"})
    line = {"dash": "dot", "color": "#222222", "width": 1}
    figure.add_hline(anomalies.FLAG, line=line)
    figure.add_vline(anomalies.FLAG, line=line)
    return figure


def _build_table(rows: pl.DataFrame) -> Table:
    cells = [
        [drawing.shorten(customer, ID), str(day), f"{articles:.1f}", f"{time:.1f}"]
        for customer, day, articles, time in rows.select("customer_id", "date", "articles_z", "time_z").iter_rows()
    ]
    return Table(
        ["customer", "date of basket", "articles", "time"],
        cells,
        "The most unusual baskets: deviations above the median of the customer's cluster, in articles and in time. For "
        "all baskets, with whole customer ids, run python -m insights.anomalies.",
    )
