"""Stage ``network``: when networks are trained, which weights a week gets, and how a killed stage goes on."""

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from world import PARAMS, random_world

from retail import params as parameters
from retail import paths, shop, weeks
from retail.log import Array
from retail.weeks import History
from stage1_candidates import learn, propose, source
from stage1_candidates.refits import trainings

WORLD = random_world(seed=2)
PLAN = weeks.Plan(train=[50, 51, 53], stop=54, validation=[55, 56, 57], refit=[51, 53, 54, 55], submission=58)


def test_trainings_by_hand() -> None:
    assert trainings(PLAN, 0) == [50, 58]
    assert trainings(PLAN, 3) == [50, 53, 56, 58]
    assert trainings(PLAN, 8) == [50, 58]
    assert trainings(PLAN, 1) == list(range(50, 59))


class Memory(ModuleType):
    """A network that learns which week it was trained for; ``calls`` lists its trainings."""

    def __init__(self, dies_at: int = -1) -> None:
        super().__init__("memory")
        self.calls: list[int] = []
        self.dies_at = dies_at

    def learn(self, history: History, shop: shop.Shop, params: Any, seed: int, folder: Path) -> dict[str, Array]:
        if history.week == self.dies_at:
            raise KeyboardInterrupt
        self.calls.append(history.week)
        return {"week": np.array([history.week]), "seed": np.array([seed])}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A folder with nothing in it, a shop in memory, and PLAN for its weeks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["learn", "memory"])
    monkeypatch.setattr(parameters, "read", lambda: PARAMS)
    monkeypatch.setattr(shop, "read", lambda: WORLD.shop)
    monkeypatch.setattr(weeks, "plan", lambda log, settings: PLAN)
    monkeypatch.setattr(learn, "at_once", lambda trainings: 1)
    return monkeypatch


def settings(**changes: Any) -> source.Network:
    block = next(iter(PARAMS.networks.values()))
    fields = {name: block[name] for name in source.Network.model_fields}
    return source.Network.model_validate({**fields, "use": True, "refit": 3, **changes})


def ran(project: pytest.MonkeyPatch, memory: Memory, **changes: Any) -> None:
    project.setattr(source, "load", lambda name, params: (memory, settings(**changes)))
    learn.main()


def test_each_training_leaves_its_weights_and_settings(project: pytest.MonkeyPatch) -> None:
    memory = Memory()
    ran(project, memory)
    assert memory.calls == [50, 53, 56, 58]
    folder = paths.NETWORKS / "memory"
    assert len(list(folder.iterdir())) == 8
    for week in memory.calls:
        stored = load_file(paths.of_week(folder, "weights", week, "safetensors"))
        assert stored["week"].tolist() == [week] and stored["seed"].tolist() == [PARAMS.seed]
        about = json.loads(paths.of_week(folder, "weights", week, "json").read_text())
        assert about["week"] == week and about["settings"] == json.loads(settings().model_dump_json())
    assert not (paths.CHECKPOINTS / "memory").exists()
    used = {week: int(propose.load_weights("memory", PLAN, week, 3)["week"][0]) for week in PLAN.all}
    assert used == {50: 50, 51: 50, 53: 53, 54: 53, 55: 53, 56: 56, 57: 56, 58: 58}


def test_a_network_that_is_off_is_not_trained(project: pytest.MonkeyPatch) -> None:
    memory = Memory()
    ran(project, memory, use=False)
    assert memory.calls == [] and [file.name for file in (paths.NETWORKS / "memory").iterdir()] == ["off"]


def test_a_killed_stage_keeps_the_weights_it_has(project: pytest.MonkeyPatch) -> None:
    killed, resumed = Memory(dies_at=56), Memory()
    with pytest.raises(KeyboardInterrupt):
        ran(project, killed)
    assert killed.calls == [50, 53] and not (paths.NETWORKS / "memory").exists()
    ran(project, resumed)
    assert resumed.calls == [56, 58]
    assert len(list((paths.NETWORKS / "memory").glob("*.safetensors"))) == 4


def test_other_settings_or_another_past_begin_anew(project: pytest.MonkeyPatch) -> None:
    history = weeks.history(WORLD.shop.log, 50)
    prints = {
        learn.fingerprint(history, settings(), 1),
        learn.fingerprint(history, settings(), 2),
        learn.fingerprint(history, settings(refit=4), 1),
        learn.fingerprint(weeks.history(WORLD.shop.log, 51), settings(), 1),
        learn.fingerprint(weeks.history(random_world(seed=5).shop.log, 50), settings(), 1),
    }
    assert len(prints) == 5
    later = WORLD.rewritten(history.cutoff, 1).shop  # what comes after the cutoff is nothing to it
    assert learn.fingerprint(weeks.history(later.log, 50), settings(), 1) in prints
