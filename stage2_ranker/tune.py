"""Stage ``tune``: search for the ranker's models and their weights, starting from those of params.yaml.

A trial is one LightGBM model. It is trained on the training weeks before the tuning weeks, with early stopping on the
stopping weeks, as in stage ``train``; its value is MAP@12 on the tuning weeks. The stopping weeks never score a model.
The tuning weeks never stop one early, but prune a trial that falls far behind earlier trials. The validation weeks are
not read. Writes data/tuned/best.json, which ``train`` and ``train_final`` read, and data/tuning/, the trials. The study
lies in data/checkpoints/tuning under a fingerprint of all that a trial depends on. So a killed run resumes, and a run
with more trials adds to those it has. `python -m stage2_ranker.tune` in further terminals shares the work.
"""

import shutil
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
from optuna import Trial
from optuna.trial import FrozenTrial, TrialState

from retail import kept, paths, stage, weeks
from retail import params as parameters
from retail import shop as shops
from retail.log import Array
from retail.params import Params
from retail.shop import Shop
from retail.weeks import Plan
from stage2_ranker.fast_trees.forest import score_raw
from stage2_ranker.model import ranker, recipe
from stage2_ranker.model.blend import normalise
from stage2_ranker.model.ranker import Rows
from stage2_ranker.model.recipe import Best, Recipe
from stage2_ranker.search import choose_blend, known_settings, search, space, trials
from stage2_ranker.search.choose_blend import Candidate
from stage2_ranker.search.space import Limits
from stage2_ranker.search.tuning_set import TuningSet
from stage2_ranker.train import read_weeks

REPORT_EVERY = 50  # rounds between two reports of MAP@12 on the tuning weeks
CODE = Path(__file__).parent
LIBRARIES = ("lightgbm", "optuna", "numpy")


@dataclass(frozen=True)
class Task:
    """The data and settings that all trials share, and the objective."""

    params: Params
    starts: list[Recipe]
    train: Rows
    stop: Rows
    tuning: TuningSet
    folder: Path  # of the study

    @property
    def limits(self) -> Limits:
        return Limits.from_rows(self.train)

    def make_recipe(self, number: int, values: dict[str, Any]) -> Recipe:
        """Make the model of a trial; the first trials are the models of params.yaml, unchanged."""
        if number < len(self.starts):
            return self.starts[number]
        return space.make_recipe(number, values, self.starts[0], self.limits)

    def run_trial(self, trial: Trial) -> float:
        """Train a trial's model and return its MAP@12 on the tuning weeks.

        Writes the scores next to the study, and stores rounds and spread in the trial.
        """
        model, settings = self.make_recipe(trial.number, trial.params), self.params.ranker
        no_trees = np.zeros(len(self.tuning.features))
        callback = TuningCallback(trial, self.tuning, no_trees, prune=trial.number >= len(self.starts))
        booster = ranker.fit_model(
            self.train, self.stop, model, settings, settings.rounds, callback, self.params.tuning.rows
        )
        score = score_raw(booster, self.tuning.features).astype(np.float32)
        with stage.whole_file(self.scores_path(trial.number)) as part, part.open("wb") as file:
            np.save(file, score)
        trial.set_user_attr("rounds", booster.best_iteration)
        trial.set_user_attr("spread", ranker.measure_spread(booster, self.stop))
        if trial.number < len(self.starts):
            trial.set_user_attr("model", model.name)
        return self.tuning.compute_map12(score)

    def scores_path(self, number: int) -> Path:
        """Return the file of a trial's raw scores of the tuning set's rows."""
        return self.folder / f"scores_{number}.npy"

    def read_candidate(self, completed: FrozenTrial) -> Candidate:
        """Read the model of a completed trial and its normalised scores."""
        raw, settings = np.load(self.scores_path(completed.number)), self.params.ranker
        normalised = normalise(raw, completed.user_attrs["spread"], self.tuning.run, settings.average)
        return Candidate(self.make_recipe(completed.number, completed.params), normalised)


@dataclass(frozen=True)
class TuningCallback:
    """Report MAP@12 on the tuning weeks every ``REPORT_EVERY`` rounds; called after every round."""

    trial: Trial
    tuning: TuningSet
    score: Array  # (n,) float64 raw scores by the trees so far
    prune: bool

    def __call__(self, booster: lgb.Booster, done: int, map12: float | None) -> None:
        if done % REPORT_EVERY == 0:
            since = done - REPORT_EVERY
            np.add(self.score, score_raw(booster, self.tuning.features, since, REPORT_EVERY), out=self.score)
            search.report(self.trial, self.tuning.compute_map12(self.score), done, self.prune)


def make_task(shop: Shop, plan: Plan, params: Params) -> Task | str:
    """Read the tables that a search may see; return the reason where no search is possible."""
    tuning_weeks = plan.tuning(params.tuning.weeks)
    if not params.tuning.trials:
        return "tuning.trials is 0"
    if not tuning_weeks:
        return "too few training weeks to use any as tuning weeks"
    before = read_weeks(plan.train[: -len(tuning_weeks)], True)
    if not any((table["label"] > 0).any() for table in before.values()):
        return "no candidate of the weeks before the tuning weeks was bought"
    users = {
        week: weeks.tuning_customers(shop.log, plan, week, params.weeks, params.tuning.customers, params.seed)
        for week in tuning_weeks
    }
    truths = {week: weeks.truth(shop.log, week) for week in tuning_weeks}
    tuning = TuningSet.from_tables(read_weeks(tuning_weeks, False), users, truths)
    return Task(
        params,
        recipe.of_params(params.ranker),
        Rows.from_tables(before, only_sampled=True),
        Rows.from_tables(read_weeks(plan.stop, False), only_sampled=False),
        tuning,
        paths.CHECKPOINTS / "tuning" / compute_fingerprint(plan, tuning, params),
    )


def compute_fingerprint(plan: Plan, tuning: TuningSet, params: Params) -> str:
    """Compute a digest of the tables, the truth, the settings except the number of trials, the code and libraries."""
    settings = params.tuning.model_dump(mode="json", exclude={"trials"})
    about = [settings, params.ranker, params.seed, {name: version(name) for name in LIBRARIES}]
    tables = [paths.of_week(paths.TABLE, "table", week) for week in [*plan.train, *plan.stop]]
    truths = (values for week in tuning.weeks.values() for values in (week.users, week.start, week.bought))
    return kept.fingerprint(about, [*tables, *sorted(CODE.rglob("*.py"))], truths)


def run_search(task: Task) -> tuple[Best, list[FrozenTrial]]:
    """Run all trials; return the blend that is kept, and the trials."""
    limits, params = task.limits, task.params
    starts = [space.to_parameters(start, limits) for start in task.starts]
    ended = search.run(
        task.folder, starts, params.tuning.trials, lambda trial: space.suggest(trial, limits), task.run_trial,
        params.seed,
    )  # fmt: skip
    first, proposed = ended[: len(starts)], ended[len(starts) :]
    others = [partial(task.read_candidate, trial) for trial in proposed if trial.state == TrialState.COMPLETE]
    best = choose_blend.choose_best([task.read_candidate(trial) for trial in first], others, task.tuning, params.seed)
    return best, ended


def write(best: Best, ended: list[FrozenTrial]) -> None:
    """Write best.json and data/tuning/."""
    recipe.write(best)
    with stage.whole_folder(trials.TUNING) as folder:
        trials.write(trials.make_records(ended), folder)
    print(f"tune: {', '.join(f'{model.name} x {model.weight:.2f}' for model in best.models)}; {best.why}")


def main() -> None:
    params = parameters.read()
    known_settings.check(recipe.of_params(params.ranker), params.ranker)
    shop = shops.read()
    plan = weeks.plan(shop.log, params.weeks)
    task = make_task(shop, plan, params)
    if isinstance(task, str):
        write(Best(models=recipe.of_params(params.ranker), kept="params.yaml", why=task, judgement=None), [])
        return
    best, ended = run_search(task)
    with search.lock_study(task.folder):  # other processes may end the same search at the same time
        write(best, ended)
    for other in task.folder.parent.iterdir():
        if other != task.folder:  # a search on other tables or settings
            shutil.rmtree(other, ignore_errors=True)


if __name__ == "__main__":
    stage.run(main, "tune")
