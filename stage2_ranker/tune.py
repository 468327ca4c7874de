"""Stage ``tune``: search for the ranker's models and their weights, starting from those of params.yaml.

A trial is one LightGBM model. It is trained on the training weeks before the tuning weeks and stopped by the stopping
weeks, as in stage ``train``; its value is MAP@12 on the tuning weeks. The stopping weeks never judge a model, and the
tuning weeks never stop one, but a trial that falls far behind earlier trials on them is pruned. The validation weeks
are not read. Writes data/tuned/best.json, which ``train`` and ``train_final`` read, and data/tuning/, the trials. The
study lies in data/checkpoints/tuning under a fingerprint of all that a trial knows. So a killed run resumes, more
trials are added to those that are there, and `python -m stage2_ranker.tune` in further terminals shares the work.
"""

import shutil
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

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
from stage2_ranker.fast_trees.forest import raw_scores
from stage2_ranker.model import ranker, recipe
from stage2_ranker.model.blend import say
from stage2_ranker.model.ranker import Rows
from stage2_ranker.model.recipe import Best, Recipe
from stage2_ranker.search import choose, known_settings, search, space, trials
from stage2_ranker.search.choose import Candidate
from stage2_ranker.search.judge import Judge
from stage2_ranker.search.space import Limits
from stage2_ranker.train import read_weeks

REPORT_EVERY = 50  # rounds between two looks at the tuning weeks
CODE = Path(__file__).parent
LIBRARIES = ("lightgbm", "optuna", "numpy")


@dataclass(frozen=True)
class Task:
    """What every trial knows."""

    params: Params
    starts: list[Recipe]
    train: Rows
    stop: Rows
    judge: Judge
    folder: Path  # of the study

    @property
    def limits(self) -> Limits:
        return Limits.of(self.train)

    def recipe(self, number: int, found: dict[str, Any]) -> Recipe:
        """The model of a trial; the first ones are those of params.yaml as they stand there."""
        if number < len(self.starts):
            return self.starts[number]
        return space.recipe(number, found, self.starts[0], self.limits)

    def objective(self, trial: Trial) -> float:
        """MAP@12 on the tuning weeks; leaves the scores beside the study, rounds and spread with the trial."""
        one, settings = self.recipe(trial.number, trial.params), self.params.ranker
        rows = self.train.of_recipe(one, self.params.tuning.rows)
        look = Look(trial, self.judge, np.zeros(len(self.judge.features)), prune=trial.number >= len(self.starts))
        booster = ranker.fit_one(rows, self.stop, one, settings, settings.rounds, [look])
        score = raw_scores(booster, self.judge.features).astype(np.float32)
        with stage.whole_file(self.scores(trial.number)) as part, part.open("wb") as file:
            np.save(file, score)
        trial.set_user_attr("rounds", booster.best_iteration)
        trial.set_user_attr("spread", ranker.spread(booster, self.stop))
        if trial.number < len(self.starts):
            trial.set_user_attr("model", one.name)
        return self.judge.map12(score)

    def scores(self, number: int) -> Path:
        """Where the raw scores of the judge's rows by a trial's model lie."""
        return self.folder / f"scores_{number}.npy"

    def candidate(self, ended: FrozenTrial) -> Candidate:
        """The model of a completed trial."""
        raw, settings = np.load(self.scores(ended.number)), self.params.ranker
        said = say(raw, ended.user_attrs["spread"], self.judge.run, settings.average)
        return Candidate(self.recipe(ended.number, ended.params), said)


@dataclass(frozen=True, eq=False)  # LightGBM keeps callbacks in a set
class Look:
    """A callback of LightGBM's: reports MAP@12 on the tuning weeks now and then."""

    trial: Trial
    judge: Judge
    score: Array  # (n,) float64, by the trees so far
    prune: bool

    def __call__(self, env: Any) -> None:
        done = env.iteration + 1
        if done % REPORT_EVERY == 0:
            since = done - REPORT_EVERY
            np.add(self.score, raw_scores(env.model, self.judge.features, since, REPORT_EVERY), out=self.score)
            search.report(self.trial, self.judge.map12(self.score), done, self.prune)


def task(shop: Shop, plan: Plan, params: Params) -> Task | str:
    """The tables of the weeks that a search may see; the reason where there is nothing to search by."""
    judging = plan.tuning(params.tuning.weeks)
    if not params.tuning.trials:
        return "no trial was asked for"
    if not judging:
        return "too few training weeks to judge by some of them"
    before = read_weeks(plan.train[: -len(judging)], True)
    if not any((table["label"] > 0).any() for table in before.values()):
        return "no candidate of the weeks before the tuning weeks was bought"
    users = {
        week: weeks.tuning_customers(shop.log, plan, week, params.weeks, params.tuning.customers, params.seed)
        for week in judging
    }
    by = Judge.of(read_weeks(judging, False), users, {week: weeks.truth(shop.log, week) for week in judging})
    return Task(
        params,
        recipe.of_params(params.ranker),
        Rows.of(before, only_sampled=True),
        Rows.of(read_weeks(plan.stop, False), only_sampled=False),
        by,
        paths.CHECKPOINTS / "tuning" / fingerprint(plan, by, params),
    )


def fingerprint(plan: Plan, by: Judge, params: Params) -> str:
    """A digest of the tables, the truth, the settings except the number of trials, the code and its libraries."""
    settings = params.tuning.model_dump(mode="json", exclude={"trials"})
    about = [settings, params.ranker, params.seed, {name: version(name) for name in LIBRARIES}]
    tables = [paths.of_week(paths.TABLE, "table", week) for week in [*plan.train, *plan.stop]]
    truths = (values for week in by.weeks.values() for values in (week.users, week.start, week.bought))
    return kept.fingerprint(about, [*tables, *sorted(CODE.rglob("*.py"))], truths)


def searched(asked: Task) -> tuple[Best, list[FrozenTrial]]:
    """The blend that stays after all trials, and the trials."""
    limits, params = asked.limits, asked.params
    starts = [space.parameters(one, limits) for one in asked.starts]
    ended = search.run(
        asked.folder, starts, params.tuning.trials, lambda trial: space.suggest(trial, limits), asked.objective,
        params.seed,
    )  # fmt: skip
    known, new = ended[: len(starts)], ended[len(starts) :]
    others = [partial(asked.candidate, one) for one in new if one.state == TrialState.COMPLETE]
    chosen = choose.best([asked.candidate(one) for one in known], others, asked.judge, params.seed)
    return chosen, ended


def write(best: Best, ended: list[FrozenTrial]) -> None:
    """best.json and data/tuning/."""
    recipe.write(best)
    with stage.whole_folder(trials.TUNING) as folder:
        trials.write(trials.records(ended), folder)
    print(f"tune: {', '.join(f'{one.name} x {one.weight:.2f}' for one in best.models)}; {best.why}")


def main() -> None:
    params = parameters.read()
    known_settings.check(recipe.of_params(params.ranker), params.ranker)
    shop = shops.read()
    plan = weeks.plan(shop.log, params.weeks)
    asked = task(shop, plan, params)
    if isinstance(asked, str):
        write(Best(models=recipe.of_params(params.ranker), kept="params.yaml", why=asked, judgement=None), [])
        return
    best, ended = searched(asked)
    with search.alone(asked.folder):  # others may end the same search at the same time
        write(best, ended)
    for other in asked.folder.parent.iterdir():
        if other != asked.folder:  # a search on other tables or settings
            shutil.rmtree(other, ignore_errors=True)


if __name__ == "__main__":
    stage.run(main, "tune")
