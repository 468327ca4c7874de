"""Build the section "If a category is removed": the sales of the other categories, as counted and by PARSRec."""

from typing import Any

import numpy as np
import plotly.graph_objects as go

from insights import parsrec, spillover
from insights.categories import Categories
from insights.page import drawing
from insights.parsrec import Trained
from insights.project import Project, suggest_training
from insights.spillover import Spillover
from retail.log import Array
from submissions.report.figure import AGAINST, FROM_FEATURES, TWELVE, Figure, Section, Table, plot, plot_bars

TITLE = ("removal", "If a category is removed")
SHOWN = 15  # categories
CLEARLY = 0.8  # an estimate is clearly better if its error is below this share of the other's
ESTIMATES = {
    "counted": "counted: visits without it, in the year before",
    "blind": "blind: no category changes",
    "network": "PARSRec",
}


def build_section(
    project: Project, categories: Categories, removed: str | None, network: Trained | None, seed: int
) -> Section:
    """Build the section; ``removed``: the category's name, None for the category with the most entries in the log."""
    entries = np.bincount(categories.item_category[project.shop.log.item], minlength=len(categories.names))
    code = int(entries.argmax()) if removed is None else categories.encode(removed)
    result = spillover.estimate(project, categories, code, network, seed)
    counts, name = result.counted, categories.names[code]
    share = 1 - counts.without / counts.visits
    text = (
        f"Suppose that “{name}” ({categories.column}) is removed; --category NAME selects another category. A visit is "
        f"what a customer bought in one week. Of the {counts.visits:,} visits of the last {spillover.COUNTED_WEEKS} "
        f"weeks, {share:.0%} contain it. {_compare_estimates(result)} Neither estimate knows why customers came: a "
        "visit without the category today is not a visit after its removal."
    )
    if result.trained is None:
        text += f" To see PARSRec's estimate, {suggest_training(parsrec.PARSREC)}."
    shown = result.others[:SHOWN]
    order = shown[counts.change[shown].argsort(kind="stable")]
    figures = [
        Figure(
            "change-of-others",
            "If customers still come",
            _draw_changes(result, order),
            "The change of each other category's articles per visit, in visits without the removed category, with 95% "
            "intervals. Such visits generally have a different length: the dotted line is the change of all other "
            f"categories together, {result.total_change:+.1%}. Categories to its left depend on the removed one; "
            "categories to its right do not.",
        ),
        Figure(
            "sold-together",
            "If its visits no longer happen",
            _draw_together(result, shown),
            "The share of each category's sales that were made in visits with the removed category. This share would "
            "be lost if all these customers bought their whole visit elsewhere: the worst case.",
        ),
    ]
    return Section(*TITLE, text, [_build_table(result)], figures)


def _compare_estimates(result: Spillover) -> str:
    """Say which estimate to trust, and why."""
    missed = result.check.missed
    text = (
        "Trust the counted estimate. On a synthetic shop with a planted truth it misses the sales of related "
        "categories by 7%. PARSRec misses them by 47%. Both are means of five seeds (make bench-parsrec)."
    )
    if missed.get("network", 1) < CLEARLY * missed["counted"]:
        text += " In the table below PARSRec is better on this shop: treat it as a second opinion."
    elif missed["counted"] > CLEARLY * missed["blind"]:
        text += " In the table below counting is hardly better than assuming no change: the effect is small here."
    return text


def _draw_changes(result: Spillover, order: Array) -> Any:
    counts = result.counted
    names = [drawing.shorten(result.categories.names[k], drawing.CATEGORY) for k in order]
    change = counts.change[order]
    error = {
        "array": (counts.high[order] - change).tolist(), "arrayminus": (change - counts.low[order]).tolist(),
        "thickness": 1.5, "width": 4,
    }  # fmt: skip
    marker = {"color": TWELVE, "size": 9}
    traces = [go.Scatter(x=change.tolist(), y=names, error_x=error, mode="markers", name="counted", marker=marker)]
    if result.check.network is not None:
        marker = {"color": FROM_FEATURES, "size": 9, "symbol": "diamond-open"}
        x = result.check.network[order].tolist()
        traces.append(go.Scatter(x=x, y=names, mode="markers", name="PARSRec", marker=marker))
    figure = plot(traces, 110 + 24 * len(names), xaxis={"title": "change of articles per visit", "tickformat": "+.0%"})
    figure.update_xaxes(nticks=5)
    figure.update_yaxes(type="category", autorange="reversed", ticksuffix=" ")
    figure.add_vline(result.total_change, line={"dash": "dot", "color": "#222222", "width": 1})
    figure.update_layout(showlegend=True)
    return figure


def _draw_together(result: Spillover, categories: Array) -> Any:
    share = result.counted.together[categories]
    order = (-share).argsort(kind="stable")
    names = [drawing.shorten(result.categories.names[k], drawing.CATEGORY) for k in categories[order]]
    ends = [f"{value:.0%}" for value in share[order]]
    figure = plot_bars(names, share[order].tolist(), AGAINST, "share of its sales", ends)
    figure.update_xaxes(tickformat=".0%")
    return figure


def _build_table(result: Spillover) -> Table:
    rows = [[ESTIMATES[name], f"{value:.1%}"] for name, value in result.check.missed.items()]
    return Table(
        ["estimate", "error"],
        rows,
        f"A check on the {result.check.visits:,} visits of the last {spillover.CHECK_WEEKS} weeks without the "
        "category, whose articles are known. Error: the sum of the absolute errors by category, over the number of "
        "articles. Each estimate is scaled to the known number of articles.",
    )
