"""What the insights find where the answer is known: injected changes, planted groups, the baskets that came."""

import numpy as np

from insights import anomalies, clusters, segments, stock_alerts
from insights.models import Model
from research.lens.tasks import Task
from retail.log import Array
from stage1_candidates.engine.lists import Lists
from stage1_candidates.networks.lens import funnels
from stage1_candidates.networks.lens.funnels import Asked, Funnels
from stage1_candidates.networks.lens.plugin import Expected

CHANGED, LATER, SEEDS = 0.05, 5, 20  # share of customers changed; factor of a changed gap; draws of who is changed
WATCHED, DAYS = 200, 28  # articles and days of the alerts
SUPPLY, PAST = 0.8, 91  # of the mean daily sales of the last PAST days


def injected(model: Model, asked: Asked, seed: int) -> dict[str, dict[str, float]]:
    """ROC-AUC of changed customers by each distance, alone and as its robust z within the cluster; mean of the draws.

    "articles": the last basket is swapped with that of a customer of another cluster; "time": its gap is LATER times
    as long.
    """
    expected = model.expected(asked)
    cluster = clusters.cluster_vectors(expected.vector, None, seed)
    true = anomalies.collect_baskets(model, asked)
    gap = model.funnels.gap[asked.stop].astype(np.float64)
    found: dict[str, list[list[float]]] = {"articles": [], "time": []}
    for draw in range(SEEDS):
        rng = np.random.default_rng([seed, draw])
        changed = rng.random(len(cluster)) < CHANGED
        swapped = _rows(true, _others(cluster, changed, rng))
        later = np.where(changed, LATER * gap, gap)
        judged = anomalies.score_baskets(asked, swapped, later, expected, cluster)
        for name, alone, within in (
            ("articles", judged.articles, judged.articles_z),
            ("time", judged.time, judged.time_z),
        ):
            found[name].append([anomalies.roc_auc(alone, changed), anomalies.roc_auc(within, changed)])
    out = {}
    for name, pairs in found.items():
        alone, within = np.mean(pairs, axis=0)
        out[name] = {"alone": float(alone), "within": float(within), "sd": float(np.std(pairs, axis=0)[1])}
    return out | {"about": {"customers": len(cluster), "clusters": int(cluster.max()) + 1}}


def _others(cluster: Array, changed: Array, rng: np.random.Generator) -> Array:
    """(e,) whose basket each customer gets: its own, or that of one drawn from another cluster."""
    row = np.arange(len(cluster))
    order = rng.permutation(len(cluster))
    order = order[np.argsort(cluster[order], kind="stable")]  # a run per cluster, shuffled within
    size = np.bincount(cluster)
    begin = np.cumsum(size) - size
    other = rng.integers(0, np.maximum(len(cluster) - size[cluster], 1))  # a place outside the own run
    other = np.where(other >= begin[cluster], other + size[cluster], other) % len(cluster)
    return np.where(changed, order[other], row)


def _rows(lists: Lists, chosen: Array) -> Lists:
    size = np.diff(lists.ptr)[chosen]
    ptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(size)])
    place = np.arange(ptr[-1]) + np.repeat(lists.ptr[chosen] - ptr[:-1], size)
    return Lists(ptr, lists.target[place], lists.weight[place])


def purities(model: Model, day: int, of_item: Array, of_user: Array, seed: int) -> dict[str, float]:
    """Purity of the segments against the planted groups, as many as these, and how many the silhouette would take."""
    groups = int(of_item.max()) + 1
    asked = segments.build_segments(model, day, groups, groups, seed)
    free = segments.build_segments(model, day, None, None, seed)
    funnel = model.expected(funnels.at_cutoff(model.funnels, asked.user, day)).vector
    of_funnels = clusters.cluster_vectors(funnel, groups, seed)
    return {
        "articles": clusters.purity(asked.of_item, of_item[asked.item]),
        "customers": clusters.purity(asked.of_user, of_user[asked.user]),
        "customers, by funnel vector": clusters.purity(of_funnels, of_user[asked.user]),
        "articles' groups by silhouette": int(free.of_item.max()) + 1,
        "customers' groups by silhouette": int(free.of_user.max()) + 1,
        "largest planted group, articles": float(np.bincount(of_item).max() / len(of_item)),
        "largest planted group, customers": float(np.bincount(of_user).max() / len(of_user)),
    }


def stock(model: Model, day: int) -> dict[str, dict[str, float]]:
    """Alerts of the DAYS days from ``day`` on beside those of the baskets that came: precision and recall.

    The WATCHED best sellers are resupplied each day with SUPPLY of their mean daily sales of the PAST days. The truth
    is the next basket of every customer, as Algorithm 2 sees the world: one basket each.
    """
    of = model.funnels
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(of.day < day)])
    known = of.start[:-1] + before[of.start[1:]] - before[of.start[:-1]]
    user = np.flatnonzero(known > of.start[:-1])
    asked = Asked(user, known[user], np.full(len(user), day))
    since = day - 1 - of.day[asked.stop - 1]
    expected = model.expected(asked)
    gone = since > stock_alerts.GONE * np.maximum(expected.days, 1)
    due = np.where(gone, np.nan, expected.days - since - 1)
    came = asked.stop < of.start[user + 1]
    true = anomalies.collect_baskets(model, Asked(user[came], asked.stop[came], asked.day[came]))
    due_true = (of.day[asked.stop[came]] - day).astype(np.float64)
    item, daily = _sales(of, model.vocabulary, day)
    resupply = np.repeat((SUPPLY * daily)[:, None], DAYS, axis=1).astype(np.float32)
    out = {}
    for name, cumulative in (("per day", False), ("cumulative", True)):
        ours, truth = (
            stock_alerts.compute_alerts(
                item, resupply, stock_alerts.sum_demand(basket, when, item, DAYS), cumulative
            ).short
            for basket, when in ((expected, due), (Expected(true, np.zeros(0), np.zeros((0, 0))), due_true))
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


def _sales(of: Funnels, vocabulary: Array, day: int) -> tuple[Array, Array]:
    """The WATCHED articles that sold most of late, ascending, and their mean pieces per day."""
    when = np.repeat(of.day, np.diff(of.ptr))
    late = (when < day) & (when >= day - PAST)
    sold = np.bincount(of.token[late] - 1, weights=of.pieces[late], minlength=of.articles)
    best = np.lexsort((np.arange(of.articles), -sold))[:WATCHED]
    item = vocabulary[best]
    order = np.argsort(item)
    return item[order], sold[best][order] / PAST


def by_heart(task: Task, most: int, longest: int, times: int) -> Task:
    """The first ``most`` customers whose last training basket can be decoded whole, to be learned by heart: each so
    many ``times`` in an epoch."""
    of = task.funnels
    last = task.train.chosen(funnels.latest(task.train))
    some = last.chosen(np.flatnonzero(np.diff(of.ptr)[last.stop] <= longest)[:most])
    again = some.chosen(np.repeat(np.arange(len(some.user)), times))
    about = f"{len(some.user)} customers, each {times} times"
    return Task(f"{task.name}, by heart", about, of, again, some, some, pieces=task.pieces, customers=True)
