"""Test that a killed submission resumes after its last shard, and that other inputs start from scratch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from world import PARAMS

from retail import paths
from retail.log import Array
from submissions.answering.shards import FOLDER, Shards


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project folder with the files that the lists depend on."""
    monkeypatch.chdir(tmp_path)
    paths.PREPARED.mkdir(parents=True)
    paths.LOG.write_text("a log")
    paths.FINAL_MODEL.mkdir()
    (paths.FINAL_MODEL / "model.txt").write_text("trees")
    for name in PARAMS.sources:
        state = paths.of_week(paths.SOURCES / name, "state", 7, "npz")
        state.parent.mkdir(parents=True)
        state.write_text(name)
    return tmp_path


def params_without_networks() -> Any:
    return PARAMS.model_copy(update={"networks": {}})


def record_call(calls: list[int], number: int) -> Callable[[], Array]:
    def answer() -> Array:
        calls.append(number)
        return np.full((2, 12), number)

    return answer


def test_a_resumed_submission_keeps_its_finished_shards(project: Path) -> None:
    calls: list[int] = []
    for _ in range(2):  # the second pass stands for a second process
        shards = Shards.open(7, params_without_networks())
        lists = [shards.load_or_answer(number, record_call(calls, number)) for number in range(3)]
        assert [part[0, 0] for part in lists] == [0, 1, 2]
    assert calls == [0, 1, 2]
    shards.remove_all()
    assert not FOLDER.exists()


def test_a_failed_shard_leaves_no_file(project: Path) -> None:
    def fail() -> Array:
        raise OSError("disk full")

    shards = Shards.open(7, params_without_networks())
    with pytest.raises(OSError, match="disk full"):
        shards.load_or_answer(0, fail)
    assert not [file for file in FOLDER.rglob("*") if file.is_file()]


@pytest.mark.parametrize(
    "changed", ["data/final_model/model.txt", "data/prepared/log.parquet", "data/sources/ease/state_007.npz"]
)
def test_another_model_log_or_source_state_starts_from_scratch(project: Path, changed: str) -> None:
    before = Shards.open(7, params_without_networks()).folder
    assert Shards.open(7, params_without_networks()).folder == before
    (project / changed).write_text("another")
    assert Shards.open(7, params_without_networks()).folder != before


def test_other_settings_start_from_scratch(project: Path) -> None:
    before = Shards.open(7, params_without_networks()).folder
    for update in ({"pool": PARAMS.pool.model_copy(update={"take": 7})}, {"seed": 99}):
        assert Shards.open(7, params_without_networks().model_copy(update=update)).folder != before
