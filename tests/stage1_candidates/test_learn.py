"""Test the stage ``train_network``: training weeks, weights of each week, and resumption of a killed stage."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file
from world import PARAMS, random_world

from retail import params as parameters
from retail import paths, shop, weeks
from retail.log import Array
from retail.weeks import History
from stage1_candidates.engine import lists, proposals, propose, source
from stage1_candidates.engine.blocks import Network
from stage1_candidates.engine.lists import Lists
from stage1_candidates.engine.loaded import Loaded
from stage1_candidates.networks.base import train_network as learn
from stage1_candidates.networks.base import trained_weights
from stage1_candidates.networks.base.warm_start import WarmTraining
from stage1_candidates.pooling import pool

WORLD = random_world(seed=2)
PLAN = weeks.Plan(train=[50, 51, 53], stop=[54], validation=[55, 56, 57], final=[51, 53, 54, 55], submission=58)


def trainings(retrain_every: int, plan: weeks.Plan = PLAN) -> list[int]:
    return settings(retrain_every=retrain_every).training_weeks(plan)


def test_trainings_by_hand() -> None:
    assert trainings(0) == [50, 58]
    assert trainings(3) == [50, 53, 56, 58]
    assert trainings(8) == [50, 58]
    assert trainings(1) == list(range(50, 59))
    assert trainings(60) == [50, 58]


def test_a_short_log_is_trained_on_more_often_at_first() -> None:
    """Check gaps that double from 2 weeks up to ``retrain_every``, because week 1 has one week of history."""
    short = weeks.Plan(train=[1, 2], stop=[3], validation=[4], final=[1, 2, 3, 4], submission=40)
    assert trainings(16, short) == [1, 3, 7, 15, 31, 40]
    assert trainings(5, short) == [1, 3, 7, 12, 17, 22, 27, 32, 37, 40]
    assert trainings(0, short) == [1, 40]


class Memory(ModuleType):
    """Stub a network whose weights are its training week; ``calls`` lists its trainings."""

    def __init__(self, dies_at: int = -1) -> None:
        super().__init__("memory")
        self.calls: list[int] = []
        self.dies_at = dies_at

    def train(self, history: History, shop: shop.Shop, params: Any, seed: int, folder: Path) -> dict[str, Array]:
        if history.week == self.dies_at:
            raise KeyboardInterrupt
        self.calls.append(history.week)
        return {"week": np.array([history.week]), "seed": np.array([seed])}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Set up an empty folder, a shop in memory, and PLAN for its weeks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["learn", "memory"])
    monkeypatch.setattr(parameters, "read", lambda: PARAMS)
    monkeypatch.setattr(shop, "read", lambda: WORLD.shop)
    monkeypatch.setattr(weeks, "plan", lambda log, settings: PLAN)
    monkeypatch.setattr(learn, "count_parallel", lambda trainings: 1)
    return monkeypatch


def settings(**changes: Any) -> Network:
    block = next(iter(PARAMS.networks.values()))
    fields = {name: block[name] for name in Network.model_fields}
    return Network.model_validate({**fields, "use": True, "retrain_every": 3, **changes})


def run_stage(project: pytest.MonkeyPatch, memory: Memory, **changes: Any) -> None:
    project.setattr(source, "load_network", lambda name, params: (memory, settings(**changes)))
    learn.main()


def test_each_training_leaves_its_weights_and_settings(project: pytest.MonkeyPatch) -> None:
    memory = Memory()
    run_stage(project, memory)
    assert memory.calls == [50, 53, 56, 58]
    folder = paths.NETWORKS / "memory"
    assert len(list(folder.iterdir())) == 9  # four trainings of two files each, and settings.json
    for week in memory.calls:
        stored = load_file(paths.of_week(folder, "weights", week, "safetensors"))
        assert stored["week"].tolist() == [week] and stored["seed"].tolist() == [PARAMS.seed]
        about = json.loads(paths.of_week(folder, "weights", week, "json").read_text())
        assert about["week"] == week and about["settings"] == json.loads(settings().model_dump_json())
    assert not (paths.CHECKPOINTS / "memory").exists()
    used = {week: int(trained_weights.load("memory", trainings(3), week)["week"][0]) for week in PLAN.all}
    assert used == {50: 50, 51: 50, 53: 53, 54: 53, 55: 53, 56: 56, 57: 56, 58: 58}


def test_a_network_that_is_off_is_not_trained(project: pytest.MonkeyPatch) -> None:
    memory = Memory()
    project.setattr(parameters, "read", lambda: PARAMS.model_copy(update={"networks": {"memory": {"use": False}}}))
    run_stage(project, memory)
    assert memory.calls == [] and [file.name for file in (paths.NETWORKS / "memory").iterdir()] == [paths.SETTINGS]
    assert json.loads((paths.NETWORKS / "memory" / paths.SETTINGS).read_text()) == {"use": False}


def test_a_killed_stage_keeps_the_weights_it_has(project: pytest.MonkeyPatch) -> None:
    killed, resumed = Memory(dies_at=56), Memory()
    with pytest.raises(KeyboardInterrupt):
        run_stage(project, killed)
    assert killed.calls == [50, 53] and not (paths.NETWORKS / "memory").exists()
    run_stage(project, resumed)
    assert resumed.calls == [56, 58]
    assert len(list((paths.NETWORKS / "memory").glob("*.safetensors"))) == 4


def test_other_settings_or_another_shop_start_again(project: pytest.MonkeyPatch) -> None:
    here, other = WORLD.shop, random_world(seed=5).shop
    dropped = next(iter(here.attributes))
    renamed = replace(here, attributes={**here.attributes, dropped: here.attributes[dropped][::-1].copy()})
    fewer = replace(here, attributes={name: code for name, code in here.attributes.items() if name != dropped})
    more = replace(here, log=replace(here.log, start=np.append(here.log.start, here.log.start[-1])))
    pieces = replace(here, log=replace(here.log, quantity=here.log.quantity + 1))

    def fingerprint_of(whole: shop.Shop, week: int = 50, seed: int = 1, **changes: Any) -> str:
        return learn.fingerprint(weeks.history(whole.log, week), whole, settings(**changes), seed)

    shops = (renamed, fewer, more, pieces, replace(here, age=None), replace(here, traits={}), other)
    prints = {
        fingerprint_of(here),
        fingerprint_of(here, seed=2),
        fingerprint_of(here, retrain_every=4),
        fingerprint_of(here, week=51),
        *map(fingerprint_of, shops),
    }
    assert len(prints) == 4 + len(shops)
    later = WORLD.rewritten(weeks.history(here.log, 50).cutoff, 1).shop  # purchases after the cutoff have no effect
    assert fingerprint_of(later) == fingerprint_of(here)


class Chained(Memory):
    """Stub a network that starts warm: its weights list the trainings that they come from."""

    def train(  # type: ignore[override]
        self, history: History, shop: shop.Shop, params: Any, seed: int, folder: Path, start: dict[str, Array]
    ) -> dict[str, Array]:
        weights = super().train(history, shop, params, seed, folder)
        return {**weights, "chain": np.append(start.get("chain", np.zeros(0, np.int64)), history.week)}


def warm(epochs: int) -> WarmTraining:
    return WarmTraining.model_validate({**settings().training.model_dump(), "warm_epochs": epochs})


def read_chains() -> list[list[int]]:
    files = sorted((paths.NETWORKS / "memory").glob("*.safetensors"))
    return [load_file(file)["chain"].tolist() for file in files]


def run_warm_stage(project: pytest.MonkeyPatch, memory: Memory) -> None:
    block = settings().model_copy(update={"training": warm(2)})
    project.setattr(source, "load_network", lambda name, params: (memory, block))
    learn.main()


def test_a_warm_training_starts_from_the_last_earlier_one(project: pytest.MonkeyPatch) -> None:
    run_warm_stage(project, Chained())
    assert read_chains() == [[50], [50, 53], [50, 53, 56], [50, 53, 56, 58]]


def test_a_killed_chain_resumes_to_the_same_weights(project: pytest.MonkeyPatch) -> None:
    killed, resumed = Chained(dies_at=56), Chained()
    with pytest.raises(KeyboardInterrupt):
        run_warm_stage(project, killed)
    run_warm_stage(project, resumed)
    assert killed.calls == [50, 53] and resumed.calls == [56, 58]
    assert read_chains() == [[50], [50, 53], [50, 53, 56], [50, 53, 56, 58]]


def test_no_warm_epochs_train_anew_each_time(project: pytest.MonkeyPatch) -> None:
    memory = Memory()  # its ``train`` takes no weights to start from
    block = settings().model_copy(update={"training": warm(0)})
    project.setattr(source, "load_network", lambda name, params: (memory, block))
    learn.main()
    assert memory.calls == [50, 53, 56, 58]


def test_a_fingerprint_includes_the_weights_that_a_training_starts_from() -> None:
    history = weeks.history(WORLD.shop.log, 53)
    starts = (None, {"a": np.ones(2)}, {"a": np.zeros(2)}, {"b": np.ones(2)})
    assert len({learn.fingerprint(history, WORLD.shop, settings(), 1, start) for start in starts}) == 4


class Silent(Memory):
    """Stub a network with too little training data before week 53."""

    Params = Network
    USER_COLUMNS = ("days",)

    def train(self, history: History, shop: shop.Shop, params: Any, seed: int, folder: Path) -> dict[str, Array]:
        return {} if history.week < 53 else super().train(history, shop, params, seed, folder)

    def fit(self, history: History, shop: shop.Shop, params: Any, weights: dict[str, Array]) -> dict[str, Array]:
        return weights

    def propose(self, history: History, shop: shop.Shop, state: dict[str, Array], users: Array, params: Any) -> Lists:
        return lists.gather(np.arange(len(users)), np.zeros(len(users), np.int64), np.ones(len(users)), len(users), 1)

    def score(self, *_: Any) -> Array:
        raise AssertionError("an untrained network is not asked for scores")

    def describe_users(self, *_: Any) -> dict[str, Array]:
        raise AssertionError("an untrained network is not asked about customers")


def test_a_network_without_a_training_proposes_nothing_and_scores_nan(
    project: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    network = Silent()
    run_stage(project, network)
    assert (
        "memory: too little training data before label week 50; it proposes nothing in this week"
        in capsys.readouterr().out
    )
    project.setattr(weeks, "customers", lambda log, plan, week, settings, seed: np.arange(3, dtype=np.uint32))
    project.setattr(parameters, "read", lambda: PARAMS.model_copy(update={"networks": {"memory": {}}}))
    propose.main()
    rows = {
        week: pl.read_parquet(paths.of_week(paths.SOURCES / "memory", "candidates", week)).height for week in (51, 53)
    }
    assert rows == {51: 0, 53: 3}
    state = proposals.load_state("memory", 51)
    loaded = {"memory": Loaded(network, settings(score=True), state)}
    assert loaded["memory"].untrained
    assert not Loaded(network, settings(score=True), proposals.load_state("memory", 53)).untrained
    history, users = weeks.history(WORLD.shop.log, 51), np.arange(3)
    sold = lists.gather(users, np.array([4, 1, 2]), np.ones(3), 3, 1)
    pairs, columns = pool.build(loaded, {"memory": sold}, history, WORLD.shop, users, PARAMS)
    assert len(pairs.items) == 3 and columns["memory__days"].is_nan().all()
    for what in ("score", "of_best", "place"):
        assert columns[f"memory__{what}"].dtype == pl.Float32 and columns[f"memory__{what}"].is_nan().all()
