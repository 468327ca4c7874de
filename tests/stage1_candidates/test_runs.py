"""Test the pairing of articles through runs of purchases against plain loops."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from test_lists import rows_of

from retail.log import Array
from stage1_candidates.engine import runs
from stage1_candidates.engine.runs import Runs


def best_by_plain_loop(scores: Array, top: int, itself: bool) -> list[dict[int, float]]:
    """Keep each row's ``top`` largest positive scores (T, T), ties by id."""
    result = []
    for row, values in enumerate(scores.tolist()):
        met = [(-value, t) for t, value in enumerate(values) if value > 0 and (itself or t != row)]
        result.append({t: -negative for negative, t in sorted(met)[:top]})
    return result


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 9999), rows=st.integers(1, 40), top=st.integers(1, 12), itself=st.booleans())
def test_best_targets_is_a_plain_loop(seed: int, rows: int, top: int, itself: bool) -> None:
    rng = np.random.default_rng(seed)
    ends = np.sort(rng.integers(0, 61, (8, 2)), axis=1)  # runs overlap, and some are empty
    target = rng.integers(0, rows, 60).astype(np.uint32)
    weight = rng.integers(1, 4, 60).astype(np.float32)  # small integers: sums are exact, and ties are common
    sizes = rng.integers(0, 5, rows)
    ptr, run, lead = np.cumsum([0, *sizes]), rng.integers(0, 8, sizes.sum()), rng.integers(1, 4, sizes.sum())
    scores = np.zeros((rows, rows), np.float32)
    for row in range(rows):
        for k in range(ptr[row], ptr[row + 1]):
            for p in range(*ends[run[k]]):
                scores[row, target[p]] += lead[k] * weight[p]
    given_runs = Runs(ends[:, 0].copy(), ends[:, 1].copy(), target, weight)
    result = runs.best_targets(ptr[:-1], ptr[1:], run, lead.astype(np.float32), given_runs, top, itself)
    assert rows_of(result) == best_by_plain_loop(scores, top, itself)


@settings(max_examples=60, deadline=None)
@given(codes=st.lists(st.integers(0, 2**64 - 1), unique=True, max_size=60), most=st.integers(1, 70))
def test_the_largest_codes_move_to_the_front(codes: list[int], most: int) -> None:
    array = np.array(codes, np.uint64)
    runs._move_largest(array, len(array), most)
    assert sorted(array.tolist()) == sorted(codes)
    assert set(array[:most].tolist()) == set(sorted(codes, reverse=True)[:most])


def shuffle(user: list[int], day: list[int], item: list[int]) -> list[int]:
    columns = np.array(user, np.uint32), np.array(day, np.int16), np.array(item, np.uint32)
    return [int(value) for value in runs.shuffle_baskets(*columns)]


def test_baskets_are_shuffled_each_on_its_own() -> None:
    user, day, item = [0] * 8 + [1] * 4, [3] * 4 + [5] * 4 + [5] * 4, [*range(4), *range(4), *range(4)]
    result = shuffle(user, day, item)
    baskets = [result[:4], result[4:8], result[8:]]
    assert all(sorted(basket) == [0, 1, 2, 3] for basket in baskets)
    assert baskets[0] != baskets[1] != baskets[2]
    assert shuffle(user[:8], day[:8], item[:8]) == result[:8]  # later entries cannot change an earlier basket
    assert shuffle([], [], []) == []


def test_every_article_of_a_basket_comes_first_equally_often() -> None:
    user = np.repeat(np.arange(4000), 5)
    first = shuffle(user.tolist(), [1] * len(user), list(range(5)) * 4000)[::5]
    counts = np.bincount(first, minlength=5)
    assert abs(counts - 800).max() < 4 * np.sqrt(800)
