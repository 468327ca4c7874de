"""Test the tuning benchmark: both rankers share a table, and a second run keeps the result of a finished search."""

from pathlib import Path

import pytest
from csv_shop import params

from benchmarks import tuning
from benchmarks.scratch import Scratch
from retail import paths
from retail.params import Ranker
from stage2_ranker.model import recipe
from stage2_ranker.model.recipe import Best
from stage2_ranker.search import trials


@pytest.fixture
def base(tmp_path: Path) -> Scratch:
    raw = params()
    models = recipe.of_params(Ranker.model_validate(raw["ranker"]))
    return Scratch(tmp_path, raw, Best(models=models, kept="params.yaml", why="", judgement=None)).write()


def test_a_finished_search_does_not_start_again(base: Scratch) -> None:
    variant = tuning.add_variant(base, "tuned_3", 3)
    assert variant.params.tuning.trials == 3 and variant.params.tuning.rows == base.params.tuning.rows
    best = base.best.model_copy(update={"models": base.best.models[:1], "kept": "found"})
    recipe.write(best, variant.folder / recipe.BEST)  # what stage tune writes
    (variant.folder / trials.TUNING).mkdir()
    reopened = tuning.add_variant(base, "tuned_3", 3)
    assert recipe.read(reopened.folder / recipe.BEST) == best.models == reopened.best.models
    assert recipe.read(tuning.add_variant(base, "untuned", 0).folder / recipe.BEST) == base.best.models


def test_both_rankers_use_the_same_table(base: Scratch) -> None:
    for part in (paths.POOL, paths.FEATURES, paths.TABLE):
        (base.folder / part).mkdir(parents=True)
    untuned, tuned = (tuning.add_variant(base, name, count) for name, count in (("untuned", 0), ("tuned_3", 3)))
    assert (
        (untuned.folder / paths.TABLE).resolve() == (tuned.folder / paths.TABLE).resolve() == base.folder / paths.TABLE
    )
    untuned.remove_tables()
    assert (base.folder / paths.TABLE).exists()
