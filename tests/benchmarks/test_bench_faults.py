"""Test the faults benchmark on tiny stages: kills in time and too late, and a stage whose output varies."""

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


def make_stage(here: Path, text: str, seconds: float) -> Step:
    """Make a stage that takes ``seconds`` and writes ``text`` (Python code); run it once in ``here``."""
    (here / "slow.py").write_text(STAGE.format(text=text, seconds=0))
    step = Step("slow", "slow", (), (Path("data/made.txt"),))
    assert faults.start_step(here, step).wait() == 0
    (here / "slow.py").write_text(STAGE.format(text=text, seconds=seconds))
    return step


def test_a_kill_while_the_stage_runs(tmp_path: Path) -> None:
    outcome = faults.kill_step(tmp_path, make_stage(tmp_path, "'same'", 1), 0.5)
    assert outcome.good and outcome.ended == "-9"


def test_a_kill_after_the_end_is_not_as_expected(tmp_path: Path) -> None:
    outcome = faults.kill_step(tmp_path, make_stage(tmp_path, "'same'", 0), 2.0)
    assert outcome.whole and outcome.same and not outcome.expected and not outcome.good


def test_a_stage_that_ended_before_the_kill_is_killed_again(tmp_path: Path) -> None:
    outcomes = list(faults.kill_repeatedly(tmp_path, make_stage(tmp_path, "'same'", 1), 20.0 / faults.KILLED[0] / 10))
    assert [outcome.good for outcome in outcomes] == [True, True]


def test_a_stage_whose_output_varies_is_detected(tmp_path: Path) -> None:
    outcome = faults.kill_step(tmp_path, make_stage(tmp_path, "str(time.time())", 0.5), 0.2)
    assert outcome.expected and outcome.whole and not outcome.same


def test_only_what_a_stage_writes_is_copied(tmp_path: Path) -> None:
    here, target = tmp_path / "here", tmp_path / "there"
    for name in ("data/log/x", "data/features/own/x", "data/features/taste/x", "data/tuned/best.json"):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text(name)
    faults.mirror(here, target, {Path("data/features/own"), Path("data/tuned/best.json")})
    linked = sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_symlink())
    assert linked == ["data/features/taste", "data/log"]
    assert (target / "data/features/own/x").read_text() == "data/features/own/x"
    assert not (target / "data/features").is_symlink() and (target / "data/tuned/best.json").is_file()


@pytest.mark.parametrize("good", [True, False])
def test_a_failure_is_in_capitals(good: bool) -> None:
    outcome = faults.Outcome("train", "SIGKILL after 3.0 s", "-9", True, True, good, 4.4)
    assert faults.format_cells([outcome], {"train": {"seconds": 7.2}}) == [
        ["train", "SIGKILL after 3.0 s", "-9", "yes", "yes", "yes" if good else "NO", "4 of 7"]
    ]


def test_faults_in_a_finished_project(tmp_path: Path) -> None:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    steps = graph.read_steps(scale.read_params(tmp_path))
    for step in steps:
        file = tmp_path / paths.COSTS / f"{step.name.replace(' ', '_')}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text('{"seconds": 3.0, "peak_mb": 50.0}')
    (tmp_path / paths.CALENDAR).parent.mkdir()
    (tmp_path / paths.CALENDAR).write_text('{"rows_read": 9}')
    here, costs = faults.find_run(tmp_path / "nowhere", 1, tmp_path)
    assert here == tmp_path.resolve() and set(costs) <= {step.name for step in steps}
    assert set(faults.LONG) <= set(costs) and costs["submit"] == {"seconds": 3.0, "peak_mb": 50.0, "disk_mb": 0.0}
    with pytest.raises(InputError, match="no shop has run here"):
        faults.find_run(tmp_path / "nowhere", 1, None)
