"""Recall, precision and F1 of predicted baskets, and the baskets of a customer's most frequent articles."""

from typing import Any

import numpy as np

from research.lens import tasks
from research.lens.tasks import Task
from retail import metrics
from retail.log import Array
from stage1_candidates.networks.lens.funnels import Asked

DRAWS = 2000
LIST = 10  # k of the paper's longest list
HALF_LIVES = (15.0, 30.0, 60.0, 90.0, 180.0, 365.0)  # of personal top with decay, days; validation chooses
LONGEST = 60  # articles of a personal list, at most


def measured(named: Array, task: Task, asked: Asked) -> Array:
    """(e, 3) recall, precision and F1 of each customer's basket ``named`` (e, T), 0 where nothing is named (4.4).

    Recall = |named and bought| / |bought|, precision = |named and bought| / |named|.
    """
    of = task.funnels
    size = of.ptr[asked.stop + 1] - of.ptr[asked.stop]
    row = np.repeat(np.arange(len(size)), size)
    place = np.arange(len(row)) + np.repeat(of.ptr[asked.stop] - np.cumsum(size) + size, size)
    bought = row * (of.articles + 1) + of.token[place]
    cell = np.unique((np.arange(len(named))[:, None] * (of.articles + 1) + named)[named > 0])
    count = np.bincount(cell // (of.articles + 1), minlength=len(size))
    hits = np.bincount((cell // (of.articles + 1))[np.isin(cell, bought)], minlength=len(size))
    recall, precision = hits / np.maximum(size, 1), hits / np.maximum(count, 1)
    return np.stack([recall, precision, 2 * hits / np.maximum(size + count, 1)], axis=1)


def summary(each: Array) -> dict[str, float]:
    """Means over customers, and the F1 of the mean recall and precision, which is the paper's."""
    recall, precision, f1 = (float(value) for value in each.mean(0))
    of_means = 2 * recall * precision / max(recall + precision, 1e-12)
    return {"recall": recall, "precision": precision, "f1": f1, "f1_of_means": of_means}


def averaged_lists(named: Array, task: Task, asked: Asked) -> dict[str, float]:
    """``summary`` averaged over the first k = 1..10 of what is named: the paper's lists "with maximum size k=10"."""
    each = [summary(measured(named[:, :k], task, asked)) for k in range(1, LIST + 1)]
    out = {name: float(np.mean([one[name] for one in each])) for name in ("recall", "precision", "f1")}
    both = out["recall"] + out["precision"]
    return out | {"f1_of_means": 2 * out["recall"] * out["precision"] / max(both, 1e-12)}


def difference(ours: Array, theirs: Array, user: Array) -> dict[str, float]:
    """Mean of ours minus theirs, one value a customer, and its 95% interval (bootstrap of customers, paired)."""
    low, high = metrics.interval(metrics.bootstrap_means([(user, ours - theirs)], DRAWS, 1))
    return {"mean": float((ours - theirs).mean()), "low": low, "high": high}


def personal(task: Task, asked: Asked, half_life: float | None) -> Array:
    """(e, LONGEST) the customer's articles, the most frequent first, ties by the latest, then by token; then 0."""
    row, token, worth = tasks.own_counts(task, asked, half_life)
    order = np.lexsort((token, -worth, row))
    rank = np.arange(len(order)) - np.searchsorted(row, row)
    out = np.zeros((len(asked.user), LONGEST), np.int64)
    some = rank < LONGEST
    out[row[some], rank[some]] = token[order][some]
    return out


def cut(named: Array, length: Array | int) -> Array:
    """The first ``length`` (e,) of each row."""
    return np.where(np.arange(named.shape[1]) < np.reshape(length, (-1, 1)), named, 0)


def own_length(task: Task, asked: Asked) -> Array:
    """(e,) mean number of articles in a customer's baskets so far, rounded, at least 1."""
    of = task.funnels
    first = of.start[asked.user]
    articles = of.ptr[asked.stop] - of.ptr[first]
    length: Array = np.maximum(np.rint(articles / (asked.stop - first)), 1).astype(np.int64)
    return length


def personal_rows(task: Task) -> tuple[dict[str, Array], dict[str, Any]]:
    """Row -> the test customers' baskets; and what validation chose. Each kind of list has two ways to end: after the
    number of articles that is best for all, or after the customer's own mean."""
    out, chosen = {}, {}

    def best_length(named: Array) -> tuple[float, int]:
        scores = [summary(measured(cut(named, k), task, task.validation))["f1"] for k in range(1, LONGEST + 1)]
        return max(scores), int(np.argmax(scores)) + 1

    decayed = max(HALF_LIVES, key=lambda days: best_length(personal(task, task.validation, days))[0])
    for name, half_life in (("personal top", None), ("personal top with decay", decayed)):
        k = best_length(personal(task, task.validation, half_life))[1]
        named = personal(task, task.test, half_life)
        out[f"{name}, best length"] = cut(named, k)
        out[f"{name}, own length"] = cut(named, own_length(task, task.test))
        chosen[name] = {"length": k, "half_life": half_life}
    return out, chosen


def gaps(task: Task, asked: Asked) -> tuple[Array, Array, Array]:
    """(true days, mean of the customer's gaps so far, their median); NaN means where there is no gap yet."""
    of = task.funnels
    true = (of.day[asked.stop] - of.day[asked.stop - 1]).astype(np.float64)
    first = of.start[asked.user]
    known = asked.stop - first - 1
    mean = np.where(known > 0, (of.day[asked.stop - 1] - of.day[first]) / np.maximum(known, 1), np.nan)
    row = np.repeat(np.arange(len(known)), known)
    place = np.arange(len(row)) + np.repeat(first + 1 - np.cumsum(known) + known, known)
    gap = of.gap[place].astype(np.float64)
    gap = gap[np.lexsort((gap, row))]
    begin = np.cumsum(known) - known
    low, high = (
        np.minimum(begin + half, max(len(gap) - 1, 0)) for half in ((np.maximum(known, 1) - 1) // 2, known // 2)
    )
    median = np.where(known > 0, (gap[low] + gap[high]) / 2 if len(gap) else np.nan, np.nan)
    return true, mean, median
