"""Test the comparison of two commits' speed on tiny fakes of clones, and what `make repro` compiles. No graph runs."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from csv_shop import ROOT
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import clone as clone_module
from benchmarks import record, result_tables, speed
from benchmarks.clone import Clone, git, open_clone, reset, time_command
from retail.errors import InputError

# Each program notes its call in the file `calls` beside the clones and writes the costs of the stages that it ran.
DVC = """#!/bin/sh
echo "$(basename "$PWD") dvc $*" >> ../calls
mkdir -p data/costs
if ! cmp -s params.yaml data/state; then
  cp params.yaml data/state; echo changed >> dvc.lock; echo '{"seconds": 1, "peak_mb": 70}' > data/costs/table.json
fi
"""
PYTHON = """#!/bin/sh
echo "$(basename "$PWD") $*" >> ../calls
costs=data/bench/scale/1/data/costs; mkdir -p $costs
case "$*" in *benchmarks.scale*) echo '{"seconds": 1, "peak_mb": 900}' > $costs/train.json;; esac
"""
MAKEFILE = """repro: .venv/ready
	@echo "$(notdir $(CURDIR)) make repro $(notdir $(DATA))" >> ../calls
	@sleep 0.01; mkdir -p data/costs; cp params.yaml data/state; echo run >> dvc.lock; echo run > metrics.json
	@echo '{"seconds": 9, "peak_mb": 500}' > data/costs/train.json
	@echo '{"seconds": 1, "peak_mb": 60}' > data/costs/pool.json
.venv/ready: pyproject.toml
	@false
"""
FILES = {
    "Makefile": MAKEFILE,
    ".gitignore": ".venv/\ndata/\n__pycache__/\n",
    "code.py": "",
    "pyproject.toml": "",
    "params.yaml": "data:\n  folder: data/demo  # CSV files\nfeatures:\n  match: {use: true, window: 91}\n",
    "dvc.lock": "",
    "metrics.json": "",
    "dvc.yaml": (
        "stages:\n  synthesize: {cmd: python -m shops.synthesize}\n"
        "  summary: {cmd: x, outs: [data/x], metrics: [{metrics.json: {cache: false}}]}\n"
    ),
}


def make_clone(folder: Path, note: str) -> Path:
    """Make a fake clone with a finished environment; ``note`` makes its commit differ from that of another."""
    bin_folder = folder / ".venv" / "bin"
    bin_folder.mkdir(parents=True)
    for name, text in {**FILES, "code.py": note}.items():
        (folder / name).write_text(text)
    for name, text in {"dvc": DVC, "python": PYTHON}.items():
        (bin_folder / name).write_text(text)
        (bin_folder / name).chmod(0o755)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "-c", "user.name=t", "-c", "user.email=t", "commit", "-qm", note)
    (folder / ".venv" / "ready").touch()
    return folder


@pytest.fixture
def clones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Make two fake clones, a folder with a shop, and a working folder."""
    monkeypatch.setattr(record, "name_device", lambda: "a machine, 2 threads")
    for row in speed.SHOPS:
        (tmp_path / "shops" / row).mkdir(parents=True)
        for name in ("articles.csv", "customers.csv", "transactions_train.csv"):
            (tmp_path / "shops" / row / name).write_text(row)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return make_clone(tmp_path / "old", "x = 1"), make_clone(tmp_path / "new", "x = 2")


def run_main(clones: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> dict[str, Any]:
    words = ["speed", *map(str, clones), "--data", "../shops", "--out", "results", *arguments]
    monkeypatch.setattr(sys, "argv", words)
    speed.main()
    figures: dict[str, Any] = json.loads(Path("results/speed.json").read_text())
    return figures


def read_calls() -> list[str]:
    calls = Path("../calls")
    return calls.read_text().split("\n")[:-1] if calls.exists() else []


def test_rows_run_in_both_clones_in_turn_and_are_not_measured_twice(
    clones: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ("--rows", "competition", "online_retail", "nothing", "feature", "demo", "--repeats", "2")
    figures = run_main(clones, monkeypatch, *rows)

    def expect(names: tuple[str, str]) -> list[str]:
        works = (["make repro "], ["dvc repro summary", "dvc repro"], ["dvc repro"], ["make repro online_retail"])
        return [f"{name} {call}" for work in works for name in names for call in work]

    scale = [
        f"{name} -m {call}"
        for name in ("old", "new")
        for call in (
            "shops.synthesize --preset hm --scale 1 --out data/bench/scale/shops/1",
            "benchmarks.scale --scales 1 --out data/bench/scale_results",
        )
    ]
    calls = read_calls()
    assert calls == [*expect(("old", "new")), *scale, *expect(("new", "old"))]
    assert figures["commits"] == {
        name: git(folder, "rev-parse", "HEAD").strip() for name, folder in zip(speed.NAMES, clones, strict=True)
    }
    peaks = {row: (summary["base"]["peak_mb"], summary["new"]["stages"]) for row, summary in figures["rows"].items()}
    assert peaks == {
        "demo": (500, 2), "feature": (70, 1), "nothing": (None, 0), "online_retail": (500, 2), "competition": (900, 1)
    }  # fmt: skip
    assert [summary["repeats"] for summary in figures["rows"].values()] == [2, 2, 2, 2, 1]
    assert list(figures["made_from"]["data"]) == ["online_retail"] and figures["made_from"]["device"] != ""
    assert "Online Retail from nothing" in capsys.readouterr().out
    again = run_main(clones, monkeypatch, *rows)
    assert read_calls() == calls and again["rows"] == figures["rows"]
    assert run_main(clones, monkeypatch, "--rows", "demo")["rows"].keys() == figures["rows"].keys()
    assert read_calls()[len(calls) :] == ["old make repro ", "new make repro "]  # the third repeat
    Path("../shops/online_retail/articles.csv").write_text("another shop")
    run_main(clones, monkeypatch, "--rows", "online_retail", "--repeats", "1")
    assert read_calls()[-2:] == ["old make repro online_retail", "new make repro online_retail"]


def test_a_killed_benchmark_resumes(clones: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    measure, rows = speed.measure, ("--rows", "demo", "feature", "nothing", "--repeats", "1")

    def measure_and_die(command: list[str], clone: Clone, log: Path) -> dict[str, Any]:
        if clone.name == "new" and "summary" in command:  # its block is changed and its outputs are unknown
            raise KeyboardInterrupt
        return measure(command, clone, log)

    monkeypatch.setattr(speed, "measure", measure_and_die)
    with pytest.raises(KeyboardInterrupt):
        run_main(clones, monkeypatch, *rows)
    assert "window: 98" in (clones[1] / "params.yaml").read_text()
    monkeypatch.setattr(speed, "measure", measure)
    before = len(read_calls())
    figures = run_main(clones, monkeypatch, *rows)
    assert read_calls()[before:] == [
        "new make repro ", "new dvc repro summary", "new dvc repro", "old dvc repro", "new dvc repro",
    ]  # fmt: skip
    assert list(figures["rows"]) == ["demo", "feature", "nothing"]
    assert git(clones[1], "diff", "--name-only").split() == ["dvc.lock", "metrics.json"]


def test_a_stage_that_runs_when_nothing_is_to_do_is_an_error(
    clones: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with (clones[0] / ".venv" / "bin" / "dvc").open("a") as script:
        script.write("echo '{\"peak_mb\": 1}' > data/costs/pool.json\n")
    with pytest.raises(InputError, match="1 stages ran although nothing had changed"):
        run_main(clones, monkeypatch, "--rows", "nothing")


def change(file: str, text: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / file).write_text(text)

    return write


PARAMS = FILES["params.yaml"]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (change("code.py", "x = 3"), "code.py has changes"),
        (change("mine.txt", "mine"), "mine.txt has changes"),
        (change("params.yaml", PARAMS.replace("91", "90")), "params.yaml has changes"),
        (change("params.yaml", "data: {folder"), "params.yaml has changes"),
        (lambda folder: (folder / "params.yaml").unlink(), "params.yaml has changes"),
        (lambda folder: (folder / ".venv" / "ready").unlink(), ".venv/ready is missing"),
        (lambda folder: shutil.rmtree(folder / ".git"), "not a clone"),
        (shutil.rmtree, "no such folder"),
    ],
)
def test_a_clone_that_is_not_clean_is_refused(
    clones: tuple[Path, Path], spoil: Callable[[Path], None], words: str
) -> None:
    spoil(clones[0])
    with pytest.raises(InputError, match=words) as error:
        open_clone("base", clones[0])
    assert "\n" not in str(error.value)


def test_the_command_ends_with_code_2_and_one_line(clones: tuple[Path, Path]) -> None:
    (clones[0] / "code.py").write_text("x = 3")
    words = [sys.executable, "-m", "benchmarks.speed", *map(str, clones)]
    done = subprocess.run(
        words, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False
    )
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "code.py has changes" in done.stderr


def test_what_runs_leave_behind_is_accepted(clones: tuple[Path, Path]) -> None:
    folder = clones[0]
    (folder / "params.yaml").write_text(PARAMS.replace("data/demo", "/shops/online_retail").replace("91", "98"))
    (folder / "dvc.lock").write_text("new")
    (folder / "metrics.json").write_text("new")
    shutil.move(folder / ".venv", folder.with_name("environment"))
    (folder / ".venv").symlink_to(folder.with_name("environment"))  # .gitignore names a folder, so git lists the link
    assert open_clone("base", folder).commit == git(folder, "rev-parse", "HEAD").strip()


def test_a_clone_in_which_a_run_goes_on_is_refused(clones: tuple[Path, Path]) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], cwd=clones[0], stdin=subprocess.PIPE) as run:
        with pytest.raises(InputError, match=f"process {run.pid}"):
            open_clone("base", clones[0])
        run.kill()


def test_folders_in_a_clone_are_refused(clones: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match="the same folder"):
        speed.check_folders([clones[0], clones[0] / "data" / ".."], [])
    with pytest.raises(InputError, match="which is cleaned"):
        speed.check_folders(clones, [Path(), clones[1] / "data"])
    speed.check_folders(clones, [Path()])


def test_a_reset_leaves_the_commit_and_the_environment(clones: tuple[Path, Path]) -> None:
    clone = open_clone("base", clones[0])
    kept = [".venv/__pycache__/a.nbi", "twelve.egg-info/x"]
    for name in [*kept, "__pycache__/a.nbi", "data/pool/x", "outputs/y"]:
        (clone.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (clone.folder / name).write_text("")
    (clone.folder / "metrics.json").write_text("of a run")
    reset(clone)
    left = {file.relative_to(clone.folder).as_posix() for file in clone.folder.rglob("*") if file.is_file()}
    environment = {".venv/ready", ".venv/bin/dvc", ".venv/bin/python"}
    assert {name for name in left if not name.startswith(".git/")} == {*FILES, *environment, *kept}
    assert (clone.folder / "metrics.json").read_text() == ""


def test_variables_of_another_make_do_not_reach_a_run(
    clones: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MAKEFLAGS", "MAKELEVEL", "DATA", "PYTHONPATH", "NUMBA_CACHE_DIR", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    clone = open_clone("base", clones[0])
    environment = clone_module.make_environment(clone)
    assert not {"MAKEFLAGS", "MAKELEVEL", "DATA", "PYTHONPATH", "NUMBA_CACHE_DIR"} & set(environment)
    assert environment["OMP_NUM_THREADS"] == "1"
    assert environment["PATH"].split(os.pathsep)[0] == str(clone.folder / ".venv" / "bin")


def test_cpu_seconds_cover_the_process_tree(clones: tuple[Path, Path], tmp_path: Path) -> None:
    code = "import time; sum(range(10**6)); print(time.process_time())"
    log = tmp_path / "log"
    _, cpu = time_command(["sh", "-c", f"{sys.executable} -c '{code}'; true"], open_clone("base", clones[0]), log)
    assert cpu >= float(log.read_text())


def test_a_failure_names_the_log_and_an_interrupt_ends_the_run(
    clones: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone, log = open_clone("base", clones[0]), tmp_path / "log"
    with pytest.raises(InputError, match=r"`false` ended with 1; .*log says why"):
        time_command(["false"], clone, log)

    def interrupt(pid: int, options: int) -> None:
        while not log.read_text().strip():
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "wait4", interrupt)
    with pytest.raises(KeyboardInterrupt):
        time_command(["sh", "-c", "echo $$; exec sleep 60"], clone, log)
    assert not psutil.pid_exists(int(log.read_text()))


def measurement(wall: float, cpu: float, peak: int | None) -> dict[str, Any]:
    return {"wall": wall, "cpu": cpu, "peak_mb": peak, "stages": 0 if peak is None else 3, "data": None}


MEASURED = {
    "demo 1 base": measurement(100, 150, 900),
    "demo 1 new": measurement(10, 30, 1000),
    "demo 2 new": measurement(40, 30, 800),
    "demo 2 base": measurement(100, 150, 700),
    "demo 3 base": measurement(5, 5, 5000),  # without its pair
    "nothing 1 base": measurement(8, 8, None),
    "nothing 1 new": measurement(2.5, 2, None),
    "competition 1 base": measurement(1000, 2000, 5500),
    "competition 1 new": measurement(400, 900, 4600),
}


def test_the_summary_by_hand() -> None:
    rows = speed.summarise(MEASURED)
    demo = rows["demo"]
    assert demo["repeats"] == 2 and demo["wall_ratio"] == {"mean": 0.2, "low": 0.1, "high": 0.4}
    assert demo["base"]["peak_mb"] == 900 and demo["new"]["wall"] == 20 and demo["new"]["walls"] == [10, 40]
    assert demo["cpu_ratio"] == {"mean": 0.2, "low": 0.2, "high": 0.2}
    assert [row["reached"] for row in rows.values()] == [True, False, False]  # 2.5 s of 2 s; 4,600 MB of 4,500 MB
    cells = result_tables.tabulate_speed({"rows": rows}).splitlines()[2:]
    assert cells[0] == (
        "| demo shop from nothing | 2 | 100.0 | 20.0 | 0.200 [0.100..0.400] | 0.200 | 900 | 1,000 | 0.20 | yes |"
    )
    assert cells[1].endswith("| 0.312 [0.312..0.312] | 0.250 |  |  | 2 s | no |")
    assert cells[2].endswith("| 0.400 [0.400..0.400] | 0.450 | 5,500 | 4,600 | 0.50, 4,500 MB | no |")


@given(st.lists(st.tuples(st.floats(0.5, 1e4), st.floats(0.5, 1e4)), min_size=1, max_size=5))
def test_the_mean_ratio_lies_in_its_spread_and_turns_with_the_pair(walls: list[tuple[float, float]]) -> None:
    base, new = ([measurement(pair[side], 1, None) for pair in walls] for side in (0, 1))
    ratios, turned = speed.summarise_ratios(base, new, "wall"), speed.summarise_ratios(new, base, "wall")
    assert ratios["low"] - 1e-6 <= ratios["mean"] <= ratios["high"] + 1e-6
    if ratios["mean"] > 0.1 and turned["mean"] > 0.1:
        assert ratios["mean"] * turned["mean"] == pytest.approx(1, rel=1e-4)


def test_the_expected_rest_by_hand() -> None:
    tasks = [speed.Task("demo", 3, "base"), speed.Task("demo", 3, "new"), speed.Task("grocery", 1, "new")]
    measured = {key: MEASURED[key] for key in ("demo 1 base", "demo 2 base", "demo 1 new", "demo 2 new")}
    assert speed.estimate_rest(tasks, measured) == pytest.approx(100 + 25 + 1860 * 0.3)


def test_repro_compiles_the_kernels_where_none_is_compiled(tmp_path: Path) -> None:
    environment = tmp_path / ".venv"
    (environment / "bin").mkdir(parents=True)
    for name in ("python", "dvc"):
        program = environment / "bin" / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >> calls\n')
        program.chmod(0o755)
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("pyproject.toml", "constraints.txt", ".venv/ready"):  # the environment is the newest
        (tmp_path / name).touch()

    def repro() -> list[str]:
        (tmp_path / "calls").unlink(missing_ok=True)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        subprocess.run(["make", "repro"], cwd=tmp_path, env=clean, check=True, capture_output=True)
        return [" ".join(line.split()[:3]) for line in (tmp_path / "calls").read_text().splitlines()]

    compiling, graph = "python -m benchmarks.compile_kernels", ["dvc repro", "python -m retail.clock"]
    for folder in (environment / "lib", tmp_path / "data" / "bench"):  # kernels of others
        folder.mkdir(parents=True)
        (folder / "a.nbi").touch()
    assert repro() == ["python -m submissions.check", compiling, *graph]
    (tmp_path / "features" / "__pycache__").mkdir(parents=True)
    (tmp_path / "features" / "__pycache__" / "kernels.nbi").touch()
    assert repro() == ["python -m submissions.check", *graph]
