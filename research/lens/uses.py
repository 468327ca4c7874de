"""Measure the insights where the answer is known: injected changes, planted groups, the baskets that followed."""

import numpy as np

from insights import anomalies, clusters, segments, stock_alerts
from insights.models import Model
from research.lens.tasks import Task
from retail import ragged
from retail.log import Array
from stage1_candidates.engine.lists import Lists
from stage1_candidates.networks.lens import basket_sequences
from stage1_candidates.networks.lens.basket_sequences import BasketSequences, Query
from stage1_candidates.networks.lens.plugin import Expected

CHANGED = 0.05  # share of customers that are changed
LATER = 5  # factor of a changed gap
SEEDS = 20  # random draws of customers
WATCHED, DAYS = 200, 28  # articles and days of the alerts
SUPPLY, PAST = 0.8, 91  # daily resupply as a share of the mean daily sales of the last PAST days


def inject_changes(model: Model, query: Query, seed: int) -> dict[str, dict[str, float]]:
    """Change the baskets of random customers and compute the ROC-AUC with which each distance detects them.

    "articles": the last basket is swapped with that of a customer of another cluster. "time": its gap is LATER times as
    long. "alone": by the distance itself; "within": by its robust z-score within the cluster. Means over SEEDS draws.
    """
    expected = model.expected(query)
    cluster = clusters.cluster_vectors(expected.vector, None, seed)
    true = anomalies.collect_baskets(model, query)
    gap = model.sequences.gap[query.stop].astype(np.float64)
    areas: dict[str, list[list[float]]] = {"articles": [], "time": []}
    for draw in range(SEEDS):
        rng = np.random.default_rng([seed, draw])
        changed = rng.random(len(cluster)) < CHANGED
        swapped = _take_rows(true, _pick_others(cluster, changed, rng))
        later = np.where(changed, LATER * gap, gap)
        distances = anomalies.score_baskets(query, swapped, later, expected, cluster)
        for name, alone, within in (
            ("articles", distances.articles, distances.articles_z),
            ("time", distances.time, distances.time_z),
        ):
            areas[name].append([anomalies.compute_roc_auc(alone, changed), anomalies.compute_roc_auc(within, changed)])
    out = {}
    for name, pairs in areas.items():
        alone, within = np.mean(pairs, axis=0)
        out[name] = {"alone": float(alone), "within": float(within), "sd": float(np.std(pairs, axis=0)[1])}
    return out | {"about": {"customers": len(cluster), "clusters": int(cluster.max()) + 1}}


def _pick_others(cluster: Array, changed: Array, rng: np.random.Generator) -> Array:
    """Pick the row (e,) whose basket each customer gets: the own one, or a random one of another cluster."""
    row = np.arange(len(cluster))
    order = rng.permutation(len(cluster))
    order = order[np.argsort(cluster[order], kind="stable")]  # one run per cluster, in random order
    size = np.bincount(cluster)
    begin = np.cumsum(size) - size
    other = rng.integers(0, np.maximum(len(cluster) - size[cluster], 1))  # a place outside the customer's own run
    other = np.where(other >= begin[cluster], other + size[cluster], other) % len(cluster)
    return np.where(changed, order[other], row)


def _take_rows(lists: Lists, row: Array) -> Lists:
    """Take the lists at the positions ``row``, in this order."""
    size = np.diff(lists.ptr)[row]
    place = ragged.positions(lists.ptr[row], size)
    return Lists(ragged.offsets(size), lists.target[place], lists.weight[place])


def measure_purity(model: Model, day: int, item_group: Array, user_group: Array, seed: int) -> dict[str, float]:
    """Measure the purity of segments against the planted groups ``item_group`` (items,) and ``user_group`` (users,).

    There are as many segments as planted groups. The result also has the numbers that the silhouette would choose.
    """
    groups = int(item_group.max()) + 1
    fixed = segments.build_segments(model, day, groups, groups, seed)
    free = segments.build_segments(model, day, None, None, seed)
    vector = model.expected(basket_sequences.query_cutoff(model.sequences, fixed.user, day)).vector
    vector_segments = clusters.cluster_vectors(vector, groups, seed)
    return {
        "articles": clusters.compute_purity(fixed.of_item, item_group[fixed.item]),
        "customers": clusters.compute_purity(fixed.of_user, user_group[fixed.user]),
        "customers, by funnel vector": clusters.compute_purity(vector_segments, user_group[fixed.user]),
        "articles' groups by silhouette": int(free.of_item.max()) + 1,
        "customers' groups by silhouette": int(free.of_user.max()) + 1,
        "largest planted group, articles": float(np.bincount(item_group).max() / len(item_group)),
        "largest planted group, customers": float(np.bincount(user_group).max() / len(user_group)),
    }


def measure_alerts(model: Model, day: int) -> dict[str, dict[str, float]]:
    """Measure precision and recall of stock alerts for the DAYS days from ``day`` on.

    The WATCHED best sellers are resupplied each day with SUPPLY of their mean daily sales of the PAST days. True alerts
    are those of each customer's true next basket: the paper's Algorithm 2 also counts one basket per customer.
    """
    sequences = model.sequences
    before = ragged.offsets(sequences.day < day)
    known = sequences.start[:-1] + before[sequences.start[1:]] - before[sequences.start[:-1]]
    user = np.flatnonzero(known > sequences.start[:-1])
    query = Query(user, known[user], np.full(len(user), day))
    since = day - 1 - sequences.day[query.stop - 1]
    expected = model.expected(query)
    gone = since > stock_alerts.GONE * np.maximum(expected.days, 1)
    due = np.where(gone, np.nan, expected.days - since - 1)
    returned = query.stop < sequences.start[user + 1]
    true = anomalies.collect_baskets(model, query.select(returned))
    due_true = (sequences.day[query.stop[returned]] - day).astype(np.float64)
    item, daily = _list_best_sellers(sequences, model.vocabulary, day)
    resupply = np.repeat((SUPPLY * daily)[:, None], DAYS, axis=1).astype(np.float32)
    out = {}
    for name, cumulative in (("per day", False), ("cumulative", True)):
        ours, truth = (
            stock_alerts.compute_alerts(
                item, resupply, stock_alerts.sum_demand(basket, due_in, item, DAYS), cumulative
            ).short
            for basket, due_in in ((expected, due), (Expected(true, np.zeros(0), np.zeros((0, 0))), due_true))
        )
        hits = float((ours & truth).sum())
        out[name] = {
            "alerts": float(ours.sum()),
            "true": float(truth.sum()),
            "precision": hits / max(float(ours.sum()), 1.0),
            "recall": hits / max(float(truth.sum()), 1.0),
            "share of all days": float(truth.mean()),
        }
    return out


def _list_best_sellers(sequences: BasketSequences, vocabulary: Array, day: int) -> tuple[Array, Array]:
    """List the WATCHED best sellers of the last PAST days, in ascending order, and their mean pieces per day."""
    sale_day = np.repeat(sequences.day, np.diff(sequences.ptr))
    late = (sale_day < day) & (sale_day >= day - PAST)
    sold = np.bincount(sequences.token[late] - 1, weights=sequences.pieces[late], minlength=sequences.articles)
    best = np.lexsort((np.arange(sequences.articles), -sold))[:WATCHED]
    item = vocabulary[best]
    order = np.argsort(item)
    return item[order], sold[best][order] / PAST


def make_memory_task(task: Task, customers: int, longest: int, times: int) -> Task:
    """Make a task of few customers to memorise: training, validation and test are the same baskets.

    These are the last training baskets of at most ``longest`` articles, of the first ``customers`` such customers. An
    epoch holds each ``times`` times.
    """
    sequences = task.sequences
    last = task.train.select(basket_sequences.mark_latest(task.train))
    few = last.select(np.flatnonzero(np.diff(sequences.ptr)[last.stop] <= longest)[:customers])
    repeated = few.select(np.repeat(np.arange(len(few.user)), times))
    about = f"{len(few.user)} customers, each {times} times"
    name = f"{task.name}, memorised"
    return Task(name, about, sequences, repeated, few, few, pieces=task.pieces, customers=True)
