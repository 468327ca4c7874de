"""Section "What will be asked for": the pieces of the next two weeks, and where a resupply falls short of them."""

from pathlib import Path

import numpy as np
import plotly.graph_objects as go

from insights import models, stock_alerts
from insights.models import Model
from insights.page import drawing
from insights.project import Project
from insights.stock_alerts import Alerts
from retail.log import Array
from submissions.report.figure import AGAINST, PLAIN, Figure, Section, Table, bars, plot

TITLE = ("stock", "What will be asked for")
SHOWN = 15  # articles
ROOM = 1.3  # height of the days' axis over its second highest bar
FIRST = (
    "All who are overdue are taken to come on the first day, whose bar may be cut off below its number; one who stayed "
    f"away for {stock_alerts.GONE:.0f} gaps is taken to have left."
)
Supply = tuple[Array, Array]  # articles (p,) and their resupply (p, days), as stock_alerts.read gives them


def supply(file: Path | None, project: Project) -> Supply | None:
    """The resupply that the page is asked about; an InputError where the file is not right."""
    return None if file is None else stock_alerts.read(file, project, stock_alerts.DAYS)


def section(project: Project, model: Model, by: str, given: Supply | None) -> Section:
    days, items = stock_alerts.DAYS, np.arange(project.shop.log.items)
    item, resupply = given or (items, np.zeros((len(items), days), np.float32))
    found = stock_alerts.of_model(project, model, item, resupply, cumulative=True)
    dates = [project.date(project.shop.log.days + day).isoformat() for day in range(days)]
    text = (
        f"Every customer's next basket is set down on the day on which it is expected (Damian et al. 2019), by {by}; "
        f"these are the {days} days from {dates[0]} on. "
    )
    tables: list[Table] = []
    if given is None:
        figures = [_days(found, dates, "all articles"), _most(project, found)]
        text += "With --resupply FILE (article_id, date, pieces) it alerts where that is too little."
    else:
        short = int(found.short.any(axis=1).sum())
        figures = [_days(found, dates, "the articles of the resupply")]
        if short:
            worst = _worst(found)
            tables, figures = [_table(project, found, worst, dates)], [*figures, _short(project, found, worst, dates)]
        text += (
            f"{short:,} of the {len(item):,} articles of the resupply run short on some day, what is left of a day "
            "being there on the next; nothing is taken to be in stock at the beginning."
        )
    return Section(*TITLE, text + models.hint(by), tables, figures)


def _days(found: Alerts, dates: list[str], of: str) -> Figure:
    expected, arrives = found.expected.sum(axis=0), found.resupply.sum(axis=0)
    traces = [go.Bar(x=dates, y=expected.tolist(), name="expected", marker={"color": PLAIN})]
    if found.resupply.any():
        traces.append(go.Bar(x=dates, y=arrives.tolist(), name="arrives", marker={"color": AGAINST}))
    figure = plot(traces, 300, yaxis={"title": "pieces", "rangemode": "tozero"})
    top = ROOM * float(max(expected[1:].max(initial=0), arrives.max(initial=0)))
    if 0 < top < expected[0]:  # else the other days could not be told apart
        figure.update_yaxes(range=[0, top])
        figure.add_annotation(
            x=dates[0], y=top, text=f"{expected[0]:,.0f}", showarrow=False, xanchor="left", yanchor="top", xshift=14
        )
    figure.update_xaxes(tickformat="%d %b", nticks=5)
    says = f"The pieces of {of} that are expected to be bought on each day, added up. {FIRST}"
    return Figure("pieces-by-day", "Pieces by day", figure, says)


def _most(project: Project, found: Alerts) -> Figure:
    total = found.expected.sum(axis=1)
    order = np.lexsort((found.item, -total))[:SHOWN]
    shown = [f"{n:,.0f}" for n in total[order]]
    figure = bars(drawing.articles(project, found.item[order]), total[order].tolist(), PLAIN, "pieces", shown)
    says = (
        "The articles of which most pieces are expected in these days, all customers' next baskets together. It counts "
        "one basket of each customer, so that of articles bought every few days it says too little."
    )
    return Figure("most-expected", "Most asked for", figure, says)


def _worst(found: Alerts) -> Array:
    """Rows of the articles that run short, those that miss most first, ties by id."""
    most = np.maximum(-found.left, 0).max(axis=1)
    order = np.lexsort((found.item, -most))[:SHOWN]
    worst: Array = order[most[order] > 0]
    return worst


def _table(project: Project, found: Alerts, worst: Array, dates: list[str]) -> Table:
    first, most = found.short[worst].argmax(axis=1), -found.left[worst].min(axis=1)
    names = drawing.articles(project, found.item[worst])
    rows = [[name, dates[day][5:], f"{n:,.1f}"] for name, day, n in zip(names, first, most, strict=True)]
    return Table(
        ["article", "short from", "missing"],
        rows,
        "The articles that run shortest: the first day on which one is short, and the pieces it lacks at its worst. "
        "All, day by day: python -m insights.stock_alerts --cumulative.",
    )


def _short(project: Project, found: Alerts, worst: Array, dates: list[str]) -> Figure:
    missing = np.maximum(-found.left[worst], 0)
    shown = [["" for _ in row] for row in missing]
    names, days = drawing.articles(project, found.item[worst]), [day[5:] for day in dates]
    figure = drawing.squares(missing / missing.max(axis=1, keepdims=True), names, days, shown, ("day", ""))
    says = (
        "When the same articles are short: a square is the darker the more pieces are missing at the end of the "
        "day, the article's own worst day being darkest. An empty square has enough."
    )
    return Figure("pieces-missing", "When it runs short", figure, says)
