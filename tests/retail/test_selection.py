"""Test sorting, searching and selecting within kernels against numpy and plain Python."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from retail.selection import find_first, push, sort_best, sort_codes, sort_ids


@given(st.lists(st.integers(0, 2**64 - 1), max_size=200))
def test_codes_are_sorted(values: list[int]) -> None:
    codes = np.array(values, np.uint64)
    sort_codes(codes, len(codes), np.empty_like(codes))
    assert codes.tolist() == sorted(values)


def test_long_runs_of_every_shape_are_sorted() -> None:
    rng = np.random.default_rng(1)
    for n in (12, 13, 24, 25, 48, 49, 1000, 4097):
        for values in (rng.integers(0, n, n), np.arange(n), np.arange(n)[::-1], np.zeros(n, int)):
            codes = values.astype(np.uint64)
            sort_codes(codes, n, np.empty_like(codes))
            assert codes.tolist() == sorted(values.tolist())


def test_only_the_part_asked_for_is_sorted() -> None:
    ids = np.array([9, 7, 2, 5, 1], np.uint32)
    sort_ids(ids, 1, 4, np.empty(3, np.uint64), np.empty(3, np.uint64))
    assert ids.tolist() == [9, 2, 5, 7, 1]


def test_the_first_position_not_below() -> None:
    days = np.array([9, 1, 3, 3, 8], np.int16)
    assert [find_first(days, 1, 5, wanted) for wanted in (0, 1, 2, 3, 4, 8, 9)] == [1, 1, 2, 2, 4, 4, 5]


@given(st.lists(st.sampled_from([0.5, 1.0, 1.5, -1.0, 0.0]), max_size=60), st.integers(1, 20))
def test_the_heap_keeps_the_best_and_breaks_ties_by_id(scores: list[float], top: int) -> None:
    ids = np.random.default_rng(len(scores)).permutation(len(scores)).astype(np.uint32)
    kept, kept_ids, size = np.empty(top), np.empty(top, np.uint32), 0
    for score, item in zip(scores, ids, strict=True):
        size = push(kept, kept_ids, size, score, item)
    sort_best(kept, kept_ids, size)
    expected = sorted(zip([-score for score in scores], ids.tolist(), strict=True))[:top]
    assert list(zip((-kept[:size]).tolist(), kept_ids[:size].tolist(), strict=True)) == expected
