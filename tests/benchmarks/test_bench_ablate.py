"""Compare variants of the pipeline: paired figures by hand; the ablation and the networks on a tiny shop."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import polars as pl
import pytest
from csv_shop import params

from benchmarks import ablate, fit_like, networks, paired, scratch
from benchmarks.scratch import Scratch
from retail import stage
from retail.errors import InputError
from retail.params import Ranker
from stage2_ranker.model import recipe
from stage2_ranker.model.recipe import Best


def test_differences_are_paired_by_customer_and_weeks_have_equal_weight() -> None:
    # 60 buyers in week 8, half of them at .1 and half at .3; 30 in week 9, all at .4
    keys = {"week": [8] * 60 + [9] * 30, "user": [*range(60), *range(30)]}
    baseline = pl.DataFrame({**keys, "twelve": [0.1, 0.3] * 30 + [0.4] * 30})
    better = baseline.with_columns(twelve=pl.col("twelve") + 0.05)
    rows = paired.compare_variants({"none": baseline, "all": better}, "none")
    assert rows["none"]["map12"]["mean"] == pytest.approx((0.2 + 0.4) / 2)
    gap = rows["all"]["minus"]
    assert [gap[key] for key in ("mean", "low", "high")] == pytest.approx([0.05] * 3)
    assert gap["p"] == pytest.approx(2 / 2001)  # no draw of 2,000 lies on the other side
    assert rows["none"]["minus"] == {"mean": 0, "low": 0, "high": 0, "p": 1}
    assert rows["all"]["map12"]["low"] < rows["all"]["map12"]["mean"] < rows["all"]["map12"]["high"]
    with pytest.raises(ValueError, match="all was evaluated on other customers than none"):
        paired.compare_variants({"none": baseline, "all": better.head(80)}, "none")


def test_p_counts_the_rarer_side() -> None:
    assert paired.compute_two_sided_p(np.array([-1.0, 1, 2, 3])) == pytest.approx(2 * (1 + 1) / (4 + 1))
    assert paired.compute_two_sided_p(np.zeros(9)) == 1


def test_holm_multiplies_the_smallest_by_all_and_keeps_the_order() -> None:
    assert paired.adjust_holm({"a": 0.02, "b": 0.012, "c": 0.9, "d": 0.021}) == pytest.approx(
        {"b": 4 * 0.012, "a": 3 * 0.02, "d": 3 * 0.02, "c": 0.9}
    )
    assert paired.adjust_holm({}) == {}


def test_columns_belong_to_the_part_before_the_two_underscores() -> None:
    parts = ablate.group_columns(["user", "item", "label", "sampled", "own__times", "ease__rank", "own__place"])
    assert parts == {"ease": ["ease__rank"], "own": ["own__place", "own__times"]}


def test_other_seeds_reach_every_model(tmp_path: Path) -> None:
    raw = params()
    base = Scratch(tmp_path, raw, make_best(raw)).write()
    reseeded = ablate.change_seeds(base)
    assert {model.name: model.seed for model in recipe.read(base.folder / recipe.BEST)} == shift_seeds(raw, 0)
    assert {model.name: model.seed for model in recipe.read(reseeded.folder / recipe.BEST)} == shift_seeds(raw, 1000)
    assert json.loads((reseeded.folder / "params.yaml").read_text()) == raw


def shift_seeds(raw: dict[str, Any], shift: int) -> dict[str, int]:
    return {name: model["seed"] + shift for name, model in raw["ranker"]["models"].items()}


def make_best(raw: dict[str, Any]) -> Best:
    models = recipe.of_params(Ranker.model_validate(raw["ranker"]))
    return Best(models=models, kept="params.yaml", why="", judgement=None)


def test_a_blank_column_acts_like_no_column(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    names = [f"f__{k}" for k in range(12)]
    table = pl.DataFrame(rng.normal(size=(1200, 12)).astype(np.float32), schema=names)
    label = (table["f__3"] > 1).to_numpy()
    (tmp_path / "table").mkdir()
    table.write_parquet(tmp_path / "table" / "week.parquet")
    dropped = ["f__2", "f__4"]  # a tree's sample of columns must skip them
    scratch.blank_columns(tmp_path / "table", tmp_path / "blank", dropped)
    blank = pl.read_parquet(tmp_path / "blank" / "week.parquet")
    assert blank.columns == table.columns and not blank.select(dropped).to_numpy().any()
    assert blank.drop(dropped).equals(table.drop(dropped))
    for model in params()["ranker"]["models"].values():
        settings = {
            **model["settings"],
            "objective": model["objective"],
            "seed": 1,
            "verbosity": -1,
            "min_data_in_leaf": 20,
        }
        scores = []
        for training, scored in ((blank, table), (table.drop(dropped), table.drop(dropped))):
            data = lgb.Dataset(training.to_numpy(), label, group=[12] * 100, params={"feature_pre_filter": False})
            scores.append(lgb.train(settings, data, 30).predict(scored.to_numpy(), raw_score=True))
        assert np.ptp(np.asarray(scores[0])) > 0
        np.testing.assert_array_equal(scores[0], scores[1])


class Stages:
    """Run the graph's stages in this process, in the folder given; record them, and stop after ``most`` of them."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.most = 10**6

    def run(self, command: list[str], cwd: Path, **_: Any) -> subprocess.CompletedProcess[str]:
        if len(self.ran) == self.most:
            raise KeyboardInterrupt
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(cwd)
            patch.setattr(sys, "argv", command[2:])
            stage.run(importlib.import_module(command[2]).main, "_".join(command[2:]))
        self.ran.append(" ".join(command[2:]))
        return subprocess.CompletedProcess(command, 0, "")


@pytest.fixture
def stages(monkeypatch: pytest.MonkeyPatch) -> Stages:
    stages = Stages()
    monkeypatch.setattr(subprocess, "run", stages.run)
    return stages


@pytest.fixture
def shop(stages: Stages, tmp_path: Path) -> dict[str, Any]:
    """Make a tiny shop's CSV files; return its params, with few sources and features on."""
    raw = params()
    raw["demo"] = {"customers": 150, "articles": 100, "weeks": 12, "seed": 1}
    raw["weeks"] = {
        "validation": 1,
        "stop": 1,
        "stop_customers": 100,
        "train": {"most": 2, "least": 2, "customers": 100},
    }
    for kind, on in (("sources", ("popular", "repurchase")), ("networks", ()), ("features", ("own", "item_sales"))):
        raw[kind] = {name: {**block, "use": name in on} for name, block in raw[kind].items()}
    binary = raw["ranker"]["models"]["binary"]
    raw["ranker"] |= {"rounds": 8, "patience": 4, "models": {"binary": binary}}
    binary["settings"]["min_data_in_leaf"] = 20
    Scratch(tmp_path / "csvs", raw, make_best(raw)).write().run_stage(Path("data/demo"), "shops.synthesize")
    raw["data"]["folder"] = str(tmp_path / "csvs" / "data" / "demo")
    stages.ran.clear()
    return raw


def test_both_ablation_tables_of_a_tiny_shop(
    shop: dict[str, Any], stages: Stages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch, "read_settings", lambda data, weeks: shop)
    monkeypatch.setattr(scratch, "read_models", make_best)  # ignore models tuned in this project
    monkeypatch.setattr(paired, "DRAWS", 50)
    out = tmp_path / "out"
    arguments = ["--data", shop["data"]["folder"], "--scratch", str(tmp_path / "kept"), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["ablate", "--weeks", "1", "--rows", "700", *arguments])
    stages.most = 20  # it is killed while it runs the variants
    with pytest.raises(KeyboardInterrupt):
        ablate.main()
    before, stages.most = list(stages.ran), 10**6
    stages.ran.clear()
    ablate.main()
    assert before[0] == "retail_input.prepare" and "retail_input.prepare" not in stages.ran
    params_files = [json.loads(file.read_text()) for file in (tmp_path / "kept").rglob("params.yaml")]
    assert len(params_files) == 10  # the base's and its variants'
    assert all(raw["table"]["rows"] == 700 for raw in params_files)
    # everything, other seeds, five parts' columns and two sources: a ranker each, none of them twice
    commands = before + stages.ran
    modules = [command.partition(" ")[0] for command in commands]
    assert modules.count("stage2_ranker.train") == 1 and modules.count("benchmarks.fit_like") == 8
    assert commands.count("submissions.evaluate") == 9
    assert commands.count("stage1_candidates.pool") == 3
    written = json.loads((out / "ablate.json").read_text())
    heads = {"everything", "everything, other seeds"}
    assert set(written["groups"]) == heads | {"own", "item_sales", "pool", "popular", "repurchase"}
    assert set(written["sources"]) == heads | {"popular", "repurchase"}
    assert written["groups"]["everything"] == written["sources"]["everything"]
    assert written["groups"]["own"]["minus"]["holm"] >= written["groups"]["own"]["minus"]["p"]
    assert written["made_from"]["seconds"] > 0
    text = (out / "ablate.md").read_text()
    assert "of 7 useless parts" in text and text.count("| everything |") == 2
    assert (out / "ablate.png").stat().st_size > 0
    stages.ran.clear()
    ablate.main()
    assert stages.ran == []
    assert (out / "ablate.md").read_text() == text


def test_fit_like_names_a_missing_reference_ranker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["fit_like", "elsewhere/data/model"])
    with pytest.raises(SystemExit) as exit_info:
        stage.run(fit_like.main, "fit_like")
    assert exit_info.value.code == 2 and not list(tmp_path.rglob("*.txt"))
    assert "elsewhere/data/model: no ranker in this folder; expected the folder data/model" in capsys.readouterr().err


def test_networks_compared_with_none_on_a_log_that_ends_a_week_earlier(
    shop: dict[str, Any], stages: Stages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tower = shop["networks"]["two_tower"]
    tower |= {"examples": {**tower["examples"], "negatives": 50}, "training": {**tower["training"], "epochs": 1}}
    shop["networks"] = {"two_tower": tower}
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # train in this process
    monkeypatch.setattr(scratch, "read_settings", lambda data, weeks: shop)
    monkeypatch.setattr(scratch, "read_models", make_best)
    monkeypatch.setattr(paired, "DRAWS", 50)
    out = tmp_path / "out"
    arguments = ["--data", shop["data"]["folder"], "--scratch", str(tmp_path / "kept"), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["networks", "--weeks", "1", "--drop", "1", *arguments])
    networks.main()
    rows = json.loads((out / "networks.json").read_text())["rows"]
    assert list(rows) == ["none", "two_tower as source", "two_tower as feature", "all"]
    assert rows["none"]["minus"]["mean"] == 0
    (base,) = (tmp_path / "kept").iterdir()
    uncut, cut = (
        json.loads((base / part / "calendar.json").read_text()) for part in ("uncut/data/prepared", "data/prepared")
    )
    assert uncut["days"] - cut["days"] == 7
    assert stages.ran.count("stage1_candidates.pool") == 2  # with the network proposing, and without
    stages.ran.clear()
    networks.main()
    assert stages.ran == []


def test_other_params_data_or_models_give_another_folder(shop: dict[str, Any], tmp_path: Path) -> None:
    best = make_best(shop)
    fewer = best.model_copy(update={"models": best.models[:0]})
    first = scratch.fingerprint(shop, best, 0)
    assert scratch.fingerprint(json.loads(json.dumps(shop)), best, 0) == first
    assert scratch.fingerprint({**shop, "seed": 7}, best, 0) != first
    assert scratch.fingerprint(shop, fewer, 0) != first
    assert scratch.fingerprint(shop, best, 1) != first
    copied = tmp_path / "copied"
    copied.mkdir()
    for file in Path(shop["data"]["folder"]).iterdir():
        (copied / file.name).write_bytes(file.read_bytes())
    moved = {**shop, "data": {**shop["data"], "folder": str(copied)}}
    assert scratch.fingerprint(moved, best, 0) == first
    (copied / "customers.csv").write_text((copied / "customers.csv").read_text() + "\n")
    assert scratch.fingerprint(moved, best, 0) != first


def test_a_failed_stage_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    faulty = Scratch(tmp_path, {**params(), "seed": -1}, make_best(params())).write()
    with pytest.raises(InputError, match=r"stage1_candidates.pool ended with 2; its message above says why"):
        scratch.build_table(faulty)
    assert "'seed' is -1" in capfd.readouterr().err
