"""Test stage ``summary``: the files it writes and the tables it prints."""

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from csv_shop import ROOT

from retail import params as parameters
from retail import paths
from retail.clock import Run
from stage1_candidates.engine import source
from stage1_candidates.pooling.recall import AT
from submissions import cost, summary

FLAT = {"mean": 0.1, "low": 0.05, "high": 0.15}
EVALUATION = {
    "map12": {"twelve": {"mean": 0.25, "low": 0.2, "high": 0.3}, "popular": FLAT},
    "twelve_minus": {"popular": {"mean": 0.15, "low": 0.1, "high": 0.2}},
    "by_week": {"7": {"buyers": 3, "twelve": 0.2, "popular": 0.1}, "8": {"buyers": 5, "twelve": 0.3, "popular": 0.1}},
    "by_recency": {"7 d": {"customers": 8, "twelve": 0.25, "popular": 0.1}},
}


def write_cost(name: str, seconds: float, peak_mb: int) -> None:
    paths.COSTS.mkdir(parents=True, exist_ok=True)
    (paths.COSTS / f"{name}.json").write_text(json.dumps({"seconds": seconds, "peak_mb": peak_mb}))


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set up a project whose stages before ``summary`` have finished."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", paths.PARAMS)
    for folder in (paths.EVALUATION, paths.POOL, paths.OUTPUTS):
        folder.mkdir(parents=True)
    (paths.EVALUATION / "evaluation.json").write_text(json.dumps(EVALUATION))
    row = {**{f"recall@{k}": k / 1000 for k in AT}, "hit_ratio": 0.01, "rows": 1200.0}
    names = source.proposing(parameters.read())
    recall: dict[str, Any] = dict.fromkeys([*names, "union", *(f"union without {name}" for name in names)], row)
    (paths.POOL / "recall.json").write_text(json.dumps({**recall, "oracle_map12": 0.5}))
    write_cost("train", 20.25, 300)
    write_cost("prepare", 1.5, 90)
    write_cost("gone", 9.0, 999)  # a stage that the graph no longer has


def test_costs_are_in_the_order_of_the_graph_without_unknown_stages(finished: None) -> None:
    assert list(cost.to_rows(cost.read_costs()).items()) == [
        ("prepare", {"seconds": 1.5, "peak_mb": 90}),
        ("train", {"seconds": 20.25, "peak_mb": 300}),
    ]


def test_metrics_do_not_depend_on_the_costs(finished: None, capsys: pytest.CaptureFixture[str]) -> None:
    """Equal inputs give an equal metrics.json; seconds and memory differ from run to run."""
    summary.main()
    assert "21.8" in capsys.readouterr().out  # 1.5 and 20.25 seconds
    files = [paths.METRICS, *(paths.OUTPUTS / name for name in ("map_by_week.csv", "recall.csv"))]
    before = [file.read_bytes() for file in files]
    write_cost("train", 31.0, 310)
    summary.main()
    assert [file.read_bytes() for file in files] == before
    assert json.loads(cost.COST.read_text())["train"] == {"seconds": 31.0, "peak_mb": 310}


def test_the_table_of_costs_compares_this_run_with_the_last(
    finished: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """20 s for 25 s, and 5 s for 0 s in the last run, which did not have the stage: 20 / 25 = 0.80."""
    monkeypatch.setattr(Run, "find", lambda: Run(7, 100.0))
    for name, elapsed, previous, run in (
        ("train", 20.0, 25.0, [7, 100.0]),
        ("prepare", 5.0, None, [7, 101.0]),  # the system's clock was set in between
        ("pool", 9.0, 9.0, [6, 50.0]),  # of another run
    ):
        row = {"seconds": 1.0, "peak_mb": 1, "elapsed": elapsed, "previous": previous, "run": run}
        (paths.COSTS / f"{name}.json").write_text(json.dumps(row))
    table = cost.make_cost_table(cost.read_costs())
    assert str(table.caption).endswith("until here: 20 s, 0.80 of the last run (25 s); 1 more stage: 5 s.")
    summary.main()
    assert "0.80 of the last run (25 s)" in " ".join(capsys.readouterr().out.split())
    assert json.loads(cost.COST.read_text())["train"] == {"seconds": 1.0, "peak_mb": 1}
    monkeypatch.setattr(Run, "find", lambda: Run(8, 200.0))  # DVC has skipped all stages before
    assert "until here" not in str(cost.make_cost_table(cost.read_costs()).caption)


def test_the_tables_for_the_plots(finished: None) -> None:
    summary.main()
    weekly = pl.read_csv(paths.OUTPUTS / "map_by_week.csv")
    assert weekly.rows() == [(7, 3, 0.2, 0.1), (8, 5, 0.3, 0.1)]
    curve = pl.read_csv(paths.OUTPUTS / "recall.csv")
    assert curve.filter(source="union").rows() == [("union", k, k / 1000) for k in AT]
    assert json.loads(paths.METRICS.read_text())["map12"]["twelve"]["mean"] == 0.25
