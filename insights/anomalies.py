"""Find customers whose last basket differs from the expected one: ``python -m insights.anomalies OUT.csv``.

A model predicts each customer's last basket from the baskets before it (Damian et al. 2019, algorithm 1). The distance
of the articles and the distance of the day measure the error of the prediction. Customers are compared only within
their cluster: a customer who is hard to predict is no anomaly among others who are hard to predict.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from scipy.stats import rankdata

from insights import clusters, models
from insights.models import Model
from insights.project import Project, read_project
from insights.seeds import parse_seed
from retail import ragged, stage, weeks
from retail.errors import InputError
from retail.log import Array
from stage1_candidates.engine.lists import Lists
from stage1_candidates.networks.lens import basket_sequences
from stage1_candidates.networks.lens.basket_sequences import Query
from stage1_candidates.networks.lens.plugin import Expected

DAYS = 56  # last days of the log whose baskets are scored
MIN_PAST = 3  # baskets before the scored one
FLAG = 3.5  # robust z above which a basket is flagged (Iglewicz and Hoaglin 1993)
SPREAD = 1.4826  # standard deviation over median absolute deviation, of a normal variable
MIN_SPREAD = 0.05  # least spread, so that small deviations in a nearly uniform cluster are not flagged


@dataclass(frozen=True)
class BasketScores:
    """Scores of the last baskets; one row per customer."""

    user: Array  # (e,) int64, ascending
    cluster: Array  # (e,) int64, 0 the largest
    articles: Array  # (e,) float64 distance of expected and actual articles, 0..1
    time: Array  # (e,) float64 distance of expected and actual days, as a multiple of the expected ones
    articles_z: Array  # (e,) float64 robust z of ``articles`` within the cluster
    time_z: Array  # (e,) float64 robust z of ``time`` within the cluster

    @property
    def flagged(self) -> Array:
        """(e,) bool: one of both z is above FLAG."""
        high: Array = (self.articles_z > FLAG) | (self.time_z > FLAG)
        return high


def collect_baskets(model: Model, queries: Query) -> Lists:
    """Collect the baskets that answer ``queries``: row r has the articles of basket ``stop[r]``, weight the pieces."""
    sequences = model.sequences
    size = sequences.ptr[queries.stop + 1] - sequences.ptr[queries.stop]
    place = ragged.positions(sequences.ptr[queries.stop], size)
    item = model.vocabulary[sequences.token[place] - 1].astype(np.uint32)
    return Lists(ragged.offsets(size), item, sequences.pieces[place])


def compare_articles(expected: Lists, actual: Lists) -> Array:
    """Compute (e,) 1 - F1 of the expected articles; baskets are sets."""
    expected_pairs, actual_pairs = (ragged.pair_codes(rows.key_of_rows(), rows.target) for rows in (expected, actual))
    hit_rows = (expected_pairs[np.isin(expected_pairs, actual_pairs)] >> np.uint64(32)).astype(np.int64)
    hits = np.bincount(hit_rows, minlength=actual.keys)
    distance: Array = 1 - 2 * hits / np.maximum(np.diff(expected.ptr) + np.diff(actual.ptr), 1)
    return distance


def compare_times(expected: Array, actual: Array) -> Array:
    """Compute (e,) |expected - actual| / expected days; an expected gap below 1 counts as 1."""
    distance: Array = np.abs(actual - expected) / np.maximum(expected, 1)
    return distance


def compute_robust_z(distance: Array, cluster: Array) -> Array:
    """Compute (e,) the robust z of each distance within its cluster; algorithm 1 leaves this measure d_B open.

    z = (distance - median) / max(1.4826 MAD, MIN_SPREAD), where MAD is the median absolute deviation.
    """
    median, spread = np.zeros(len(distance)), np.zeros(len(distance))
    for number in np.unique(cluster):
        member = cluster == number
        median[member] = np.median(distance[member])
        spread[member] = SPREAD * np.median(np.abs(distance[member] - np.median(distance[member])))
    z: Array = (distance - median) / np.maximum(spread, MIN_SPREAD)
    return z


def score_baskets(queries: Query, actual: Lists, days: Array, expected: Expected, cluster: Array) -> BasketScores:
    """Score the baskets ``actual``, which came after ``days``, against the ``expected`` ones (algorithm 1)."""
    articles = compare_articles(expected.basket, actual)
    time = compare_times(expected.days.astype(np.float64), days)
    return BasketScores(
        queries.user, cluster, articles, time, compute_robust_z(articles, cluster), compute_robust_z(time, cluster)
    )


def select_last_baskets(model: Model, since: int) -> Query:
    """Select each customer's last basket if it lies on or after day ``since`` and has MIN_PAST baskets before it."""
    examples = basket_sequences.list_examples(model.sequences, MIN_PAST)
    last = examples.select(basket_sequences.mark_latest(examples))
    return last.select((last.day >= since) & (last.stop == model.sequences.start[last.user + 1] - 1))


def score_project(project: Project, choice: models.Choice, days: int, seed: int) -> tuple[str, Query, BasketScores]:
    """Score the customers' last baskets of the last ``days`` days: (model's description, queries, scores).

    The model is trained on the weeks before these days. Raises InputError where no customer has such a basket.
    """
    log = project.shop.log
    first = log.weeks - -(-days // 7)
    model, description, _ = models.choose_model(project, choice, first)
    queries = select_last_baskets(model, max(weeks.first_day(log.days, first), log.days - days))
    if not len(queries.user):
        raise InputError(
            f"{project.folder / 'data/prepared/log.parquet'}: no customer has {MIN_PAST} baskets and a further one in "
            f"the last {days} days; expected at least one; increase --days"
        )
    expected = model.expected(queries)
    cluster = clusters.cluster_vectors(expected.vector, None, seed)
    gap = model.sequences.gap[queries.stop].astype(np.float64)
    scores = score_baskets(queries, collect_baskets(model, queries), gap, expected, cluster)
    return description, queries, scores


def compute_roc_auc(score: Array, positive: Array) -> float:
    """Compute the probability that a positive scores above a negative, ties counted half.

    >>> compute_roc_auc(np.array([3.0, 1.0, 2.0, 1.0]), np.array([True, False, False, True]))  # 2 + 0.5 of 4 pairs
    0.625
    """
    rank, n = rankdata(score), int(positive.sum())
    return float((rank[positive].sum() - n * (n + 1) / 2) / (n * (len(score) - n)))


def build_table(project: Project, scores: BasketScores, queries: Query) -> pl.DataFrame:
    """Build the rows of OUT.csv: one per scored customer, the largest z first, ties by id."""
    rows = pl.DataFrame(
        {
            "customer_id": project.customer_id.gather(scores.user),
            "date": pl.Series([project.date(int(day)) for day in queries.day], dtype=pl.Date),
            "cluster": scores.cluster,
            "articles": scores.articles,
            "articles_z": scores.articles_z,
            "time": scores.time,
            "time_z": scores.time_z,
            "flagged": scores.flagged,
        }
    )
    largest = pl.max_horizontal("articles_z", "time_z")
    return rows.sort([largest, pl.col("customer_id")], descending=[True, False])


def main() -> None:
    """Score the last baskets and write OUT.csv."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, help="CSV file to write")
    parser.add_argument("--project", type=Path, default=Path(), help="folder with data/prepared (default: this one)")
    parser.add_argument("--days", type=int, default=DAYS, help="score baskets of the last so many days (%(default)s)")
    parser.add_argument("--model", choices=("auto", "lens", "plain"), default="auto", help="auto: LENS if trained")
    parser.add_argument("--seed", type=parse_seed, default=1, help="of the clusters (%(default)s)")
    arguments = parser.parse_args()
    if arguments.days < 1:
        raise InputError(f"--days is {arguments.days}; expected 1 or more")
    project = read_project(arguments.project)
    _, queries, scores = score_project(project, arguments.model, arguments.days, arguments.seed)
    with stage.whole_file(arguments.out) as part:
        build_table(project, scores, queries).write_csv(part, float_precision=4)
    print(f"{int(scores.flagged.sum())} of {len(scores.user)} last baskets are flagged: {arguments.out}")


if __name__ == "__main__":
    stage.guarded(main, "anomalies")
