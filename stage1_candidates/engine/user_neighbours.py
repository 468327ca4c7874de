"""Describe customers by vectors of their articles by week, and find each customer's nearest ones by cosine."""

import numba
import numpy as np

from retail.log import Array
from retail.ragged import offsets
from retail.weeks import History
from stage1_candidates.engine import lists, sparse_product
from stage1_candidates.engine.lists import Lists


def reference_vectors(history: History, most: int, decay: float) -> dict[str, Array]:
    """Store the ``most`` most recent customers for a search: their codes, unit vectors, and these by article."""
    log = history.log
    active = np.flatnonzero(history.stop > log.start[:-1])
    last = log.day[history.stop[active] - 1].astype(np.int64)
    reference = np.sort(active[np.lexsort((active, -last))[:most]]).astype(np.uint32)
    theirs = unit(vectors(history, reference, decay))
    posting = lists.transposed(theirs, log.items)
    return {**theirs.arrays("unit"), **posting.arrays("posting"), "reference": reference}


def nearest(mine: Lists, state: dict[str, Array], users: Array, neighbours: int) -> Lists:
    """Find for each of ``users`` its nearest reference customers by cosine, itself left out."""
    reference = state["reference"]
    place = np.minimum(np.searchsorted(reference, users), max(len(reference) - 1, 0))
    inside = reference[place] == users if len(reference) else np.zeros(len(users), bool)
    ptr = offsets(inside)
    itself = Lists(ptr, place[inside].astype(np.uint32), np.ones(int(ptr[-1]), np.float32))
    return sparse_product.best_targets(mine, Lists.of(state, "posting"), len(reference), neighbours, skip=itself)


def vectors(history: History, users: Array, decay: float) -> Lists:
    """Weigh each customer's own articles by the sum over weeks with a purchase of decay^(weeks ago)."""
    own = lists.own(history, users, 1.0)
    log = history.log
    weight = np.zeros(len(own.target), np.float32)
    begin, end = log.start[users], history.stop[users]
    _by_week(begin, end, log.item, log.day, history.cutoff, decay, own.ptr, own.target, weight)
    return Lists(own.ptr, own.target, weight)


def unit(rows: Lists) -> Lists:
    """Scale each row to Euclidean length 1."""
    norm = np.sqrt(np.bincount(rows.key_of_rows(), weights=rows.weight.astype(np.float64) ** 2, minlength=rows.keys))
    scaled = rows.weight / np.maximum(norm, 1e-12)[rows.key_of_rows()]
    return Lists(rows.ptr, rows.target, scaled.astype(np.float32))


@numba.njit(parallel=True, cache=True)
def _by_week(begin: Array, end: Array, item: Array, day: Array, cutoff: int, decay: float,
             ptr: Array, target: Array, weight: Array) -> None:  # fmt: skip
    for r in numba.prange(len(begin)):
        last = np.full(ptr[r + 1] - ptr[r], -1, np.int64)
        own = target[ptr[r] : ptr[r + 1]]
        for p in range(begin[r], end[r]):
            k = np.searchsorted(own, item[p])
            weeks_ago = (cutoff - 1 - day[p]) // 7
            if last[k] != weeks_ago:
                last[k] = weeks_ago
                weight[ptr[r] + k] += decay**weeks_ago
