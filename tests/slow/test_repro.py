"""Test `dvc repro` on a tiny shop: which stages run, which do not run again, and what stays the same after a kill."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from csv_shop import ROOT
from ruamel.yaml import YAML

from submissions import check

CUSTOMERS = 200
KILLED = (  # every stage, with a single network
    "synthesize", "prepare", "train_network@two_tower", "propose", "pool", "sample", "build_features", "table", "tune",
    "train", "train_final", "evaluate", "submit", "explain", "summary", "report",
)  # fmt: skip
NETWORKS = ("case", "two_tower")  # switched on: a network of the past alone, and a network with nearest neighbours
FEW = {
    "sources": ("item_cf", "popular", "repurchase"),
    "networks": NETWORKS,
    "features": ("item_sales", "match", "own"),
}
MADE = (  # outside of data/
    "dvc.lock", "outputs/submission.csv", "outputs/metrics.json", "outputs/cost.json", "outputs/map_by_week.csv",
    "outputs/recall.csv", "outputs/explanations.parquet", "outputs/report.html",
)  # fmt: skip
AFTER_POOL = (  # stages that run again when the pool changes
    "pool", "sample", "build_features", "table", "tune", "train", "train_final", "evaluate", "submit", "explain",
    "summary", "report",
)  # fmt: skip
RUNNING = re.compile(r"Running stage '(.+)':")


@dataclass
class Project:
    """A copy of the repository with a tiny shop, run by the ``dvc`` of this environment."""

    root: Path
    walls: dict[str, float] = field(default_factory=dict)  # seconds that each stage took when it last ran to its end
    bars: bool = True  # whether the stages show progress bars

    def start(self) -> subprocess.Popen[str]:
        """Start `dvc repro` in a process group of its own, as `make repro` does.

        An earlier kill may have cut off a file that DVC was writing.
        """
        check.put_aside(self.root)
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "DVC_SITE_CACHE_DIR": str(self.root / ".dvc" / "tmp" / "site"),
            "PYTHONUNBUFFERED": "1",
        }
        environment |= {} if self.bars else {"TQDM_DISABLE": "1"}
        environment.pop("OMP_NUM_THREADS", None)  # with all cores trainings run side by side
        return subprocess.Popen(
            [sys.executable, "-m", "dvc", "repro"],
            cwd=self.root,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def repro(self) -> list[str]:
        """Run `dvc repro` and return the names of the stages that ran, in order; fail if `dvc repro` fails."""
        process, ran, output = self.start(), [], []
        assert process.stdout
        for line in process.stdout:
            output.append(line)
            if match := RUNNING.match(line):
                ran.append(match[1])
        assert process.wait() == 0, "".join(output[-40:])
        return ran

    def timed(self) -> list[str]:
        """Run as ``repro`` does, and record how long each stage took."""
        process, began = self.start(), {}
        assert process.stdout
        output = []
        for line in process.stdout:
            output.append(line)
            if match := RUNNING.match(line):
                began[match[1]] = time.monotonic()
        assert process.wait() == 0, "".join(output[-40:])
        names, ends = list(began), [*list(began.values())[1:], time.monotonic()]
        self.walls |= {name: end - began[name] for name, end in zip(names, ends, strict=True)}
        return names

    def repro_killed_in(self, stage: str) -> None:
        """Run `dvc repro` and kill it with all its children in the middle of ``stage``.

        If the machine is faster now and the stage has ended already, kill it at the start of the next stage.
        """
        process = self.start()
        assert process.stdout
        for line in process.stdout:
            if (match := RUNNING.match(line)) and match[1] == stage:
                break
        else:
            pytest.fail(f"{stage} was to run, but dvc ended with {process.wait()}")
        timer = threading.Timer(self.walls[stage] / 2, os.killpg, (process.pid, signal.SIGKILL))
        timer.start()
        for line in process.stdout:  # it ends with the kill
            if RUNNING.match(line):
                os.killpg(process.pid, signal.SIGKILL)
        timer.cancel()
        process.stdout.close()
        process.wait()

    @contextmanager
    def params(self) -> Iterator[Any]:
        """Yield params.yaml for changes, and write it afterwards."""
        yaml, path = YAML(), self.root / "params.yaml"
        raw = yaml.load(path.read_text(encoding="utf-8"))
        yield raw
        with path.open("w", encoding="utf-8") as file:
            yaml.dump(raw, file)

    def set(self, **blocks: dict[str, Any]) -> None:
        """Update blocks of params.yaml, block by block: ``set(pool={"take": 20})``."""
        with self.params() as raw:
            for name, values in blocks.items():
                _update(raw[name], values)

    def keep(self, block: str, names: Iterable[str]) -> None:
        """Drop every other entry of a block of params.yaml, and thereby its stages."""
        with self.params() as raw:
            for name in set(raw[block]) - set(names):
                del raw[block][name]

    def forget(self) -> None:
        """Remove tables, cache and lock file, as after cloning."""
        for name in ("data", ".dvc/cache", ".dvc/tmp"):
            shutil.rmtree(self.root / name, ignore_errors=True)
        for name in MADE:
            (self.root / name).unlink(missing_ok=True)

    @property
    def submission(self) -> bytes:
        return (self.root / "outputs" / "submission.csv").read_bytes()


def _update(block: Any, values: dict[str, Any]) -> None:
    for key, value in values.items():
        if isinstance(value, dict):
            _update(block[key], value)
        else:
            block[key] = value


def files() -> list[str]:
    """List every file that a commit of the working tree would hold."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=True,
    )
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def copy(root: Path) -> None:
    """Copy the working tree; both trees share their folders of compiled kernels."""
    names = files()
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, root / name)  # with its time, by which numba knows its compiled kernels
    for folder in {Path(name).parent for name in names if name.endswith(".py")}:
        (ROOT / folder / "__pycache__").mkdir(exist_ok=True)
        (root / folder / "__pycache__").symlink_to(ROOT / folder / "__pycache__")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return the repository's copy after its first `dvc repro`."""
    root = tmp_path_factory.mktemp("repro")
    copy(root)
    (root / ".dvc" / "config.local").write_text("[core]\n    no_scm = true\n")
    made = Project(root)
    made.set(
        data={"folder": "data/demo"},
        demo={"customers": CUSTOMERS, "articles": 150, "weeks": 20},
        weeks={"validation": 2, "train": {"most": 3, "least": 2}},
        evaluate={"bootstrap": 50},
        ranker={"rounds": 12, "patience": 4},
        tuning={"trials": 2, "weeks": 1, "customers": 100},
        submit={"shard": 64},
    )
    raw = YAML(typ="safe", pure=True).load((root / "params.yaml").read_text(encoding="utf-8"))
    for name in raw["networks"]:
        made.set(networks={name: {"use": name in NETWORKS, "source": True, "score": True, "training": {"epochs": 2}}})
    for name in raw["ranker"]["models"]:
        made.set(ranker={"models": {name: {"settings": {"min_data_in_leaf": 20}}}})
    made.forget()
    ran = made.timed()
    assert set(KILLED) <= set(ran)
    assert {f"train_network@{name}" for name in raw["networks"]} <= set(ran)
    return made


def test_every_customer_is_answered_once(project: Project) -> None:
    sample = pl.read_csv(project.root / "data/demo/sample_submission.csv")
    rows = pl.read_csv(project.root / "outputs/submission.csv")
    assert rows.columns == ["customer_id", "prediction"]
    assert rows["customer_id"].to_list() == sample["customer_id"].to_list()
    assert rows.height == CUSTOMERS
    lists = rows["prediction"].str.split(" ")
    assert lists.list.n_unique().to_list() == [12] * CUSTOMERS
    assert lists.explode().str.contains(r"^0\d{9}$").all()


@pytest.fixture(scope="module")
def short(project: Project) -> Project:
    """Return the project after another `dvc repro` with few sources and groups, which DVC all treats alike.

    A stage costs DVC seconds, more than the tiny shop costs the stage: after each it writes its whole lock file,
    in which stages that are gone would stay.
    """
    assert project.repro() == []
    for block, names in FEW.items():
        project.keep(block, names)
    (project.root / "dvc.lock").unlink()
    assert sorted(project.timed()) == sorted(["propose", *AFTER_POOL])
    return project


def test_what_changes_runs_again_and_nothing_else(short: Project) -> None:
    project = short
    assert project.repro() == []
    project.set(evaluate={"bootstrap": 60})
    assert sorted(project.repro()) == sorted(["evaluate", "summary", "report"])
    # no training depends on how its weights are used
    project.set(sources={"item_cf": {"use": False}}, networks={"case": {"score": False}})
    ran = project.repro()
    assert sorted(ran) == sorted(["propose", *AFTER_POOL])
    pool = pl.read_parquet(next((project.root / "data/pool").glob("*.parquet")))
    assert not [name for name in pool.columns if name.startswith("item_cf")]
    assert [name for name in pool.columns if name.startswith("case")] == ["case__rank"]
    project.set(networks={"case": {"score": True}}, sources={"item_cf": {"use": True}}, evaluate={"bootstrap": 50})
    assert project.repro() == []  # all comes back from DVC's cache


def test_killed_in_every_stage_and_resumed_without_bars_from_scratch_gives_the_same_bytes(short: Project) -> None:
    """Every stage runs with TQDM_DISABLE, which people set in CI, and ends."""
    project, first = replace(short, bars=False), short.submission
    project.forget()
    for stage in KILLED:
        project.repro_killed_in(stage)
    assert project.repro() in (["report"], [])  # a stage that now takes half as long has ended before its kill
    assert project.submission == first
    assert not [path for path in project.root.glob("data/**/.*.part") if "costs" not in path.parts]
    assert project.repro() == []
