"""The benchmark of scoring: who may take part, who agrees, and how rates are compared."""

from dataclasses import replace
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pytest

from benchmarks import scorers, scoring
from benchmarks.scoring import Entry
from retail import paths
from retail.log import Array
from retail.pairs import of_columns
from stage2_ranker.model.blend import Blend

FILLER = np.arange(24)


@pytest.fixture
def blend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Blend:
    """Two small models, stored where the submission's lie; there is no other table."""
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(400, 5)).astype(np.float32)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    models = {
        name: lgb.train({"verbosity": -1, "seed": seed}, lgb.Dataset(rows, np.nan_to_num(rows[:, seed])), 10)
        for name, seed in (("one", 1), ("two", 2))
    }
    monkeypatch.chdir(tmp_path)
    paths.FINAL_MODEL.mkdir(parents=True)
    Blend(models, {"one": 1.0, "two": 2.0}, {"one": 0.5, "two": 1.0}, {"one": 10, "two": 10}, "scores").save(
        paths.FINAL_MODEL
    )
    return Blend.load(paths.FINAL_MODEL)


def features(rows: int) -> Array:
    made: Array = np.random.default_rng(2).normal(size=(rows, 5)).astype(np.float32)
    return np.asfortranarray(made)


def test_every_way_of_lightgbm_gives_the_same_scores_and_lists(blend: Blend, tmp_path: Path) -> None:
    ways = {name: how for name, how in scorers.SCORERS.items() if name == "masks" or how[0] == ("lightgbm",)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "SCORERS", ways)
        every = scoring.entries(blend, tmp_path)
    assert [(one.name, one.threads) for one in every] == [(name, n) for name in ways for n in (1, 2)]
    rows = features(600)
    pairs = of_columns(np.repeat(np.arange(20), 30), np.tile(np.arange(30), 20))
    scoring.timed(every, rows, 2)
    found = scoring.figures(every, pairs, rows, FILLER)
    assert {row["scores_apart"] for row in found} == {0} and {row["lists_apart"] for row in found} == {0}
    assert {tuple(scoring.cells(row)[-2:]) for row in found} == {("identical", "identical")}
    one = every[0].blend
    assert one is not None
    np.testing.assert_array_equal(one.score_raw(rows), blend.score_raw(rows))
    with pytest.raises(ValueError, match="only raw scores"):
        scorers.Trees(lambda some: some).predict(rows, raw_score=False)


def test_who_is_not_installed_is_left_out_and_who_fails_says_why(
    blend: Blend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(file: Path, threads: int, folder: Path) -> scorers.Score:
        raise AttributeError("no such pass")

    monkeypatch.setattr(scoring, "THREADS", (1,))
    ways = {
        scorers.PLAIN: (("lightgbm",), scorers.plain),
        "absent": (("lightgbm", "no_such_package"), scorers.plain),
        "numpy": (("numpy",), failing),
    }
    monkeypatch.setattr(scoring, "SCORERS", ways)
    every = scoring.entries(blend, tmp_path)
    assert "absent: no_such_package not installed, left out" in capsys.readouterr().out
    assert [one.name for one in every] == ["LightGBM", f"numpy (numpy {np.__version__})"]
    scoring.timed(every, features(60), 1)
    row = scoring.figures(every, of_columns(np.repeat([0, 1], 30), np.tile(np.arange(30), 2)), features(60), FILLER)[1]
    assert scoring.cells(row)[2] == "AttributeError: no such pass" and len(scoring.cells(row)) == len(scoring.HEADER)


def test_rates_are_compared_round_by_round_and_differences_are_seen(blend: Blend) -> None:
    rows = features(60)
    pairs = of_columns(np.repeat([0, 1], 30), np.tile(np.arange(30), 2))
    turned = replace(blend, weights={name: -weight for name, weight in blend.weights.items()})
    every = [
        Entry(scorers.PLAIN, 1, blend, 0.0, "", [2.0, 4.0, 8.0]),
        Entry("turned", 1, turned, 3.0, "", [1.0, 1.0, 1.0]),  # 2, 4 and 8 times as fast
    ]
    plain, other = scoring.figures(every, pairs, rows, FILLER)
    assert (plain["ratio"], plain["rows_per_second"]) == (1, 60 / 4)
    assert (other["ratio_low"], other["ratio"], other["ratio_high"]) == (3, 4, 6)
    assert other["lists_apart"] == 2 and other["scores_apart"] == pytest.approx(
        2 * np.abs(blend.predict(rows, pairs.run)).max()
    )
    assert scoring.cells(other)[-1] == "2 differ"
