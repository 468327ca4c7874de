"""Write the page of insights: ``python -m insights.page`` makes insights/report.html, a single file.

It works on any prepared shop. If a section needs a network that is not trained, the section says how to train it.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from insights import models, parsrec, segments, spillover
from insights.categories import COLUMN, Categories, read_categories
from insights.page import attention_maps, cadence, groups, removal, stock, unusual
from insights.page.stock import Supply
from insights.project import Project, read_params, read_project, read_weights
from insights.seeds import parse_seed
from retail import stage
from retail.errors import InputError
from submissions.report.document import render_html
from submissions.report.figure import Section

PAGE = Path("insights/report.html")
LEAD = (
    "What a shop's purchases show beyond the twelve articles per customer. Which articles are bought regularly? What "
    "will customers buy next? Whose last basket is unusual? Which customers and which articles form groups? Which "
    "categories are bought together?"
)


@dataclass(frozen=True)
class Options:
    """The options of the page, read and checked."""

    categories: Categories | InputError  # the error says why there are none
    removed: str | None  # the category to remove; None: the best-selling one
    supply: Supply | None
    seed: int


def build_sections(project: Project, options: Options) -> list[Section]:
    """Build every section, in the order of the page."""
    log = project.shop.log
    model, description, _ = models.choose_model(project, "auto", log.weeks)
    parts = segments.build_segments(model, log.days, None, None, options.seed)
    network = spillover.read_network(project, options.seed)
    group = np.full(log.users, -1)
    group[parts.user] = parts.of_user
    categories, seed = options.categories, options.seed
    return [
        build_or_explain(cadence.TITLE, lambda: cadence.build_section(project)),
        build_or_explain(stock.TITLE, lambda: stock.build_section(project, model, description, options.supply)),
        build_or_explain(unusual.TITLE, lambda: unusual.build_section(project, seed)),
        build_or_explain(groups.TITLE, lambda: groups.build_section(project, model, description, parts)),
        build_or_explain(
            removal.TITLE,
            lambda: removal.build_section(project, require(categories), options.removed, network, seed),
        ),
        build_or_explain(
            attention_maps.TITLE, lambda: attention_maps.build_section(require(categories), network, group, seed)
        ),
    ]


def build_or_explain(title: tuple[str, str], build: Callable[[], Section]) -> Section:
    """Build the section; on InputError, build a section with the error's line instead."""
    try:
        return build()
    except InputError as error:
        line = str(error)
        return Section(*title, f"{line[0].upper()}{line[1:]}.")


def require(categories: Categories | InputError) -> Categories:
    """Return the categories, or raise the InputError that is in their place."""
    if isinstance(categories, InputError):
        raise categories
    return categories


def read_options(project: Project, arguments: argparse.Namespace) -> Options:
    """Read what the arguments name; raise InputError if the shop lacks it."""
    categories: Categories | InputError
    try:
        categories = read_categories(project, arguments.column or COLUMN)
    except InputError as error:
        if arguments.column or arguments.category:
            raise
        categories = error
    if arguments.category:
        require(categories).encode(arguments.category)
    return Options(categories, arguments.category, stock.read_supply(arguments.resupply, project), arguments.seed)


def list_facts(project: Project) -> dict[str, str]:
    """List the facts at the top of the page."""
    log = project.shop.log
    networks = {"LENS": models.LENS, "PARSRec": parsrec.PARSREC}
    weights = {title: read_weights(project, name, log.weeks) for title, name in networks.items()}
    return {
        "data": read_params(project).data.folder.as_posix(),
        "days": f"{project.date(0)} to {project.date(log.days - 1)}",
        "customers": f"{log.users:,}",
        "articles": f"{log.items:,}",
        "entries": f"{len(log.user):,}",
        **{title: "not trained" if trained is None else "trained" for title, trained in weights.items()},
    }


def parse_arguments(line: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--project", type=Path, default=Path(), help="folder with data/prepared (default: this one)")
    parser.add_argument("--category", help="category to remove (default: the best-selling one)")
    parser.add_argument("--column", help=f"column of articles.csv with the categories ({COLUMN})")
    parser.add_argument("--resupply", type=Path, help="CSV file (article_id, date, pieces) to check for stock alerts")
    parser.add_argument("--seed", type=parse_seed, default=1, help="of clusters and samples (%(default)s)")
    return parser.parse_args(line)


def main() -> None:
    """Write insights/report.html of the project."""
    arguments = parse_arguments(sys.argv[1:])
    project = read_project(arguments.project)
    options = read_options(project, arguments)
    page = render_html("Twelve: insights", build_sections(project, options), list_facts(project), LEAD)
    with stage.whole_file(project.folder / PAGE) as part:
        part.write_text(page, encoding="utf-8")
    print(f"insights: {project.folder / PAGE}")


if __name__ == "__main__":
    stage.guarded(main, "insights")
