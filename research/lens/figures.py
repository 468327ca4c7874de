"""Measure recall, precision and F1 of predicted baskets; predict baskets and days from the customer's own past."""

from typing import Any

import numpy as np

from research.lens import tasks
from research.lens.tasks import Task
from retail import metrics, ragged
from retail.log import Array
from stage1_candidates.networks.lens.basket_sequences import Query

DRAWS = 2000  # bootstrap samples of the customers
LIST = 10  # k of the paper's longest list
HALF_LIVES = (15.0, 30.0, 60.0, 90.0, 180.0, 365.0)  # days, of personal top with decay; validation chooses one
LONGEST = 60  # most articles of a personal list


def measure_baskets(lists: Array, task: Task, query: Query) -> Array:
    """Measure recall, precision and F1 (e, 3) of each customer's predicted basket, 0 for an empty one (paper, 4.4).

    ``lists`` (e, T): tokens of the predicted articles, 0 where there is none. Recall = |predicted and bought| /
    |bought|, precision = |predicted and bought| / |predicted|.
    """
    sequences = task.sequences
    size = sequences.ptr[query.stop + 1] - sequences.ptr[query.stop]
    row = np.repeat(np.arange(len(size)), size)
    place = ragged.positions(sequences.ptr[query.stop], size)
    width = sequences.articles + 1
    bought = row * width + sequences.token[place]
    cell = np.unique((np.arange(len(lists))[:, None] * width + lists)[lists > 0])
    count = np.bincount(cell // width, minlength=len(size))
    hits = np.bincount((cell // width)[np.isin(cell, bought)], minlength=len(size))
    recall, precision = hits / np.maximum(size, 1), hits / np.maximum(count, 1)
    return np.stack([recall, precision, 2 * hits / np.maximum(size + count, 1)], axis=1)


def summarise(measures: Array) -> dict[str, float]:
    """Average ``measure_baskets`` over customers; ``f1_of_means``, the paper's F1, uses their means."""
    recall, precision, f1 = (float(value) for value in measures.mean(0))
    of_means = 2 * recall * precision / max(recall + precision, 1e-12)
    return {"recall": recall, "precision": precision, "f1": f1, "f1_of_means": of_means}


def average_lists(lists: Array, task: Task, query: Query) -> dict[str, float]:
    """Average ``summarise`` over the first k = 1..10 articles: the paper's lists "with maximum size k=10"."""
    cuts = [summarise(measure_baskets(lists[:, :k], task, query)) for k in range(1, LIST + 1)]
    out = {name: float(np.mean([cut[name] for cut in cuts])) for name in ("recall", "precision", "f1")}
    both = out["recall"] + out["precision"]
    return out | {"f1_of_means": 2 * out["recall"] * out["precision"] / max(both, 1e-12)}


def compare(ours: Array, theirs: Array, user: Array) -> dict[str, float]:
    """Estimate the mean of ``ours`` minus ``theirs`` over customers, and its 95% interval (paired bootstrap)."""
    low, high = metrics.interval(metrics.bootstrap_means([(user, ours - theirs)], DRAWS, 1))
    return {"mean": float((ours - theirs).mean()), "low": low, "high": high}


def rank_own(task: Task, query: Query, half_life: float | None) -> Array:
    """Rank each customer's own articles (e, LONGEST) by frequency, ties by the latest, then by token; 0 after the last.

    ``half_life`` (days): purchases count less the older they are; None: all count the same.
    """
    row, token, weight = tasks.count_own(task, query, half_life)
    order = np.lexsort((token, -weight, row))
    rank = np.arange(len(order)) - np.searchsorted(row, row)
    out = np.zeros((len(query.user), LONGEST), np.int64)
    kept = rank < LONGEST
    out[row[kept], rank[kept]] = token[order][kept]
    return out


def cut_lists(lists: Array, length: Array | int) -> Array:
    """Keep the first ``length`` (e,) entries of each row of ``lists`` (e, T), 0 after them."""
    return np.where(np.arange(lists.shape[1]) < np.reshape(length, (-1, 1)), lists, 0)


def average_length(task: Task, query: Query) -> Array:
    """Average the number of articles (e,) in each customer's baskets so far, rounded, at least 1."""
    sequences = task.sequences
    first = sequences.start[query.user]
    articles = sequences.ptr[query.stop] - sequences.ptr[first]
    length: Array = np.maximum(np.rint(articles / (query.stop - first)), 1).astype(np.int64)
    return length


def predict_personal(task: Task) -> tuple[dict[str, Array], dict[str, Any]]:
    """Predict the test customers' baskets from their own past: (row -> lists, settings that validation chose).

    Each kind of list is cut in two ways: at the number of articles that is best for all customers, or at the customer's
    own mean.
    """
    out, chosen = {}, {}

    def find_best_length(lists: Array) -> tuple[float, int]:
        cuts = (cut_lists(lists, k) for k in range(1, LONGEST + 1))
        scores = [summarise(measure_baskets(cut, task, task.validation))["f1"] for cut in cuts]
        return max(scores), int(np.argmax(scores)) + 1

    decayed = max(HALF_LIVES, key=lambda days: find_best_length(rank_own(task, task.validation, days))[0])
    for name, half_life in (("personal top", None), ("personal top with decay", decayed)):
        k = find_best_length(rank_own(task, task.validation, half_life))[1]
        lists = rank_own(task, task.test, half_life)
        out[f"{name}, best length"] = cut_lists(lists, k)
        out[f"{name}, own length"] = cut_lists(lists, average_length(task, task.test))
        chosen[name] = {"length": k, "half_life": half_life}
    return out, chosen


def compute_gaps(task: Task, query: Query) -> tuple[Array, Array, Array]:
    """Compute the true days (e,) until the next basket, and mean and median of the customer's gaps so far.

    Mean and median are NaN for a customer with a single basket so far.
    """
    sequences = task.sequences
    true = (sequences.day[query.stop] - sequences.day[query.stop - 1]).astype(np.float64)
    first = sequences.start[query.user]
    known = query.stop - first - 1
    spent = sequences.day[query.stop - 1] - sequences.day[first]
    mean = np.where(known > 0, spent / np.maximum(known, 1), np.nan)
    row = np.repeat(np.arange(len(known)), known)
    gap = sequences.gap[ragged.positions(first + 1, known)].astype(np.float64)
    gap = gap[np.lexsort((gap, row))]
    begin = np.cumsum(known) - known
    low, high = (
        np.minimum(begin + half, max(len(gap) - 1, 0)) for half in ((np.maximum(known, 1) - 1) // 2, known // 2)
    )
    median = np.where(known > 0, (gap[low] + gap[high]) / 2 if len(gap) else np.nan, np.nan)
    return true, mean, median
