"""The page of insights: ``python -m insights.page`` writes insights/report.html, one file, with what a shop may ask.

Works on any prepared shop: what a network would say and is not trained says in a line how to switch it on.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from insights import categories as columns
from insights import models, parsrec, seeds, segments, spillover
from insights import project as projects
from insights.categories import Categories
from insights.page import cadence, company, groups, leaving, stock, unlike
from insights.page.stock import Supply
from insights.project import Project
from retail import stage
from retail.errors import InputError
from submissions.report.document import html
from submissions.report.figure import Section

PAGE = Path("insights/report.html")
LEAD = (
    "What a shop's own purchases say beyond the twelve articles of each customer: what is bought at a steady pace, "
    "what will be asked for, whose last basket is unlike them, who belongs together, what goes with what."
)


@dataclass(frozen=True)
class Asked:
    """What the page is asked about."""

    categories: Categories | InputError  # or why there are none
    gone: str | None  # the category that leaves; None: the one that sells most
    supply: Supply | None
    seed: int


def sections(project: Project, asked: Asked) -> list[Section]:
    """Every section, in the order of the page."""
    log = project.shop.log
    model, by, _ = models.chosen(project, "auto", log.weeks)
    found = segments.of_model(model, log.days, None, None, asked.seed)
    network = spillover.trained(project, asked.seed)
    group = np.full(log.users, -1)
    group[found.user] = found.of_user
    seed = asked.seed
    return [
        made(cadence.TITLE, lambda: cadence.section(project)),
        made(stock.TITLE, lambda: stock.section(project, model, by, asked.supply)),
        made(unlike.TITLE, lambda: unlike.section(project, seed)),
        made(groups.TITLE, lambda: groups.section(project, model, by, found)),
        made(leaving.TITLE, lambda: leaving.section(project, told(asked.categories), asked.gone, network, seed)),
        made(company.TITLE, lambda: company.section(told(asked.categories), network, group, seed)),
    ]


def made(title: tuple[str, str], section: Callable[[], Section]) -> Section:
    """The section, or in its place the line that says what it lacks."""
    try:
        return section()
    except InputError as error:
        line = str(error)
        return Section(*title, f"{line[0].upper()}{line[1:]}.")


def told(categories: Categories | InputError) -> Categories:
    if isinstance(categories, InputError):
        raise categories
    return categories


def asked_about(project: Project, given: argparse.Namespace) -> Asked:
    """What the command line asks; an InputError where the shop lacks what it names."""
    categories: Categories | InputError
    try:
        categories = columns.of_project(project, given.column or columns.COLUMN)
    except InputError as error:
        if given.column or given.category:
            raise
        categories = error
    if given.category:
        told(categories).code(given.category)
    return Asked(categories, given.category, stock.supply(given.resupply, project), given.seed)


def facts(project: Project) -> dict[str, str]:
    """What the page is about, in a line each."""
    log = project.shop.log
    networks = {"LENS": models.LENS, "PARSRec": parsrec.PARSREC}
    trained = {name: projects.weights(project, of, log.weeks) for name, of in networks.items()}
    return {
        "data": projects.params(project).data.folder.as_posix(),
        "days": f"{project.date(0)} to {project.date(log.days - 1)}",
        "customers": f"{log.users:,}",
        "articles": f"{log.items:,}",
        "entries": f"{len(log.user):,}",
        **{name: "not trained" if found is None else "trained" for name, found in trained.items()},
    }


def arguments(line: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--project", type=Path, default=Path(), help="folder with data/prepared (this one)")
    parser.add_argument("--category", help="that leaves (default: the one that sells most)")
    parser.add_argument("--column", help=f"of articles.csv that holds the category ({columns.COLUMN})")
    parser.add_argument("--resupply", type=Path, help="CSV file: article_id, date, pieces; turns demand into alerts")
    parser.add_argument("--seed", type=seeds.seed, default=1, help="of clusters and samples (%(default)s)")
    return parser.parse_args(line)


def main() -> None:
    given = arguments(sys.argv[1:])
    project = projects.read(given.project)
    asked = asked_about(project, given)
    page = html("Twelve: insights", sections(project, asked), facts(project), LEAD)
    with stage.whole_file(project.folder / PAGE) as part:
        part.write_text(page, encoding="utf-8")
    print(f"insights: {project.folder / PAGE}")


if __name__ == "__main__":
    stage.guarded(main, "insights")
