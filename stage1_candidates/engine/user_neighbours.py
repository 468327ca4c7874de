"""Represent customers as vectors over articles, and find their nearest neighbours by cosine."""

import numpy as np

from retail import chunks
from retail.chunks import kernel
from retail.log import Array
from retail.ragged import offsets
from retail.selection import find_first
from retail.weeks import History
from stage1_candidates.engine import lists, sparse_product
from stage1_candidates.engine.lists import Lists


def reference_vectors(history: History, most: int, decay: float) -> dict[str, Array]:
    """Compute the codes, unit vectors and transposed vectors of the ``most`` most recent customers."""
    log = history.log
    active = np.flatnonzero(history.stop > log.start[:-1])
    last = log.day[history.stop[active] - 1].astype(np.int64)
    reference = np.sort(active[np.lexsort((active, -last))[:most]]).astype(np.uint32)
    reference_units = unit(vectors(history, reference, decay))
    posting = lists.transpose(reference_units, log.items)
    return {**reference_units.arrays("unit"), **posting.arrays("posting"), "reference": reference}


def nearest(user_vectors: Lists, state: dict[str, Array], users: Array, neighbours: int) -> Lists:
    """Find the nearest reference customers of each of ``users`` by cosine, without the customer itself."""
    reference = state["reference"]
    place = np.minimum(np.searchsorted(reference, users), max(len(reference) - 1, 0))
    inside = reference[place] == users if len(reference) else np.zeros(len(users), bool)
    ptr = offsets(inside)
    itself = Lists(ptr, place[inside].astype(np.uint32), np.ones(int(ptr[-1]), np.float32))
    return sparse_product.best_targets(
        user_vectors, Lists.of(state, "posting"), len(reference), neighbours, skip=itself
    )


def vectors(history: History, users: Array, decay: float) -> Lists:
    """Weight each customer's articles by the sum of decay^(weeks ago) over the weeks with a purchase."""
    own = lists.own(history, users, 1.0)
    log = history.log
    weight = np.zeros(len(own.target), np.float32)
    begin, end = log.start[users], history.stop[users]
    longest = int(np.diff(own.ptr).max(initial=0))
    chunks.run(
        _sum_by_week, len(users), (begin, end, log.item, log.day, history.cutoff, decay, own.ptr, own.target),
        (weight,), lambda: (np.empty(longest, np.int64),),
    )  # fmt: skip
    return Lists(own.ptr, own.target, weight)


def unit(rows: Lists) -> Lists:
    """Scale the rows to Euclidean length 1."""
    norm = np.sqrt(np.bincount(rows.key_of_rows(), weights=rows.weight.astype(np.float64) ** 2, minlength=rows.keys))
    scaled = rows.weight / np.maximum(norm, 1e-12)[rows.key_of_rows()]
    return Lists(rows.ptr, rows.target, scaled.astype(np.float32))


@kernel
def _sum_by_week(low: int, high: int, begin: Array, end: Array, item: Array, day: Array, cutoff: int, decay: float,
                 ptr: Array, target: Array, weight: Array, last: Array) -> None:  # fmt: skip
    for r in range(low, high):
        for k in range(ptr[r + 1] - ptr[r]):
            last[k] = -1
        for p in range(begin[r], end[r]):
            k = find_first(target, ptr[r], ptr[r + 1], item[p]) - ptr[r]
            weeks_ago = (cutoff - 1 - day[p]) // 7
            if last[k] != weeks_ago:
                last[k] = weeks_ago
                weight[ptr[r] + k] += decay**weeks_ago
