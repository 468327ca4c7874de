"""Draw what several sections share: heat maps, shortened names and article labels."""

from typing import Any

import plotly.graph_objects as go

from insights.project import Project
from retail.log import Array
from submissions.report.figure import TWELVE, plot

NAME, CATEGORY = 17, 24  # longest article and category name, in characters
SCALE = [[0, "#F4F6F8"], [1, TWELVE]]


def shorten(name: str, most: int) -> str:
    """Cut ``name`` to at most ``most`` characters, an ellipsis included."""
    return name if len(name) <= most else f"{name[: most - 1].rstrip()}…"


def label_articles(project: Project, item: Array) -> list[str]:
    """Label each article with name and id: bars with equal names would be drawn over each other."""
    names, ids = (column.gather(item).to_list() for column in (project.name, project.article_id))
    pairs = zip(names, ids, strict=True)
    return [
        article_id if name in (None, article_id) else f"{shorten(name, NAME)} {article_id}"
        for name, article_id in pairs
    ]


def draw_heat_map(
    values: Array, rows: list[str], columns: list[str], cells: list[list[str]], axes: tuple[str, str]
) -> Any:
    """Draw ``values`` (rows, columns) as a heat map whose colours begin at 0, the first row on top.

    ``cells``: the text of each square; ``axes``: titles of the column axis and the row axis.
    """
    trace = go.Heatmap(
        z=values.tolist(), x=columns, y=rows, text=cells, texttemplate="%{text}", textfont={"size": 10},
        colorscale=SCALE, zmin=0, showscale=False, xgap=1, ygap=1, hoverinfo="x+y+text",
    )  # fmt: skip
    figure = plot([trace], 120 + 26 * len(rows), xaxis={"title": axes[0]}, yaxis={"title": axes[1]})
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False, ticksuffix=" ")
    return figure
