"""Test the scale benchmark (order of the stages, exponents by hand) and that plain polars agrees with the kernels."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from ruamel.yaml import YAML
from world import random_world

from benchmarks import alike, graph, kernels, record, scale, scratch
from features.engine import kernels as fast
from retail import metrics, paths, weeks
from retail.log import Array
from stage1_candidates.networks.two_tower import plugin as two_tower

ROOT = Path(__file__).parents[2]


def params() -> dict[str, Any]:
    raw: dict[str, Any] = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    return raw


def test_every_stage_of_the_graph_is_a_step_after_those_it_reads() -> None:
    stages = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    raw, written = params(), {Path(params()["data"]["folder"])}
    steps = graph.read_steps(raw)
    assert {step.name.split()[0] for step in steps} == set(stages) - {"synthesize"}
    networks = {f"train_network {name}" for name in raw["networks"]}
    assert {step.name for step in steps if step.name.startswith("train_network ")} == networks
    for step in steps:
        block = stages[step.name.split()[0]]
        deps = [
            dep.replace(graph.KEY, step.arguments[0]) if step.arguments else dep
            for dep in block.get("do", block)["deps"]
        ]
        tables = [Path(dep) for dep in deps if dep.startswith("data/")]
        for table in tables:
            assert table in written or any(table in path.parents for path in written), (
                f"{step.name} reads {table} too early"
            )
        written |= set(step.outputs)


def test_exponents_by_hand() -> None:
    rows = [1e4, 1e5, 1e6]
    assert scale.fit_exponent(rows, [3.0, 30.0, 300.0], 2.0) == pytest.approx(1)
    assert scale.fit_exponent(rows, [1.0, 10.0, 1000.0], 2.0) == pytest.approx(2)  # the first is mostly startup
    assert scale.fit_exponent(rows, [0.1, 1.0, 300.0], 2.0) is None


def test_the_table_of_costs() -> None:
    cost = {"seconds": 4.0, "peak_mb": 100.0, "disk_mb": 1.0}
    costly = {"seconds": 40.0, "peak_mb": 300.0, "disk_mb": 2.0}
    runs = {
        "0.1": {"rows": 1e6, "steps": {"a": cost, "b": cost}},
        "1": {"rows": 1e7, "steps": {"a": cost, "b": costly}},
    }
    cells = scale.format_cells(runs, scale.fit_exponents(runs))
    assert [row[0] for row in cells] == ["b", "a", "all"]
    assert cells[0][1:5] == ["40", "300", "2", "1.00"] and cells[2][1:4] == ["44", "300", "3"]
    assert scale.plot(runs).axes[0].get_xscale() == "log"


def test_costs_of_a_finished_project(tmp_path: Path) -> None:
    shutil.copy(ROOT / "params.yaml", tmp_path / paths.PARAMS)
    for name in ("prepare", "propose", "train_network_two_tower"):
        (tmp_path / paths.COSTS).mkdir(parents=True, exist_ok=True)
        (tmp_path / paths.COSTS / f"{name}.json").write_text('{"seconds": 3.5, "peak_mb": 20}')
    (tmp_path / paths.PREPARED).mkdir()
    (tmp_path / paths.LOG).write_bytes(b"x" * 3_000_000)
    steps = {step.name: step for step in graph.read_steps(params())}
    assert scale.read_cost(tmp_path, steps["prepare"]) == {"seconds": 3.5, "peak_mb": 20, "disk_mb": 3.0}
    assert scale.read_cost(tmp_path, steps["propose"])["disk_mb"] == 0
    assert scale.read_cost(tmp_path, steps["train_network two_tower"])["peak_mb"] == 20


def test_every_split_uses_the_same_log_and_a_difference_is_named(tmp_path: Path) -> None:
    raw, base = params(), tmp_path / "0.01"
    step = graph.Step("pool", "", (), (paths.POOL,))
    for name, content in (("a", "1"), ("b", "2"), ("c", "3")):
        (base / paths.POOL).mkdir(parents=True, exist_ok=True)
        (base / paths.POOL / name).write_text(content)
    here = alike.make_folder(base, "one shard", raw, alike.EVERYBODY)
    assert here.params.submit.shard == alike.EVERYBODY and here.folder == tmp_path / "0.01_one_shard"
    assert (here.folder / paths.PREPARED).resolve() == base / paths.PREPARED
    (here.folder / paths.POOL).mkdir()
    (here.folder / paths.POOL / "a").write_text("1")
    (here.folder / paths.POOL / "b").write_text("3")
    files = [str(paths.POOL / name) for name in "abc"]
    assert list(alike.compare_outputs(here.folder, base, [step])) == list(zip(files, [False, True, True], strict=True))
    assert (
        set(alike.list_splits(5000)["1 thread"][0].values()) == {"1"}
        and alike.list_splits(5000)["2 threads"][1] == 5000
    )


def test_networks_are_off_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "read_settings", lambda *_, **__: params())
    assert not any(block["use"] for block in scale.make_settings(Path(), networks=False)["networks"].values())
    towers = scale.make_settings(Path(), networks=True)["networks"]["two_tower"]
    assert towers["use"] and two_tower.Params.model_validate(towers).examples.batch == 512


def test_map12_by_kernel_and_by_polars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "BUYERS", 300)
    monkeypatch.setattr(kernels, "SOLD", 40)
    start, items, predicted = kernels.draw_week(2)
    assert {len(set(row)) for row in predicted.tolist()} == {12} and len(start) == 301
    user = np.repeat(np.arange(300), np.diff(start))
    truth = pl.DataFrame({"user": user, "item": items.astype(np.int64)})
    flat = {"user": np.repeat(np.arange(300), 12), "item": predicted.ravel(), "rank": np.tile(np.arange(1, 13), 300)}
    mean = metrics.average_precision(start, items, predicted).mean()
    assert 0.05 < mean < 1 and kernels.score_with_polars(truth, pl.DataFrame(flat)) == pytest.approx(mean)


def test_counts_by_kernel_and_by_polars() -> None:
    shop = random_world(1).shop
    history = weeks.history(shop.log, shop.log.weeks)
    users = np.arange(0, shop.log.users, 3, dtype=np.uint32)
    pairs = kernels.draw_candidates(history, users, 6, 1)
    keys = pl.DataFrame({"user": pairs.user, "item": pairs.items})
    assert np.diff(pairs.ptr).max() <= 9 and not keys.is_duplicated().any()
    log = history.log
    tx = pl.DataFrame({"user": log.user, "item": log.item, "day": log.day})
    counted = kernels.count_with_polars(tx, keys, history.cutoff)
    plain = keys.join(counted, on=["user", "item"], how="left", validate="1:1", maintain_order="left")
    columns = (fast.VISITS, fast.D28, fast.LAST_DAY, fast.FIRST_DAY)
    code: Array = np.arange(log.items, dtype=np.int32)
    ours = fast.summarise_affinity(
        history, code, log.items, users, pairs.ptr, pairs.items.astype(np.int64), [90.0], columns
    )
    for name, column in zip(("times", "times_28d", "days_since_last", "days_since_first"), ours, strict=True):
        np.testing.assert_allclose(plain[name].cast(pl.Float32).fill_null(np.nan).to_numpy(), column)
    assert ours[0].max() > 1


def test_the_device_names_the_threads_in_use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("model name : Quick\nflags : a\nmodel name : Quick\n")
    monkeypatch.setattr(record, "Path", lambda _: info)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(record, "cores", lambda: 2)
    assert record.name_device() == "Quick, 2 threads"
    monkeypatch.setattr(record, "cores", lambda: 1)
    assert record.name_device() == "Quick, 2 threads (1 used)"
