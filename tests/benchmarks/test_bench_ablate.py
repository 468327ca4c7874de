"""Variants of the pipeline beside each other: paired figures by hand; ablation and networks on a tiny shop."""

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


def test_differences_are_paired_by_customer_and_weeks_weigh_alike() -> None:
    # 60 buyers in week 8, half of them at .1 and half at .3; 30 in week 9, all at .4
    keys = {"week": [8] * 60 + [9] * 30, "user": [*range(60), *range(30)]}
    none = pl.DataFrame({**keys, "twelve": [0.1, 0.3] * 30 + [0.4] * 30})
    better = none.with_columns(twelve=pl.col("twelve") + 0.05)
    rows = paired.compared({"none": none, "all": better}, "none")
    assert rows["none"]["map12"]["mean"] == pytest.approx((0.2 + 0.4) / 2)
    gap = rows["all"]["minus"]
    assert [gap[key] for key in ("mean", "low", "high")] == pytest.approx([0.05] * 3)
    assert gap["p"] == pytest.approx(2 / 2001)  # no draw of 2,000 lies on the other side
    assert rows["none"]["minus"] == {"mean": 0, "low": 0, "high": 0, "p": 1}
    assert rows["all"]["map12"]["low"] < rows["all"]["map12"]["mean"] < rows["all"]["map12"]["high"]
    with pytest.raises(ValueError, match="all was evaluated on other customers than none"):
        paired.compared({"none": none, "all": better.head(80)}, "none")


def test_p_is_of_the_rarer_side() -> None:
    assert paired.two_sided(np.array([-1.0, 1, 2, 3])) == pytest.approx(2 * (1 + 1) / (4 + 1))
    assert paired.two_sided(np.zeros(9)) == 1


def test_holm_multiplies_the_smallest_by_all_and_never_turns_the_order() -> None:
    assert paired.holm({"a": 0.02, "b": 0.012, "c": 0.9, "d": 0.021}) == pytest.approx(
        {"b": 4 * 0.012, "a": 3 * 0.02, "d": 3 * 0.02, "c": 0.9}
    )
    assert paired.holm({}) == {}


def test_columns_belong_to_the_part_before_the_two_strokes() -> None:
    found = ablate.columns_by_part(["user", "item", "label", "sampled", "own__times", "ease__rank", "own__place"])
    assert found == {"ease": ["ease__rank"], "own": ["own__place", "own__times"]}


def test_other_seeds_reach_every_model(tmp_path: Path) -> None:
    raw = params()
    base = Scratch(tmp_path, raw, best_of(raw)).written()
    other = ablate.reseeded(base)
    assert {one.name: one.seed for one in recipe.read(base.folder / recipe.BEST)} == seeds(raw, 0)
    assert {one.name: one.seed for one in recipe.read(other.folder / recipe.BEST)} == seeds(raw, 1000)
    assert json.loads((other.folder / "params.yaml").read_text()) == raw


def seeds(raw: dict[str, Any], more: int) -> dict[str, int]:
    return {name: model["seed"] + more for name, model in raw["ranker"]["models"].items()}


def best_of(raw: dict[str, Any]) -> Best:
    models = recipe.of_params(Ranker.model_validate(raw["ranker"]))
    return Best(models=models, kept="params.yaml", why="", judgement=None)


def test_a_blank_column_is_no_column(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    names = [f"f__{k}" for k in range(12)]
    table = pl.DataFrame(rng.normal(size=(1200, 12)).astype(np.float32), schema=names)
    label = (table["f__3"] > 1).to_numpy()
    (tmp_path / "table").mkdir()
    table.write_parquet(tmp_path / "table" / "week.parquet")
    left_out = ["f__2", "f__4"]  # a tree's drawing of columns has to jump over them
    scratch.blank(tmp_path / "table", tmp_path / "blank", left_out)
    blank = pl.read_parquet(tmp_path / "blank" / "week.parquet")
    assert blank.columns == table.columns and not blank.select(left_out).to_numpy().any()
    assert blank.drop(left_out).equals(table.drop(left_out))
    for model in params()["ranker"]["models"].values():
        asked = {
            **model["settings"],
            "objective": model["objective"],
            "seed": 1,
            "verbosity": -1,
            "min_data_in_leaf": 20,
        }
        scores = []
        for of, answered in ((blank, table), (table.drop(left_out), table.drop(left_out))):
            data = lgb.Dataset(of.to_numpy(), label, group=[12] * 100, params={"feature_pre_filter": False})
            scores.append(lgb.train(asked, data, 30).predict(answered.to_numpy(), raw_score=True))
        assert np.ptp(np.asarray(scores[0])) > 0
        np.testing.assert_array_equal(scores[0], scores[1])


class Stages:
    """The graph's stages within this process, in the folder that they are told of; counts them, and may be killed."""

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
    made = Stages()
    monkeypatch.setattr(subprocess, "run", made.run)
    return made


@pytest.fixture
def shop(stages: Stages, tmp_path: Path) -> dict[str, Any]:
    """Params of a tiny shop of few sources and features; its CSV files are there."""
    raw = params()
    raw["demo"] = {"customers": 150, "articles": 100, "weeks": 12, "seed": 1}
    raw["weeks"] = {
        "validation": 1,
        "stop": 1,
        "stop_customers": 100,
        "train": {"most": 2, "least": 2, "customers": 100},
    }
    for kind, some in (("sources", ("popular", "repurchase")), ("networks", ()), ("features", ("own", "item_sales"))):
        raw[kind] = {name: {**block, "use": name in some} for name, block in raw[kind].items()}
    binary = raw["ranker"]["models"]["binary"]
    raw["ranker"] |= {"rounds": 8, "patience": 4, "models": {"binary": binary}}
    binary["settings"]["min_data_in_leaf"] = 20
    Scratch(tmp_path / "csvs", raw, best_of(raw)).written().make(Path("data/demo"), "shops.synthesize")
    raw["data"]["folder"] = str(tmp_path / "csvs" / "data" / "demo")
    stages.ran.clear()
    return raw


def test_both_tables_of_a_tiny_shop(
    shop: dict[str, Any], stages: Stages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch, "asked", lambda data, weeks: shop)
    monkeypatch.setattr(scratch, "models", best_of)  # whatever was tuned here
    monkeypatch.setattr(paired, "DRAWS", 50)
    out = tmp_path / "out"
    where = ["--data", shop["data"]["folder"], "--scratch", str(tmp_path / "kept"), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["ablate", "--weeks", "1", "--rows", "700", *where])
    stages.most = 35  # it is killed in the midst of the variants
    with pytest.raises(KeyboardInterrupt):
        ablate.main()
    before, stages.most = list(stages.ran), 10**6
    stages.ran.clear()
    ablate.main()
    assert before[0] == "retail_input.prepare" and "retail_input.prepare" not in stages.ran
    asked = [json.loads(file.read_text()) for file in (tmp_path / "kept").rglob("params.yaml")]
    assert len(asked) == 10 and all(of["table"]["rows"] == 700 for of in asked)  # the base's and its variants'
    # everything, other seeds, five parts' columns and two sources: a ranker each, and not one of them twice
    every = before + stages.ran
    fits = [command.partition(" ")[0] for command in every]
    assert fits.count("stage2_ranker.train") == 1 and fits.count("benchmarks.fit_like") == 8
    assert every.count("submissions.evaluate") == 9
    assert every.count("stage1_candidates.pool") == 3
    found = json.loads((out / "ablate.json").read_text())
    heads = {"everything", "everything, other seeds"}
    assert set(found["groups"]) == heads | {"own", "item_sales", "pool", "popular", "repurchase"}
    assert set(found["sources"]) == heads | {"popular", "repurchase"}
    assert found["groups"]["everything"] == found["sources"]["everything"]
    assert found["groups"]["own"]["minus"]["holm"] >= found["groups"]["own"]["minus"]["p"]
    assert found["made_from"]["seconds"] > 0
    text = (out / "ablate.md").read_text()
    assert "of 7 parts" in text and text.count("| everything |") == 2
    assert (out / "ablate.png").stat().st_size > 0
    stages.ran.clear()
    ablate.main()
    assert stages.ran == []
    assert (out / "ablate.md").read_text() == text


def test_a_ranker_that_is_not_there_to_be_like(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["fit_like", "elsewhere/data/model"])
    with pytest.raises(SystemExit) as ended:
        stage.run(fit_like.main, "fit_like")
    assert ended.value.code == 2 and not list(tmp_path.rglob("*.txt"))
    assert "elsewhere/data/model: no ranker lies there; name the folder data/model" in capsys.readouterr().err


def test_networks_beside_none_on_a_log_that_ends_a_week_earlier(
    shop: dict[str, Any], stages: Stages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tower = shop["networks"]["two_tower"]
    tower |= {"examples": {**tower["examples"], "negatives": 50}, "training": {**tower["training"], "epochs": 1}}
    shop["networks"] = {"two_tower": tower}
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # all trainings in this process
    monkeypatch.setattr(scratch, "asked", lambda data, weeks: shop)
    monkeypatch.setattr(scratch, "models", best_of)
    monkeypatch.setattr(paired, "DRAWS", 50)
    out = tmp_path / "out"
    where = ["--data", shop["data"]["folder"], "--scratch", str(tmp_path / "kept"), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["networks", "--weeks", "1", "--drop", "1", *where])
    networks.main()
    rows = json.loads((out / "networks.json").read_text())["rows"]
    assert list(rows) == ["none", "two_tower as source", "two_tower as feature", "all"]
    assert rows["none"]["minus"]["mean"] == 0
    (base,) = (tmp_path / "kept").iterdir()
    whole, cut = (
        json.loads((base / at / "calendar.json").read_text()) for at in ("uncut/data/prepared", "data/prepared")
    )
    assert whole["days"] - cut["days"] == 7
    assert stages.ran.count("stage1_candidates.pool") == 2  # with the network proposing, and without
    stages.ran.clear()
    networks.main()
    assert stages.ran == []


def test_other_params_data_or_settings_are_another_folder(shop: dict[str, Any], tmp_path: Path) -> None:
    best = best_of(shop)
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
    faulty = Scratch(tmp_path, {**params(), "seed": -1}, best_of(params())).written()
    with pytest.raises(InputError, match=r"stage1_candidates.pool ended with 2; its own line above says why"):
        scratch.pool(faulty)
    assert "'seed' is -1" in capfd.readouterr().err
