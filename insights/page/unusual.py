"""Section "Baskets unlike their customer's": how far off the last baskets are, in articles and in time."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
import polars as pl

from insights import anomalies, models
from insights.anomalies import Judged
from insights.page import drawing
from insights.project import Project
from submissions.report.figure import AGAINST, PLAIN, Figure, Section, Table, plot

TITLE = ("unlike", "Baskets unlike their customer's")
LISTED, MARKS, ID = 10, 1500, 13  # baskets of the table; marks of each colour; characters of an id
NEAR, FAR = -4.0, 12.0  # a z beyond them is drawn at them


def section(project: Project, seed: int) -> Section:
    by, asked, found = anomalies.of_project(project, "auto", anomalies.DAYS, seed)
    flagged = int(found.flagged.sum())
    text = (
        f"Each customer's last basket of the last {anomalies.DAYS} days is set beside what was expected of it (Damian "
        f"et al. 2019, algorithm 1), by {by}. {flagged:,} of {len(found.user):,} are unlike: more than "
        f"{anomalies.FLAG} robust deviations above the others of their kind, in articles or in time. "
        f"{(found.articles == 1).mean():.0%} of the baskets share no article with what was expected: where that is "
        "usual, only the time can tell."
    )
    figure = Figure(
        "unlike-baskets",
        "How unlike the last baskets are",
        _plot(found, seed),
        "Each mark is a customer: the farther right, the more its articles differ from the expected ones; the higher, "
        "the farther its day from the expected day, in deviations above its cluster's median. Beyond a dotted line "
        f"it is flagged; marks beyond {FAR:.0f} or below {NEAR:.0f} are drawn there, and of each colour at most "
        f"{MARKS:,}.",
    )
    rows = anomalies.table(project, found, asked).head(LISTED)
    tables = [_table(rows)] if flagged else []
    return Section(*TITLE, text + models.hint(by), tables, [figure])


def _plot(found: Judged, seed: int) -> Any:
    rng, traces = np.random.default_rng(seed), []
    for name, which, colour in (("as expected", ~found.flagged, PLAIN), ("unlike", found.flagged, AGAINST)):
        some = np.flatnonzero(which)
        if len(some) > MARKS:
            some = np.sort(rng.choice(some, MARKS, replace=False))
        x, y = (np.clip(z[some], NEAR, FAR).tolist() for z in (found.articles_z, found.time_z))
        marker = {"color": colour, "size": 6, "opacity": 0.6}
        traces.append(go.Scatter(x=x, y=y, mode="markers", marker=marker, name=name, hoverinfo="x+y"))
    axis = {"title": "articles"}
    figure = plot(traces, 400, xaxis=axis, yaxis={"title": "time"})
    line = {"dash": "dot", "color": "#222222", "width": 1}
    figure.add_hline(anomalies.FLAG, line=line)
    figure.add_vline(anomalies.FLAG, line=line)
    return figure


def _table(rows: pl.DataFrame) -> Table:
    cells = [
        [drawing.shortened(customer, ID), str(day), f"{articles:.1f}", f"{time:.1f}"]
        for customer, day, articles, time in rows.select("customer_id", "date", "articles_z", "time_z").iter_rows()
    ]
    return Table(
        ["customer", "basket of", "articles", "time"],
        cells,
        "The most unlike baskets, and how many deviations above their cluster's median they lie in articles and in "
        "time. All of them, with whole customer ids: python -m insights.anomalies.",
    )
