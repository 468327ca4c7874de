"""Test the search: the tuning set, a trial's rows, the search space, resumed and shared searches, and the blend."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import polars as pl
import pytest
from csv_shop import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna import Trial
from optuna.trial import FrozenTrial
from tqdm import tqdm
from world import PARAMS, World, random_world

from retail import metrics, paths, weeks
from retail.errors import InputError
from retail.log import Array
from retail.params import Params
from stage2_ranker import tune
from stage2_ranker.model import model_rows, ranker, recipe
from stage2_ranker.model.ranker import Rows
from stage2_ranker.model.recipe import Best, Recipe
from stage2_ranker.search import choose_blend, search, space, trials, tuning_set
from stage2_ranker.search.choose_blend import Candidate, Selection
from stage2_ranker.search.space import Limits
from stage2_ranker.search.tuning_set import TuningSet, TuningWeek

# The tuning set


def make_table(*rows: tuple[int, int], **features: list[float]) -> pl.DataFrame:
    """Make a table of candidates (user, item), none of them sampled."""
    return pl.DataFrame(
        {
            "user": pl.Series([user for user, _ in rows], dtype=pl.UInt32),
            "item": pl.Series([item for _, item in rows], dtype=pl.UInt32),
            "label": pl.Series([0] * len(rows), dtype=pl.UInt8),
            "sampled": pl.Series([False] * len(rows), dtype=pl.Boolean),
            **{name: pl.Series(values, dtype=pl.Float32) for name, values in features.items()},
        }
    )


def ids(*values: int) -> Array:
    return np.array(values, np.uint32)


def test_purchases_outside_the_pool_and_customers_without_candidates_count() -> None:
    # customer 3 bought 1 and 9, of which 1 is a candidate, ranked second; customer 5 has no candidate; 8 bought 4
    table, truth = make_table((3, 0), (3, 1), (8, 4)), (ids(3, 3, 5, 8), ids(1, 9, 2, 4))
    week = TuningWeek.from_table(table, ids(3, 5, 8), truth)
    assert week.compute_ap(np.array([2.0, 1.0, 0.0])).tolist() == [(1 / 2) / 2, 0.0, 1.0]
    assert week.compute_ap(np.array([1.0, 1.0, 0.0])).tolist() == [(1 / 2) / 2, 0.0, 1.0]  # ties break by article
    assert week.compute_ap(np.array([1.0, 2.0, 0.0])).tolist() == [1 / 2, 0.0, 1.0]


def test_weeks_weigh_equally_and_other_customers_do_not_count() -> None:
    tables = {7: make_table((0, 1), (1, 1), x=[5, 6]), 8: make_table((0, 2), (2, 2), x=[7, 8])}
    truths = {7: (ids(0, 1), ids(1, 1)), 8: (ids(0, 2), ids(3, 2))}
    tuning = TuningSet.from_tables(tables, {7: ids(0), 8: ids(0, 2)}, truths)
    assert tuning.features.tolist() == [[5], [7], [8]]  # customer 1 of week 7 is not in the tuning set
    assert tuning.compute_map12(np.zeros(3)) == (1 / 1 + (0 + 1) / 2) / 2
    assert tuning.run.tolist() == [0, 1, 2]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6))
def test_the_best_twelve_are_those_of_a_plain_sort(seed: int) -> None:
    rng = np.random.default_rng(seed)
    users, pairs = ids(2, 4, 7), sorted({(int(rng.choice([2, 4])), int(item)) for item in rng.integers(30, size=40)})
    score = rng.integers(4, size=len(pairs)).astype(float)  # many ties
    bought = (np.repeat(users, 3), np.tile(ids(1, 5, 12), 3))
    lists = np.full((3, 12), -1)
    for row, user in enumerate(users.tolist()):
        own = sorted((-s, item) for s, (buyer, item) in zip(score, pairs, strict=True) if buyer == user)[:12]
        lists[row, : len(own)] = [item for _, item in own]
    expected = metrics.average_precision(*metrics.truth_runs(*bought, users), lists)
    week = TuningWeek.from_table(make_table(*pairs), users, bought)
    assert week.compute_ap(score).tolist() == expected.tolist()


# The rows of a model


def make_recipe(name: str = "a", **changes: Any) -> Recipe:
    usual: dict[str, Any] = {"objective": "binary", "seed": 1, "weight": 1.0, "half_life": 20.0, "weeks": None}
    return Recipe(name=name, **{**usual, "negatives": None, "settings": {}, **changes})


def make_rows(weeks_of_data: int = 4, customers: int = 300, candidates: int = 20) -> Rows:
    """Make rows with a single positive among the candidates of each customer of each week."""
    n = weeks_of_data * customers * candidates
    age = np.repeat(np.arange(weeks_of_data)[::-1] * 2, customers * candidates)  # every second week is closed
    label = (np.arange(n) % candidates == 3).astype(np.uint8)
    return Rows(np.arange(n, dtype=np.float32)[:, None], label, age, np.full(n // candidates, candidates), ["x"])


def select(rows: Rows, recipe: Recipe, most: int | None = None) -> Array:
    """Return the mask of the rows that the model of ``recipe`` is trained on."""
    return model_rows.select_rows(recipe, rows.age, rows.label, rows.groups, most)


def test_a_model_without_limits_is_trained_on_all_rows() -> None:
    rows = make_rows()
    assert select(rows, make_recipe()).all()
    assert select(rows, make_recipe(weeks=4, negatives=19), len(rows.label)).all()


def test_the_newest_weeks_are_counted_among_those_with_rows() -> None:
    rows = make_rows()
    selected = select(rows, make_recipe(weeks=2))
    assert np.unique(rows.age[selected]).tolist() == [0, 2]
    assert np.flatnonzero(selected).tolist() == list(range(2 * 300 * 20, 4 * 300 * 20))


def test_the_share_of_negatives_is_the_same_in_all_weeks_and_positives_stay() -> None:
    rows = make_rows()
    selected = select(rows, make_recipe(negatives=4))
    assert selected[rows.label == 1].all()
    for age in (0, 2, 4, 6):
        assert (selected & (rows.age == age) & (rows.label == 0)).sum() == pytest.approx(300 * 4, rel=0.1)
    assert not np.array_equal(selected, select(rows, make_recipe(negatives=4, seed=2)))
    assert np.array_equal(selected, select(rows, make_recipe(negatives=4)))


def test_a_limit_of_rows_leaves_out_customers_and_keeps_the_share_of_positives() -> None:
    rows = make_rows()
    selected = select(rows, make_recipe(negatives=9), 6000)
    assert 5900 < selected.sum() <= 6000
    assert rows.label[selected].mean() == pytest.approx(1 / 10, rel=0.05)
    assert (np.bincount(rows.age[selected])[[0, 2, 4, 6]] / 6000).tolist() == pytest.approx([0.25] * 4, abs=0.03)
    whole = select(rows, make_recipe(), 6000).reshape(-1, 20)  # a row per customer
    assert whole.sum() == 6000 and (whole.all(axis=1) | ~whole.any(axis=1)).all()


def test_models_share_the_bins_of_their_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model on a part of the rows gets the trees that it would get if nobody had used the rows before."""
    settings = PARAMS.ranker
    few = make_recipe(weeks=2, settings={"num_leaves": 4, "num_threads": 1, "min_data_in_leaf": 20})
    rows, alone = make_rows(), make_rows()
    ranker.fit_model(rows, None, make_recipe(half_life=3.0, settings={"num_threads": 1}), settings, 2)
    assert len(rows.bins) == 1
    shared = ranker.fit_model(rows, None, few, settings, 3)
    assert len(rows.bins) == 1
    assert shared.model_to_string() == ranker.fit_model(alone, None, few, settings, 3).model_to_string()


# The space

LIMITS = Limits(weeks=37, negatives=17)


def test_the_models_of_params_lie_in_the_space_and_come_back_from_it() -> None:
    for number, start in enumerate(recipe.of_params(PARAMS.ranker)):
        values = space.to_parameters(start, LIMITS)
        assert values.keys() == _enqueue_and_suggest(values).keys()
        made = space.make_recipe(number, values, start, LIMITS)
        assert made.settings == start.settings and made.half_life == start.half_life
        assert made.weeks is None and made.negatives is None  # at the limit: all of them


def _enqueue_and_suggest(values: dict[str, Any]) -> dict[str, Any]:
    """Enqueue a trial with the parameters ``values`` and return those that ``suggest`` gives it."""
    study = optuna.create_study()
    study.enqueue_trial(values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optuna.samplers.TPESampler, "sample_independent", None)  # the sampler must not be called
        trial = study.ask()
        assert space.suggest(trial, LIMITS) == values
    return trial.params


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 30))
def test_every_proposal_is_a_valid_model(seed: int, weeks_: int, negatives: int) -> None:
    limits = Limits(weeks_, negatives)
    values = search.propose([], lambda trial: space.suggest(trial, limits), seed)
    model = space.make_recipe(5, values, recipe.of_params(PARAMS.ranker)[0], limits)
    assert model.weeks is None or 1 <= model.weeks < weeks_
    assert model.negatives is None or 1 <= model.negatives < negatives
    assert (space.TRUNCATION in model.settings) == (model.objective == "lambdarank")
    assert model.settings["max_bin"] == 63 and model.settings["bagging_freq"] == 1


# Trials

STARTS = [{"x": 0.5, "n": 3}, {"x": -2.0, "n": 9}]
SEARCH = f"""
import os, signal, sys, time
from pathlib import Path
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}, {str(Path(__file__).parent)!r}]
from stage2_ranker.search import search
from test_tune import STARTS, compute_parabola, suggest_point
number, where, pause = int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
def die(at):
    if at == where:
        os.kill(os.getpid(), signal.SIGKILL)
def objective(trial):
    time.sleep(pause)
    return compute_parabola(trial, die if trial.number == number else lambda at: None)
def suggest(trial):
    if trial.number == number and where == "suggest" and trial.study.study_name == "ranker":
        trial.suggest_float("x", -3, 3)
        die("suggest")
    return suggest_point(trial)
search.run(Path(sys.argv[1]), STARTS, 12, suggest, objective, seed=3)
"""


def suggest_point(trial: Trial) -> None:
    trial.suggest_float("x", -3, 3)
    trial.suggest_int("n", 1, 9)


def compute_parabola(trial: Trial, callback: Callable[[str], None] = lambda at: None) -> float:
    """Stand in for a model that improves for 200 rounds; half of the trials fall behind and are pruned."""
    value: float = 1 - (trial.params["x"] - 1) ** 2 + trial.params["n"] / 100
    for rounds in (50, 100, 150, 200):
        search.report(trial, value * rounds / 200, rounds, prune=trial.number > 1)
        callback(f"round {rounds}")
    return value


def to_tuples(ended: Sequence[FrozenTrial]) -> list[Any]:
    return [(trial.number, trial.params, trial.values, trial.state, trial.intermediate_values) for trial in ended]


def run_search(folder: Path, proposals: int = 12) -> list[Any]:
    return to_tuples(search.run(folder, STARTS, proposals, suggest_point, compute_parabola, seed=3))


def start_process(folder: Path, number: int = -1, where: str = "", pause: float = 0.0) -> subprocess.Popen[str]:
    """Start the same search in another process, which is killed in trial ``number`` at ``where``."""
    command = [sys.executable, "-c", SEARCH, str(folder), str(number), where, str(pause)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    return run_search(tmp_path_factory.mktemp("unbroken"))


def test_a_search_tries_the_starts_then_the_proposals_of_the_sampler(unbroken: list[Any]) -> None:
    assert [row[0] for row in unbroken] == list(range(14))
    assert [row[1]["x"] for row in unbroken[:2]] == [0.5, -2.0]
    states = [row[3].name for row in unbroken]
    assert set(states) == {"COMPLETE", "PRUNED"} and states[:5] == ["COMPLETE"] * 5
    assert max(row[2][0] for row in unbroken) > 0.95


def test_a_search_ends_where_progress_bars_are_off(
    unbroken: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bar that is off counts nothing: a loop that asks it for the ended trials would claim trials for ever."""
    monkeypatch.setattr(search, "tqdm", partial(tqdm, disable=True))
    claim, claims = search._claim, iter(range(14))

    def claim_bounded(*arguments: Any) -> Any:
        assert next(claims, None) is not None, "a trial was claimed after the last one"
        return claim(*arguments)

    monkeypatch.setattr(search, "_claim", claim_bounded)
    assert run_search(tmp_path) == unbroken


def test_the_bar_shows_the_ended_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    monkeypatch.setattr(tqdm, "update", lambda _, n=1: steps.append(n))
    run_search(tmp_path, proposals=2)
    run_search(tmp_path, proposals=2)
    assert steps == [0, 1, 1, 1, 1, 4]


def test_a_killed_search_resumes_with_the_same_trials(unbroken: list[Any], tmp_path: Path) -> None:
    completed = next(row[0] for row in unbroken[6:] if row[3].name == "COMPLETE")
    pruned = next(row[0] for row in unbroken if row[3].name == "PRUNED")
    kills = [(1, "round 200"), (5, "suggest"), (pruned, "round 50"), (completed, "round 150")]
    for number, where in sorted(kills):
        process = start_process(tmp_path, number, where)
        assert process.wait() == -9, process.communicate()[1]
    assert run_search(tmp_path) == unbroken
    assert run_search(tmp_path) == unbroken  # no trial is left to run


def test_half_a_line_in_the_journal_is_dropped(unbroken: list[Any], tmp_path: Path) -> None:
    run_search(tmp_path)
    journal = tmp_path / search.JOURNAL
    with journal.open("ab") as file:
        file.write(b'{"op_code": 4, "work')
    assert run_search(tmp_path) == unbroken


def test_a_search_with_more_trials_adds_to_the_earlier_trials(unbroken: list[Any], tmp_path: Path) -> None:
    assert run_search(tmp_path, proposals=3) == unbroken[:5]
    assert run_search(tmp_path) == unbroken
    assert run_search(tmp_path, proposals=3) == unbroken[:5]  # a search with fewer trials ignores the others


def test_processes_share_a_search_and_a_dead_process_is_replaced(unbroken: list[Any], tmp_path: Path) -> None:
    processes = [start_process(tmp_path, pause=0.05), start_process(tmp_path, 4, "round 100", pause=0.05)]
    ends = [process.wait() for process in processes]
    assert ends[0] == 0, processes[0].communicate()[1]
    ended = run_search(tmp_path)
    assert [row[0] for row in ended] == list(range(14)) and all(row[3].is_finished() for row in ended)
    assert len({tuple(row[1].values()) for row in ended}) == 14  # no parameters were tried twice
    assert ended[:2] == unbroken[:2]


def test_the_next_run_repeats_a_trial_that_failed(unbroken: list[Any], tmp_path: Path) -> None:
    def fail(trial: Trial) -> float:
        if trial.number == 3:
            raise MemoryError
        return compute_parabola(trial)

    with pytest.raises(MemoryError):
        search.run(tmp_path, STARTS, 12, suggest_point, fail, seed=3)
    assert run_search(tmp_path) == unbroken


def test_records_are_read_as_written_and_make_a_study(tmp_path: Path) -> None:
    ended = search.run(tmp_path, STARTS, 12, suggest_point, compute_parabola, seed=3)
    trials.write(trials.make_records(ended), tmp_path)
    read = trials.read(tmp_path)
    study = trials.make_study(read)
    assert to_tuples(study.trials) == to_tuples(ended) and trials.make_records(study.trials) == read
    assert "datetime" not in (tmp_path / "trials.json").read_text()
    csv = pl.read_csv(tmp_path / "trials.csv")
    assert csv.columns == ["number", "state", "value", "model", "rounds", "n", "x"] and csv.height == 14
    trials.write([], tmp_path)
    assert trials.read(tmp_path) == [] and trials.make_study([]).trials == []


# The blend


def test_greedy_selection_by_hand() -> None:
    # the value is minus the distance of the sum to the target; the sum starts at (1, 1)
    scores = np.array([[0, 0], [3, 0], [0, 3]])

    def make_value(target: tuple[int, int]) -> Callable[[choose_blend.Added], float]:
        return lambda added: -float(np.abs(1 + scores[list(added)].sum(axis=0) - target).sum())

    assert choose_blend.select_greedily([0, 1, 2], make_value((7, 4))) == (1, 1, 2)  # (3, 0) + (3, 0) + (0, 3)
    assert choose_blend.select_greedily([0, 1, 2], make_value((1, 1))) == ()


def make_tuning_set(customers: int, weeks: tuple[int, ...] = (5,)) -> TuningSet:
    """Make a tuning set: customer c has the candidates c and c + 1000 in every week, and bought the second."""
    users = np.arange(customers, dtype=np.uint32)
    pairs = [(user, item) for user in range(customers) for item in (user, user + 1000)]
    table = make_table(*pairs, x=[0.0] * len(pairs))
    return TuningSet.from_tables(
        dict.fromkeys(weeks, table), dict.fromkeys(weeks, users), dict.fromkeys(weeks, (users, users + 1000))
    )


def make_candidate(name: str, right: Array, margin: float = 1) -> Candidate:
    """Make a model that ranks the bought article first where ``right``, else second, by a score of ``margin``."""
    score = margin * np.stack([~right, right], axis=1).ravel().astype(np.float32)
    return Candidate(make_recipe(name, weight=2.0), score)


def mask_everyone(tuning: TuningSet) -> list[Array]:
    return [np.ones(len(week.users), bool) for week in tuning.weeks.values()]


def test_the_blend_of_params_stays_unless_another_is_better_by_more_than_chance() -> None:
    tuning, old = make_tuning_set(100), np.arange(100) < 50
    slightly, clearly = old.copy(), old.copy()
    slightly[:10], slightly[50:61] = False, True  # 10 lists are worse, 11 better
    clearly[50:60] = True
    start, others = make_candidate("a", old), [lambda: make_candidate("b", slightly, margin=30)]
    best = choose_blend.choose_best([start], others, tuning, seed=1)
    assert best.kept == "params.yaml" and best.models == [make_recipe("a", weight=2.0)]
    assert best.judgement and best.judgement.found == pytest.approx({"a": 10 / 11, "b": 1 / 11})
    others = [lambda: make_candidate("b", clearly, margin=30)]
    best = choose_blend.choose_best([start], others, tuning, seed=1)
    weight = {model.name: model.weight for model in best.models}
    assert best.kept == "found" and weight == pytest.approx({"a": 10 / 11, "b": 1 / 11})
    assert best.judgement and best.judgement.map12 == pytest.approx({"found": 0.8, "params.yaml": 0.75})
    assert best.judgement.difference == pytest.approx(0.05)
    assert best.judgement.standard_error == pytest.approx(0.5 * np.sqrt(10) / 100, rel=0.15)


@pytest.mark.parametrize("weeks", [(5,), (5, 6)])
def test_each_customer_is_scored_with_a_blend_of_the_other_folds(weeks: tuple[int, ...]) -> None:
    """A trial that is right for a single fold is selected by that fold, and does not count when it is held out."""
    tuning = make_tuning_set(100, weeks)
    fold = np.random.default_rng(1).permutation(100) % choose_blend.FOLDS
    rights = np.tile(np.repeat(fold == 0, 2), len(weeks))
    wrong = np.tile([1.0, 0.0], 100 * len(weeks)).astype(np.float32)
    right = 30 * np.where(rights, 1 - wrong, wrong)
    selection = Selection([Candidate(make_recipe("a"), wrong)], [lambda: Candidate(make_recipe("b"), right)], tuning)
    assert selection.select(mask_everyone(tuning)) == (1,)
    map12 = tuning_set.mean_over_weeks(selection.compute_ap((1,)))
    assert map12 == pytest.approx(0.6)  # 1 for a fifth of the customers, else 1/2
    assert [week_ap.mean() for week_ap in selection.cross_validate(seed=1)] == [0.5] * len(weeks)


def test_the_best_of_many_random_trials_is_not_kept() -> None:
    rng, tuning = np.random.default_rng(3), make_tuning_set(100)
    start = make_candidate("a", rng.random(100) < 0.5)
    others = [partial(make_candidate, f"trial_{k}", rng.random(100) < 0.5, 30) for k in range(60)]
    selection = Selection([start], others, tuning)
    difference = selection.compute_ap(selection.select(mask_everyone(tuning)))[0] - selection.compute_ap(())[0]
    assert difference.mean() > 2 * difference.std() / 10  # without cross-validation it looks better than chance
    assert choose_blend.choose_best([start], others, tuning, seed=1).kept == "params.yaml"


def test_a_few_customers_and_no_trials() -> None:
    tuning, right = make_tuning_set(3), np.array([True, False, True])
    for others in ([], [partial(make_candidate, "b", ~right)]):
        best = choose_blend.choose_best([make_candidate("a", right)], others, tuning, seed=1)
        assert best.kept == "params.yaml" and [model.name for model in best.models] == ["a"]


def test_cached_ap_equals_ap_of_the_weighted_sum() -> None:
    rng, tuning = np.random.default_rng(5), make_tuning_set(40)
    starts = [Candidate(make_recipe(name, weight=w), rng.normal(size=80)) for name, w in (("a", 1.0), ("b", 3.0))]
    trial = Candidate(make_recipe("c"), rng.normal(size=80))
    selection = Selection(starts, [lambda: trial], tuning)
    for added in ((), (0,), (0, 2, 2), (0,)):
        times = np.bincount(np.array(added, int), minlength=3)
        weight = choose_blend.STEPS * np.array([0.25, 0.75, 0.0]) + times
        total = np.stack([*(start.normalised for start in starts), trial.normalised]).T @ weight
        pairs_of_weeks = zip(selection.compute_ap(added), tuning.compute_ap(total), strict=True)
        assert all(np.array_equal(cached, expected) for cached, expected in pairs_of_weeks)
        recipes = selection.make_recipes(added)
        assert [model.weight for model in recipes] == pytest.approx([w for w in weight / weight.sum() if w])


def test_best_json_keeps_order_and_numbers_and_names_a_wrong_value(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "best.json"
    with pytest.raises(InputError, match="no such file; run `dvc repro`"):
        recipe.read(path)
    models = recipe.of_params(PARAMS.ranker)
    recipe.write(Best(models=models, kept="params.yaml", why="", judgement=None), path)
    assert recipe.read(path) == models
    assert [model.model_dump() for model in recipe.read(path)] == [model.model_dump() for model in models]
    path.write_text(path.read_text().replace('"lambdarank"', '"pairwise"'))
    with pytest.raises(InputError, match=r"best\.json: Input should be 'lambdarank'"):
        recipe.read(path)


# The stage


WORLD = random_world(seed=4, users=60, days=120, entries=2500)  # training weeks 9..14, tuning 13 and 14, stopping 15


def make_project(folder: Path, world: World, labels: dict[int, int]) -> Params:
    """Write the tables that a search reads, and no others; ``labels``: seeds of weeks whose labels are redrawn."""
    (folder / paths.PREPARED).mkdir(parents=True)
    (folder / paths.TABLE).mkdir()
    world.tx.sort("user", "day", "item").write_parquet(folder / paths.LOG)
    world.customers.write_parquet(folder / paths.CUSTOMERS)
    world.articles.write_parquet(folder / paths.ARTICLES)
    (folder / paths.CALENDAR).write_text(json.dumps({"days": world.days}))
    raw = json.loads(PARAMS.model_dump_json())
    raw["weeks"] |= {
        "validation": 2,
        "stop": 1,
        "stop_customers": 40,
        "train": {"most": 6, "least": 6, "customers": 600},
    }
    raw["ranker"] |= {"rounds": 150, "patience": 60, "smooth": 10}
    raw["tuning"] = {"trials": 5, "weeks": 2, "customers": 30, "rows": 900}
    for model in raw["ranker"]["models"].values():
        model["settings"] |= {"min_data_in_leaf": 20, "num_threads": 1}
    (folder / paths.PARAMS).write_text(json.dumps(raw))
    params = Params.model_validate(raw)
    plan = weeks.plan(world.shop.log, params.weeks)
    for week in [*plan.train, *plan.stop]:
        rng = np.random.default_rng([week, labels.get(week, 0)])
        users = weeks.customers(world.shop.log, plan, week, params.weeks, params.seed)
        n = len(users) * 12
        signal = rng.random((n, 3)).astype(np.float32)
        items = np.sort(np.argsort(rng.random((len(users), 38)), axis=1)[:, :12], axis=1)
        truth = weeks.truth(world.shop.log, week)
        bought = np.isin(np.repeat(users, 12).astype(np.int64) * 99 + items.ravel(), truth[0] * 99 + truth[1])
        signal[:, 0] += bought * rng.random(n)
        signal[:, 1] += bought * rng.random(n)
        pl.DataFrame(
            {
                "user": pl.Series(np.repeat(users, 12), dtype=pl.UInt32),
                "item": pl.Series(items.ravel(), dtype=pl.UInt32),
                "label": pl.Series(bought, dtype=pl.UInt8),
                "sampled": np.ones(n, bool),
                **{name: signal[:, k] for k, name in enumerate("abc")},
            }
        ).write_parquet(paths.of_week(folder / paths.TABLE, "table", week))
    return params


def read_outputs(folder: Path) -> dict[str, bytes]:
    files = [folder / recipe.BEST, *(folder / trials.TUNING).iterdir()]
    return {file.name: file.read_bytes() for file in files}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    return run_stage(folder, WORLD)


def run_stage(folder: Path, world: World, labels: dict[int, int] | None = None) -> dict[str, bytes]:
    """Run the stage and return its outputs."""
    make_project(folder, world, labels or {})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        tune.main()
    return read_outputs(folder)


def test_the_stage_writes_a_blend_and_its_trials(whole: dict[str, bytes]) -> None:
    best = Best.model_validate_json(whole["best.json"])
    records = json.loads(whole["trials.json"])
    assert len(records) == 8 and [record["model"] for record in records[:3]] == list(PARAMS.ranker.models)
    assert all(record["state"] == "COMPLETE" for record in records[:3])  # the models of params.yaml are not pruned
    assert best.judgement and best.judgement.weeks == [13, 14]
    assert sum(best.judgement.found.values()) == pytest.approx(1)


def test_a_stage_killed_in_a_trial_resumes_and_writes_the_same_bytes(
    whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_project(tmp_path, WORLD, {})
    monkeypatch.chdir(tmp_path)
    real = search.report

    def report_and_die(trial: Trial, value: float, rounds: int, prune: bool) -> None:
        real(trial, value, rounds, prune)
        if trial.number in (1, 4):
            raise KeyboardInterrupt

    monkeypatch.setattr(search, "report", report_and_die)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            tune.main()
    monkeypatch.setattr(search, "report", real)
    tune.main()
    assert read_outputs(tmp_path) == whole


def test_validation_weeks_are_not_read(whole: dict[str, bytes], tmp_path: Path) -> None:
    """Their tables do not exist, and other purchases in them change no byte."""
    plan = weeks.plan(WORLD.shop.log, PARAMS.weeks.model_copy(update={"validation": 2}))
    other = WORLD.rewritten(weeks.first_day(WORLD.days, plan.validation[0]), seed=5)
    assert not other.tx.equals(WORLD.tx)
    assert run_stage(tmp_path, other) == whole


def test_no_trial_is_stopped_by_the_tuning_weeks(whole: dict[str, bytes], tmp_path: Path) -> None:
    """With other tuning weeks the values change, but each model of params.yaml ends after the same number of rounds."""
    changed = run_stage(tmp_path, WORLD, {13: 7, 14: 7})
    records, others = (json.loads(files["trials.json"])[:3] for files in (whole, changed))
    assert [record["rounds"] for record in records] == [record["rounds"] for record in others]
    assert [record["spread"] for record in records] == [record["spread"] for record in others]
    assert all(record["value"] != other["value"] for record, other in zip(records, others, strict=True))


def test_no_trial_is_scored_on_the_stopping_week(whole: dict[str, bytes], tmp_path: Path) -> None:
    """With another stopping week the models of params.yaml have the same MAP@12 in every round before they stop."""
    changed = run_stage(tmp_path, WORLD, {15: 7})
    records, others = (json.loads(files["trials.json"])[:3] for files in (whole, changed))
    assert records[0]["spread"] != others[0]["spread"]
    for record, other in zip(records, others, strict=True):
        both = record["reports"].keys() & other["reports"].keys()
        assert both and all(record["reports"][rounds] == other["reports"][rounds] for rounds in both)


def test_a_setting_that_lightgbm_does_not_know_ends_the_stage_at_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8").replace("num_leaves: 31", "num_leafs: 31")
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"params\.yaml: 'ranker\.models\.binary_deep\.settings': unknown 'num_leafs'"):
        tune.main()


@pytest.mark.parametrize(
    ("block", "why"),
    [({"tuning": {"trials": 0}}, "tuning.trials is 0"), ({"weeks": {"train": {"most": 1}}}, "too few training")],
)
def test_without_a_search_the_models_of_params_stay(
    block: dict[str, Any], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_project(tmp_path, WORLD, {})
    monkeypatch.chdir(tmp_path)
    raw = json.loads(paths.PARAMS.read_text())
    raw["tuning"] |= block.get("tuning", {})
    raw["weeks"]["train"] |= block.get("weeks", {}).get("train", {})
    paths.PARAMS.write_text(json.dumps(raw))
    tune.main()
    best = Best.model_validate_json(recipe.BEST.read_bytes())
    assert best.why.startswith(why) and best.judgement is None and trials.read() == []
    assert best.models == recipe.of_params(Params.model_validate(raw).ranker)
