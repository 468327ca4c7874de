"""Test every source and feature group that lies on disk: schema, order, ids and blindness to the future.

Test, too, that training, evaluation and submission use the same rows.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from csv_shop import ROOT
from ruamel.yaml import YAML
from world import GROUPS, NETWORKS, PARAMS, World, group_of, network_of, random_world, source_of, train_weights
from world import SOURCES as PLAIN

from features.engine import build_features, group
from retail import chunks, paths, schema, weeks
from retail import params as parameters
from retail import shop as shops
from retail.errors import InputError
from retail.log import Array
from retail.pairs import Pairs
from retail.params import Params
from retail.ragged import offsets
from retail.shop import Shop
from retail.weeks import History
from retail_input import switch_network
from stage1_candidates import pool
from stage1_candidates.engine import proposals, propose, source
from stage1_candidates.engine.lists import Lists
from stage1_candidates.engine.loaded import Loaded
from stage1_candidates.networks.base import train_network, warm_start
from stage2_ranker import sample, table, train, tune
from stage2_ranker.model import ranker, recipe
from stage2_ranker.model.blend import Blend
from stage2_ranker.model.ranker import Rows
from submissions.answering import answer

SOURCES = PLAIN + NETWORKS  # all that propose
TAKE = 7  # of forty articles, so that the limit has an effect
COLD = {"popular", "segment", "two_tower"}  # sources that propose to customers without a past
WEEKS = (3, 30, 56)  # label weeks of a log of 58 weeks; 58 is the submission's
Arrays = Mapping[str, Array]
TRAINED: dict[tuple[str, int, int], tuple[Shop, dict[str, Array]]] = {}  # with the shop, so that its id stays taken


@cache
def world(bare: bool = False) -> World:
    whole = random_world(seed=1, users=150, entries=4500)  # more customers than the kernels have chunks
    return whole.bare if bare else whole


def shop(bare: bool = False) -> Shop:
    return world(bare).shop


def make_untrained_world() -> World:
    """Make a new world of the same tables, on which no network has been trained yet."""
    return replace(world())


def list_users(shop: Shop) -> Array:
    return np.arange(shop.log.users, dtype=np.uint32)


def pair_all(shop: Shop, users: Array) -> Pairs:
    """Pair every article with each of ``users``."""
    items = np.tile(np.arange(shop.log.items, dtype=np.uint32), len(users))
    return Pairs(users, np.arange(len(users) + 1) * shop.log.items, items)


def propose_and_score(name: str, shop: Shop, week: int, users: Array) -> tuple[Loaded, Lists, Array]:
    """Fit a source to the past of ``week``; return it, its proposals to ``users`` and its scores of all their pairs."""
    module, settings = network_of(name, take=TAKE) if name in NETWORKS else source_of(name, take=TAKE)
    history = weeks.history(shop.log, week)
    fitted = Loaded.fit(module, settings, history, shop, train_once(name, shop, week))
    return fitted, fitted.propose(history, shop, users), fitted.score(history, shop, pair_all(shop, users))


def train_once(name: str, shop: Shop, week: int) -> dict[str, Array] | None:
    """Return the weights of a network, trained once for each shop and week; None for a plain source."""
    if name not in NETWORKS:
        return None
    key = (name, id(shop), week)
    if key not in TRAINED:
        TRAINED[key] = (shop, train_weights(name, shop, week))
    return TRAINED[key][1]


def compute_outputs(name: str, shop: Shop, week: int) -> dict[str, Array]:
    """Return all outputs at ``week`` of a source for all users, or of a feature group for all pairs."""
    users = list_users(shop)
    if name in GROUPS:
        module, settings = group_of(name)
        frame = group.compute(name, module, weeks.history(shop.log, week), shop, pair_all(shop, users), settings)
        return {column: frame[column].to_numpy() for column in frame.columns}
    fitted, best, score = propose_and_score(name, shop, week, users)
    user_columns = fitted.describe_users(weeks.history(shop.log, week), shop, users)
    return {
        **{f"state_{key}": value for key, value in fitted.state.items()},
        **best.arrays("proposed"),
        "score": score,
        **user_columns,
    }


def assert_same(first: Arrays, second: Arrays) -> None:
    assert list(first) == list(second)
    for name in first:
        assert first[name].dtype == second[name].dtype and first[name].shape == second[name].shape, name
        assert np.array_equal(first[name], second[name], equal_nan=first[name].dtype.kind == "f"), name


def assert_blind(name: str, world: World, week: int) -> None:
    """Assert that the outputs are bitwise equal with another future and with none."""
    cutoff = weeks.first_day(world.days, week)
    before = compute_outputs(name, world.shop, week)
    for seed in (1, 2):
        assert_same(before, compute_outputs(name, world.rewritten(cutoff, seed).shop, week))
    assert_same(before, compute_outputs(name, world.until(cutoff).shop, week))


def plugins(names: list[str]) -> Callable[[Any], Any]:
    return pytest.mark.parametrize("name", names)


# Files and blocks


def test_every_file_has_its_block_in_params_and_every_block_its_file() -> None:
    assert sorted(PARAMS.sources) == PLAIN and sorted(PARAMS.networks) == NETWORKS
    assert sorted(PARAMS.features) == GROUPS
    assert not set(SOURCES) & set(GROUPS)  # columns are named by the file


def test_the_blocks_with_use_are_switched_on() -> None:
    on = [name for name, block in {**PARAMS.sources, **PARAMS.networks}.items() if block["use"]]
    assert source.switched_on(PARAMS) == sorted(on)
    assert group.switched_on(PARAMS) == sorted(name for name, block in PARAMS.features.items() if block["use"])
    assert source.switched_on(PARAMS) and group.switched_on(PARAMS)


# Sources


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("week", [1, *WEEKS, 58])
@plugins(SOURCES)
def test_proposals_keep_their_schema(name: str, week: int, bare: bool) -> None:
    small = shop(bare)
    users = list_users(small)
    fitted, best, score = propose_and_score(name, small, week, users)
    frame = proposals.frame(users, best)
    schema.check(frame, schema.CANDIDATES, name, key=("user", "item"))
    assert (frame["item"] < small.log.items).all()
    assert best.keys == len(users) and np.diff(best.ptr).max() <= TAKE
    assert np.isfinite(best.weight).all() and (best.weight > 0).all()
    ordered = np.lexsort((best.target, -best.weight, best.key_of_rows()))
    assert np.array_equal(ordered, np.arange(len(ordered)))
    assert all(isinstance(value, np.ndarray) and value.dtype != object for value in fitted.state.values())
    assert score.dtype == np.float32 and score.shape == (small.log.users * small.log.items,)
    assert (np.isnan(score) if fitted.untrained else np.isfinite(score)).all()
    assert not fitted.untrained or (name in NETWORKS and week < 30)


@plugins(SOURCES)
def test_something_is_proposed_and_the_score_of_a_proposed_pair_is_its_score(name: str) -> None:
    small = shop()
    _, best, score = propose_and_score(name, small, 56, list_users(small))
    assert len(best.target) > small.log.users
    at = score.reshape(small.log.users, small.log.items)[best.key_of_rows(), best.target]
    assert np.array_equal(at, best.weight)


@plugins(SOURCES)
def test_a_source_has_the_same_outputs_when_run_twice(name: str) -> None:
    assert_same(compute_outputs(name, shop(), 56), compute_outputs(name, make_untrained_world().shop, 56))


@plugins(SOURCES)
def test_a_stored_state_gives_the_same_proposals(name: str, tmp_path: Path) -> None:
    small = shop()
    fitted, best, _ = propose_and_score(name, small, 30, list_users(small))
    np.savez(tmp_path / "state.npz", **fitted.state)  # type: ignore[arg-type]
    with np.load(tmp_path / "state.npz") as stored:
        read = Loaded(fitted.module, fitted.settings, dict(stored))
    proposed = read.propose(weeks.history(small.log, 30), small, list_users(small))
    assert_same(best.arrays("x"), proposed.arrays("x"))


@pytest.mark.parametrize("bare", [False, True])
@plugins(SOURCES)
def test_a_customer_without_a_past_gets_proposals_of_best_sellers_only(name: str, bare: bool) -> None:
    small = shop(bare)
    cold = np.array(world().cold, np.uint32)
    _, best, score = propose_and_score(name, small, 56, list_users(small))
    knows = name in COLD and not (bare and name == "segment")
    assert (np.diff(best.ptr)[cold] > 0).tolist() == [knows] * len(cold)
    assert (score.reshape(small.log.users, -1)[cold] > 0).any(axis=1).tolist() == [knows] * len(cold)


@pytest.mark.parametrize("bare", [False, True])
@plugins(SOURCES)
def test_a_customer_alone_gets_the_same_proposals_as_among_others(name: str, bare: bool) -> None:
    small = shop(bare)
    _, best, score = propose_and_score(name, small, 56, list_users(small))
    for user in (0, 7, world().cold[0], small.log.users - 1):
        _, alone, score_alone = propose_and_score(name, small, 56, np.array([user], np.uint32))
        run = slice(best.ptr[user], best.ptr[user + 1])
        assert np.array_equal(best.target[run], alone.target) and np.array_equal(best.weight[run], alone.weight)
        assert np.array_equal(score_alone, score.reshape(small.log.users, -1)[user])


@plugins(SOURCES)
def test_no_customers_get_no_proposals(name: str) -> None:
    _, best, score = propose_and_score(name, shop(), 56, np.zeros(0, np.uint32))
    assert best.keys == 0 and len(best.target) == len(score) == 0


@plugins(SOURCES)
def test_a_source_before_the_first_purchase(name: str) -> None:
    world_ = world()
    late = World(world_.tx.filter(pl.col("day") >= 300), world_.customers, world_.articles, world_.days, world_.cold)
    _, best, score = propose_and_score(name, late.shop, 2, list_users(late.shop))
    assert len(best.target) == 0
    assert np.isnan(score).all() if name in NETWORKS else not score.any()


# Features


def compute_frame(name: str, shop: Shop, week: int, pairs: Pairs) -> pl.DataFrame:
    module, settings = group_of(name)
    return group.compute(name, module, weeks.history(shop.log, week), shop, pairs, settings)


def sample_pairs(shop: Shop) -> Pairs:
    """Sample about a third of all pairs; a fifth of the customers have none."""
    every = pair_all(shop, list_users(shop))
    sampled = (np.random.default_rng(5).random(len(every.items)) < 0.3) & (every.run % 5 != 1)
    ptr = offsets(np.bincount(every.run[sampled], minlength=len(every.users)))
    return Pairs(every.users, ptr, every.items[sampled])


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("week", [1, *WEEKS, 58])
@plugins(GROUPS)
def test_features_keep_their_schema(name: str, week: int, bare: bool) -> None:
    pairs = sample_pairs(shop(bare))
    frame = compute_frame(name, shop(bare), week, pairs)
    assert frame.height == len(pairs.items) and frame.width > 0
    assert set(frame.dtypes) == {pl.Float32} and frame.null_count().sum_horizontal().item() == 0
    assert all(column.startswith(f"{name}__") for column in frame.columns)
    for column in frame.columns:
        assert not frame[column].is_infinite().any(), column


@plugins(GROUPS)
def test_features_differ_between_pairs(name: str) -> None:
    pairs = sample_pairs(shop())
    frame = pl.concat([compute_frame(name, shop(), week, pairs) for week in (56, 57, 58)])
    constant = [column for column in frame.columns if frame[column].fill_nan(None).n_unique() < 2]
    assert constant == []


@plugins(GROUPS)
def test_columns_stay_the_same_in_every_week(name: str) -> None:
    pairs = sample_pairs(shop())
    assert len({tuple(compute_frame(name, shop(), week, pairs).columns) for week in (1, *WEEKS, 58)}) == 1


@plugins(GROUPS)
def test_features_are_the_same_when_computed_twice(name: str) -> None:
    assert_same(compute_outputs(name, shop(), 56), compute_outputs(name, make_untrained_world().shop, 56))


@pytest.mark.parametrize("bare", [False, True])
@plugins(GROUPS)
def test_features_of_a_customer_alone_are_those_among_others(name: str, bare: bool) -> None:
    small = shop(bare)
    pairs = sample_pairs(small)
    frame = compute_frame(name, small, 56, pairs)
    for user in (0, 7, world().cold[0]):
        run = slice(pairs.ptr[user], pairs.ptr[user + 1])
        alone = Pairs(pairs.users[[user]], np.array([0, run.stop - run.start]), pairs.items[run])
        assert compute_frame(name, small, 56, alone).equals(frame[run], null_equal=True)
        assert run.stop > run.start


@plugins(GROUPS)
def test_features_of_no_customers(name: str) -> None:
    nobody = Pairs(np.zeros(0, np.uint32), np.zeros(1, np.int64), np.zeros(0, np.uint32))
    frame = compute_frame(name, shop(), 56, nobody)
    assert frame.height == 0 and frame.columns == compute_frame(name, shop(), 56, sample_pairs(shop())).columns


# Blind to the future


def test_a_rewritten_world_has_another_future_and_the_same_past() -> None:
    cutoff = weeks.first_day(world().days, 56)
    other = world().rewritten(cutoff, 1)
    past, future = pl.col("day") < cutoff, pl.col("day") >= cutoff
    keys = ["user", "item", "day"]
    assert other.tx.filter(past).equals(world().tx.filter(past))
    assert other.tx.filter(future).join(world().tx.filter(future), on=keys, how="anti").height > 50
    assert world().tx.filter(future).join(other.tx.filter(future), on=keys, how="anti").height > 5
    assert other.tx.filter(day=cutoff).height > 20
    assert set(world().cold) <= set(other.tx["user"])
    assert (other.shop.log.users, other.shop.log.items, other.shop.log.days) == (150, 40, 403)


@pytest.mark.parametrize("week", WEEKS)
@plugins(SOURCES + GROUPS)
def test_blind_to_the_future(name: str, week: int) -> None:
    assert_blind(name, world(), week)


@plugins(SOURCES + GROUPS)
def test_the_submission_week_is_a_week_like_any_other(name: str) -> None:
    assert_blind(name, world(), 58)
    later = World(  # the same log, a week later: the purchases of that week change nothing
        pl.concat([world().tx, world().tx.with_columns(pl.col("day") % 7 + 403).unique(["user", "day", "item"])]),
        world().customers, world().articles, 410, world().cold,
    )  # fmt: skip
    assert_same(compute_outputs(name, shop(), 58), compute_outputs(name, later.shop, 58))


@pytest.mark.parametrize("week", WEEKS)
def test_the_whole_answer_is_blind_to_the_future(week: int) -> None:
    cutoff = weeks.first_day(world().days, week)
    before = build_answering_table(shop(), week)
    for other in (world().rewritten(cutoff, 1), world().until(cutoff)):
        assert build_answering_table(other.shop, week).equals(before, null_equal=True)


def build_answering_table(shop: Shop, week: int) -> pl.DataFrame:
    """Build the answering table of all users at ``week``, with sources fitted at its cutoff."""
    history = weeks.history(shop.log, week)
    sources = {}
    for name in source.switched_on(PARAMS):
        module, settings = source_of(name, take=TAKE)
        sources[name] = Loaded.fit(module, settings, history, shop, train_once(name, shop, week))
    return answer.build_table(history, shop, list_users(shop), sources, PARAMS)[1]


@plugins(SOURCES + GROUPS)
def test_a_history_that_includes_the_cutoff_day_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``<=`` in place of ``<`` the check for blindness must fail."""
    correct = weeks.history

    def leak(log: Any, week: int) -> History:
        history = correct(log, week)
        tomorrow = history.cutoff + 1
        stop, item_stop = (
            weeks._find_stops(start, day, tomorrow)
            for start, day in ((log.start, log.day), (log.item_start, log.item_day))
        )
        return History(log, week, history.cutoff, stop, item_stop)

    monkeypatch.setattr(weeks, "history", leak)
    with pytest.raises(AssertionError):
        assert_blind(name, make_untrained_world(), 56)


WARM = [name for name in NETWORKS if warm_start.starts_warm(network_of(name)[1])]


@pytest.mark.parametrize("name", WARM)
def test_warm_trainings_are_blind_to_the_future(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rewrite all purchases from the third cutoff on: the weights at the first three cutoffs stay the same bytes."""
    plan = weeks.Plan(train=[20], stop=[28], validation=[36, 44], final=[28, 36, 44], submission=52)
    small = random_world(seed=6, users=60, entries=1500)
    module, block = network_of(name, retrain_every=8)
    assert warm_start.starts_warm(block) and block.training_weeks(plan) == [20, 28, 36, 44, 52]
    monkeypatch.setattr(sys, "argv", ["train_network", name])
    monkeypatch.setattr(parameters, "read", lambda: PARAMS)
    monkeypatch.setattr(source, "is_off", lambda name, params: False)
    monkeypatch.setattr(source, "load_network", lambda name, params: (module, block))
    monkeypatch.setattr(weeks, "plan", lambda log, settings: plan)
    written = []
    for part, world in enumerate((small, small.rewritten(weeks.first_day(small.days, 36), 1))):
        monkeypatch.setattr(shops, "read", lambda world=world: world.shop)
        folder = tmp_path / str(part)
        folder.mkdir()
        monkeypatch.chdir(folder)
        train_network.main()
        written.append([paths.of_week(paths.NETWORKS / name, "weights", week, "safetensors").read_bytes()
                        for week in (20, 28, 36, 44)])  # fmt: skip
    assert written[0][:3] == written[1][:3] and len(set(written[0])) == 4
    assert written[0][3] != written[1][3]


# Threads


@plugins(SOURCES + GROUPS)
def test_one_thread_and_two_have_the_same_outputs(name: str) -> None:
    if chunks.count_threads() < 2:
        pytest.skip("this machine has a single core")
    outputs = []
    for threads in (1, 2):
        with chunks.limit_threads(threads):
            outputs.append(compute_outputs(name, shop(), 56))
    assert_same(*outputs)


# One code path for training and answering


@dataclass(frozen=True)
class Built:
    """A project folder in which all stages up to ``train`` ran."""

    folder: Path
    shop: Shop
    params: Params
    plan: weeks.Plan
    blend: Blend


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    folder, start = tmp_path_factory.mktemp("project"), Path.cwd()
    small = random_world(seed=4, users=70, days=120, entries=1500)
    raw = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    raw["networks"] |= {name: dict(switch_network.read_block(name)) for name in switch_network.list_optional()}
    raw["weeks"] |= {"validation": 2, "stop": 2, "stop_customers": 9, "train": {"most": 4, "least": 2, "customers": 60}}
    raw["pool"] |= {"take": 15}
    raw["table"] |= {"negatives": 3}
    raw["tuning"] |= {"trials": 0, "weeks": 1, "customers": 7}
    raw["ranker"] |= {"rounds": 20, "patience": 5}
    for block in (*raw["sources"].values(), *raw["networks"].values()):
        block["take"] = 20
    for block in raw["networks"].values():
        block |= {"use": True, "source": True, "score": True}
        block["training"]["epochs"] = 2
    for model in raw["ranker"]["models"].values():
        model["settings"] |= {"min_data_in_leaf": 5, "num_threads": 1}
    os.chdir(folder)
    try:
        paths.PARAMS.write_text(json.dumps(raw), encoding="utf-8")  # JSON is YAML too
        paths.PREPARED.mkdir(parents=True)
        small.tx.sort("user", "day", "item").write_parquet(paths.LOG)
        small.customers.write_parquet(paths.CUSTOMERS)
        small.articles.write_parquet(paths.ARTICLES)
        small.customers[["user"]].write_parquet(paths.WANTED)
        paths.CALENDAR.write_text(json.dumps({"days": small.days}))
        params = parameters.read()
        with pytest.MonkeyPatch.context() as patch:
            for name in raw["networks"]:
                patch.setattr(sys, "argv", ["train_network", name])
                train_network.main()
            propose.main()
            pool.main()
            sample.main()
            build_features.main()
            table.main()
            tune.main()
            train.main()
        plan = weeks.plan(small.shop.log, params.weeks)
        yield Built(folder, small.shop, params, plan, Blend.load(paths.MODEL))
    finally:
        os.chdir(start)


def test_training_rows_are_answering_rows(built: Built) -> None:
    """In each label week, the table that answers all customers holds every kept row with the same features."""
    assert len(built.plan.labelled) >= 5
    for week in built.plan.labelled:
        trained = pl.read_parquet(paths.of_week(paths.TABLE, "table", week))
        history, sources = weeks.history(built.shop.log, week), pool.load_sources(week, built.params)
        _, rows = answer.build_table(history, built.shop, list_users(built.shop), sources, built.params)
        assert trained.drop("label", "sampled").columns == rows.columns
        keys = trained[["user", "item"]]
        same = keys.join(rows, on=["user", "item"], how="left", validate="1:1", maintain_order="left")
        assert trained.height > 20 and trained.drop("label", "sampled").equals(same, null_equal=True)


def test_training_rows_carry_the_truth_of_their_week(built: Built) -> None:
    for week in built.plan.labelled:
        rows = pl.read_parquet(paths.of_week(paths.POOL, "pool", week))
        bought = set(zip(*(side.tolist() for side in weeks.truth(built.shop.log, week)), strict=True))
        assert [pair in bought for pair in rows[["user", "item"]].rows()] == rows["label"].cast(pl.Boolean).to_list()
        assert 0 < rows["label"].sum() < rows.height


def test_all_rows_of_stopping_weeks_and_of_the_tuning_set_are_kept(built: Built) -> None:
    log, plan, params = built.shop.log, built.plan, built.params
    tuning_weeks = plan.tuning(params.tuning.weeks)
    assert len(tuning_weeks) == params.tuning.weeks and set(tuning_weeks) < set(plan.train)
    for week in plan.labelled:
        rows = pl.read_parquet(paths.of_week(paths.SAMPLE, "sample", week))
        pool = pl.read_parquet(paths.of_week(paths.POOL, "pool", week))
        assert rows[["user", "item"]].equals(pool[["user", "item"]])
        whole = dict.fromkeys(plan.stop, rows["user"].unique().to_list())
        for tuning_week in tuning_weeks:
            users = weeks.tuning_customers(log, plan, tuning_week, params.weeks, params.tuning.customers, params.seed)
            assert len(users) == params.tuning.customers
            whole[tuning_week] = users.tolist()
        kept = rows["sampled"] | rows["user"].is_in(whole.get(week, []))
        assert rows["kept"].equals(kept, check_names=False) and not rows["sampled"].all()


def test_the_evaluated_ranker_goes_on_from_the_stopped_one_on_the_stopping_weeks(built: Built) -> None:
    plan, params, blend = built.plan, built.params, built.blend
    assert len(plan.stop) == 2 and params.ranker.retrain
    stopped = train.train_with_stopping(plan, params)
    assert blend.spreads == stopped.spreads
    assert blend.rounds == {name: n + params.ranker.retrain_rounds for name, n in stopped.rounds.items()}
    rows = Rows.from_tables(train.read_weeks([*plan.train, *plan.stop], True), only_sampled=True)
    assert set(np.unique(rows.age)) == {plan.stop[-1] - week for week in [*plan.train, *plan.stop]}
    for model in recipe.of_params(params.ranker):
        old = stopped.models[model.name]
        same = ranker.continue_model(old, rows, model, params.ranker.retrain_rounds)
        assert same.model_to_string() == blend.models[model.name].model_to_string()


@pytest.mark.parametrize("which", ["validation", "submission"])
def test_the_answer_does_not_depend_on_the_shards(built: Built, which: str) -> None:
    week = {"validation": built.plan.validation[0], "submission": built.plan.submission}[which]
    history, sources = weeks.history(built.shop.log, week), pool.load_sources(week, built.params)
    users = list_users(built.shop)[::3]  # the last customer, a cold one, among them

    def answer_in_shards(size: int) -> Array:
        parts = answer.split_shards(users, size)
        return np.concatenate(
            [answer.answer(history, built.shop, part, sources, built.blend, built.params) for part in parts]
        )

    answers = [answer_in_shards(size) for size in (1, 7, len(users))]
    assert answers[0].shape == (len(users), 12)
    assert np.array_equal(answers[0], answers[2]) and np.array_equal(answers[1], answers[2])
    assert (np.diff(np.sort(answers[0], axis=1)) > 0).all() and answers[0].min() >= 0
    assert len(np.unique(answers[0], axis=0)) > 10  # customers have different lists


def test_a_shard_of_customers_without_candidates_gets_best_sellers(built: Built) -> None:
    own_past = {name: {**block, "use": name == "repurchase"} for name, block in built.params.sources.items()}
    params = built.params.model_copy(update={"sources": own_past, "networks": {}})
    week = built.plan.submission
    history, sources = weeks.history(built.shop.log, week), pool.load_sources(week, params)
    cold = np.array([built.shop.log.users - 1], np.uint32)
    _, rows = answer.build_table(history, built.shop, cold, sources, params)
    assert rows.height == 0
    # a ranker of these columns: any labels will do
    _, all_rows = answer.build_table(history, built.shop, list_users(built.shop), sources, params)
    labelled = all_rows.with_columns(label=(pl.int_range(pl.len()) % 3 == 0).cast(pl.UInt8))
    settings = params.ranker.model_copy(update={"rounds": 2})
    rows_of_week = Rows.from_tables({1: labelled}, only_sampled=False)
    blend = ranker.fit(rows_of_week, None, recipe.of_params(settings), settings, None, None)
    lists = answer.answer(history, built.shop, cold, sources, blend, params)
    assert lists.tolist() == [answer.list_best_sellers(history)[:12].tolist()]


def test_features_other_than_the_trained_ones_are_refused(built: Built) -> None:
    week = built.plan.submission
    fewer = {name: {**block, "use": name != GROUPS[0]} for name, block in built.params.features.items()}
    params = built.params.model_copy(update={"features": fewer})
    sources = pool.load_sources(week, params)
    history = weeks.history(built.shop.log, week)
    with pytest.raises(InputError, match="the features differ from those the ranker was trained on"):
        answer.answer(history, built.shop, list_users(built.shop), sources, built.blend, params)
