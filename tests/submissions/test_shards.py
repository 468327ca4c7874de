"""A killed submission goes on behind its last shard; answers made from anything else are not taken up."""

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
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder with the files that an answer is made from."""
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


def sources_alone() -> Any:
    return PARAMS.model_copy(update={"networks": {}})


def counted(calls: list[int], number: int) -> Callable[[], Array]:
    def answer() -> Array:
        calls.append(number)
        return np.full((2, 12), number)

    return answer


def test_what_was_answered_before_a_kill_is_not_answered_again(here: Path) -> None:
    calls: list[int] = []
    for _ in range(2):  # a second process, as it were
        kept = Shards.of(7, sources_alone())
        lists = [kept.answered(number, counted(calls, number)) for number in range(3)]
        assert [part[0, 0] for part in lists] == [0, 1, 2]
    assert calls == [0, 1, 2]
    kept.forget()
    assert not FOLDER.exists()


def test_an_answer_that_fails_leaves_no_file(here: Path) -> None:
    def failing() -> Array:
        raise OSError("no room")

    kept = Shards.of(7, sources_alone())
    with pytest.raises(OSError, match="no room"):
        kept.answered(0, failing)
    assert not list(FOLDER.rglob("*.npy"))


@pytest.mark.parametrize(
    "changed", ["data/refit/model.txt", "data/prepared/log.parquet", "data/sources/ease/state_007.npz"]
)
def test_another_model_log_or_source_answers_anew(here: Path, changed: str) -> None:
    before = Shards.of(7, sources_alone()).folder
    assert Shards.of(7, sources_alone()).folder == before
    (here / changed).write_text("another")
    assert Shards.of(7, sources_alone()).folder != before


def test_other_settings_answer_anew(here: Path) -> None:
    before = Shards.of(7, sources_alone()).folder
    for update in ({"pool": PARAMS.pool.model_copy(update={"take": 7})}, {"seed": 99}):
        assert Shards.of(7, sources_alone().model_copy(update=update)).folder != before
