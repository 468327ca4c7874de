"""Test parallel commands: the exit code of the first failure, shares of cores, no children after a killed parent."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from retail import stage
from retail.cores import cores
from retail.errors import InputError
from stage1_candidates.networks.base import side_by_side

CHILD = """
import os, sys, time
from collections.abc import Callable
from pathlib import Path
from retail.cores import cores
from stage1_candidates.networks.base import side_by_side
side_by_side.end_with_parent()
what, file = sys.argv[1:]
Path(file).write_text(f"{os.getpid()} {os.environ['OMP_NUM_THREADS']} {os.environ['TQDM_POSITION']}")
if what == "sleep":
    time.sleep(60)
sys.exit(int(what))
"""
LIMIT = 30.0  # seconds: longest wait of a test


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a module ``child`` on the import path of the commands."""
    (tmp_path / "child.py").write_text(CHILD)
    root = str(Path(__file__).parents[3])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), root]))
    monkeypatch.setattr(side_by_side, "cores", lambda: 4)
    return tmp_path


def test_each_command_runs_with_its_share_of_the_cores(child: Path) -> None:
    side_by_side.run("child", [["0", str(child / str(k))] for k in range(3)], 2)
    written = [(child / str(k)).read_text().split() for k in range(3)]
    assert [threads for _, threads, _ in written] == ["2", "2", "2"]
    assert {line for *_, line in written} == {"0", "1"}


def test_the_exit_code_of_the_first_failure_is_raised(child: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        side_by_side.run("child", [["0", str(child / "a")], ["2", str(child / "b")], ["0", str(child / "c")]], 1)
    assert ended.value.code == 2


def test_cores_are_limited_by_omp_num_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    available = cores()
    assert available >= 1
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert cores() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", str(available + 1))
    assert cores() == available


def test_a_killed_parent_leaves_no_child(child: Path) -> None:
    file = child / "asleep"
    run = f"side_by_side.run('child', [['sleep', {str(file)!r}]], 1)"
    program = f"from stage1_candidates.networks.base import side_by_side; {run}"
    parent = subprocess.Popen([sys.executable, "-c", program])
    assert wait_until(lambda: file.exists() and bool(file.read_text()))
    pid = int(file.read_text().split()[0])
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    assert wait_until(lambda: not runs(pid))


def test_the_peak_includes_the_memory_of_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "INTERVAL", 0.02)
    with stage.ProcessTree() as tree:
        alone = tree.peak()
        program = f"import time; block = b'x' * {alone}; print(len(block), flush=True); time.sleep(60)"
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        assert process.stdout and process.stdout.readline()
        grown = wait_until(lambda: tree.peak() > 1.3 * alone)
        process.kill()
        process.wait()
    assert grown


def test_no_stage_leaves_a_thread_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failed() -> None:
        raise InputError("no")

    monkeypatch.chdir(tmp_path)
    within: list[int] = []
    before = threading.active_count()
    stage.run(lambda: within.append(threading.active_count()), "done")
    with pytest.raises(SystemExit):
        stage.run(failed, "failed")
    assert within == [before + 1]  # the thread that measures memory
    assert threading.active_count() == before


def wait_until(condition: Callable[[], bool]) -> bool:
    """Wait until ``condition`` is true; return False at the time limit."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def runs(pid: int) -> bool:
    """Tell whether the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
