"""Test the scoring benchmark: which scorers run, whether they agree, and how rates are compared."""

from dataclasses import replace
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pytest

from benchmarks import scorers, scoring
from benchmarks.scoring import Entry
from retail import paths
from retail.log import Array
from retail.pairs import build_pairs
from stage2_ranker.model.blend import Blend

FILLER = np.arange(24)


@pytest.fixture
def blend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Blend:
    """Store two small models as the final model; return their blend."""
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


def draw_features(rows: int) -> Array:
    features: Array = np.random.default_rng(2).normal(size=(rows, 5)).astype(np.float32)
    return np.asfortranarray(features)


def test_every_call_of_lightgbm_gives_the_same_scores_and_lists(blend: Blend, tmp_path: Path) -> None:
    kept = {name: row for name, row in scorers.SCORERS.items() if name == "masks" or row[0] == ("lightgbm",)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "SCORERS", kept)
        entries = scoring.compile_scorers(blend, tmp_path)
    assert [(entry.name, entry.threads) for entry in entries] == [(name, n) for name in kept for n in (1, 2)]
    rows = draw_features(600)
    pairs = build_pairs(np.repeat(np.arange(20), 30), np.tile(np.arange(30), 20))
    scoring.time_scorers(entries, rows, 2)
    summary = scoring.summarise(entries, pairs, rows, FILLER)
    assert {row["scores_apart"] for row in summary} == {0} and {row["lists_apart"] for row in summary} == {0}
    assert {tuple(scoring.format_cells(row)[-2:]) for row in summary} == {("identical", "identical")}
    first = entries[0].blend
    assert first is not None
    np.testing.assert_array_equal(first.score_raw(rows), blend.score_raw(rows))
    with pytest.raises(ValueError, match="only raw scores"):
        scorers.ScorerModel(lambda features: features).predict(rows, raw_score=False)


def test_a_missing_package_is_skipped_and_a_failure_is_reported(
    blend: Blend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(file: Path, threads: int, folder: Path) -> scorers.Score:
        raise AttributeError("no such pass")

    monkeypatch.setattr(scoring, "THREADS", (1,))
    scorer_table = {
        scorers.PLAIN: (("lightgbm",), scorers.load_plain),
        "absent": (("lightgbm", "no_such_package"), scorers.load_plain),
        "numpy": (("numpy",), failing),
    }
    monkeypatch.setattr(scoring, "SCORERS", scorer_table)
    entries = scoring.compile_scorers(blend, tmp_path)
    assert "absent: no_such_package not installed, skipped" in capsys.readouterr().out
    assert [entry.name for entry in entries] == ["LightGBM", f"numpy (numpy {np.__version__})"]
    scoring.time_scorers(entries, draw_features(60), 1)
    row = scoring.summarise(
        entries, build_pairs(np.repeat([0, 1], 30), np.tile(np.arange(30), 2)), draw_features(60), FILLER
    )[1]
    assert scoring.format_cells(row)[2] == "AttributeError: no such pass" and len(scoring.format_cells(row)) == len(
        scoring.HEADER
    )


def test_rates_are_compared_round_by_round_and_differences_are_counted(blend: Blend) -> None:
    rows = draw_features(60)
    pairs = build_pairs(np.repeat([0, 1], 30), np.tile(np.arange(30), 2))
    negated = replace(blend, weights={name: -weight for name, weight in blend.weights.items()})
    entries = [
        Entry(scorers.PLAIN, 1, blend, 0.0, "", [2.0, 4.0, 8.0]),
        Entry("negated", 1, negated, 3.0, "", [1.0, 1.0, 1.0]),  # 2, 4 and 8 times as fast
    ]
    plain, faster = scoring.summarise(entries, pairs, rows, FILLER)
    assert (plain["ratio"], plain["rows_per_second"]) == (1, 60 / 4)
    assert (faster["ratio_low"], faster["ratio"], faster["ratio_high"]) == (3, 4, 6)
    assert faster["lists_apart"] == 2 and faster["scores_apart"] == pytest.approx(
        2 * np.abs(blend.predict(rows, pairs.run)).max()
    )
    assert scoring.format_cells(faster)[-1] == "2 differ"
