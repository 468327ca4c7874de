"""Section "Groups": customers and articles that belong together, and who buys what."""

from typing import Any

import numpy as np

from insights import models, segments
from insights.models import Model
from insights.page import drawing
from insights.project import Project
from insights.segments import Segments
from submissions.report.figure import Figure, Section, Table

TITLE = ("groups", "Groups of customers and articles")


def section(project: Project, model: Model, by: str, found: Segments) -> Section:
    customers, articles = (np.bincount(group, minlength=1) for group in (found.of_user, found.of_item))
    text = (
        f"Articles are near that are bought together, customers that buy near articles; by {by}. As many groups as "
        "have the best silhouette, 0 the largest."
    )
    names = segments.best_sellers(project, model, found)
    rows = [
        [str(k), f"{n:,}", "; ".join(drawing.shortened(str(name), drawing.CATEGORY) for name in some)]
        for k, (n, some) in enumerate(zip(articles, names, strict=True))
    ]
    table = Table(
        ["articles", "how many", "those that sell most"],
        rows,
        "The groups of articles, told by what sells most in each. python -m insights.segments writes the group of "
        "every article and customer.",
    )
    figure = Figure(
        "who-buys-what",
        "Who buys what",
        _shares(model, found, [int(n) for n in customers]),
        "A row is a group of customers, with their number; its squares are the shares, in per cent, of the groups of "
        "articles in what they bought. A dark square is a group of customers at home in a group of articles; rows that "
        "look alike are customers who differ in little.",
    )
    return Section(*TITLE, text + models.hint(by), [table], [figure])


def _shares(model: Model, found: Segments, customers: list[int]) -> Any:
    share = segments.shares(model, found)
    rows = [f"customers {k} ({n:,})" for k, n in enumerate(customers)]
    shown = [[f"{100 * value:.0f}" for value in row] for row in share]
    axes = ("group of articles", "")
    return drawing.squares(share, rows, [str(k) for k in range(share.shape[1])], shown, axes)
