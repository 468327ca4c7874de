"""Section "What will be asked for": the pieces of the next two weeks, and where a resupply falls short of them."""

from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go

from insights import models, stock_alerts
from insights.models import Model
from insights.page import drawing
from insights.project import Project
from insights.stock_alerts import Alerts
from retail.log import Array
from submissions.page.figure import AGAINST, PLAIN, Figure, Section, bars, plot

TITLE = ("stock", "What will be asked for")
SHOWN = 15  # articles
FIRST = (
    "All who are overdue are taken to come on the first day, which is why it stands out; one who stayed away for "
    f"{stock_alerts.GONE:.0f} gaps is taken to have left."
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
    if given is None:
        figures = [_days(found, dates, "all articles"), _most(project, found)]
        text += "With --resupply FILE (article_id, date, pieces) it alerts where that is too little."
    else:
        short = int(found.short.any(axis=1).sum())
        figures = [_days(found, dates, "the articles of the resupply")]
        figures += [_short(project, found, dates)] if short else []
        text += (
            f"{short:,} of the {len(item):,} articles of the resupply run short on some day, what is left of a day "
            "being there on the next; nothing is taken to be in stock at the beginning."
        )
    return Section(*TITLE, text + models.hint(by), figures=figures)


def _days(found: Alerts, dates: list[str], of: str) -> Figure:
    bar = go.Bar(x=dates, y=found.expected.sum(axis=0).tolist(), marker={"color": PLAIN}, name="expected")
    figure = plot([bar], 300, yaxis={"title": "pieces", "rangemode": "tozero"})
    if found.resupply.any():
        line = {"color": AGAINST, "width": 2}
        arrives = found.resupply.sum(axis=0).tolist()
        figure.add_trace(go.Scatter(x=dates, y=arrives, name="arrives", mode="lines+markers", line=line))
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


def _short(project: Project, found: Alerts, dates: list[str]) -> Figure:
    missing = np.maximum(-found.left, 0)
    worst = missing.max(axis=1)
    order = np.lexsort((found.item, -worst))[:SHOWN]
    order = order[worst[order] > 0]
    shown = [[f"{n:.0f}" if n > 0 else "" for n in row] for row in missing[order]]
    figure: Any = drawing.squares(
        missing[order], drawing.articles(project, found.item[order]), [day[5:] for day in dates], shown, ("day", "")
    )
    says = (
        "The articles that run shortest, the worst on top: pieces missing at the end of each day, once what is "
        "expected to be bought until then is taken from what arrived. An empty square has enough."
    )
    return Figure("pieces-missing", "Where it runs short", figure, says)
