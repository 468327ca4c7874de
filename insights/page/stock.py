"""Build the section "Expected demand": pieces of the next two weeks, and where a resupply is too low."""

from pathlib import Path

import numpy as np
import plotly.graph_objects as go

from insights import models, stock_alerts
from insights.models import Model
from insights.page import drawing
from insights.project import Project
from insights.stock_alerts import Alerts
from retail.log import Array
from submissions.report.figure import AGAINST, PLAIN, Figure, Section, Table, plot, plot_bars

TITLE = ("stock", "Expected demand")
SHOWN = 15  # articles
HEADROOM = 1.3  # height of the axis, as a multiple of the highest bar, the demand of the first day left out
OVERDUE = (
    "Overdue customers are expected on the first day; its bar may be cut off below its number. A customer without a "
    f"purchase for {stock_alerts.GONE:.0f} expected gaps counts as gone."
)
Supply = tuple[Array, Array]  # articles (p,) and their resupply (p, days), as stock_alerts.read_resupply returns them


def read_supply(file: Path | None, project: Project) -> Supply | None:
    """Read the resupply, None without a file; raise InputError if the file is faulty."""
    return None if file is None else stock_alerts.read_resupply(file, project, stock_alerts.DAYS)


def build_section(project: Project, model: Model, description: str, supply: Supply | None) -> Section:
    """Build the section; ``description`` is that of the model. Without ``supply`` it shows the demand only."""
    days, items = stock_alerts.DAYS, np.arange(project.shop.log.items)
    item, resupply = supply or (items, np.zeros((len(items), days), np.float32))
    alerts = stock_alerts.forecast_alerts(project, model, item, resupply, cumulative=True)
    dates = [project.date(project.shop.log.days + day).isoformat() for day in range(days)]
    text = (
        "Every customer's next basket counts on the day when it is expected (Damian et al. 2019). Model: "
        f"{description}. The forecast covers {days} days from {dates[0]} on. "
    )
    tables: list[Table] = []
    if supply is None:
        figures = [_draw_days(alerts, dates, "all articles"), _draw_largest(project, alerts)]
        text += "With --resupply FILE (article_id, date, pieces) it alerts where the resupply is too low."
    else:
        short = int(alerts.short.any(axis=1).sum())
        figures = [_draw_days(alerts, dates, "the articles of the resupply")]
        if short:
            worst = _select_worst(alerts)
            tables = [_build_table(project, alerts, worst, dates)]
            figures.append(_draw_missing(project, alerts, worst, dates))
        text += (
            f"{short:,} of the {len(item):,} articles of the resupply run short on at least one day. Surplus of a day "
            "is carried over to the next. The forecast assumes no stock at the beginning."
        )
    return Section(*TITLE, text + models.suggest_lens(description), tables, figures)


def _draw_days(alerts: Alerts, dates: list[str], articles: str) -> Figure:
    expected, arrives = alerts.expected.sum(axis=0), alerts.resupply.sum(axis=0)
    traces = [go.Bar(x=dates, y=expected.tolist(), name="expected", marker={"color": PLAIN})]
    if alerts.resupply.any():
        traces.append(go.Bar(x=dates, y=arrives.tolist(), name="arrives", marker={"color": AGAINST}))
    figure = plot(traces, 300, yaxis={"title": "pieces", "rangemode": "tozero"})
    top = HEADROOM * float(max(expected[1:].max(initial=0), arrives.max(initial=0)))
    if 0 < top < expected[0]:  # else the bars of the other days would be too low to compare
        figure.update_yaxes(range=[0, top])
        figure.add_annotation(
            x=dates[0], y=top, text=f"{expected[0]:,.0f}", showarrow=False, xanchor="left", yanchor="top", xshift=14
        )
    figure.update_xaxes(tickformat="%d %b", nticks=5)
    caption = f"The expected pieces of {articles}, summed by day. {OVERDUE}"
    return Figure("pieces-by-day", "Pieces by day", figure, caption)


def _draw_largest(project: Project, alerts: Alerts) -> Figure:
    total = alerts.expected.sum(axis=1)
    order = np.lexsort((alerts.item, -total))[:SHOWN]
    ends = [f"{n:,.0f}" for n in total[order]]
    figure = plot_bars(
        drawing.label_articles(project, alerts.item[order]), total[order].tolist(), PLAIN, "pieces", ends
    )
    caption = (
        "The articles with the most expected pieces in these days, summed over all customers' next baskets. Only one "
        "basket per customer counts, so articles bought every few days are underestimated."
    )
    return Figure("most-expected", "Largest demand", figure, caption)


def _select_worst(alerts: Alerts) -> Array:
    """Select the rows of the articles that run short, the most missing pieces first, ties by id."""
    most = np.maximum(-alerts.left, 0).max(axis=1)
    order = np.lexsort((alerts.item, -most))[:SHOWN]
    worst: Array = order[most[order] > 0]
    return worst


def _build_table(project: Project, alerts: Alerts, worst: Array, dates: list[str]) -> Table:
    first, most = alerts.short[worst].argmax(axis=1), -alerts.left[worst].min(axis=1)
    names = drawing.label_articles(project, alerts.item[worst])
    rows = [[name, dates[day][5:], f"{n:,.1f}"] for name, day, n in zip(names, first, most, strict=True)]
    return Table(
        ["article", "short from", "missing"],
        rows,
        "The articles with the most missing pieces: the first day on which each is short, and the pieces missing on "
        "its worst day. For all articles by day, run python -m insights.stock_alerts --cumulative.",
    )


def _draw_missing(project: Project, alerts: Alerts, worst: Array, dates: list[str]) -> Figure:
    missing = np.maximum(-alerts.left[worst], 0)
    cells = [["" for _ in row] for row in missing]
    names, days = drawing.label_articles(project, alerts.item[worst]), [day[5:] for day in dates]
    share = missing / missing.max(axis=1, keepdims=True)
    figure = drawing.draw_heat_map(share, names, days, cells, ("day", ""))
    caption = (
        "When the same articles are short. A darker square means more missing pieces at the end of the day, relative "
        "to the article's worst day. An empty square means enough stock."
    )
    return Figure("pieces-missing", "When articles run short", figure, caption)
