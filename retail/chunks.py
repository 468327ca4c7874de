"""Split the rows of a parallel numba kernel into a fixed number of chunks."""

import numba

CHUNKS = 64  # enough to balance threads; few enough to save memory, since each chunk may hold a table


@numba.njit(cache=True)
def bounds(chunk: int, rows: int) -> tuple[int, int]:
    """Return (low, high) of ``chunk``: its rows are ``low:high``, none if they are equal.

    >>> [bounds(chunk, 96) for chunk in (0, 1, 63)]
    [(0, 1), (1, 3), (94, 96)]
    """
    return chunk * rows // CHUNKS, (chunk + 1) * rows // CHUNKS
