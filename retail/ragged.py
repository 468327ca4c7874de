"""Index ragged rows: rows of different lengths, stored one after the other in flat arrays.

Row r has the entries ``ptr[r]:ptr[r + 1]`` of every flat array. ``ptr`` has one more element than there are rows.
"""

import numpy as np

from retail.log import Array


def offsets(sizes: Array) -> Array:
    """Return ``ptr`` (rows + 1,) int64 of rows with ``sizes`` (rows,) entries.

    >>> offsets(np.array([2, 0, 3])).tolist()
    [0, 2, 2, 5]
    """
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes, dtype=np.int64)])


def row_of(ptr: Array) -> Array:
    """Return the row (n,) int64 of each entry.

    >>> row_of(np.array([0, 2, 2, 5])).tolist()
    [0, 0, 2, 2, 2]
    """
    return np.repeat(np.arange(len(ptr) - 1), np.diff(ptr))


def place_in_row(ptr: Array) -> Array:
    """Return the place (n,) int64 of each entry within its row, from 0.

    >>> place_in_row(np.array([0, 2, 2, 5])).tolist()
    [0, 1, 0, 1, 2]
    """
    place: Array = np.arange(ptr[-1]) - np.repeat(ptr[:-1], np.diff(ptr))
    return place


def positions(start: Array, sizes: Array) -> Array:
    """Return the positions (n,) int64 in the runs ``start[r]:start[r] + sizes[r]``, run after run.

    >>> positions(np.array([7, 3]), np.array([2, 3])).tolist()
    [7, 8, 3, 4, 5]
    """
    ptr = offsets(sizes)
    flat: Array = np.arange(ptr[-1]) + np.repeat(start - ptr[:-1], sizes)
    return flat


def pair_codes(row: Array, item: Array) -> Array:
    """Return a number (n,) uint64 per (row, item) pair, both below 2^32. Numbers sort as the pairs do.

    >>> (pair_codes(np.array([0, 1]), np.array([5, 2])) >> np.uint64(32)).tolist()
    [0, 1]
    """
    return (row.astype(np.uint64) << np.uint64(32)) | item.astype(np.uint64)


def pairs_of_codes(code: Array) -> tuple[Array, Array]:
    """Return the row and the item, (n,) uint32 each, of numbers made by ``pair_codes``.

    >>> [part.tolist() for part in pairs_of_codes(pair_codes(np.array([0, 1]), np.array([5, 2])))]
    [[0, 1], [5, 2]]
    """
    return (code >> np.uint64(32)).astype(np.uint32), (code & np.uint64(0xFFFFFFFF)).astype(np.uint32)
