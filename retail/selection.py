"""Sort, search and select within compiled kernels.

numba's own sort and argsort cost about three seconds of each kernel that uses them. These functions compile in a
fraction of it, and none of them allocates.
"""

from retail.chunks import kernel
from retail.log import Array

RUN = 12  # codes that an insertion sort orders before runs are merged


@kernel
def find_first(values: Array, low: int, high: int, wanted: int) -> int:
    """Find the first position in ``low:high`` of ascending ``values`` that is not below ``wanted``; else ``high``."""
    while low < high:
        middle = (low + high) // 2
        if values[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def sort_codes(codes: Array, n: int, spare: Array) -> None:
    """Sort ``codes[:n]`` (uint64) ascending by merging runs; ``spare`` (at least n,) uint64 is overwritten."""
    for begin in range(0, n, RUN):
        for k in range(begin + 1, min(begin + RUN, n)):
            code, place = codes[k], k
            while place > begin and codes[place - 1] > code:
                codes[place] = codes[place - 1]
                place -= 1
            codes[place] = code
    width = RUN
    while width < n:
        for begin in range(0, n - width, 2 * width):
            middle, stop = begin + width, min(begin + 2 * width, n)
            if codes[middle - 1] <= codes[middle]:
                continue  # already in order
            for k in range(width):
                spare[k] = codes[begin + k]
            left, right, k = 0, middle, begin
            while left < width and right < stop:
                first, other = spare[left], codes[right]
                is_left = first <= other
                codes[k] = first if is_left else other
                left += is_left
                right += not is_left
                k += 1
            while left < width:
                codes[k] = spare[left]
                left += 1
                k += 1
        width *= 2


@kernel
def sort_ids(ids: Array, low: int, high: int, codes: Array, spare: Array) -> None:
    """Sort ``ids[low:high]`` (uint32) ascending; ``codes`` and ``spare`` (at least high - low,) are overwritten."""
    n = high - low
    for k in range(n):
        codes[k] = ids[low + k]
    sort_codes(codes, n, spare)
    for k in range(n):
        ids[low + k] = codes[k]


@kernel
def push(scores: Array, ids: Array, size: int, score: float, item: int) -> int:
    """Add ``item`` to a heap of the best ``len(scores)`` items, and return its new size.

    ``scores`` float64 and ``ids`` uint32 hold ``size`` items, the worst first. Ties are broken by id: a larger id is
    worse. A full heap drops its worst item. Start with ``np.int64(0)`` items: numba compiles again for a literal.
    Calls cost time, so a kernel calls this only where ``size < len(scores) or score >= scores[0]``.
    """
    if size < len(scores):
        _rise(scores, ids, size, score, item)
        return size + 1
    if size > 0 and _is_worse(scores[0], ids[0], score, item):
        _sink(scores, ids, size, score, item)
    return size


@kernel
def sort_best(scores: Array, ids: Array, size: int) -> None:
    """Sort the ``size`` items of a heap made by ``push``: best first, ties by id."""
    for end in range(size - 1, 0, -1):
        score, item = scores[end], ids[end]
        scores[end], ids[end] = scores[0], ids[0]  # the worst of those left
        _sink(scores, ids, end, score, item)


@kernel
def _is_worse(score: float, item: int, other_score: float, other: int) -> bool:
    return score < other_score or (score == other_score and item > other)


@kernel
def _rise(scores: Array, ids: Array, hole: int, score: float, item: int) -> None:
    """Let an item rise to its place from ``hole``, the first position behind the heap."""
    while hole > 0:
        parent = (hole - 1) // 2
        if not _is_worse(score, item, scores[parent], ids[parent]):
            break
        scores[hole], ids[hole] = scores[parent], ids[parent]
        hole = parent
    scores[hole], ids[hole] = score, item


@kernel
def _sink(scores: Array, ids: Array, size: int, score: float, item: int) -> None:
    """Replace the root of a heap of ``size`` items with an item, and let it sink to its place."""
    hole = 0
    while 2 * hole + 1 < size:
        child = 2 * hole + 1
        if child + 1 < size and _is_worse(scores[child + 1], ids[child + 1], scores[child], ids[child]):
            child += 1
        if not _is_worse(scores[child], ids[child], score, item):
            break
        scores[hole], ids[hole] = scores[child], ids[child]
        hole = child
    scores[hole], ids[hole] = score, item
