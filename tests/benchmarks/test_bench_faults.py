"""The faults benchmark on stages of three lines: what a kill that comes too late and an unsteady stage are called."""

import shutil
from pathlib import Path

import pytest
from csv_shop import ROOT

from benchmarks import faults, graph, scale
from benchmarks.graph import Step
from retail import paths
from retail.errors import InputError

STAGE = """
import os, time
time.sleep({seconds})
os.makedirs("data", exist_ok=True)
open("data/made.txt", "w").write({text})
"""


def stage_of(here: Path, text: str, seconds: float) -> Step:
    """A stage that takes so long and writes ``text``, run once in ``here``."""
    (here / "slow.py").write_text(STAGE.format(text=text, seconds=0))
    step = Step("slow", "slow", (), (Path("data/made.txt"),))
    assert faults.started(here, step).wait() == 0
    (here / "slow.py").write_text(STAGE.format(text=text, seconds=seconds))
    return step


def test_a_kill_in_the_midst(tmp_path: Path) -> None:
    found = faults.killed(tmp_path, stage_of(tmp_path, "'same'", 1), 0.5)
    assert found.good and found.ended == "-9"


def test_a_kill_that_comes_too_late_is_no_kill(tmp_path: Path) -> None:
    found = faults.killed(tmp_path, stage_of(tmp_path, "'same'", 0), 2.0)
    assert found.whole and found.same and not found.expected and not found.good


def test_a_stage_that_was_faster_than_known_is_killed_again(tmp_path: Path) -> None:
    found = list(faults.kills(tmp_path, stage_of(tmp_path, "'same'", 1), 20.0 / faults.KILLED[0] / 10))
    assert [one.good for one in found] == [True, True]


def test_a_stage_that_writes_otherwise_is_found_out(tmp_path: Path) -> None:
    found = faults.killed(tmp_path, stage_of(tmp_path, "str(time.time())", 0.5), 0.2)
    assert found.expected and found.whole and not found.same


def test_only_what_is_written_is_copied(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for name in ("data/log/x", "data/features/own/x", "data/features/taste/x", "data/tuned/best.json"):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text(name)
    faults.mirror(here, there, {Path("data/features/own"), Path("data/tuned/best.json")})
    linked = sorted(str(path.relative_to(there)) for path in there.rglob("*") if path.is_symlink())
    assert linked == ["data/features/taste", "data/log"]
    assert (there / "data/features/own/x").read_text() == "data/features/own/x"
    assert not (there / "data/features").is_symlink() and (there / "data/tuned/best.json").is_file()


@pytest.mark.parametrize("good", [True, False])
def test_what_failed_stands_out(good: bool) -> None:
    one = faults.Outcome("train", "SIGKILL after 3.0 s", "-9", True, True, good, 4.4)
    assert faults.cells([one], {"train": {"seconds": 7.2}}) == [
        ["train", "SIGKILL after 3.0 s", "-9", "yes", "yes", "yes" if good else "NO", "4 of 7"]
    ]


def test_faults_in_a_finished_project(tmp_path: Path) -> None:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    steps = graph.steps(scale.params_of(tmp_path))
    for step in steps:
        file = tmp_path / paths.COSTS / f"{step.name.replace('deep ', 'source ').replace(' ', '_')}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text('{"seconds": 3.0, "peak_mb": 50.0}')
    (tmp_path / paths.CALENDAR).parent.mkdir()
    (tmp_path / paths.CALENDAR).write_text('{"rows_read": 9}')
    here, known = faults.place(tmp_path / "nowhere", 1, tmp_path)
    assert here == tmp_path.resolve() and set(known) <= {step.name for step in steps}
    assert set(faults.LONG) <= set(known) and known["submit"] == {"seconds": 3.0, "peak_mb": 50.0, "disk_mb": 0.0}
    with pytest.raises(InputError, match="no shop has run here"):
        faults.place(tmp_path / "nowhere", 1, None)
