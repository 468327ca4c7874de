"""What several sections draw: a map of shares, names that fit a bar, the line that says who answers."""

from typing import Any

import plotly.graph_objects as go

from insights.project import Project
from retail.log import Array
from submissions.report.figure import TWELVE, plot

NAME, CATEGORY = 17, 24  # characters of an article's and of a category's name
SCALE = [[0, "#F4F6F8"], [1, TWELVE]]


def shortened(name: str, most: int) -> str:
    return name if len(name) <= most else f"{name[: most - 1].rstrip()}…"


def articles(project: Project, item: Array) -> list[str]:
    """Name and id of each article: several may bear one name, and bars of one name would lie on each other."""
    names, ids = (column.gather(item).to_list() for column in (project.name, project.article_id))
    both = zip(names, ids, strict=True)
    return [one if name in (None, one) else f"{shortened(name, NAME)} {one}" for name, one in both]


def squares(values: Array, rows: list[str], columns: list[str], shown: list[list[str]], axes: tuple[str, str]) -> Any:
    """A heat map of ``values`` (rows, columns) from 0 on, the first row on top; ``axes``: names of columns and rows."""
    trace = go.Heatmap(
        z=values.tolist(), x=columns, y=rows, text=shown, texttemplate="%{text}", textfont={"size": 10},
        colorscale=SCALE, zmin=0, showscale=False, xgap=1, ygap=1, hoverinfo="x+y+text",
    )  # fmt: skip
    figure = plot([trace], 120 + 26 * len(rows), xaxis={"title": axes[0]}, yaxis={"title": axes[1]})
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False, ticksuffix=" ")
    return figure
