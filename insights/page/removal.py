"""Section "If a category leaves": what becomes of the sales of the others, counted and as PARSRec expects it."""

from typing import Any

import numpy as np
import plotly.graph_objects as go

from insights import parsrec, spillover
from insights import project as projects
from insights.categories import Categories
from insights.page import drawing
from insights.parsrec import Trained
from insights.project import Project
from insights.spillover import Found
from retail.log import Array
from submissions.report.figure import AGAINST, FROM_FEATURES, TWELVE, Figure, Section, Table, bars, plot

TITLE = ("leaving", "If a category leaves")
SHOWN = 15  # categories
CLEARLY = 0.8  # an answer that misses less than so much of another's is nearer
ANSWERS = {
    "counted": "counted: visits without it, in the year before",
    "blind": "blind: as if it had never mattered",
    "network": "PARSRec",
}


def section(project: Project, of: Categories, gone: str | None, network: Trained | None, seed: int) -> Section:
    """``gone``: the category that leaves; None: the one with most entries in the log."""
    entries = np.bincount(of.of_item[project.shop.log.item], minlength=len(of.names))
    code = int(entries.argmax()) if gone is None else of.code(gone)
    found = spillover.of_project(project, of, code, network, seed)
    counts, name = found.counted, of.names[code]
    held = 1 - counts.without / counts.visits
    text = (
        f"Suppose that “{name}” ({of.column}) leaves (--category NAME asks of another one). A visit is what a "
        f"customer bought in one week; {held:.0%} of the {counts.visits:,} visits of the last {spillover.COUNTED} "
        f"weeks hold it. {_trust(found)} Neither answer knows why customers came: a visit without the category is not "
        "yet a visit after it has left."
    )
    if found.trained is None:
        text += f" To see PARSRec's answer, {projects.switch(parsrec.PARSREC)}."
    some = found.others[:SHOWN]
    order = some[counts.change[some].argsort(kind="stable")]
    figures = [
        Figure(
            "change-of-others",
            "If customers still come",
            _changes(found, order),
            "How much less, or more, of each other category a visit holds when it holds none of the leaving one, with "
            "95% intervals. Visits without it are of another length, all others together changing by "
            f"{found.all_others:+.1%} (dotted line): what lies left of it goes with the category, what lies right of "
            "it does without.",
        ),
        Figure(
            "sold-together",
            "If its visits stay away",
            _together(found, some),
            "The share of each category's sales that were made in visits which hold the leaving one, too. This much "
            "would be lost if all of these customers went elsewhere with their whole visit: the worst case.",
        ),
    ]
    return Section(*TITLE, text, [_table(found)], figures)


def _trust(found: Found) -> str:
    """Which answer to believe, and why."""
    missed = found.checked.missed
    text = (
        "Trust what is counted: on an invented shop whose truth is planted, it missed the sales of what went with the "
        "leaving category by 7% where PARSRec missed them by 47%, the mean of five seeds (make bench-parsrec)."
    )
    if missed.get("network", 1) < CLEARLY * missed["counted"]:
        text += " In the table below the network is nearer on this shop: a second opinion, no more."
    elif missed["counted"] > CLEARLY * missed["blind"]:
        text += " In the table below counting is hardly better than taking no change at all: the effect is small here."
    return text


def _changes(found: Found, order: Array) -> Any:
    counts = found.counted
    names = [drawing.shortened(found.of.names[k], drawing.CATEGORY) for k in order]
    change = counts.change[order]
    error = {
        "array": (counts.high[order] - change).tolist(), "arrayminus": (change - counts.low[order]).tolist(),
        "thickness": 1.5, "width": 4,
    }  # fmt: skip
    marker = {"color": TWELVE, "size": 9}
    traces = [go.Scatter(x=change.tolist(), y=names, error_x=error, mode="markers", name="counted", marker=marker)]
    if found.checked.network is not None:
        marker = {"color": FROM_FEATURES, "size": 9, "symbol": "diamond-open"}
        x = found.checked.network[order].tolist()
        traces.append(go.Scatter(x=x, y=names, mode="markers", name="PARSRec", marker=marker))
    figure = plot(traces, 110 + 24 * len(names), xaxis={"title": "change of articles per visit", "tickformat": "+.0%"})
    figure.update_xaxes(nticks=5)
    figure.update_yaxes(type="category", autorange="reversed", ticksuffix=" ")
    figure.add_vline(found.all_others, line={"dash": "dot", "color": "#222222", "width": 1})
    figure.update_layout(showlegend=True)
    return figure


def _together(found: Found, some: Array) -> Any:
    share = found.counted.together[some]
    order = (-share).argsort(kind="stable")
    names = [drawing.shortened(found.of.names[k], drawing.CATEGORY) for k in some[order]]
    shown = [f"{value:.0%}" for value in share[order]]
    figure = bars(names, share[order].tolist(), AGAINST, "share of its sales", shown)
    figure.update_xaxes(tickformat=".0%")
    return figure


def _table(found: Found) -> Table:
    rows = [[ANSWERS[name], f"{value:.1%}"] for name, value in found.checked.missed.items()]
    return Table(
        ["answer", "missed"],
        rows,
        f"The check: what the {found.checked.visits:,} visits of the last {spillover.CHECKED} weeks without it hold is "
        "known. Missed: absolute errors of an answer's articles by category, over all of their articles, their number "
        "being given.",
    )
