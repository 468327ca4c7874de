"""Customers whose last basket is unlike what was expected: ``python -m insights.anomalies OUT.csv`` (paper, Alg. 1).

What a model expected of the last basket, made from the baskets before it, is set beside what came: how far off its
articles are and how far off its day is. Customers are compared with those of their own cluster alone, so that a hard
case among hard cases is none.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from scipy.stats import rankdata

from insights import clusters, models, seeds
from insights import project as projects
from insights.models import Model
from insights.project import Project
from retail import stage, weeks
from retail.errors import InputError
from retail.log import Array
from stage1_candidates.engine.lists import Lists
from stage1_candidates.networks.lens import basket_sequences
from stage1_candidates.networks.lens.basket_sequences import Query
from stage1_candidates.networks.lens.plugin import Expected

DAYS = 56  # of the log, the last ones
LEAST = 3  # baskets before the one that is judged
FLAG = 3.5  # robust z above which a basket is called unlike (Iglewicz and Hoaglin 1993)
SPREAD = 1.4826  # standard deviation over median absolute deviation, of a normal variable
LEAST_SPREAD = 0.05  # so that a cluster in which nearly all are alike flags no trifle


@dataclass(frozen=True)
class Judged:
    """The last baskets that were looked at; one row per customer."""

    user: Array  # (e,) int64, ascending
    cluster: Array  # (e,) int64, 0 the largest
    articles: Array  # (e,) float64 distance of expected and true articles, 0..1
    time: Array  # (e,) float64 distance of expected and true days, in units of the expected ones
    articles_z: Array  # (e,) float64 how far above its cluster's median
    time_z: Array  # (e,) float64

    @property
    def flagged(self) -> Array:
        """(e,) bool."""
        high: Array = (self.articles_z > FLAG) | (self.time_z > FLAG)
        return high


def bought(model: Model, asked: Query) -> Lists:
    """Row r: the articles of basket ``asked.stop[r]``, weight the pieces."""
    of = model.sequences
    size = of.ptr[asked.stop + 1] - of.ptr[asked.stop]
    ptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(size)])
    place = np.arange(ptr[-1]) + np.repeat(of.ptr[asked.stop] - ptr[:-1], size)
    return Lists(ptr, model.vocabulary[of.token[place] - 1].astype(np.uint32), of.pieces[place])


def of_articles(expected: Lists, true: Lists) -> Array:
    """(e,) 1 - F1 of the expected articles, baskets being sets."""
    pairs = [(rows.key_of_rows() << 32) | rows.target for rows in (expected, true)]
    hits = np.bincount(pairs[0][np.isin(pairs[0], pairs[1])] >> 32, minlength=true.keys)
    found: Array = 1 - 2 * hits / np.maximum(np.diff(expected.ptr) + np.diff(true.ptr), 1)
    return found


def of_time(expected: Array, true: Array) -> Array:
    """(e,) |expected - true| / expected, days; an expected one below 1 counts as 1."""
    found: Array = np.abs(true - expected) / np.maximum(expected, 1)
    return found


def outlying(distance: Array, cluster: Array) -> Array:
    """(e,) d_B of Algorithm 1, which the paper leaves open: robust z of each distance within its cluster.

    (a - median) / max(1.4826 MAD, LEAST_SPREAD); the median of a large cluster is that of the others, too.
    """
    median, spread = np.zeros(len(distance)), np.zeros(len(distance))
    for one in np.unique(cluster):
        of = cluster == one
        median[of] = np.median(distance[of])
        spread[of] = SPREAD * np.median(np.abs(distance[of] - np.median(distance[of])))
    z: Array = (distance - median) / np.maximum(spread, LEAST_SPREAD)
    return z


def judged(asked: Query, true: Lists, days: Array, expected: Expected, cluster: Array) -> Judged:
    """Algorithm 1 of what was ``expected`` at ``asked`` and what came: articles ``true`` after ``days``."""
    articles = of_articles(expected.basket, true)
    time = of_time(expected.days.astype(np.float64), days)
    return Judged(asked.user, cluster, articles, time, outlying(articles, cluster), outlying(time, cluster))


def last_baskets(model: Model, since: int) -> Query:
    """Each customer's last basket, where it lies on or after day ``since`` and LEAST baskets before it."""
    every = basket_sequences.list_examples(model.sequences, LEAST)
    last = every.select(basket_sequences.mark_latest(every))
    return last.select((last.day >= since) & (last.stop == model.sequences.start[last.user + 1] - 1))


def of_project(project: Project, wanted: models.Wanted, days: int, seed: int) -> tuple[str, Query, Judged]:
    """Who judges the last baskets of the last ``days`` days, knowing what lies before them, and how."""
    log = project.shop.log
    first = log.weeks - -(-days // 7)
    model, judge, _ = models.chosen(project, wanted, first)
    asked = last_baskets(model, max(weeks.first_day(log.days, first), log.days - days))
    if not len(asked.user):
        raise InputError(
            f"{project.folder / 'data/prepared/log.parquet'}: no customer has {LEAST} baskets and a further one in the "
            f"last {days} days; expected at least one; ask for more --days"
        )
    expected = model.expected(asked)
    cluster = clusters.of_vectors(expected.vector, None, seed)
    gap = model.sequences.gap[asked.stop].astype(np.float64)
    return judge, asked, judged(asked, bought(model, asked), gap, expected, cluster)


def roc_auc(score: Array, positive: Array) -> float:
    """Chance that a positive has a larger score than a negative, half of the ties counted.

    >>> roc_auc(np.array([3.0, 1.0, 2.0, 1.0]), np.array([True, False, False, True]))  # 2 + 0.5 of 4 pairs
    0.625
    """
    rank, n = rankdata(score), int(positive.sum())
    return float((rank[positive].sum() - n * (n + 1) / 2) / (n * (len(score) - n)))


def table(project: Project, found: Judged, asked: Query) -> pl.DataFrame:
    """Row: a customer that was looked at, the most unlike first, ties by id."""
    rows = pl.DataFrame(
        {
            "customer_id": project.customer_id.gather(found.user),
            "date": pl.Series([project.date(int(day)) for day in asked.day], dtype=pl.Date),
            "cluster": found.cluster,
            "articles": found.articles,
            "articles_z": found.articles_z,
            "time": found.time,
            "time_z": found.time_z,
            "flagged": found.flagged,
        }
    )
    most = pl.max_horizontal("articles_z", "time_z")
    return rows.sort([most, pl.col("customer_id")], descending=[True, False])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--project", type=Path, default=Path(), help="folder with data/prepared (this one)")
    parser.add_argument("--days", type=int, default=DAYS, help="of the log, the last ones, judged (%(default)s)")
    parser.add_argument("--model", choices=("auto", "lens", "plain"), default="auto", help="auto: LENS if trained")
    parser.add_argument("--seed", type=seeds.seed, default=1, help="of the clusters (%(default)s)")
    asked = parser.parse_args()
    if asked.days < 1:
        raise InputError(f"--days is {asked.days}; expected 1 or more")
    project = projects.read(asked.project)
    _, places, found = of_project(project, asked.model, asked.days, asked.seed)
    with stage.whole_file(asked.out) as part:
        table(project, found, places).write_csv(part, float_precision=4)
    print(f"{int(found.flagged.sum())} of {len(found.user)} last baskets are flagged: {asked.out}")


if __name__ == "__main__":
    stage.guarded(main, "anomalies")
