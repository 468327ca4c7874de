"""The search: what judges a trial, which rows it sees, trials that survive a kill, which blend may replace params."""

import json
import subprocess
import sys
from collections.abc import Callable
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
from world import PARAMS, World, random_world

from retail import metrics, paths, weeks
from retail.errors import InputError
from retail.log import Array
from retail.params import Params
from stage2_ranker import tune
from stage2_ranker.model import recipe
from stage2_ranker.model.ranker import Rows
from stage2_ranker.model.recipe import Best, Recipe
from stage2_ranker.search import choose, judge, search, space, trials
from stage2_ranker.search.choose import Candidate
from stage2_ranker.search.judge import Judge, Week
from stage2_ranker.search.space import Limits

# The judge


def table(*rows: tuple[int, int], **features: list[float]) -> pl.DataFrame:
    """Candidates (user, item), none of them sampled."""
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


def test_what_was_bought_outside_the_pool_counts_and_so_does_a_customer_without_candidates() -> None:
    # customer 3 bought 1 and 9, of which 1 is a candidate, ranked second; customer 5 has no candidate; 8 bought 4
    week = Week.of(table((3, 0), (3, 1), (8, 4)), ids(3, 5, 8), (ids(3, 3, 5, 8), ids(1, 9, 2, 4)))
    assert week.ap(np.array([2.0, 1.0, 0.0])).tolist() == [(1 / 2) / 2, 0.0, 1.0]
    assert week.ap(np.array([1.0, 1.0, 0.0])).tolist() == [(1 / 2) / 2, 0.0, 1.0]  # ties break by article
    assert week.ap(np.array([1.0, 2.0, 0.0])).tolist() == [1 / 2, 0.0, 1.0]


def test_weeks_weigh_alike_and_other_customers_are_not_judged_by() -> None:
    tables = {7: table((0, 1), (1, 1), x=[5, 6]), 8: table((0, 2), (2, 2), x=[7, 8])}
    truths = {7: (ids(0, 1), ids(1, 1)), 8: (ids(0, 2), ids(3, 2))}
    judge = Judge.of(tables, {7: ids(0), 8: ids(0, 2)}, truths)
    assert judge.features.tolist() == [[5], [7], [8]]  # customer 1 of week 7 is not among the judges
    assert judge.map12(np.zeros(3)) == (1 / 1 + (0 + 1) / 2) / 2
    assert judge.run.tolist() == [0, 1, 2]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6))
def test_the_twelve_are_those_of_a_plain_sort(seed: int) -> None:
    rng = np.random.default_rng(seed)
    users, pairs = ids(2, 4, 7), sorted({(int(rng.choice([2, 4])), int(item)) for item in rng.integers(30, size=40)})
    score = rng.integers(4, size=len(pairs)).astype(float)  # many ties
    bought = (np.repeat(users, 3), np.tile(ids(1, 5, 12), 3))
    lists = np.full((3, 12), -1)
    for row, user in enumerate(users.tolist()):
        own = sorted((-s, item) for s, (of, item) in zip(score, pairs, strict=True) if of == user)[:12]
        lists[row, : len(own)] = [item for _, item in own]
    expected = metrics.average_precision(*metrics.truth_runs(*bought, users), lists)
    assert Week.of(table(*pairs), users, bought).ap(score).tolist() == expected.tolist()


# The rows of a model


def made(name: str = "a", **changes: Any) -> Recipe:
    usual: dict[str, Any] = {"objective": "binary", "seed": 1, "weight": 1.0, "half_life": 20.0, "weeks": None}
    return Recipe(name=name, **{**usual, "negatives": None, "settings": {}, **changes})


def rows_of(weeks_of_data: int = 4, customers: int = 300, candidates: int = 20) -> Rows:
    """One bought article among the candidates of each customer of each week."""
    n = weeks_of_data * customers * candidates
    age = np.repeat(np.arange(weeks_of_data)[::-1] * 2, customers * candidates)  # every second week is closed
    label = (np.arange(n) % candidates == 3).astype(np.uint8)
    return Rows(np.arange(n, dtype=np.float32)[:, None], label, age, np.full(n // candidates, candidates), ["x"])


def test_a_model_of_all_rows_gets_them_as_they_are() -> None:
    rows = rows_of()
    assert rows.of_recipe(made()) is rows
    assert rows.of_recipe(made(weeks=4, negatives=19), most=len(rows.label)) is rows


def test_the_newest_weeks_are_counted_among_those_that_there_are() -> None:
    found = rows_of().of_recipe(made(weeks=2))
    assert np.unique(found.age).tolist() == [0, 2] and len(found.groups) == 600
    assert found.features[0, 0] == 2 * 300 * 20


def test_negatives_are_thinned_alike_in_all_weeks_and_positives_stay() -> None:
    rows, found = rows_of(), rows_of().of_recipe(made(negatives=4))
    assert found.label.sum() == rows.label.sum() and found.groups.sum() == len(found.label)
    for age in (0, 2, 4, 6):
        negative = (found.age == age) & (found.label == 0)
        assert negative.sum() == pytest.approx(300 * 4, rel=0.1)
    assert not np.array_equal(found.features, rows.of_recipe(made(negatives=4, seed=2)).features)
    assert np.array_equal(found.features, rows.of_recipe(made(negatives=4)).features)


def test_fewer_rows_are_fewer_customers_and_no_other_share_of_positives() -> None:
    found = rows_of().of_recipe(made(negatives=9), most=6000)
    assert 5900 < len(found.label) <= 6000
    assert found.label.mean() == pytest.approx(1 / 10, rel=0.05)
    assert (np.bincount(found.age)[[0, 2, 4, 6]] / 6000).tolist() == pytest.approx([0.25] * 4, abs=0.03)
    whole = rows_of().of_recipe(made(), most=6000)
    assert set(whole.groups.tolist()) == {20} and len(whole.label) == 6000


# The space

LIMITS = Limits(weeks=37, negatives=17)


def test_the_models_of_params_lie_in_the_space_and_come_back_from_it() -> None:
    for number, one in enumerate(recipe.of_params(PARAMS.ranker)):
        found = space.parameters(one, LIMITS)
        assert found.keys() == _asked(found).keys()
        again = space.recipe(number, found, one, LIMITS)
        assert again.settings == one.settings and again.half_life == one.half_life
        assert again.weeks is None and again.negatives is None  # the most there are


def _asked(found: dict[str, Any]) -> dict[str, Any]:
    """``found`` as a trial that was enqueued with it is asked for its parameters."""
    study = optuna.create_study()
    study.enqueue_trial(found)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optuna.samplers.TPESampler, "sample_independent", None)  # the sampler is not asked
        trial = study.ask()
        assert space.suggest(trial, LIMITS) == found
    return trial.params


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 30))
def test_whatever_is_proposed_is_a_model(seed: int, weeks_: int, negatives: int) -> None:
    limits = Limits(weeks_, negatives)
    found = search.proposed([], lambda trial: space.suggest(trial, limits), seed)
    one = space.recipe(5, found, recipe.of_params(PARAMS.ranker)[0], limits)
    assert one.weeks is None or 1 <= one.weeks < weeks_
    assert one.negatives is None or 1 <= one.negatives < negatives
    assert (space.TRUNCATION in one.settings) == (one.objective == "lambdarank")
    assert one.settings["max_bin"] == 63 and one.settings["bagging_freq"] == 1


# Trials

STARTS = [{"x": 0.5, "n": 3}, {"x": -2.0, "n": 9}]
SEARCH = f"""
import os, signal, sys, time
from pathlib import Path
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}]
from stage2_ranker import search
from test_tune import STARTS, parabola, line
number, where, pause = int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
def die(at):
    if at == where:
        os.kill(os.getpid(), signal.SIGKILL)
def objective(trial):
    time.sleep(pause)
    return parabola(trial, die if trial.number == number else lambda at: None)
def suggest(trial):
    if trial.number == number and where == "asked" and trial.study.study_name == "ranker":
        trial.suggest_float("x", -3, 3)
        die("asked")
    return line(trial)
search.run(Path(sys.argv[1]), STARTS, 12, suggest, objective, seed=3)
"""


def line(trial: Trial) -> None:
    trial.suggest_float("x", -3, 3)
    trial.suggest_int("n", 1, 9)


def parabola(trial: Trial, look: Callable[[str], None] = lambda at: None) -> float:
    """A model that gets better for 200 rounds; half of the trials fall behind on the way."""
    value: float = 1 - (trial.params["x"] - 1) ** 2 + trial.params["n"] / 100
    for rounds in (50, 100, 150, 200):
        search.report(trial, value * rounds / 200, rounds, prune=trial.number > 1)
        look(f"round {rounds}")
    return value


def told(found: list[FrozenTrial]) -> list[Any]:
    return [(one.number, one.params, one.values, one.state, one.intermediate_values) for one in found]


def searched(folder: Path) -> list[Any]:
    return told(search.run(folder, STARTS, 12, line, parabola, seed=3))


def start(folder: Path, number: int = -1, where: str = "", pause: float = 0.0) -> subprocess.Popen[str]:
    """The same search in a process of its own, killed where asked."""
    command = [sys.executable, "-c", SEARCH, str(folder), str(number), where, str(pause)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    return searched(tmp_path_factory.mktemp("unbroken"))


def test_a_search_tries_the_starts_then_what_the_sampler_proposes(unbroken: list[Any]) -> None:
    assert [row[0] for row in unbroken] == list(range(14))
    assert [row[1]["x"] for row in unbroken[:2]] == [0.5, -2.0]
    states = [row[3].name for row in unbroken]
    assert set(states) == {"COMPLETE", "PRUNED"} and states[:5] == ["COMPLETE"] * 5
    assert max(row[2][0] for row in unbroken) > 0.95


def test_a_search_that_was_killed_goes_on_with_the_same_trials(unbroken: list[Any], tmp_path: Path) -> None:
    completed = next(row[0] for row in unbroken[6:] if row[3].name == "COMPLETE")
    pruned = next(row[0] for row in unbroken if row[3].name == "PRUNED")
    kills = [(1, "round 200"), (5, "asked"), (pruned, "round 50"), (completed, "round 150")]
    for number, where in sorted(kills):
        process = start(tmp_path, number, where)
        assert process.wait() == -9, process.communicate()[1]
    assert searched(tmp_path) == unbroken
    assert searched(tmp_path) == unbroken  # nothing is left to do


def test_half_a_line_in_the_journal_is_forgotten(unbroken: list[Any], tmp_path: Path) -> None:
    searched(tmp_path)
    journal = tmp_path / search.JOURNAL
    with journal.open("ab") as file:
        file.write(b'{"op_code": 4, "work')
    assert searched(tmp_path) == unbroken


def test_more_trials_are_added_to_those_there_are(unbroken: list[Any], tmp_path: Path) -> None:
    assert told(search.run(tmp_path, STARTS, 3, line, parabola, seed=3)) == unbroken[:5]
    assert searched(tmp_path) == unbroken
    assert told(search.run(tmp_path, STARTS, 3, line, parabola, seed=3)) == unbroken[:5]  # and fewer are fewer


def test_processes_share_a_search_and_one_that_dies_is_replaced(unbroken: list[Any], tmp_path: Path) -> None:
    processes = [start(tmp_path, pause=0.05), start(tmp_path, 4, "round 100", pause=0.05)]
    ends = [process.wait() for process in processes]
    assert ends[0] == 0, processes[0].communicate()[1]
    found = searched(tmp_path)
    assert [row[0] for row in found] == list(range(14)) and all(row[3].is_finished() for row in found)
    assert len({tuple(row[1].values()) for row in found}) == 14  # none was tried twice
    assert found[:2] == unbroken[:2]


def test_an_error_leaves_its_trial_to_the_next_run(unbroken: list[Any], tmp_path: Path) -> None:
    def fails(trial: Trial) -> float:
        if trial.number == 3:
            raise MemoryError
        return parabola(trial)

    with pytest.raises(MemoryError):
        search.run(tmp_path, STARTS, 12, line, fails, seed=3)
    assert searched(tmp_path) == unbroken


def test_records_survive_their_file_and_make_a_study(tmp_path: Path) -> None:
    found = search.run(tmp_path, STARTS, 12, line, parabola, seed=3)
    trials.write(trials.records(found), tmp_path)
    read = trials.read(tmp_path)
    again = trials.study_of(read)
    assert told(again.trials) == told(found) and trials.records(again.trials) == read
    assert "datetime" not in (tmp_path / "trials.json").read_text()
    csv = pl.read_csv(tmp_path / "trials.csv")
    assert csv.columns == ["number", "state", "value", "model", "rounds", "n", "x"] and csv.height == 14
    trials.write([], tmp_path)
    assert trials.read(tmp_path) == [] and trials.study_of([]).trials == []


# The blend


def test_greedy_selection_by_hand() -> None:
    # the value is how near the sum is to (7, 4): that begins at (1, 1), and (3, 0) + (3, 0) + (0, 3) leads there
    scores = np.array([[0, 0], [3, 0], [0, 3]])

    def near(target: tuple[int, int]) -> Callable[[choose.Added], float]:
        return lambda added: -float(np.abs(1 + scores[list(added)].sum(axis=0) - target).sum())

    assert choose.greedy([0, 1, 2], near((7, 4))) == (1, 1, 2)
    assert choose.greedy([0, 1, 2], near((1, 1))) == ()


def judge_of(customers: int, weeks: tuple[int, ...] = (5,)) -> Judge:
    """Customer c has the candidates c and c + 1000 in every week, and bought the second."""
    users = np.arange(customers, dtype=np.uint32)
    pairs = [(user, item) for user in range(customers) for item in (user, user + 1000)]
    of_week = table(*pairs, x=[0.0] * len(pairs))
    return Judge.of(
        dict.fromkeys(weeks, of_week), dict.fromkeys(weeks, users), dict.fromkeys(weeks, (users, users + 1000))
    )


def candidate(name: str, right: Array, sure: float = 1) -> Candidate:
    """Puts the bought article first where ``right``, else second, ``sure`` ahead."""
    score = sure * np.stack([~right, right], axis=1).ravel().astype(np.float32)
    return Candidate(made(name, weight=2.0), score)


def everyone(by: Judge) -> list[Array]:
    return [np.ones(len(week.users), bool) for week in by.weeks.values()]


def test_the_blend_of_params_stays_unless_another_is_better_by_more_than_chance() -> None:
    by, old = judge_of(100), np.arange(100) < 50
    slightly, clearly = old.copy(), old.copy()
    slightly[:10], slightly[50:61] = False, True  # 10 lists are worse, 11 better
    clearly[50:60] = True
    kept = choose.best([candidate("a", old)], [lambda: candidate("b", slightly, sure=30)], by, seed=1)
    assert kept.kept == "params.yaml" and kept.models == [made("a", weight=2.0)]
    assert kept.judgement and kept.judgement.found == pytest.approx({"a": 10 / 11, "b": 1 / 11})
    found = choose.best([candidate("a", old)], [lambda: candidate("b", clearly, sure=30)], by, seed=1)
    weight = {one.name: one.weight for one in found.models}
    assert found.kept == "found" and weight == pytest.approx({"a": 10 / 11, "b": 1 / 11})
    assert found.judgement and found.judgement.map12 == pytest.approx({"found": 0.8, "params.yaml": 0.75})
    assert found.judgement.difference == pytest.approx(0.05)
    assert found.judgement.standard_error == pytest.approx(0.5 * np.sqrt(10) / 100, rel=0.15)


@pytest.mark.parametrize("weeks", [(5,), (5, 6)])
def test_each_customer_judges_what_others_chose(weeks: tuple[int, ...]) -> None:
    """A trial that is right for one fold alone is chosen where its customers choose, and judged where they do not."""
    by = judge_of(100, weeks)
    fold = np.random.default_rng(1).permutation(100) % choose.FOLDS
    rights = np.tile(np.repeat(fold == 0, 2), len(weeks))
    wrong = np.tile([1.0, 0.0], 100 * len(weeks)).astype(np.float32)
    right = 30 * np.where(rights, 1 - wrong, wrong)
    choice = choose.Choice([Candidate(made("a"), wrong)], [lambda: Candidate(made("b"), right)], by)
    assert choice.found(everyone(by)) == (1,)
    assert judge.mean(choice.ap((1,))) == pytest.approx(0.6)  # 1 for a fifth of the customers, else 1/2
    assert [of_week.mean() for of_week in choice.crossed(seed=1)] == [0.5] * len(weeks)


def test_the_best_of_many_that_differ_by_chance_alone_is_not_kept() -> None:
    rng, by = np.random.default_rng(3), judge_of(100)
    old = rng.random(100) < 0.5
    lucky = [partial(candidate, f"trial_{k}", rng.random(100) < 0.5, 30) for k in range(60)]
    choice = choose.Choice([candidate("a", old)], lucky, by)
    minus = choice.ap(choice.found(everyone(by)))[0] - choice.ap(())[0]
    assert minus.mean() > 2 * minus.std() / 10  # to those who chose it, it looks better than chance
    assert choose.best([candidate("a", old)], lucky, by, seed=1).kept == "params.yaml"


def test_few_customers_and_no_trials_end_well() -> None:
    by, some = judge_of(3), np.array([True, False, True])
    for trials_read in ([], [partial(candidate, "b", ~some)]):
        chosen = choose.best([candidate("a", some)], trials_read, by, seed=1)
        assert chosen.kept == "params.yaml" and [one.name for one in chosen.models] == ["a"]


def test_kept_sums_are_those_made_anew() -> None:
    rng, by = np.random.default_rng(5), judge_of(40)
    starts = [Candidate(made(name, weight=w), rng.normal(size=80)) for name, w in (("a", 1.0), ("b", 3.0))]
    trial = Candidate(made("c"), rng.normal(size=80))
    choice = choose.Choice(starts, [lambda: trial], by)
    for added in ((), (0,), (0, 2, 2), (0,)):
        times = np.bincount(np.array(added, int), minlength=3)
        weight = choose.STEPS * np.array([0.25, 0.75, 0.0]) + times
        total = np.stack([*(one.say for one in starts), trial.say]).T @ weight
        assert all(np.array_equal(one, two) for one, two in zip(choice.ap(added), by.ap(total), strict=True))
        recipes = choice.recipes(added)
        assert [one.weight for one in recipes] == pytest.approx([w for w in weight / weight.sum() if w])


def test_best_json_keeps_order_and_numbers_and_names_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "room" / "best.json"
    with pytest.raises(InputError, match="no such file; run `dvc repro`"):
        recipe.read(path)
    models = recipe.of_params(PARAMS.ranker)
    recipe.write(Best(models=models, kept="params.yaml", why="", judgement=None), path)
    assert recipe.read(path) == models
    assert [one.model_dump() for one in recipe.read(path)] == [one.model_dump() for one in models]
    path.write_text(path.read_text().replace('"lambdarank"', '"pairwise"'))
    with pytest.raises(InputError, match=r"best\.json: Input should be 'lambdarank'"):
        recipe.read(path)


# The stage


WORLD = random_world(seed=4, users=60, days=120, entries=2500)  # weeks 9..14 train, 13 and 14 judge, 15 stops


def project(folder: Path, world: World, labels: dict[int, int]) -> Params:
    """The tables that a search reads, and no others; ``labels``: seeds of weeks whose labels are drawn otherwise."""
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


def outputs(folder: Path) -> dict[str, bytes]:
    files = [folder / recipe.BEST, *(folder / trials.TUNING).iterdir()]
    return {file.name: file.read_bytes() for file in files}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    return run(folder, WORLD)


def run(folder: Path, world: World, labels: dict[int, int] | None = None) -> dict[str, bytes]:
    """What the stage leaves."""
    project(folder, world, labels or {})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        tune.main()
    return outputs(folder)


def test_the_stage_leaves_a_blend_and_its_trials(whole: dict[str, bytes]) -> None:
    best = Best.model_validate_json(whole["best.json"])
    found = json.loads(whole["trials.json"])
    assert len(found) == 8 and [one["model"] for one in found[:3]] == list(PARAMS.ranker.models)
    assert all(one["state"] == "COMPLETE" for one in found[:3])  # the models of params.yaml are not pruned
    assert best.judgement and best.judgement.weeks == [13, 14]
    assert sum(best.judgement.found.values()) == pytest.approx(1)


def test_killed_in_a_trial_the_stage_goes_on_to_the_same_bytes(
    whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(tmp_path, WORLD, {})
    monkeypatch.chdir(tmp_path)
    real = search.report

    def killed(trial: Trial, value: float, rounds: int, prune: bool) -> None:
        real(trial, value, rounds, prune)
        if trial.number in (1, 4):
            raise KeyboardInterrupt

    monkeypatch.setattr(search, "report", killed)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            tune.main()
    monkeypatch.setattr(search, "report", real)
    tune.main()
    assert outputs(tmp_path) == whole


def test_validation_weeks_are_not_read(whole: dict[str, bytes], tmp_path: Path) -> None:
    """Their tables are not there at all, and what happens in them changes no byte."""
    plan = weeks.plan(WORLD.shop.log, PARAMS.weeks.model_copy(update={"validation": 2}))
    other = WORLD.rewritten(weeks.first_day(WORLD.days, plan.validation[0]), seed=5)
    assert not other.tx.equals(WORLD.tx)
    assert run(tmp_path, other) == whole


def test_no_trial_is_stopped_by_the_tuning_weeks(whole: dict[str, bytes], tmp_path: Path) -> None:
    """Other tuning weeks: other values, and yet every model of params.yaml ends after the same number of rounds."""
    found, other = (json.loads(files["trials.json"]) for files in (whole, run(tmp_path, WORLD, {13: 7, 14: 7})))
    assert [one["rounds"] for one in found[:3]] == [one["rounds"] for one in other[:3]]
    assert [one["spread"] for one in found[:3]] == [one["spread"] for one in other[:3]]
    assert all(one["value"] != another["value"] for one, another in zip(found[:3], other[:3], strict=True))


def test_no_trial_is_judged_by_the_stopping_week(whole: dict[str, bytes], tmp_path: Path) -> None:
    """Another stopping week: until they are stopped the models of params.yaml are worth the same round by round."""
    found, other = (json.loads(files["trials.json"]) for files in (whole, run(tmp_path, WORLD, {15: 7})))
    assert found[0]["spread"] != other[0]["spread"]
    for one, another in zip(found[:3], other[:3], strict=True):
        both = one["reports"].keys() & another["reports"].keys()
        assert both and all(one["reports"][rounds] == another["reports"][rounds] for rounds in both)


def test_a_setting_that_lightgbm_does_not_know_ends_the_stage_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8").replace("num_leaves: 31", "num_leafs: 31")
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"params\.yaml: 'ranker\.models\.binary_deep\.settings': unknown 'num_leafs'"):
        tune.main()


@pytest.mark.parametrize(
    ("block", "why"),
    [({"tuning": {"trials": 0}}, "no trial was asked for"), ({"weeks": {"train": {"most": 1}}}, "too few training")],
)
def test_without_a_search_the_models_of_params_stay(
    block: dict[str, Any], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(tmp_path, WORLD, {})
    monkeypatch.chdir(tmp_path)
    raw = json.loads(paths.PARAMS.read_text())
    raw["tuning"] |= block.get("tuning", {})
    raw["weeks"]["train"] |= block.get("weeks", {}).get("train", {})
    paths.PARAMS.write_text(json.dumps(raw))
    tune.main()
    best = Best.model_validate_json(recipe.BEST.read_bytes())
    assert best.why.startswith(why) and best.judgement is None and trials.read() == []
    assert best.models == recipe.of_params(Params.model_validate(raw).ranker)
