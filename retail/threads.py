"""Run a function for every label week, in threads where the shop is small enough."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tqdm import tqdm

from retail.cores import cores

ROWS_IN_WORK = 20_000_000  # rows of the log times weeks in parallel, at most: a thread holds arrays as long as the log
R = TypeVar("R")


def count_threads(weeks: int, rows: int) -> int:
    """Count the weeks that run in parallel: at most one per core, fewer for a log of many ``rows``, at least one.

    >>> count_threads(40, 30_000_000)
    1
    """
    return max(1, min(cores(), weeks, ROWS_IN_WORK // max(rows, 1)))


def map_weeks(function: Callable[[int], R], weeks: Sequence[int], rows: int, name: str = "") -> list[R]:
    """Return ``function(week)`` for each week, in order; with ``name`` a progress bar counts the weeks.

    After an error no further week starts, and the error of the first such week is raised. ``rows``: of the log.
    """
    with tqdm(total=len(weeks), desc=name, unit="week", disable=None if name else True) as bar:

        def run(week: int) -> R:
            result = function(week)
            bar.update()
            return result

        threads = count_threads(len(weeks), rows)
        if threads == 1:
            return [run(week) for week in weeks]
        with ThreadPoolExecutor(threads) as pool:
            futures = [pool.submit(run, week) for week in weeks]
            try:
                return [future.result() for future in futures]
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
