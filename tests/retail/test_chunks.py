"""Test kernels in chunks: the same result with any number of threads, exceptions, forks, one signature per kernel."""

import os

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retail import pairs
from retail.chunks import freeze, kernel, limit_threads, run, split
from retail.log import Array


@kernel
def count_distinct(low: int, high: int, ptr: Array, code: Array, out: Array, seen_by: Array) -> None:
    for r in range(low, high):
        for k in range(ptr[r], ptr[r + 1]):
            if seen_by[code[k]] != r:
                seen_by[code[k]] = r
                out[r] += 1


@pytest.fixture(autouse=True)
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 4)


@given(st.integers(0, 5000), st.integers(1, 9), st.integers(1, 40))
def test_chunks_cover_each_row_once(rows: int, threads: int, least: int) -> None:
    parts = split(rows, threads, least)
    assert [row for low, high in parts for row in range(low, high)] == list(range(rows))
    assert len(parts) == 1 or min(high - low for low, high in parts) >= least


def test_any_number_of_threads_has_the_same_result() -> None:
    rng = np.random.default_rng(1)
    ptr, code = np.arange(0, 3003, 3), rng.integers(0, 9, 3000)
    expected = [len(set(row)) for row in code.reshape(-1, 3).tolist()]
    for threads in (1, 2, 3, 4):
        out = np.zeros(1000, np.int64)
        with limit_threads(threads):
            run(count_distinct, 1000, (ptr, code), (out,), lambda: (np.full(9, -1),))
        assert out.tolist() == expected


def test_buffers_are_allocated_once_per_thread() -> None:
    made: list[int] = []

    def allocate() -> tuple[()]:
        made.append(1)
        return ()

    with limit_threads(2):
        run(lambda low, high: None, 10_000, (), (), allocate)
    assert len(made) == 2


def test_an_exception_of_a_chunk_is_raised_and_ends_the_run() -> None:
    def fail(low: int, high: int) -> None:
        if high > 500:
            raise ZeroDivisionError(low)

    with limit_threads(3), pytest.raises(ZeroDivisionError):
        run(fail, 1000, (), ())
    run(lambda low, high: None, 1000, (), ())  # the pool still works


def test_a_forked_child_has_threads_of_its_own() -> None:
    run(lambda low, high: None, 1000, (), ())
    child = os.fork()
    if child == 0:
        done: list[int] = []
        run(lambda low, high: done.append(high - low), 1000, (), ())
        os._exit(0 if sum(done) == 1000 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_inputs_of_any_layout_have_one_signature() -> None:
    code = np.array([4, 9, 4])
    column = np.arange(6).reshape(3, 2)[:, 0]
    frozen = freeze(code)
    assert [freeze(column).tolist(), freeze(code).tolist(), freeze(7)] == [[0, 2, 4], [4, 9, 4], 7]
    assert frozen.base is code and not frozen.flags.writeable and code.flags.writeable
    out = np.zeros(1, np.int64)
    before = len(count_distinct.signatures)
    for array in (code, frozen, np.array([4, 0, 9, 0, 4, 0])[::2]):
        run(count_distinct, 1, (np.array([0, 3]), array), (out,), lambda: (np.full(10, -1),))
    assert out.tolist() == [6] and len(count_distinct.signatures) <= before + 1


@given(st.lists(st.lists(st.sampled_from([0.0, -0.0, 1.5, -2.0, np.inf, -np.inf, np.nan, 1e-40]), max_size=30)))
def test_ranks_count_the_larger_values_of_the_run(runs: list[list[float]]) -> None:
    ptr = np.cumsum([0, *map(len, runs)])
    values = np.array([value for run in runs for value in run], np.float32)
    known = [[np.float32(-np.inf) if np.isnan(value) else np.float32(value) for value in run] for run in runs]
    expected = [1 + sum(other > value for other in run) for run in known for value in run]
    assert pairs.rank_in_run(ptr, values).tolist() == expected
