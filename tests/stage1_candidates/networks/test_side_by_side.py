"""Commands side by side: the first failure's exit code, shares of the cores, nothing left behind by a killed parent."""

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
from retail.errors import InputError
from stage1_candidates.networks.base import side_by_side

CHILD = """
import os, sys, time
from collections.abc import Callable
from pathlib import Path
from stage1_candidates.networks.base import side_by_side
side_by_side.end_with_parent()
what, file = sys.argv[1:]
Path(file).write_text(f"{os.getpid()} {os.environ['OMP_NUM_THREADS']} {os.environ['TQDM_POSITION']}")
if what == "sleep":
    time.sleep(60)
sys.exit(int(what))
"""
LIMIT = 30.0  # seconds after which a test gives up waiting


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module ``child`` that the commands find."""
    (tmp_path / "child.py").write_text(CHILD)
    root = str(Path(__file__).parents[3])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), root]))
    monkeypatch.setattr(side_by_side, "cores", lambda: 4)
    return tmp_path


def test_each_command_runs_with_its_share_of_the_cores(child: Path) -> None:
    side_by_side.run("child", [["0", str(child / str(k))] for k in range(3)], 2)
    said = [(child / str(k)).read_text().split() for k in range(3)]
    assert [threads for _, threads, _ in said] == ["2", "2", "2"]
    assert {line for *_, line in said} == {"0", "1"}


def test_the_exit_code_of_what_failed_is_the_end(child: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        side_by_side.run("child", [["0", str(child / "a")], ["2", str(child / "b")], ["0", str(child / "c")]], 1)
    assert ended.value.code == 2


def test_cores_are_those_that_were_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    given = side_by_side.cores()
    assert given >= 1
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert side_by_side.cores() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", str(given + 1))
    assert side_by_side.cores() == given


def test_a_killed_parent_leaves_no_child(child: Path) -> None:
    file = child / "asleep"
    words = f"from stage1_candidates import side_by_side; side_by_side.run('child', [['sleep', {str(file)!r}]], 1)"
    parent = subprocess.Popen([sys.executable, "-c", words])
    assert waited(lambda: file.exists() and bool(file.read_text()))
    pid = int(file.read_text().split()[0])
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    assert waited(lambda: not runs(pid))


def test_memory_of_children_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "LOOK", 0.02)
    with stage.ProcessTree() as family:
        alone = family.peak()
        program = f"import time; block = b'x' * {alone}; print(len(block), flush=True); time.sleep(60)"
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        assert process.stdout and process.stdout.readline()
        grown = waited(lambda: family.peak() > 1.3 * alone)
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
    assert within == [before + 1]  # it was there to look
    assert threading.active_count() == before


def waited(what: Callable[[], bool]) -> bool:
    """Whether ``what`` came true before the limit."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.05)
    return False


def runs(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
