"""Test lists: sums, transposition and sparse products against hand-computed values, dense matrices and loops."""

from collections import defaultdict

import numpy as np
import polars as pl
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from world import BOARD, drawn, log_table, random_world

from retail import log, weeks
from retail.log import Array
from stage1_candidates.engine import lists, sparse_product
from stage1_candidates.engine.lists import Lists

# float32 adds these scores exactly, so ties do not depend on the order of summation.
EXACT = st.integers(0, 6).map(lambda n: n / 4)
TURNS = 20  # repetitions of rows, so that several rows share the buffer of one chunk


def lists_of(*rows: dict[int, float]) -> Lists:
    """Build lists from the rows' {target: weight}, targets in the given order."""
    ptr = np.cumsum([0, *[len(row) for row in rows]])
    return Lists(
        ptr,
        np.array([t for row in rows for t in row], np.uint32),
        np.array([w for row in rows for w in row.values()], np.float32),
    )


def rows_of(result: Lists) -> list[dict[int, float]]:
    """Invert ``lists_of``."""
    ends = zip(result.ptr[:-1], result.ptr[1:], strict=True)
    return [dict(zip(result.target[a:b].tolist(), result.weight[a:b].tolist(), strict=True)) for a, b in ends]


def dense(result: Lists, targets: int) -> Array:
    rows: Array = scipy.sparse.csr_array((result.weight, result.target, result.ptr), (result.keys, targets)).toarray()
    return rows


def test_gather_sums_equal_pairs_and_skips_negative_keys() -> None:
    key, target = np.array([1, 0, 1, -1, 1]), np.array([5, 2, 5, 2, 3])
    result = lists.gather(key, target, np.array([1.0, 2.0, 0.5, 9.0, 4.0]), 3)
    assert rows_of(result) == [{2: 2.0}, {3: 4.0, 5: 1.5}, {}]
    assert result.target.dtype == np.uint32 and result.weight.dtype == np.float32


def test_gather_top_is_largest_first_and_breaks_ties_by_id() -> None:
    key, target = np.zeros(4, np.int64), np.array([7, 3, 5, 1])
    result = lists.gather(key, target, np.array([2.0, 1.0, 2.0, 1.0]), 2, top=3)
    assert [list(row.items()) for row in rows_of(result)] == [[(5, 2.0), (7, 2.0), (1, 1.0)], []]


def test_gather_of_nothing() -> None:
    empty = np.zeros(0, np.int64)
    for top in (None, 2):
        assert rows_of(lists.gather(empty, empty, empty.astype(float), 2, top)) == [{}, {}]


def test_transpose_exchanges_keys_and_targets() -> None:
    result = lists.transpose(lists_of({1: 0.5, 0: 2.0}, {}, {1: 4.0}), 3)
    assert rows_of(result) == [{0: 2.0}, {0: 0.5, 2: 4.0}, {}]
    assert rows_of(lists.transpose(result, 3)) == [{0: 2.0, 1: 0.5}, {}, {1: 4.0}]


def test_arrays_and_back() -> None:
    original = lists_of({1: 0.5}, {})
    assert rows_of(Lists.of({**original.arrays("x"), "other": original.ptr}, "x")) == [{1: 0.5}, {}]


def test_own_decays_by_hand() -> None:
    # Label week 1 begins on day 7. Customer 0 bought a on days 0 (age 7) and 6 (age 1) and on day 7, after the
    # cutoff. It bought b and c on day 5 (age 2).
    shop = drawn(("a....ba.......", ".....c.b......"), "..............", ".......c......")
    result = lists.own(weeks.history(shop.log, 1), np.array([0, 1, 2]), half_life=1.0)
    assert rows_of(result) == [{0: 1 / 2 + 1 / 128, 1: 1 / 4, 2: 1 / 4}, {}, {}]


def test_own_of_some_customers_in_any_order() -> None:
    shop = drawn(*BOARD)
    history = weeks.history(shop.log, 1)  # the history is complete
    result = lists.own(history, np.array([1, 0]), half_life=2.0)
    half = 2**-0.5
    white = {0: 1 / 2**3.5 + half / 2, 2: 1 / 2**2.5 + half}  # a at ages 7 and 3, c at ages 5 and 1
    black = {1: 1 / 8 + 1 / 2, 3: 1 / 4}  # b at ages 6 and 2, d at age 4
    assert [list(row) for row in rows_of(result)] == [[1, 3], [0, 2]]
    assert rows_of(result)[0] == pytest.approx(black) and rows_of(result)[1] == pytest.approx(white)
    assert rows_of(lists.own(history, np.array([], np.uint32), 2.0)) == []


def test_own_keeps_an_article_whose_weight_vanished() -> None:
    shop = drawn("a" + "." * 700)
    result = lists.own(weeks.history(shop.log, shop.log.weeks), np.array([0]), half_life=1.0)
    assert result.target.tolist() == [0] and result.weight[0] > 0


def test_favourites_by_hand() -> None:
    # groups: a and b 0, c 1, d none. Customer 0 bought a once and c twice, customer 1 d alone, customer 2 b and c.
    history = weeks.history(drawn("a..c..c", "...d...", "..b..c.").log, 1)
    group = np.array([0, 0, 1, -1], np.int32)
    assert lists.favourites(history, group, np.ones(6)).tolist() == [1, -1, 0]  # a tie goes to the lower group
    assert lists.favourites(history, group, history.decay(1.0)).tolist() == [1, -1, 1]  # c was bought later
    assert lists.favourites(history, group, np.array([3.0, 1, 1, 1, 1, 1])).tolist() == [0, -1, 0]


def test_best_targets_by_hand() -> None:
    rows = lists_of({0: 1.0, 1: 2.0})
    step = lists_of({0: 0.5, 1: 0.25}, {1: 0.25, 2: 0.5})  # a: 1/2, b: 1/4 + 2/4, c: 2/2
    assert list(rows_of(sparse_product.best_targets(rows, step, 3, 2))[0].items()) == [(2, 1.0), (1, 0.75)]
    assert rows_of(sparse_product.best_targets(rows, step, 3, 9, skip=lists_of({2: 1.0, 0: 1.0}))) == [{1: 0.75}]


def test_best_targets_breaks_ties_by_id() -> None:
    step = lists_of({4: 1.0, 2: 1.0, 3: 2.0, 0: 1.0, 1: 1.0})
    result = sparse_product.best_targets(lists_of({0: 1.0}), step, 5, 3)
    assert list(rows_of(result)[0].items()) == [(3, 2.0), (0, 1.0), (1, 1.0)]


def test_best_targets_skips_only_for_its_own_row() -> None:
    step = lists_of({0: 3.0, 1: 2.0})
    result = sparse_product.best_targets(
        lists_of({0: 1.0}, {0: 1.0}, {}), step, 2, 1, skip=lists_of({0: 1.0}, {}, {1: 1.0})
    )
    assert rows_of(result) == [{1: 2.0}, {0: 3.0}, {}]


def test_scores_at_scores_the_wanted_pairs() -> None:
    rows, step = lists_of({0: 1.0, 1: 2.0}, {}), lists_of({0: 0.5}, {0: 0.25, 2: 0.5})
    result = sparse_product.scores_at(rows, step, 3, np.array([0, 3, 4]), np.array([2, 1, 0, 0], np.uint32))
    assert result.tolist() == [1.0, 0.0, 1.0, 0.0]


@st.composite
def draw_products(draw: st.DrawFn) -> tuple[Lists, Lists, Lists, int]:
    """Draw rows (R, K), step (K, T), skip (R, T) and T; a few rows, repeated."""
    many, keys, targets = draw(st.integers(4, 7)), draw(st.integers(1, 7)), draw(st.integers(1, 7))

    def draw_lists(n: int, width: int, turns: int) -> Lists:
        return lists_of(
            *[draw(st.dictionaries(st.integers(0, width - 1), EXACT, max_size=width)) for _ in range(n)] * turns
        )

    return draw_lists(many, keys, TURNS), draw_lists(keys, targets, 1), draw_lists(many, targets, TURNS), targets


@settings(deadline=None, max_examples=60)
@given(draw_products(), st.integers(1, 8))
def test_best_targets_is_the_head_of_the_dense_product(product: tuple[Lists, Lists, Lists, int], top: int) -> None:
    rows, step, skip, targets = product
    score = dense(rows, step.keys) @ dense(step, targets)  # (R, K) @ (K, T) -> (R, T)
    met = (dense(Lists(rows.ptr, rows.target, np.ones_like(rows.weight)), step.keys)
           @ dense(Lists(step.ptr, step.target, np.ones_like(step.weight)), targets)) > 0  # fmt: skip
    for skipped in (None, skip):
        result, left = rows_of(sparse_product.best_targets(rows, step, targets, top, skipped)), rows_of(skip)
        for r, row in enumerate(result):
            left_out = set() if skipped is None else set(left[r])
            free = [t for t in range(targets) if met[r, t] and t not in left_out]
            expected = sorted(free, key=lambda t: (-score[r, t], t))[:top]
            assert list(row.items()) == [(t, score[r, t]) for t in expected]


@settings(deadline=None, max_examples=60)
@given(draw_products())
def test_scores_at_is_the_dense_product(product: tuple[Lists, Lists, Lists, int]) -> None:
    rows, step, wanted, targets = product
    score = dense(rows, step.keys) @ dense(step, targets)
    result = sparse_product.scores_at(rows, step, targets, wanted.ptr, wanted.target)
    assert result.tolist() == score[wanted.key_of_rows(), wanted.target].tolist()


def test_products_of_many_rows_agree_with_each_other_and_with_the_dense_product() -> None:
    rng = np.random.default_rng(0)  # more rows than chunks, weights that round
    rows = lists.gather(rng.integers(0, 300, 2000), rng.integers(0, 50, 2000), rng.random(2000), 300)
    step = lists.gather(rng.integers(0, 50, 900), rng.integers(0, 80, 900), rng.random(900), 50)
    score = dense(rows, 50).astype(np.float64) @ dense(step, 80)
    best = sparse_product.best_targets(rows, step, 80, 10)
    key = best.key_of_rows()
    assert np.allclose(best.weight, score[key, best.target], rtol=1e-5)
    assert np.array_equal(sparse_product.scores_at(rows, step, 80, best.ptr, best.target), best.weight)
    heads = [row[row > 0][:10] for row in -np.sort(-score, axis=1)]
    assert np.allclose(best.weight, np.concatenate(heads), rtol=1e-5)


@settings(deadline=None, max_examples=40)
@given(
    st.sets(st.tuples(st.integers(0, 4), st.integers(0, 5), st.integers(0, 29)), min_size=1, max_size=60),
    st.integers(1, 5),
    st.sampled_from([0.5, 3.0, 100.0]),
)
def test_own_is_a_plain_loop(rows: set[tuple[int, int, int]], week: int, half_life: float) -> None:
    history = weeks.history(log.build(log_table(sorted(rows)), 5, 6, 30), week)
    total: dict[tuple[int, int], float] = defaultdict(float)
    for user, item, day in sorted(rows):
        if day < history.cutoff:
            total[user, item] += 2 ** (-(history.cutoff - day) / half_life)
    expected = [dict(sorted((i, w) for (user, i), w in total.items() if user == u)) for u in range(5)]
    for u, row in enumerate(rows_of(lists.own(history, np.tile(np.arange(5), TURNS), half_life))):
        assert list(row) == list(expected[u % 5])
        assert row == pytest.approx(expected[u % 5], rel=1e-6)


def test_own_of_a_shop_with_baskets() -> None:
    world = random_world(3)
    history = weeks.history(world.shop.log, 50)
    age = history.cutoff - pl.col("day")
    expected = (
        world.tx.filter(pl.col("day") < history.cutoff)
        .with_columns(pl.col("day").cast(pl.Int64))
        .group_by("user", "item")
        .agg(weight=(2.0 ** (-age / 20)).sum())
        .sort("user", "item")
    )
    result = lists.own(history, np.arange(world.customers.height), 20)
    assert expected["user"].to_list() == result.key_of_rows().tolist()
    assert expected["item"].to_list() == result.target.tolist()
    assert np.allclose(expected["weight"], result.weight, rtol=1e-6)
