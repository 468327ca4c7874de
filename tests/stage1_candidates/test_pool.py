"""Test the pool: fusion, features of each pair, labels, stored candidates, and recall."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_lists import lists_of, rows_of
from world import BOARD, PARAMS, drawn

from retail import pairs, paths, weeks
from retail.errors import InputError
from retail.log import Array
from retail.pairs import Pairs
from retail.params import Pool
from stage1_candidates import pool as merge
from stage1_candidates.engine import proposals
from stage1_candidates.engine.blocks import Network, Source
from stage1_candidates.engine.lists import Lists, gather
from stage1_candidates.engine.loaded import Loaded
from stage1_candidates.pooling import fusion, pool, recall

RRF = Pool(take=120, rrf=30)


def users_of(n: int) -> Array:
    return np.arange(n, dtype=np.uint32)


def pairs_of(*runs: list[int]) -> Pairs:
    """Pair customer r with the articles ``runs[r]``."""
    items = np.array([item for run in runs for item in run], np.uint32)
    return Pairs(users_of(len(runs)), np.cumsum([0, *[len(run) for run in runs]]), items)


# Fusion


def test_reciprocal_rank_fusion_by_hand() -> None:
    first, other = lists_of({0: 9.0, 1: 8.0}, {5: 1.0}), lists_of({1: 0.2, 2: 0.1}, {})
    fused = rows_of(fusion.fuse({"one": first, "other": other}, RRF))
    assert list(fused[0]) == [1, 0, 2] and list(fused[1]) == [5]
    assert fused[0] == pytest.approx({1: 1 / (30 + 2) + 1 / (30 + 1), 0: 1 / (30 + 1), 2: 1 / (30 + 2)})
    assert fused[1] == pytest.approx({5: 1 / (30 + 1)})


def test_fusion_keeps_the_best_and_breaks_ties_by_id() -> None:
    first, other = lists_of({7: 2.0, 3: 1.0}), lists_of({4: 2.0, 3: 1.0})
    assert list(rows_of(fusion.fuse({"one": first, "other": other}, Pool(take=2, rrf=30)))[0]) == [3, 4]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 999), rows=st.integers(0, 70), take=st.integers(1, 12))
def test_fusion_and_ranks_as_by_one_sort_over_everything(seed: int, rows: int, take: int) -> None:
    rng = np.random.default_rng(seed)
    proposed = {
        name: lists_of(*[dict.fromkeys(rng.permutation(9)[: rng.integers(7)].tolist(), 1.0) for _ in range(rows)])
        for name in "abc"
    }
    key = np.concatenate([best.key_of_rows() for best in proposed.values()])
    item = np.concatenate([best.target for best in proposed.values()])
    worth = np.concatenate([1 / (30 + fusion.ranks(best)) for best in proposed.values()])
    slow, fast = gather(key, item, worth, rows, take), fusion.fuse(proposed, Pool(take=take, rrf=30))
    assert rows_of(fast) == rows_of(slow) and fast.target.tolist() == slow.target.tolist()
    result = fusion.ascending(fast)
    assert rows_of(result) == rows_of(fast) and all(list(row) == sorted(row) for row in rows_of(result))
    rank = fusion.ranks_at(result.ptr, result.target, proposed["a"])
    places = [{item: place + 1 for place, item in enumerate(row)} for row in rows_of(proposed["a"])]
    expected = [places[r].get(i, np.nan) for r, i in zip(result.key_of_rows(), result.target, strict=True)]
    np.testing.assert_array_equal(rank, np.array(expected, np.float32))


def test_fusion_ignores_the_size_of_scores() -> None:
    first, other = lists_of({0: 1.0, 1: 0.5}), lists_of({2: 1e6, 3: 1e5})
    result = fusion.fuse({"one": first, "other": other}, RRF)
    assert result.target.tolist() == [0, 2, 1, 3]


def test_ranks_start_at_one_for_each_customer() -> None:
    assert fusion.ranks(lists_of({3: 1.0, 1: 0.5}, {}, {4: 3.0, 5: 2.0, 6: 1.0})).tolist() == [1, 2, 1, 2, 3]


def module_of(score: dict[tuple[int, int], float]) -> Any:
    """Stub a source that scores (user, item) pairs as given, 0 elsewhere."""

    def scores(_h: Any, _s: Any, _state: Any, users: Array, ptr: Array, items: Array, _p: Any) -> Array:
        user = np.repeat(users, np.diff(ptr))
        return np.array([score.get(key, 0) for key in zip(user.tolist(), items.tolist(), strict=True)], np.float32)

    return SimpleNamespace(propose=None, score=scores)


ON = Source(use=True, take=9)


def test_a_network_may_serve_in_one_use_alone() -> None:
    shop = drawn(*BOARD)
    block = {name: PARAMS.networks["case"][name] for name in Network.model_fields} | {"use": True}
    only = {use: Network.model_validate({**block, "source": False, "score": False, use: True})
            for use in ("source", "score")}  # fmt: skip
    loaded = {
        "x": Loaded(module_of({(0, 1): 2.0}), only["source"], {}),
        "y": Loaded(module_of({(0, 1): 5.0}), only["score"], {}),
    }
    _, result = pool.build(loaded, {"x": lists_of({1: 2.0}, {})}, weeks.history(shop.log, 1), shop, users_of(2), PARAMS)
    assert result.columns == ["pool__sources", "pool__fused", "x__rank", "y__score", "y__of_best", "y__place"]
    assert result["pool__sources"].to_list() == [1] and result["y__score"].to_list() == [5]


def test_the_features_of_every_pair() -> None:
    shop = drawn(*BOARD)
    loaded = {
        "x": Loaded(module_of({(0, 3): 4.0, (0, 1): 2.0, (0, 2): 1.0}), ON, {}),
        "y": Loaded(module_of({(0, 2): 5.0, (1, 0): 3.0}), ON, {}),
    }
    proposed = {"x": lists_of({3: 4.0, 1: 2.0}, {}), "y": lists_of({2: 5.0}, {0: 3.0})}
    whole, result = pool.build(loaded, proposed, weeks.history(shop.log, 1), shop, users_of(2), PARAMS)
    assert whole.user.tolist() == [0, 0, 0, 1] and whole.items.tolist() == [1, 2, 3, 0]  # ascending within a customer
    assert set(result.dtypes) == {pl.Float32}
    columns = {name: result[name].to_list() for name in result.columns}
    nan = pytest.approx(float("nan"), nan_ok=True)
    assert columns["pool__sources"] == [1, 1, 1, 1]
    assert columns["pool__fused"] == pytest.approx([1 / (PARAMS.pool.rrf + rank) for rank in (2, 1, 1, 1)])
    assert columns["x__rank"] == [2, nan, 1, nan]  # NaN where x does not propose the pair
    assert columns["x__score"] == [2, 1, 4, 0]  # x scores the pair nevertheless
    assert columns["x__of_best"] == [2 / 4, 1 / 4, 4 / 4, 0]
    assert columns["x__place"] == [2, 3, 1, 1]
    assert columns["y__rank"] == [nan, 1, nan, 1]
    assert columns["y__score"] == [0, 5, 0, 3]


def test_a_pool_of_nobody() -> None:
    shop = drawn(*BOARD)
    loaded = {"x": Loaded(module_of({}), ON, {})}
    for proposed, n in ((lists_of(), 0), (lists_of({}, {}), 2)):
        whole, result = pool.build(loaded, {"x": proposed}, weeks.history(shop.log, 1), shop, users_of(n), PARAMS)
        assert len(whole.items) == result.height == 0 and "x__rank" in result.columns


# Comparison within a customer's candidates

VALUE = st.one_of(st.sampled_from([0.0, 1.0, 2.0, -1.0, float("nan")]), st.floats(-4, 4, width=32))
RUNS = st.lists(st.lists(VALUE, max_size=6), min_size=1, max_size=5)


@settings(deadline=None, max_examples=60)
@given(RUNS)
def test_of_best_is_a_plain_loop(runs: list[list[float]]) -> None:
    ptr = np.cumsum([0, *[len(run) for run in runs]])
    expected = []
    for run in runs:
        best = max([value for value in run if value == value], default=0.0)
        expected += [value / best if best > 0 and value > 0 else 0.0 for value in run]
    result = pairs.divide_by_best(ptr, np.array([value for run in runs for value in run], np.float32))
    assert result.tolist() == pytest.approx(expected, rel=1e-6, abs=1e-30)


@settings(deadline=None, max_examples=60)
@given(RUNS)
def test_place_is_a_plain_loop(runs: list[list[float]]) -> None:
    ptr = np.cumsum([0, *[len(run) for run in runs]])
    expected = []
    for run in runs:
        plain = [value if value == value else float("-inf") for value in run]
        expected += [1 + sum(other > value for other in plain) for value in plain]
    result = pairs.rank_in_run(ptr, np.array([value for run in runs for value in run], np.float32))
    assert result.tolist() == expected


def test_pairs_of_columns_and_back() -> None:
    result = pairs.build_pairs(np.array([2, 2, 5], np.uint32), np.array([1, 4, 0], np.uint32))
    assert result.users.tolist() == [2, 5] and result.ptr.tolist() == [0, 2, 3]
    assert result.user.tolist() == [2, 2, 5] and result.run.tolist() == [0, 0, 1]


# Labels


def test_labels() -> None:
    truth = np.array([0, 1, 2], np.uint32), np.array([3, 1, 0], np.uint32)
    result = merge.label_pairs(pairs_of([1, 3], [1, 3], []), truth)
    assert result.tolist() == [0, 1, 1, 0] and result.dtype == np.uint8


# Stored candidates


def test_candidates_are_read_for_the_queried_customers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = paths.of_week(paths.SOURCES / "x", "candidates", 3)
    file.parent.mkdir(parents=True)
    stored = lists_of({3: 2.0, 1: 1.0}, {}, {4: 0.5}, {7: 9.0})
    proposals.frame(np.array([10, 11, 12, 15], np.uint32), stored).write_parquet(file)
    result = merge.read_candidates("x", 3, np.array([10, 11, 15, 16], np.uint32))
    assert [list(row.items()) for row in rows_of(result)] == [[(3, 2.0), (1, 1.0)], [], [(7, 9.0)], []]


def test_candidates_of_another_kind_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = paths.of_week(paths.SOURCES / "x", "candidates", 3)
    file.parent.mkdir(parents=True)
    pl.DataFrame({"user": [1], "item": [1], "score": [1.0]}).write_parquet(file)
    with pytest.raises(InputError, match="candidates of x: column 'user' expected UInt32, found Int64"):
        merge.read_candidates("x", 3, users_of(2))


def test_without_any_source_there_is_no_pool() -> None:
    off = {name: {**block, "use": False} for name, block in PARAMS.sources.items()}
    scoring = {name: {**block, "use": True, "source": False} for name, block in PARAMS.networks.items()}
    with pytest.raises(InputError, match="switch at least one on"):
        merge.load_sources(3, PARAMS.model_copy(update={"sources": off, "networks": scoring}))


# Recall. Customer 10 bought 1 and 2, customer 20 bought 3.

USERS, TRUTH = np.array([10, 20], np.uint32), (np.array([10, 10, 20], np.uint32), np.array([1, 2, 3], np.uint32))


def figures(**proposed: Lists) -> dict[str, Any]:
    return recall.figures(proposed, USERS, TRUTH, RRF)


def test_recall_by_hand() -> None:
    result = figures(one=lists_of({1: 2.0, 9: 1.0}, {8: 1.0}), other=lists_of({2: 1.0}, {}))
    assert (result["one"]["recall@12"], result["one"]["hit_ratio"], result["one"]["rows"]) == (1 / 3, 1 / 3, 3)
    assert (result["other"]["recall@12"], result["other"]["hit_ratio"], result["other"]["rows"]) == (1 / 3, 1 / 1, 1)
    assert (result["union"]["recall@12"], result["union"]["hit_ratio"], result["union"]["rows"]) == (2 / 3, 2 / 4, 4)
    assert result["union without one"]["recall@12"] == 1 / 3 == result["union without other"]["recall@12"]
    assert result["oracle_map12"] == (2 / 2 + 0 / 1) / 2


def test_recall_at_k_looks_at_the_first_k() -> None:
    late = lists_of({**{100 + k: 50.0 - k for k in range(11)}, 1: 2.0, 2: 1.0}, {})  # hits on ranks 12 and 13
    result = figures(late=late)["late"]
    assert (result["recall@12"], result["recall@50"], result["recall@200"]) == (1 / 3, 2 / 3, 2 / 3)


def test_the_only_source_is_not_left_out_of_itself() -> None:
    assert set(figures(one=lists_of({1: 1.0}, {}))) == {"one", "union", "oracle_map12"}


def test_the_oracle_of_a_customer_who_bought_more_than_twelve() -> None:
    bought = np.arange(15, dtype=np.uint32)
    truth = np.full(15, 10, np.uint32), bought
    proposed = {"one": lists_of({int(item): 1.0 for item in bought[:6]})}
    result = recall.figures(proposed, USERS[:1], truth, RRF)
    assert result["oracle_map12"] == 6 / 12
    assert result["union"] == {"recall@12": 6 / 15, "recall@50": 6 / 15, "recall@100": 6 / 15, "recall@200": 6 / 15,
                              "hit_ratio": 1.0, "rows": 6}  # fmt: skip


def fused_ranks(proposed: dict[str, Lists], ptr: Array, bought: Array) -> list[int]:
    """Rank the purchases in the fused lists, 0 where they are absent: one fusion, then one search per purchase."""
    rows = rows_of(fusion.fuse(proposed, Pool(take=999, rrf=30)))
    places = [{item: place + 1 for place, item in enumerate(row)} for row in rows]
    return [places[r].get(item, 0) for r in range(len(rows)) for item in bought[ptr[r] : ptr[r + 1]].tolist()]


def test_ranks_of_purchases_by_hand() -> None:
    # Fused weights: 4 and 7 have 1/31 each, so that the smaller id comes first; 5 has 1/32 + 1/32.
    proposed = {"one": lists_of({7: 2.0, 5: 1.0}), "other": lists_of({4: 2.0, 5: 1.0})}
    ptr, bought = np.array([0, 4]), np.array([4, 5, 7, 9], np.uint32)
    own, fused, without, articles = recall.ranks_of_purchases(proposed, ptr, bought, 30)
    assert own.tolist() == [[0, 1], [2, 2], [1, 0], [0, 0]]
    assert fused.tolist() == [2, 1, 3, 0] and articles.tolist() == [3]
    assert without.tolist() == [[1, 0], [2, 2], [0, 1], [0, 0]]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 999), rows=st.integers(1, 9), sources=st.integers(1, 5))
def test_ranks_of_purchases_as_by_one_fusion_per_source_left_out(seed: int, rows: int, sources: int) -> None:
    rng = np.random.default_rng(seed)
    proposed = {
        name: lists_of(*[dict.fromkeys(rng.permutation(12)[: rng.integers(9)].tolist(), 1.0) for _ in range(rows)])
        for name in "abcde"[:sources]
    }
    sizes = rng.integers(0, 6, rows)
    bought = np.concatenate([np.sort(rng.permutation(15)[:size]) for size in sizes]).astype(np.uint32)
    ptr = np.cumsum([0, *sizes])
    own, fused, without, articles = recall.ranks_of_purchases(proposed, ptr, bought, 30)
    assert fused.tolist() == fused_ranks(proposed, ptr, bought)
    assert articles.tolist() == [len(row) for row in rows_of(fusion.fuse(proposed, Pool(take=999, rrf=30)))]
    for s, name in enumerate(proposed):
        assert own[:, s].tolist() == fused_ranks({name: proposed[name]}, ptr, bought)  # one list keeps its order
        if sources > 1:
            rest = {other: best for other, best in proposed.items() if other != name}
            assert without[:, s].tolist() == fused_ranks(rest, ptr, bought)


def test_the_mean_of_weeks() -> None:
    first: dict[str, object] = {"x": {"recall@12": 0.5, "rows": 10}, "oracle_map12": 0.2}
    other: dict[str, object] = {"x": {"recall@12": 0.25, "rows": 20}, "oracle_map12": 0.4}
    assert recall.mean_of_weeks([first, other]) == {"x": {"recall@12": 0.375, "rows": 15.0}, "oracle_map12": 0.3}
