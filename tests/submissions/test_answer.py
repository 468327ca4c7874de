"""The lists themselves: twelve distinct articles in a total order, the baselines, segments, summary and the CSV."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world import BOARD, drawn, random_world

from retail import weeks
from retail.errors import InputError
from retail.log import Array
from retail.pairs import Pairs
from submissions import evaluate, submit
from submissions.answering import answer
from submissions.evaluate import LISTS
from submissions.scoring import baselines

FILLER = np.arange(100, 124)  # as many best sellers as there are: twice twelve


def pairs_of(*runs: list[int]) -> Pairs:
    items = np.array([item for run in runs for item in run], np.uint32)
    return Pairs(np.arange(len(runs), dtype=np.uint32), np.cumsum([0, *[len(run) for run in runs]]), items)


# top and fill


def test_the_best_scored_first_and_ties_by_article() -> None:
    one = pairs_of(list(range(20)))
    score = np.zeros(20)
    score[[4, 17]] = 2.0, 3.0
    assert answer.top(one, score, FILLER).tolist() == [[17, 4, 0, 1, 2, 3, 5, 6, 7, 8, 9, 10]]


def test_each_customer_has_its_own_list_and_short_ones_are_filled() -> None:
    found = answer.top(pairs_of([3, 5], [], [101, 102]), np.array([0.1, 0.2, 0.0, 0.7]), FILLER)
    assert found.tolist() == [
        [5, 3, *range(100, 110)],
        [*range(100, 112)],
        [102, 101, 100, *range(103, 112)],  # what the customer has is not repeated
    ]


def test_a_full_list_is_left_alone_and_the_given_one_is_not_changed() -> None:
    lists = np.array([[*range(12)], [*range(11), -1]])
    before = lists.copy()
    assert answer.fill(lists, FILLER).tolist() == [[*range(12)], [*range(11), 100]]
    assert np.array_equal(lists, before)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(st.integers(95, 130), unique=True, max_size=12), max_size=5),
    st.permutations(list(range(100, 124))),
)
def test_fill_is_a_plain_loop(rows: list[list[int]], filler: list[int]) -> None:
    lists = np.array([row + [-1] * (12 - len(row)) for row in rows], np.int64).reshape(-1, 12)
    expected = [(row + [item for item in filler if item not in row])[:12] for row in rows]
    assert answer.fill(lists, np.array(filler)).tolist() == expected


@settings(deadline=None, max_examples=40)
@given(st.lists(st.dictionaries(st.integers(95, 125), st.sampled_from([0.0, 0.5, 1.0]), max_size=20), max_size=4))
def test_top_is_a_plain_sort(customers: list[dict[int, float]]) -> None:
    runs = [sorted(of.items()) for of in customers]
    found = answer.top(
        pairs_of(*[[item for item, _ in run] for run in runs]), np.array([s for run in runs for _, s in run]), FILLER
    )
    for row, of in zip(found.tolist(), customers, strict=True):
        own = sorted(of, key=lambda item: (-of[item], item))
        assert row == (own + [item for item in FILLER if item not in own])[:12]
        assert len(set(row)) == 12


def test_best_sellers_of_the_last_week_then_of_all_time_then_by_id() -> None:
    # Week 2 begins on day 14. In days 7-13: b twice, a and d once; before: d twice more, c once. e, f: never; day 14 is
    # not known.
    shop = drawn("d.c....b......e......", ".d.....da.b...e......", items=6)
    assert answer.best_sellers(weeks.history(shop.log, 2)).tolist() == [1, 3, 0, 2, 4, 5]


def test_best_sellers_are_twice_a_list() -> None:
    shop = random_world(1).shop
    found = answer.best_sellers(weeks.history(shop.log, 30))
    assert len(found) == len(set(found.tolist())) == 24


def test_shards_cover_everybody_once() -> None:
    users = np.arange(10)
    for size in (1, 3, 10, 99):
        parts = list(answer.shards(users, size))
        assert np.array_equal(np.concatenate(parts), users) and max(map(len, parts)) <= size
    assert list(answer.shards(users[:0], 3)) == []


# Baselines


def test_popular_is_one_list_for_all() -> None:
    shop = drawn("." * 7 + "abcdefghijklmnb", items=20)
    found = baselines.popular(weeks.history(shop.log, 4), np.array([0, 0]))
    # the last seven of 22 days sold i..n and b; ties: b was sold before, too; then the rest by id
    assert found.tolist() == [[1, 8, 9, 10, 11, 12, 13, 0, 2, 3, 4, 5]] * 2


def test_repurchase_then_popular() -> None:
    shop = drawn("ba.....a", "......cc", "........", items=15)  # week 1: days 1-7; week 2 begins on day 8
    found = baselines.repurchase(weeks.history(shop.log, 2), np.arange(3), half_life=1.0)
    # a: 2^-7 + 2^-1, b: 2^-8; the week's best sellers: a and c (twice each), then b (before), then by id
    assert found[0].tolist() == [0, 1, 2, *range(3, 12)]
    assert found[1].tolist() == [2, 0, 1, *range(3, 12)]
    assert found[2].tolist() == [0, 2, 1, *range(3, 12)]


def test_repurchase_prefers_the_recent_by_its_half_life() -> None:
    shop = drawn("aaa...b", items=13)  # a at ages 7, 6 and 5, b at age 1
    history = weeks.history(shop.log, 1)
    for half_life, first in ((1.0, 1), (100.0, 0)):
        assert baselines.repurchase(history, np.array([0]), half_life)[0, 0] == first


# Evaluation


def test_recency_segments() -> None:
    days = 200
    last = {0: 199, 1: 193, 2: 192, 3: 170, 4: 169, 5: 110, 6: 109, 7: 0}  # 1, 7, 8, 30, 31, 90, 91 and 200 days ago
    lines = ["." * day + "a" + "." * (days - day - 1) for day in last.values()]
    shop = drawn(*lines, "." * days)
    found = evaluate.recency(weeks.history(shop.log, shop.log.weeks), np.arange(9))
    assert found == ["7 d", "7 d", "30 d", "30 d", "90 d", "90 d", "older", "older", "never"]


def test_recency_looks_at_the_past_of_the_week_only() -> None:
    shop = drawn("a.............", ".......a......")
    assert evaluate.recency(weeks.history(shop.log, 1), np.array([0, 1])) == ["7 d", "never"]


def ap_table(**values: list[float]) -> pl.DataFrame:
    """Two weeks of two buyers each."""
    keys = {"week": [8, 8, 9, 9], "user": [0, 1, 0, 2], "recency": ["7 d", "never", "7 d", "30 d"]}
    return pl.DataFrame({**keys, **{name: values.get(name, [0.0] * 4) for name in LISTS}})


def test_the_summary_by_hand() -> None:
    found: dict[str, Any] = evaluate.summary(ap_table(twelve=[1.0, 0.5, 0.25, 0.25], popular=[0.5] * 4), 50, 1)
    assert found["map12"]["twelve"]["mean"] == ((1 + 1 / 2) / 2 + (1 / 4 + 1 / 4) / 2) / 2
    assert found["twelve_minus"]["popular"]["mean"] == 0.5 - 0.5
    assert found["by_week"]["8"] == {"buyers": 2, "twelve": 0.75, "popular": 0.5, "repurchase_popular": 0}
    assert list(found["by_recency"]) == ["7 d", "30 d", "never"]
    assert found["by_recency"]["7 d"]["customers"] == 2 and found["by_recency"]["7 d"]["twelve"] == (1 + 1 / 4) / 2
    row = found["map12"]["twelve"]
    assert row["low"] <= row["mean"] <= row["high"] and row["low"] < row["high"]


def test_weeks_count_alike_however_many_buyers_they_have() -> None:
    keys = {"week": [8, 9, 9, 9], "user": [0, 1, 2, 3], "recency": ["7 d"] * 4}
    ap = pl.DataFrame({**keys, **{name: [1.0, 0.0, 0.0, 0.0] for name in LISTS}})
    found: dict[str, Any] = evaluate.summary(ap, 20, 1)
    assert found["map12"]["twelve"]["mean"] == (1 / 1 + 0 / 3) / 2


def test_two_lists_that_are_the_same_differ_by_exactly_nothing() -> None:
    same = [0.3, 0.1, 0.7, 0.2]
    found: dict[str, Any] = evaluate.summary(ap_table(twelve=same, popular=same), 50, 1)
    assert found["twelve_minus"]["popular"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    assert found["map12"]["twelve"] == found["map12"]["popular"]


# The submission


def test_rows_of_the_csv() -> None:
    lists = np.array([[*range(12)], [*range(12, 0, -1)]])
    ids = pl.Series([f"0{k:09d}" for k in range(13)])
    found = submit.csv_rows(lists, np.array([2, 0]), pl.Series(["x", "y", "z"]), ids)
    assert found["customer_id"].to_list() == ["z", "x"]
    assert found["prediction"].to_list() == [
        " ".join(f"0{k:09d}" for k in range(12)),
        " ".join(f"0{k:09d}" for k in range(12, 0, -1)),
    ]
    assert set(found.dtypes) == {pl.String} and found.columns == ["customer_id", "prediction"]


def good() -> Array:
    return np.array([[*range(12)], [*range(1, 13)]])


def spoiled(at: tuple[int, int], item: int) -> Array:
    lists = good()
    lists[at] = item
    return lists


def test_a_good_submission_passes() -> None:
    submit.check(good(), np.array([4, 2]), items=13)


@pytest.mark.parametrize(
    ("lists", "wanted", "message"),
    [
        (good()[:1], 2, "1 rows, expected one for each of 2 customers"),
        (spoiled((1, 11), -1), 2, "fewer than 12 articles"),
        (spoiled((0, 3), 13), 2, "fewer than 12 articles"),
        (spoiled((1, 0), 12), 2, "names an article twice"),
    ],
)
def test_a_bad_submission_is_refused(lists: Array, wanted: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        submit.check(lists, np.arange(wanted), items=13)


def test_the_board_is_answered_by_its_colours() -> None:
    shop = drawn(*BOARD, items=24)
    found = baselines.repurchase(weeks.history(shop.log, 1), np.arange(3), half_life=7.0)
    assert [set(row[:2].tolist()) for row in found] == [{0, 2}, {1, 3}, {0, 2}]
