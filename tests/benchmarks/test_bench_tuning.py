"""The benchmark of the search: both rankers have one table, and what an ended search found outlives a second run."""

from pathlib import Path

import pytest
from csv_shop import params

from benchmarks import scratch, tuning
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
    return Scratch(tmp_path, raw, Best(models=models, kept="params.yaml", why="", judgement=None)).written()


def test_an_ended_search_is_not_begun_anew(base: Scratch) -> None:
    made = tuning.variant(base, "tuned_3", 3)
    assert made.params.tuning.trials == 3 and made.params.tuning.rows == base.params.tuning.rows
    found = base.best.model_copy(update={"models": base.best.models[:1], "kept": "found"})
    recipe.write(found, made.folder / recipe.BEST)  # what stage tune leaves
    (made.folder / trials.TUNING).mkdir()
    again = tuning.variant(base, "tuned_3", 3)
    assert recipe.read(again.folder / recipe.BEST) == found.models == again.best.models
    assert recipe.read(tuning.variant(base, "untuned", 0).folder / recipe.BEST) == base.best.models


def test_both_rankers_have_the_same_table(base: Scratch) -> None:
    for part in (paths.POOL, paths.FEATURES, paths.TABLE):
        (base.folder / part).mkdir(parents=True)
    one, other = (tuning.variant(base, name, count) for name, count in (("untuned", 0), ("tuned_3", 3)))
    assert (one.folder / paths.TABLE).resolve() == (other.folder / paths.TABLE).resolve() == base.folder / paths.TABLE
    scratch.Scratch.tidy(one)
    assert (base.folder / paths.TABLE).exists()
