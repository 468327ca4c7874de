"""Segment articles and customers by their vectors: ``python -m insights.segments FOLDER``.

Articles that are bought together have similar vectors, and so have customers who buy similar articles (Damian et al.
2019, sections I and III.A). Writes FOLDER/articles.csv and FOLDER/customers.csv: id and segment, 0 the largest.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from insights import clusters, models
from insights.models import Model
from insights.project import Project, read_project
from insights.seeds import parse_seed
from retail import ragged, stage
from retail.errors import InputError
from retail.log import Array
from stage1_candidates.networks.lens import basket_sequences

SHOWN = 4  # best sellers that are named per segment


@dataclass(frozen=True)
class Segments:
    """The segment of each article and customer that has a vector."""

    item: Array  # (a,) int64 articles that were sold together with others, ascending
    of_item: Array  # (a,) int64 segment of each such article
    user: Array  # (c,) int64 customers with a purchase, ascending
    of_user: Array  # (c,) int64 segment of each such customer

    @property
    def item_segments(self) -> int:
        """Number of article segments, at least 1."""
        return int(self.of_item.max(initial=0)) + 1

    @property
    def user_segments(self) -> int:
        """Number of customer segments, at least 1."""
        return int(self.of_user.max(initial=0)) + 1


def build_segments(model: Model, day: int, articles: int | None, customers: int | None, seed: int) -> Segments:
    """Segment the articles and customers by ``model``'s vectors before ``day``.

    ``articles``, ``customers``: number of segments; None chooses the number with the best silhouette.
    """
    vectors = model.articles()
    sold = np.bincount(model.sequences.token, minlength=len(vectors) + 1)[1:]
    place = np.flatnonzero((sold > 0) & (np.abs(vectors).sum(axis=1) > 0))
    place = place[np.argsort(model.vocabulary[place])]
    user = np.flatnonzero(np.diff(model.sequences.start))
    queries = basket_sequences.query_cutoff(model.sequences, user, day)
    return Segments(
        model.vocabulary[place],
        clusters.cluster_vectors(vectors[place], articles, seed),
        user,
        clusters.cluster_vectors(models.compute_customer_vectors(model, queries), customers, seed),
    )


def compute_shares(model: Model, segments: Segments) -> Array:
    """Compute the share of each customer segment's purchases in each article segment: (customer, article segments).

    Rows sum to 1; a row without purchases is 0.
    """
    sequences = model.sequences
    item_segment = np.full(int(model.vocabulary.max()) + 1, -1, np.int64)
    item_segment[segments.item] = segments.of_item
    user_segment = np.full(sequences.users, -1, np.int64)
    user_segment[segments.user] = segments.of_user
    row = user_segment[sequences.user[ragged.row_of(sequences.ptr)]]
    column = item_segment[model.vocabulary[sequences.token - 1]]
    known = (row >= 0) & (column >= 0)
    table = np.zeros((segments.user_segments, segments.item_segments))
    np.add.at(table, (row[known], column[known]), 1)
    share: Array = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    return share


def list_best_sellers(project: Project, model: Model, segments: Segments) -> list[list[str]]:
    """List the names of the best sellers of each article segment."""
    sold = np.bincount(model.vocabulary[model.sequences.token - 1], minlength=project.shop.log.items)
    order = np.lexsort((segments.item, -sold[segments.item]))
    names = []
    for segment in range(segments.item_segments):
        best = segments.item[order][segments.of_item[order] == segment][:SHOWN]
        names.append(project.name.gather(best).to_list())
    return names


def print_segments(project: Project, model: Model, segments: Segments) -> None:
    """Print a table of the article segments and a table of the customer segments."""
    table = Table("segment", "articles", "best sellers", title="article segments")
    for segment, names in enumerate(list_best_sellers(project, model, segments)):
        table.add_row(str(segment), str(int((segments.of_item == segment).sum())), escape("; ".join(map(str, names))))
    Console(width=120).print(table)
    share = compute_shares(model, segments)
    table = Table("segment", "customers", "share of each article segment", title="customer segments")
    for segment, row in enumerate(share):
        table.add_row(str(segment), str(int((segments.of_user == segment).sum())), "  ".join(f"{x:.0%}" for x in row))
    Console(width=120).print(table)


def main() -> None:
    """Write both CSV files and print the segments."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder to write the CSV files to")
    parser.add_argument("--project", type=Path, default=Path(), help="folder with data/prepared (default: this one)")
    parser.add_argument("--articles", type=int, help="number of article segments (default: by silhouette)")
    parser.add_argument("--customers", type=int, help="number of customer segments (default: by silhouette)")
    parser.add_argument("--model", choices=("auto", "lens", "plain"), default="auto", help="auto: LENS if trained")
    parser.add_argument("--seed", type=parse_seed, default=1, help="of the clusters (%(default)s)")
    arguments = parser.parse_args()
    for name, count in (("articles", arguments.articles), ("customers", arguments.customers)):
        if count is not None and count < 1:
            raise InputError(f"--{name} is {count}; expected 1 or more")
    project = read_project(arguments.project)
    log = project.shop.log
    model, _, _ = models.choose_model(project, arguments.model, log.weeks)
    segments = build_segments(model, log.days, arguments.articles, arguments.customers, arguments.seed)
    for name, ids, segment in (
        ("article", project.article_id.gather(segments.item), segments.of_item),
        ("customer", project.customer_id.gather(segments.user), segments.of_user),
    ):
        with stage.whole_file(arguments.folder / f"{name}s.csv") as part:
            pl.DataFrame({f"{name}_id": ids, "segment": segment}).write_csv(part)
    print_segments(project, model, segments)


if __name__ == "__main__":
    stage.guarded(main, "segments")
