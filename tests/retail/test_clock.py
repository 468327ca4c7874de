"""Test the times that a run prints, on a graph of four stages with hand-worked seconds."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from csv_shop import ROOT
from dvc.repo import Repo
from dvc.repo.reproduce import plan_repro
from hypothesis import given
from hypothesis import strategies as st

from retail import clock, graph, paths, stage
from retail.clock import Cost, Run, Watch

STAGES = ["prepare", "propose@a", "propose@b", "pool"]
NOW, EARLIER = Run(20, 1000.0), Run(10, 500.0)


def make_cost(elapsed: float, previous: float | None = None, run: Run | None = EARLIER, **other: Any) -> Cost:
    """Make a cost; of an earlier run by default."""
    return Cost(seconds=elapsed - 1, peak_mb=9, elapsed=elapsed, previous=previous, run=run, **other)


def test_the_first_stage_gives_the_times_of_the_last_run() -> None:
    costs = dict(zip(STAGES, map(make_cost, (10.0, 20.0, 30.0, 40.0)), strict=True))
    line = clock.describe_start("prepare", STAGES, costs, NOW)
    assert line == "[1/4] prepare: about 10 s; whole run about 2 min left (from the last run's costs)"  # 100 s


def test_the_times_are_scaled_by_the_stages_that_have_run() -> None:
    """15 + 30 s for 10 + 20 s are 1.5; so the 30 s and 40 s of the others become 45 s and 60 s."""
    costs = {
        "prepare": make_cost(15.0, 10.0, NOW),
        "propose@a": make_cost(30.0, 20.0, NOW),
        "propose@b": make_cost(30.0, 5.0),
        "pool": make_cost(40.0, 5.0),
    }
    assert clock.compute_scale(list(costs.values())[:2]) == 1.5
    line = clock.describe_start("propose@b", STAGES, costs, NOW)
    assert line == "[3/4] propose@b: about 45 s; whole run about 2 min left (from the last run's costs)"  # 105 s
    line = clock.describe_start("pool", STAGES, {**costs, "propose@b": make_cost(45.0, 30.0, NOW)}, NOW)
    assert line == "[4/4] pool: about 60 s; whole run about 60 s left (from the last run's costs)"


def test_a_run_that_skips_stages_takes_at_most_the_sum() -> None:
    costs = dict(zip(STAGES, map(make_cost, (10.0, 20.0, 30.0, 40.0)), strict=True))
    line = clock.describe_start("propose@b", STAGES, costs, NOW)
    assert line == "[3/4] propose@b: about 30 s; whole run at most 70 s left (from the last run's costs)"


def test_unknown_stages_are_counted() -> None:
    costs = {"prepare": make_cost(10.0), "pool": make_cost(40.0)}
    line = clock.describe_start("prepare", STAGES, costs, NOW)
    assert line == "[1/4] prepare: about 10 s; whole run about 50 s left (from the last run's costs; 2 stages unknown)"
    line = clock.describe_start("propose@b", STAGES, costs, NOW)
    assert line.endswith(
        "propose@b: time unknown; whole run at most 40 s left (from the last run's costs; 1 stage unknown)"
    )


def test_without_an_earlier_run_the_first_stage_says_so_and_the_others_do_not() -> None:
    assert clock.describe_start("prepare", STAGES, {}, NOW) == "[1/4] prepare: no earlier run to estimate from"
    costs = {"prepare": make_cost(10.0, None, NOW)}
    assert clock.describe_start("propose@a", STAGES, costs, NOW) == "[2/4] propose@a"


def test_the_end_gives_the_ratio_over_the_stages_that_ran_in_both() -> None:
    """250 s for 272 s: 250 / 272 = 0.92."""
    costs = {
        "prepare": make_cost(100.0, 122.0, NOW),
        "propose@a": make_cost(20.0, 30.0, NOW),
        "propose@b": make_cost(60.0, 50.0, NOW),
        "pool": make_cost(70.0, 70.0, NOW),
    }
    assert clock.describe_end(costs, 4) == "run: 4 min 10 s, 0.92 of the last run (4 min 32 s)"
    added = {**costs, "table": make_cost(5.0, None, NOW)}
    line = "run: 4 min 10 s, 0.92 of the last run (4 min 32 s); 1 more stage: 5 s"
    assert clock.describe_end(added, 5) == line
    skipped = {**costs, "prepare": make_cost(100.0, 122.0)}
    assert clock.describe_end(skipped, 4) == "run of 3 of 4 stages: 2 min 30 s, 1.00 of the last run (2 min 30 s)"
    first = {name: make_cost(30.0, None, NOW) for name in STAGES}
    assert clock.describe_end(first, 4) == "run: 2 min 0 s; no earlier run to compare with"
    assert clock.describe_end({"pool": Cost(3.0, 9)}, 4) is None


def test_a_resumed_stage_counts_in_no_ratio_and_is_expected_to_take_its_whole_time() -> None:
    """A stage of 100 s was killed after 90 s; the run that resumes it needs 10 s, and then 40 s for one of 20 s."""
    resumed = make_cost(10.0, 100.0, NOW, resumed=True)
    assert resumed.expected == 100.0 and clock.compute_scale([resumed]) == 1.0
    costs = {"prepare": make_cost(3.0), "propose@a": resumed, "propose@b": make_cost(20.0), "pool": make_cost(30.0)}
    line = clock.describe_start("propose@b", STAGES, costs, NOW)
    assert line == "[3/4] propose@b: about 20 s; whole run at most 50 s left (from the last run's costs)"
    costs["propose@b"] = make_cost(40.0, 20.0, NOW)
    line = "run of 2 of 4 stages: 40 s, 2.00 of the last run (20 s); 1 more stage: 10 s"
    assert clock.describe_end(costs, 4) == line


@given(st.lists(st.tuples(st.floats(0.1, 1e4), st.floats(0.1, 1e4)), min_size=1), st.floats(0.01, 100))
def test_a_run_that_is_slower_by_a_factor_has_this_scale(pairs: list[tuple[float, float]], factor: float) -> None:
    costs = [make_cost(previous * factor, previous, NOW) for _, previous in pairs]
    assert clock.compute_scale(costs) == pytest.approx(factor)
    scale = clock.compute_scale([make_cost(elapsed, previous, NOW) for elapsed, previous in pairs])
    ratios = [elapsed / previous for elapsed, previous in pairs]
    assert min(ratios) * 0.999 <= scale <= max(ratios) * 1.001


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set up a project of the graph STAGES."""
    monkeypatch.chdir(tmp_path)
    stages = {name: {"cmd": f"python -m {name}"} for name in ("prepare", "pool")}
    propose = {"foreach": "${sources}", "do": {"cmd": "python -m propose ${key}"}}
    raw = {"stages": {"prepare": stages["prepare"], "propose": propose, "pool": stages["pool"]}}
    (tmp_path / "dvc.yaml").write_text(json.dumps(raw))  # JSON is YAML too
    paths.PARAMS.write_text(json.dumps({"sources": {"a": {}, "b": {}}}))
    monkeypatch.setattr(graph, "GRAPH", tmp_path / "dvc.yaml")
    return tmp_path


def run_stage(name: str, run: Run | None, monkeypatch: pytest.MonkeyPatch, seconds: float = 0.0) -> dict[str, Any]:
    """Run a stage that takes ``seconds`` in ``run`` and return its cost file."""
    monkeypatch.setattr(Run, "find", lambda: run)
    monkeypatch.setenv(clock.STAGE, name)
    if run is None:
        monkeypatch.delenv(clock.STAGE)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + seconds)
    file_name = name.replace("@", "_")
    stage.run(lambda: None, file_name)
    monkeypatch.setattr(time, "monotonic", lambda: now)
    cost: dict[str, Any] = json.loads((paths.COSTS / f"{file_name}.json").read_text())
    return cost


def test_a_stage_keeps_the_seconds_of_the_run_before(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = run_stage("prepare", EARLIER, monkeypatch)
    assert first["previous"] is None and first["run"] == [10, 500.0] and not first["resumed"]
    assert capsys.readouterr().out == "[1/4] prepare: no earlier run to estimate from\n"
    second = run_stage("prepare", NOW, monkeypatch)
    assert second["previous"] == first["elapsed"]
    assert capsys.readouterr().out.startswith("[1/4] prepare: about ")
    again = run_stage("prepare", NOW, monkeypatch)
    assert again["previous"] == first["elapsed"]  # a stage that runs twice in a run is compared with the run before
    assert sorted(path.name for path in paths.COSTS.iterdir()) == ["order.txt", "prepare.json"]


def test_the_seconds_of_a_run_are_gapless(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage's seconds begin where the stage before it in the same run ended: DVC's work between counts."""
    for name, ended, run in (("prepare", 100.0, NOW), ("propose@a", 130.0, NOW), ("propose@b", 140.0, EARLIER)):
        monkeypatch.setattr(Run, "find", lambda run=run: run)
        monkeypatch.setenv(clock.STAGE, name)
        watch = clock.start(name.replace("@", "_"))
        monkeypatch.setattr(time, "monotonic", lambda ended=ended: ended)
        stopped = watch.stop()
        monkeypatch.undo()
        monkeypatch.chdir(project)
        monkeypatch.setattr(graph, "GRAPH", project / "dvc.yaml")
        (paths.COSTS / f"{watch.name}.json").write_text(json.dumps({"seconds": 1.0, "peak_mb": 1, **stopped}))
        if name == "propose@a":
            assert stopped["elapsed"] == 30.0 and stopped["ended"] == 130.0
    assert watch.begin != 130.0  # the first stage of its run


def test_a_killed_stage_leaves_a_mark(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Run, "find", lambda: EARLIER)
    monkeypatch.setenv(clock.STAGE, "propose@a")
    with pytest.raises(KeyboardInterrupt):
        stage.run(stop, "propose_a")
    assert not (paths.COSTS / "propose_a.json").exists()
    assert run_stage("propose@a", NOW, monkeypatch)["resumed"]
    assert not run_stage("propose@a", Run(30, 2000.0), monkeypatch)["resumed"]


def test_a_stage_run_by_hand_is_silent_and_keeps_the_clocks_values(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_stage("pool", None, monkeypatch).keys() == {"seconds", "peak_mb"}
    run_stage("pool", EARLIER, monkeypatch)
    before = run_stage("pool", NOW, monkeypatch)
    capsys.readouterr()
    by_hand = run_stage("pool", None, monkeypatch)
    assert capsys.readouterr().out == ""
    for cost in (before, by_hand):
        del cost["seconds"], cost["peak_mb"]
    assert by_hand == before


def test_a_process_that_a_stage_starts_is_not_the_stage(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Run, "find", lambda: NOW)
    monkeypatch.setenv(clock.STAGE, "pool")
    assert clock.start("prepare").run is None and capsys.readouterr().out == ""


def test_the_list_of_stages_follows_the_settings(project: Path) -> None:
    assert clock.list_stages() == STAGES
    assert clock.list_stages() == STAGES  # read from data/costs
    paths.PARAMS.write_text(json.dumps({"sources": {"longer": {}}}))
    assert clock.list_stages() == ["prepare", "propose@longer", "pool"]
    paths.PARAMS.write_text("sources: [")
    assert clock.list_stages() == []  # the stage itself says what is wrong


@pytest.mark.parametrize("text", ["", "{", "[]", '{"seconds": 1}', '{"seconds": 1, "peak_mb": 2, "run": 3}'])
def test_a_damaged_cost_file_is_no_cost(project: Path, text: str) -> None:
    paths.COSTS.mkdir(parents=True)
    (paths.COSTS / "pool.json").write_text(text)
    assert clock.read_costs(STAGES) == {}


def test_a_cost_without_the_clocks_values_counts_its_seconds(project: Path) -> None:
    paths.COSTS.mkdir(parents=True)
    (paths.COSTS / "propose_a.json").write_text('{"seconds": 3.5, "peak_mb": 20}')
    assert clock.read_costs(STAGES) == {"propose@a": Cost(3.5, 20)}
    assert Cost(3.5, 20).expected == 3.5


def test_the_command_prints_the_run_that_has_just_ended(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_stage("prepare", NOW, monkeypatch)
    capsys.readouterr()
    monkeypatch.setattr("sys.argv", ["clock", "--since", "999"])
    clock.main()
    assert capsys.readouterr().out.startswith("run of 1 of 4 stages: ")
    monkeypatch.setattr("sys.argv", ["clock", "--since", "1100"])  # nothing was to do
    clock.main()
    assert capsys.readouterr().out == ""


def test_a_run_is_its_process() -> None:
    assert NOW.is_same(Run(20, 1001.0))  # the system's clock was set
    assert not NOW.is_same(Run(21, 1000.0)) and not NOW.is_same(Run(20, 2000.0)) and not NOW.is_same(None)
    run = Run.find()
    assert run is not None and run.is_same(Run.find())


def test_a_watch_of_no_run_has_nothing_to_add() -> None:
    assert Watch("pool", None, None, 0.0, False).stop() == {}


def test_the_stages_are_listed_in_the_order_in_which_dvc_runs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path))
    with Repo(str(ROOT), config={"core": {"no_scm": True}}) as repo:
        assert [planned.addressing for planned in plan_repro(repo.index.graph)] == graph.list_stages()
