"""Build the section "Groups of customers and articles": the segments, and which customers buy which articles."""

from typing import Any

import numpy as np

from insights import models, segments
from insights.models import Model
from insights.page import drawing
from insights.project import Project
from insights.segments import Segments
from submissions.report.figure import Figure, Section, Table

TITLE = ("groups", "Groups of customers and articles")


def build_section(project: Project, model: Model, description: str, parts: Segments) -> Section:
    """Build the section; ``description`` is that of the model, ``parts`` are its segments."""
    customers, articles = (np.bincount(group, minlength=1) for group in (parts.of_user, parts.of_item))
    text = (
        "Articles that are bought together form a group, and so do customers who buy similar articles. Model: "
        f"{description}. The number of groups is the one with the best silhouette; group 0 is the largest."
    )
    names = segments.list_best_sellers(project, model, parts)
    rows = [
        [str(k), f"{n:,}", "; ".join(drawing.shorten(str(name), drawing.CATEGORY) for name in best)]
        for k, (n, best) in enumerate(zip(articles, names, strict=True))
    ]
    table = Table(
        ["group", "articles", "best sellers"],
        rows,
        "The groups of articles and their best sellers. To write the group of every article and customer, run python "
        "-m insights.segments.",
    )
    figure = Figure(
        "who-buys-what",
        "Who buys what",
        _draw_shares(model, parts, [int(n) for n in customers]),
        "A row is a group of customers, with their number. Its squares are the shares, in per cent, of each group of "
        "articles in their purchases. A dark square means that these customers buy mostly from this group. Similar "
        "rows are customers who differ little.",
    )
    return Section(*TITLE, text + models.suggest_lens(description), [table], [figure])


def _draw_shares(model: Model, parts: Segments, customers: list[int]) -> Any:
    share = segments.compute_shares(model, parts)
    rows = [f"customers {k} ({n:,})" for k, n in enumerate(customers)]
    cells = [[f"{100 * value:.0f}" for value in row] for row in share]
    axes = ("group of articles", "")
    return drawing.draw_heat_map(share, rows, [str(k) for k in range(share.shape[1])], cells, axes)
