"""Define the search space: its parameters, their bounds, and the model that a trial's parameters make."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna import Trial

from stage2_ranker.model.ranker import Rows
from stage2_ranker.model.recipe import Recipe

OBJECTIVES = ("lambdarank", "binary", "rank_xendcg")
TRUNCATION = "lambdarank_truncation_level"
# name -> lowest, highest, on a log scale
FLOATS = {
    "learning_rate": (0.03, 0.2, True),
    "feature_fraction": (0.05, 0.5, True),
    "bagging_fraction": (0.4, 1.0, False),
    "lambda_l2": (0.1, 100.0, True),
}
INTEGERS = {"num_leaves": (7, 63), "min_data_in_leaf": (20, 2000)}
TRUNCATIONS = (12, 120)
HALF_LIVES = (5.0, 100.0)
LIGHTGBM_DEFAULTS = {  # for settings that params.yaml leaves out
    "learning_rate": 0.1, "feature_fraction": 1.0, "bagging_fraction": 1.0, "lambda_l2": 0.0,
    "num_leaves": 31, "min_data_in_leaf": 20, TRUNCATION: 30,
}  # fmt: skip
LEAST_WEEKS, LEAST_NEGATIVES = 4, 2


@dataclass(frozen=True)
class Limits:
    """The number of weeks and of negatives per positive in the training rows of the search."""

    weeks: int
    negatives: int

    @staticmethod
    def from_rows(rows: Rows) -> "Limits":
        """Count the weeks and the negatives per positive of ``rows``."""
        positives = int(np.count_nonzero(rows.label))
        return Limits(len(np.unique(rows.age)), max(-(-(len(rows.label) - positives) // positives), 1))


def suggest(trial: Trial, limits: Limits) -> dict[str, Any]:
    """Return the trial's parameters: those it already has or was enqueued with, and the sampler's for the rest."""
    if trial.suggest_categorical("objective", OBJECTIVES) == "lambdarank":
        trial.suggest_int(TRUNCATION, *TRUNCATIONS)
    for name, (low, high, log) in FLOATS.items():
        trial.suggest_float(name, low, high, log=log)
    for name, bounds in INTEGERS.items():
        trial.suggest_int(name, *bounds, log=True)
    trial.suggest_float("half_life", *HALF_LIVES, log=True)
    trial.suggest_int("weeks", min(LEAST_WEEKS, limits.weeks), limits.weeks, log=True)
    trial.suggest_int("negatives", min(LEAST_NEGATIVES, limits.negatives), limits.negatives, log=True)
    return trial.params


def to_parameters(start: Recipe, limits: Limits) -> dict[str, Any]:
    """Return the parameters of a model of params.yaml, clipped to the bounds."""
    settings = {**LIGHTGBM_DEFAULTS, **start.settings}
    out: dict[str, Any] = {"objective": start.objective, "weeks": limits.weeks, "negatives": limits.negatives}
    if start.objective == "lambdarank":
        out[TRUNCATION] = int(np.clip(settings[TRUNCATION], *TRUNCATIONS))
    out |= {name: float(np.clip(settings[name], low, high)) for name, (low, high, _) in FLOATS.items()}
    out |= {name: int(np.clip(settings[name], *bounds)) for name, bounds in INTEGERS.items()}
    return {**out, "half_life": float(np.clip(start.half_life, *HALF_LIVES))}


def make_recipe(number: int, values: dict[str, Any], base: Recipe, limits: Limits) -> Recipe:
    """Make the model of trial ``number`` from its parameters ``values``; other settings are those of ``base``.

    A trial at the limit of weeks or negatives uses all of them, because the final ranker has more weeks.
    """
    searched = {name: values[name] for name in (*FLOATS, *INTEGERS, TRUNCATION) if name in values}
    others = {name: value for name, value in base.settings.items() if name != TRUNCATION}
    return Recipe(
        name=f"trial_{number}",
        objective=values["objective"],
        seed=number,
        weight=1.0,
        half_life=values["half_life"],
        weeks=values["weeks"] if values["weeks"] < limits.weeks else None,
        negatives=values["negatives"] if values["negatives"] < limits.negatives else None,
        settings={**others, "bagging_freq": 1, **searched},
    )
