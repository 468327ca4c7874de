"""Test the lists: twelve distinct articles in a total order; the baselines, segments, evaluation and CSV rows."""

from typing import Any

import lightgbm as lgb
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world import BOARD, drawn, random_world

from retail import metrics, params, weeks
from retail.errors import InputError
from retail.log import Array
from retail.pairs import Pairs
from retail.params import Cascade
from stage2_ranker.model import ranker
from stage2_ranker.model.blend import Blend
from submissions import evaluate, submit
from submissions.answering import answer
from submissions.evaluate import EVALUATED_LISTS
from submissions.scoring import baselines

FILLER = np.arange(100, 124)  # 24 articles, as many as best_sellers returns


def make_pairs(*runs: list[int]) -> Pairs:
    items = np.array([item for run in runs for item in run], np.uint32)
    return Pairs(np.arange(len(runs), dtype=np.uint32), np.cumsum([0, *[len(run) for run in runs]]), items)


# The cascade


@pytest.fixture(scope="module")
def blend() -> Blend:
    """Return a blend of two models of 20 trees on three features."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(2000, 3)).astype(np.float32)
    models = {}
    for name, seed in (("a", 1), ("b", 2)):
        label = (x[:, 0] + rng.normal(size=2000) > 0).astype(int)
        usual = {"objective": "binary", "num_leaves": 7, "verbosity": -1, "num_threads": 1, "seed": seed}
        models[name] = lgb.train({**usual, "feature_fraction": 0.7}, lgb.Dataset(x, label), 20)
    return Blend(models, {"a": 1.0, "b": 2.0}, {"a": 1.0, "b": 0.5}, {"a": 20, "b": 20}, "scores")


def make_candidates(customers: int, most: int, seed: int) -> tuple[Pairs, pl.DataFrame]:
    """Return up to ``most`` candidates of each customer, and their features."""
    rng = np.random.default_rng(seed)
    pairs = make_pairs(*(list(range(int(rng.integers(most + 1)))) for _ in range(customers)))
    x = rng.normal(size=(len(pairs.items), 3)).astype(np.float32)
    return pairs, pl.DataFrame({"user": pairs.user, "item": pairs.items, "x": x[:, 0], "y": x[:, 1], "z": x[:, 2]})


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 25), st.integers(12, 40))
def test_the_cascade_scores_what_it_keeps_as_all_trees_do(blend: Blend, seed: int, rounds: int, keep: int) -> None:
    pairs, rows = make_candidates(9, 50, seed)
    whole = answer.score_rows(pairs, rows, blend, Cascade(rounds=1, keep=0))
    assert np.array_equal(whole, blend.predict(ranker.to_matrix(rows), pairs.run))
    score = answer.score_rows(pairs, rows, blend, Cascade(rounds=rounds, keep=keep))
    kept = np.isfinite(score)
    assert np.array_equal(score[kept], whole[kept])  # bit for bit
    sizes = np.diff(pairs.ptr)
    if len(whole) > keep * len(sizes):
        assert np.bincount(pairs.run[kept], minlength=len(sizes)).tolist() == np.minimum(sizes, keep).tolist()
    if rounds >= 20:  # the trees that choose are all trees
        assert np.array_equal(answer.select_top(pairs, whole, FILLER), answer.select_top(pairs, score, FILLER))


def test_the_first_trees_choose_what_all_trees_score(blend: Blend) -> None:
    pairs, rows = make_candidates(6, 40, 5)
    first = blend.combine(blend.score_raw(ranker.to_matrix(rows), 0, 4), pairs.run)
    score = answer.score_rows(pairs, rows, blend, Cascade(rounds=4, keep=12))
    for run in range(6):
        mine = pairs.run == run
        best = np.lexsort((np.arange(mine.sum()), -first[mine]))[:12]
        assert set(np.flatnonzero(np.isfinite(score[mine]))) == set(best)


def test_a_cascade_keeps_a_whole_list_or_everything() -> None:
    assert params.LIST == metrics.K
    with pytest.raises(ValueError, match="or at least 12, the length of a list"):
        Cascade(rounds=1, keep=11)


# top and fill


def test_top_orders_by_score_and_ties_by_article() -> None:
    pairs = make_pairs(list(range(20)))
    score = np.zeros(20)
    score[[4, 17]] = 2.0, 3.0
    assert answer.select_top(pairs, score, FILLER).tolist() == [[17, 4, 0, 1, 2, 3, 5, 6, 7, 8, 9, 10]]


def test_top_fills_short_lists() -> None:
    lists = answer.select_top(make_pairs([3, 5], [], [101, 102]), np.array([0.1, 0.2, 0.0, 0.7]), FILLER)
    assert lists.tolist() == [
        [5, 3, *range(100, 110)],
        [*range(100, 112)],
        [102, 101, 100, *range(103, 112)],  # the customer's own articles are not repeated
    ]


def test_fill_keeps_full_lists_and_does_not_change_its_input() -> None:
    lists = np.array([[*range(12)], [*range(11), -1]])
    before = lists.copy()
    assert answer.fill(lists, FILLER).tolist() == [[*range(12)], [*range(11), 100]]
    assert np.array_equal(lists, before)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(st.integers(95, 130), unique=True, max_size=12), max_size=5),
    st.permutations(list(range(100, 124))),
)
def test_fill_equals_a_plain_loop(rows: list[list[int]], filler: list[int]) -> None:
    lists = np.array([row + [-1] * (12 - len(row)) for row in rows], np.int64).reshape(-1, 12)
    expected = [(row + [item for item in filler if item not in row])[:12] for row in rows]
    assert answer.fill(lists, np.array(filler)).tolist() == expected


@settings(deadline=None, max_examples=40)
@given(st.lists(st.dictionaries(st.integers(95, 125), st.sampled_from([0.0, 0.5, 1.0]), max_size=20), max_size=4))
def test_top_equals_a_plain_sort(customers: list[dict[int, float]]) -> None:
    runs = [sorted(scores.items()) for scores in customers]
    lists = answer.select_top(
        make_pairs(*[[item for item, _ in run] for run in runs]), np.array([s for run in runs for _, s in run]), FILLER
    )
    for row, scores in zip(lists.tolist(), customers, strict=True):
        own = sorted(scores, key=lambda item: (-scores[item], item))
        assert row == (own + [item for item in FILLER if item not in own])[:12]
        assert len(set(row)) == 12


def test_best_sellers_are_ordered_by_last_week_then_all_time_then_id() -> None:
    # Week 2 begins on day 14. In days 7-13: b twice, a and d once; before: d twice more, c once. e, f: never.
    # Day 14 is in the future.
    shop = drawn("d.c....b......e......", ".d.....da.b...e......", items=6)
    assert answer.list_best_sellers(weeks.history(shop.log, 2)).tolist() == [1, 3, 0, 2, 4, 5]


def test_best_sellers_are_twice_a_list_long() -> None:
    shop = random_world(1).shop
    items = answer.list_best_sellers(weeks.history(shop.log, 30))
    assert len(items) == len(set(items.tolist())) == 24


def test_shards_contain_every_customer_once() -> None:
    users = np.arange(10)
    for size in (1, 3, 10, 99):
        parts = list(answer.split_shards(users, size))
        assert np.array_equal(np.concatenate(parts), users) and max(map(len, parts)) <= size
    assert list(answer.split_shards(users[:0], 3)) == []


# Baselines


def test_popular_gives_everyone_the_same_list() -> None:
    shop = drawn("." * 7 + "abcdefghijklmnb", items=20)
    lists = baselines.recommend_popular(weeks.history(shop.log, 4), np.array([0, 0]))
    # i..n and b were sold in the last 7 of 22 days; b leads the ties by its earlier sale; the rest follow by id
    assert lists.tolist() == [[1, 8, 9, 10, 11, 12, 13, 0, 2, 3, 4, 5]] * 2


def test_repurchase_lists_own_articles_then_best_sellers() -> None:
    shop = drawn("ba.....a", "......cc", "........", items=15)  # week 1: days 1-7; week 2 begins on day 8
    lists = baselines.recommend_repurchase(weeks.history(shop.log, 2), np.arange(3), half_life=1.0)
    # a: 2^-7 + 2^-1, b: 2^-8; the week's best sellers: a and c (twice each), then b (before), then by id
    assert lists[0].tolist() == [0, 1, 2, *range(3, 12)]
    assert lists[1].tolist() == [2, 0, 1, *range(3, 12)]
    assert lists[2].tolist() == [0, 2, 1, *range(3, 12)]


def test_repurchase_weighs_recent_purchases_by_the_half_life() -> None:
    shop = drawn("aaa...b", items=13)  # a at ages 7, 6 and 5, b at age 1
    history = weeks.history(shop.log, 1)
    for half_life, first in ((1.0, 1), (100.0, 0)):
        assert baselines.recommend_repurchase(history, np.array([0]), half_life)[0, 0] == first


# Evaluation


def test_recency_segments() -> None:
    days = 200
    last = {0: 199, 1: 193, 2: 192, 3: 170, 4: 169, 5: 110, 6: 109, 7: 0}  # 1, 7, 8, 30, 31, 90, 91 and 200 days ago
    lines = ["." * day + "a" + "." * (days - day - 1) for day in last.values()]
    shop = drawn(*lines, "." * days)
    segments = evaluate.assign_segments(weeks.history(shop.log, shop.log.weeks), np.arange(9))
    assert segments == ["7 d", "7 d", "30 d", "30 d", "90 d", "90 d", "older", "older", "never"]


def test_recency_segments_ignore_the_future() -> None:
    shop = drawn("a.............", ".......a......")
    assert evaluate.assign_segments(weeks.history(shop.log, 1), np.array([0, 1])) == ["7 d", "never"]


def make_ap_table(**values: list[float]) -> pl.DataFrame:
    """Return a table of two weeks with two buyers each."""
    keys = {"week": [8, 8, 9, 9], "user": [0, 1, 0, 2], "recency": ["7 d", "never", "7 d", "30 d"]}
    ap = {name: values.get(name, [0.0] * 4) for name in EVALUATED_LISTS}
    return pl.DataFrame({**keys, **ap, evaluate.SAME: [True, True, True, False]})


def test_summarise_by_hand() -> None:
    result: dict[str, Any] = evaluate.summarise(make_ap_table(twelve=[1.0, 0.5, 0.25, 0.25], popular=[0.5] * 4), 50, 1)
    assert result["cascade"] == {"customers": 4, "same_lists": 3 / 4}
    assert result["map12"]["twelve"]["mean"] == ((1 + 1 / 2) / 2 + (1 / 4 + 1 / 4) / 2) / 2
    assert result["twelve_minus"]["popular"]["mean"] == 0.5 - 0.5
    assert result["by_week"]["8"] == {"buyers": 2, "twelve": 0.75, "popular": 0.5, "repurchase_popular": 0}
    assert list(result["by_recency"]) == ["7 d", "30 d", "never"]
    assert result["by_recency"]["7 d"]["customers"] == 2 and result["by_recency"]["7 d"]["twelve"] == (1 + 1 / 4) / 2
    row = result["map12"]["twelve"]
    assert row["low"] <= row["mean"] <= row["high"] and row["low"] < row["high"]


def test_each_week_counts_equally() -> None:
    keys = {"week": [8, 9, 9, 9], "user": [0, 1, 2, 3], "recency": ["7 d"] * 4}
    ap = pl.DataFrame({**keys, **{name: [1.0, 0.0, 0.0, 0.0] for name in EVALUATED_LISTS}, evaluate.SAME: True})
    result: dict[str, Any] = evaluate.summarise(ap, 20, 1)
    assert result["map12"]["twelve"]["mean"] == (1 / 1 + 0 / 3) / 2


def test_equal_lists_differ_by_exactly_zero() -> None:
    same = [0.3, 0.1, 0.7, 0.2]
    result: dict[str, Any] = evaluate.summarise(make_ap_table(twelve=same, popular=same), 50, 1)
    assert result["twelve_minus"]["popular"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    assert result["map12"]["twelve"] == result["map12"]["popular"]


# The submission


def test_rows_of_submission_csv() -> None:
    lists = np.array([[*range(12)], [*range(12, 0, -1)]])
    ids = pl.Series([f"0{k:09d}" for k in range(13)])
    rows = submit.format_rows(lists, np.array([2, 0]), pl.Series(["x", "y", "z"]), ids)
    assert rows["customer_id"].to_list() == ["z", "x"]
    assert rows["prediction"].to_list() == [
        " ".join(f"0{k:09d}" for k in range(12)),
        " ".join(f"0{k:09d}" for k in range(12, 0, -1)),
    ]
    assert set(rows.dtypes) == {pl.String} and rows.columns == ["customer_id", "prediction"]


def make_lists() -> Array:
    return np.array([[*range(12)], [*range(1, 13)]])


def make_lists_with(position: tuple[int, int], item: int) -> Array:
    lists = make_lists()
    lists[position] = item
    return lists


def test_a_valid_submission_passes() -> None:
    submit.check_lists(make_lists(), np.array([4, 2]), items=13)


@pytest.mark.parametrize(
    ("lists", "customers", "message"),
    [
        (make_lists()[:1], 2, "1 rows, expected one for each of 2 customers"),
        (make_lists_with((1, 11), -1), 2, "fewer than 12 articles"),
        (make_lists_with((0, 3), 13), 2, "fewer than 12 articles"),
        (make_lists_with((1, 0), 12), 2, "contains an article twice"),
    ],
)
def test_an_invalid_submission_is_rejected(lists: Array, customers: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        submit.check_lists(lists, np.arange(customers), items=13)


def test_repurchase_recommends_the_colours_of_the_board() -> None:
    shop = drawn(*BOARD, items=24)
    lists = baselines.recommend_repurchase(weeks.history(shop.log, 1), np.arange(3), half_life=7.0)
    assert [set(row[:2].tolist()) for row in lists] == [{0, 2}, {1, 3}, {0, 2}]
