"""Units of parallel work: every numba kernel over many rows splits them into the same number of runs."""

import numba

CHUNKS = 64  # enough to balance threads, few enough to keep scratch space small: each unit may hold a table


@numba.njit(cache=True)
def bounds(chunk: int, rows: int) -> tuple[int, int]:
    """Return the rows low..high of unit ``chunk`` of ``CHUNKS``; low = high where it has none.

    >>> [bounds(chunk, 96) for chunk in (0, 1, 63)]
    [(0, 1), (1, 3), (94, 96)]
    """
    return chunk * rows // CHUNKS, (chunk + 1) * rows // CHUNKS
