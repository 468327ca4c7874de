"""Groups of articles and of customers by their vectors: ``python -m insights.segments FOLDER`` (paper, I and III.A).

Articles are near that are bought together, customers that buy near articles. Writes
FOLDER/articles.csv and FOLDER/customers.csv: id and segment, 0 the largest.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from insights import clusters, models, seeds
from insights import project as projects
from insights.models import Model
from insights.project import Project
from retail import stage
from retail.errors import InputError
from retail.log import Array
from stage1_candidates.networks.lens import basket_sequences

SHOWN = 4  # articles named of a segment


@dataclass(frozen=True)
class Segments:
    item: Array  # (a,) int64 articles that were sold with others, ascending
    of_item: Array  # (a,) int64 segment of each
    user: Array  # (c,) int64 customers with a past, ascending
    of_user: Array  # (c,) int64


def of_model(model: Model, day: int, articles: int | None, customers: int | None, seed: int) -> Segments:
    """Segments as ``model`` sees the shop on ``day``; None: as many as the best silhouette has."""
    vectors = model.articles()
    sold = np.bincount(model.sequences.token, minlength=len(vectors) + 1)[1:]
    some = np.flatnonzero((sold > 0) & (np.abs(vectors).sum(axis=1) > 0))
    some = some[np.argsort(model.vocabulary[some])]
    user = np.flatnonzero(np.diff(model.sequences.start))
    asked = basket_sequences.query_cutoff(model.sequences, user, day)
    return Segments(
        model.vocabulary[some],
        clusters.of_vectors(vectors[some], articles, seed),
        user,
        clusters.of_vectors(models.customers(model, asked), customers, seed),
    )


def shares(model: Model, found: Segments) -> Array:
    """(customer segments, article segments) share of each article segment in what the customers of a segment bought."""
    of = model.sequences
    segment = np.full(int(model.vocabulary.max()) + 1, -1, np.int64)
    segment[found.item] = found.of_item
    of_user = np.full(of.users, -1, np.int64)
    of_user[found.user] = found.of_user
    buyer = of_user[np.repeat(of.user, np.diff(of.ptr))]
    article = segment[model.vocabulary[of.token - 1]]
    known = (buyer >= 0) & (article >= 0)
    table = np.zeros((int(found.of_user.max(initial=0)) + 1, int(found.of_item.max(initial=0)) + 1))
    np.add.at(table, (buyer[known], article[known]), 1)
    share: Array = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    return share


def best_sellers(project: Project, model: Model, found: Segments) -> list[list[str]]:
    """Of each article segment the names of what sells most."""
    sold = np.bincount(model.vocabulary[model.sequences.token - 1], minlength=project.shop.log.items)
    order = np.lexsort((found.item, -sold[found.item]))
    names = []
    for segment in range(int(found.of_item.max(initial=0)) + 1):
        some = found.item[order][found.of_item[order] == segment][:SHOWN]
        names.append(project.name.gather(some).to_list())
    return names


def show(project: Project, model: Model, found: Segments) -> None:
    """Print a line per segment."""
    table = Table("articles", "how many", "those that sell most", title="segments of articles")
    for segment, names in enumerate(best_sellers(project, model, found)):
        table.add_row(str(segment), str(int((found.of_item == segment).sum())), escape("; ".join(map(str, names))))
    Console(width=120).print(table)
    share = shares(model, found)
    table = Table("customers", "how many", "share of each segment of articles", title="segments of customers")
    for segment, row in enumerate(share):
        table.add_row(str(segment), str(int((found.of_user == segment).sum())), "  ".join(f"{x:.0%}" for x in row))
    Console(width=120).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--project", type=Path, default=Path(), help="folder with data/prepared (this one)")
    parser.add_argument("--articles", type=int, help="segments of articles (default: the best silhouette's)")
    parser.add_argument("--customers", type=int, help="segments of customers (default: the best silhouette's)")
    parser.add_argument("--model", choices=("auto", "lens", "plain"), default="auto", help="auto: LENS if trained")
    parser.add_argument("--seed", type=seeds.seed, default=1, help="of the clusters (%(default)s)")
    asked = parser.parse_args()
    for name in ("articles", "customers"):
        if getattr(asked, name) is not None and getattr(asked, name) < 1:
            raise InputError(f"--{name} is {getattr(asked, name)}; expected 1 or more")
    project = projects.read(asked.project)
    log = project.shop.log
    model, _, _ = models.chosen(project, asked.model, log.weeks)
    found = of_model(model, log.days, asked.articles, asked.customers, asked.seed)
    for name, ids, segment in (
        ("article", project.article_id.gather(found.item), found.of_item),
        ("customer", project.customer_id.gather(found.user), found.of_user),
    ):
        with stage.whole_file(asked.folder / f"{name}s.csv") as part:
            pl.DataFrame({f"{name}_id": ids, "segment": segment}).write_csv(part)
    show(project, model, found)


if __name__ == "__main__":
    stage.guarded(main, "segments")
