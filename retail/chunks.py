"""Run a compiled kernel over the rows of its output, in chunks that threads take in turn.

A kernel is a function ``f(low, high, *inputs, *outputs, *scratch)`` that computes the rows ``low:high`` of its outputs
and leaves ``scratch`` as it was. It releases the lock of the interpreter, so plain threads run it in parallel. numba's
``parallel=True`` doubles the time of compiling, and buffers that the kernel allocates itself add to it.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

import numba
import numpy as np

PER_THREAD = 16  # chunks per thread: the threads end at nearly the same time although rows differ
LEAST = 16  # rows of a chunk; below it a thread costs more than it saves

kernel = numba.njit(nogil=True, cache=True, error_model="numpy")  # a division by zero is not checked
Arguments = Sequence[Any]  # arrays and numbers
_limit: int | None = None
_pools: dict[int, ThreadPoolExecutor] = {}  # threads -> pool
_lock = threading.Lock()


def run(
    function: Callable[..., None], rows: int, inputs: Arguments, outputs: Arguments,
    scratch: Callable[[], Arguments] = tuple, least: int = LEAST,
) -> None:  # fmt: skip
    """Call ``function(low, high, *inputs, *outputs, *scratch())`` for chunks ``low:high`` that cover ``rows``.

    ``scratch`` allocates a thread's buffers, once per thread. A chunk has at least ``least`` rows. The result must not
    depend on the chunks. Arrays among ``inputs`` are passed as contiguous and read-only, so that a kernel is compiled
    once. The first exception is raised again after all threads have stopped.
    """
    arguments = (*map(freeze, inputs), *outputs)
    workers = count_threads()
    parts, own = split(rows, workers, least), scratch()
    if len(parts) == 1:
        function(*parts[0], *arguments, *own)
        return
    function(0, 0, *arguments, *own)  # one thread compiles or loads the kernel
    left = iter(parts)  # the threads share it; the interpreter's lock makes its steps atomic

    def work(buffers: Arguments) -> None:
        try:
            for low, high in left:
                function(low, high, *arguments, *buffers)
        except BaseException:
            deque(left, maxlen=0)  # the other threads stop after their chunk
            raise

    helpers = [_get_pool(workers - 1).submit(lambda: work(scratch())) for _ in range(min(workers, len(parts)) - 1)]
    try:
        work(own)
    finally:
        wait(helpers)
    for helper in helpers:
        helper.result()


def call(function: Callable[..., Any], inputs: Arguments, outputs: Arguments = ()) -> Any:
    """Return ``function(*inputs, *outputs)``, a kernel that is not split into rows; arrays are passed as by ``run``."""
    return function(*map(freeze, inputs), *outputs)


def freeze(value: Any) -> Any:
    """Return a contiguous read-only view of an array, a copy if it is not contiguous; other values as they are.

    numba compiles a kernel again for each layout, and again for read-only arrays, such as those of a table.
    """
    if not isinstance(value, np.ndarray):
        return value
    view = np.ascontiguousarray(value).view()
    view.flags.writeable = False
    return view


def split(rows: int, threads: int, least: int = LEAST) -> list[tuple[int, int]]:
    """Split ``rows`` into (low, high) chunks of equal size: one for a single thread or few rows.

    >>> split(100, 1), split(31, 2), split(100, 2)[:3]
    ([(0, 100)], [(0, 31)], [(0, 16), (16, 33), (33, 50)])
    """
    number = max(min(PER_THREAD * threads, rows // least), 1) if threads > 1 else 1
    return [(rows * k // number, rows * (k + 1) // number) for k in range(number)]


def count_threads() -> int:
    """Return the number of threads: ``NUMBA_NUM_THREADS`` of the environment, else the cores of this process."""
    most: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    return most if _limit is None else min(most, _limit)


@contextmanager
def limit_threads(threads: int) -> Iterator[None]:
    """Use at most ``threads`` threads within a ``with`` block."""
    global _limit
    before, _limit = _limit, threads
    try:
        yield
    finally:
        _limit = before


def _get_pool(threads: int) -> ThreadPoolExecutor:
    with _lock:
        if threads not in _pools:
            _pools[threads] = ThreadPoolExecutor(threads, "chunks")
        return _pools[threads]


def _forget_pools() -> None:
    """Forget the pools in a forked child, which has none of their threads."""
    global _lock
    _lock = threading.Lock()
    _pools.clear()


os.register_at_fork(after_in_child=_forget_pools)
