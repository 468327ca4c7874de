"""Train the ranker: LightGBM models of several objectives and seeds, fitted on customers' groups and blended."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
import polars as pl
from lightgbm import basic

from retail.errors import InputError
from retail.log import Array
from retail.params import Ranker
from stage2_ranker.fast_trees.forest import score_raw
from stage2_ranker.model import model_rows
from stage2_ranker.model.blend import Blend
from stage2_ranker.model.recipe import Recipe

KEYS = ("user", "item", "label", "sampled")  # the columns of the ranker's table that are no features
MOST_LEAVES = 200  # ``min_data_in_leaf`` is at most a 200th of the rows ...
LEAST_LEAF = 20  # ... unless that is less than this
LEAF = "min_data_in_leaf"
PRINT_EVERY = 50  # rounds between two lines of progress


@dataclass(frozen=True)
class Rows:
    """Features (n, f) float32, labels and ages in weeks (n,), and sizes of the contiguous groups of customers."""

    features: Array
    label: Array
    age: Array
    groups: Array
    names: list[str]

    @staticmethod
    def from_tables(weeks: dict[int, pl.DataFrame], only_sampled: bool) -> "Rows":
        """Concatenate the tables of several label weeks; with ``only_sampled`` the sampled rows only.

        The tables are removed from ``weeks`` one by one, so that no row is in memory twice. InputError where no row is
        positive.
        """
        newest, n = max(weeks), sum(_count_rows(table, only_sampled) for table in weeks.values())
        week_names = ", ".join(map(str, weeks))
        names = [name for name in weeks[newest].columns if name not in KEYS]
        features, begin = np.empty((len(names), n), np.float32), 0  # by column, as in LightGBM and the tables
        labels, ages, groups = [], [], []
        for week in list(weeks):
            table = weeks.pop(week)
            table = table.filter("sampled") if only_sampled else table
            user = table["user"].to_numpy()
            # a week of no rows has no group, not one of size 1
            bounds = np.flatnonzero(np.concatenate([[len(user) > 0], user[1:] != user[:-1], [True]]))
            for column, name in enumerate(names):
                features[column, begin : begin + len(user)] = table[name].to_numpy()
            begin += len(user)
            labels.append(table["label"].to_numpy())
            ages.append(np.full(len(user), newest - week, np.int32))
            groups.append(np.diff(bounds))
        label, age, sizes = (np.concatenate(column) for column in (labels, ages, groups))
        rows = Rows(features.T, label, age, sizes, names)
        if not rows.label.any():
            raise InputError(
                f"table: no candidate of label week(s) {week_names} was bought, expected at least one; bring a log "
                "with more purchases a week, or raise pool.take in params.yaml"
            )
        return rows

    def select(self, recipe: Recipe, most: int | None = None) -> "Rows":
        """Return the rows that the model of ``recipe`` is trained on, at most ``most``; itself if these are all."""
        keep = model_rows.select_rows(recipe, self.age, self.label, self.groups, most)
        if keep.all():
            return self
        sizes = np.bincount(np.repeat(np.arange(len(self.groups)), self.groups)[keep])
        return Rows(self.features[keep], self.label[keep], self.age[keep], sizes[sizes > 0], self.names)

    def compute_weights(self, half_life: float) -> Array:
        """Return weights (n,) float32: a week weighs half as much as the week ``half_life`` weeks later.

        Recent weeks weigh more because tastes and the shop's range change.
        """
        ages, place = np.unique(self.age, return_inverse=True)
        weights: Array = np.array([2.0 ** (-int(age) / half_life) for age in ages], np.float32)[place]
        return weights


def _count_rows(table: pl.DataFrame, only_sampled: bool) -> int:
    return int(table["sampled"].sum()) if only_sampled else table.height


def to_matrix(table: pl.DataFrame) -> Array:
    """Return the features (n, f) float32 of a table, in its column order."""
    return table.drop([key for key in KEYS if key in table.columns]).to_numpy().astype(np.float32, copy=False)


def fit(
    train: Rows, stop: Rows | None, recipes: list[Recipe], settings: Ranker,
    rounds: dict[str, int] | None, evaluated: Blend | None,
) -> Blend:  # fmt: skip
    """Fit every model on the rows of its recipe.

    With ``stop`` each model ends where MAP@12 on those rows no longer rises, otherwise after its ``rounds``. The blend
    takes the spreads of ``evaluated`` where given. Retraining has no whole pools to measure spreads on, and spreads of
    sampled rows would change the models' weights after evaluation.
    """
    models, spreads, used = {}, {}, {}
    for recipe in recipes:
        name, rows = recipe.name, train.select(recipe)
        callbacks = [lgb.log_evaluation(PRINT_EVERY)] if stop is not None else []
        booster = fit_model(rows, stop, recipe, settings, rounds[name] if rounds else settings.rounds, callbacks)
        models[name] = booster
        used[name] = booster.best_iteration if stop is not None else booster.current_iteration()
        spreads[name] = evaluated.spreads[name] if evaluated is not None else measure_spread(booster, stop or rows)
    return Blend(models, {recipe.name: recipe.weight for recipe in recipes}, spreads, used, settings.average)


def measure_spread(booster: lgb.Booster, rows: Rows) -> float:
    """Measure the standard deviation of the model's raw scores of ``rows``; the blend divides its scores by it."""
    spread = float(np.std(score_raw(booster, rows.features)))
    return spread if spread > 0 else 1.0  # a model without a split has a constant score and adds nothing to the order


def fit_model(
    train: Rows, stop: Rows | None, recipe: Recipe, settings: Ranker, rounds: int,
    callbacks: Sequence[Callable[..., Any]],
) -> lgb.Booster:  # fmt: skip
    """Fit a model of ``recipe`` on exactly these rows; ``best_iteration`` is the round that early stopping chose.

    LightGBM calls ``callbacks`` after every round.
    """
    parameters: dict[str, Any] = {
        "objective": recipe.objective,
        "seed": recipe.seed,
        "metric": "map",
        "eval_at": [12],
        "deterministic": True,
        "force_col_wise": True,  # a third faster than by rows on two cores, and equally deterministic
        "enable_bundle": False,  # the same trees, a tenth faster on the demo shop's columns
        "feature_pre_filter": False,
        "verbosity": -1,
        **recipe.settings,
    }
    parameters = basic._choose_param_value(LEAF, parameters, LEAST_LEAF)  # resolves aliases of the name
    # a leaf size for a large table would leave a small shop's trees without a split
    parameters[LEAF] = min(int(parameters[LEAF]), max(len(train.label) // MOST_LEAVES, LEAST_LEAF))
    data = lgb.Dataset(
        train.features,
        train.label,
        weight=train.compute_weights(recipe.half_life),
        group=train.groups,
        feature_name=train.names,
        params=parameters,
    )
    if stop is None:
        return lgb.train(parameters, data, rounds, callbacks=list(callbacks))
    held_out = lgb.Dataset(
        stop.features, stop.label, group=stop.groups, feature_name=stop.names, reference=data, params=parameters
    )
    stopping = Stopping(settings.patience, settings.smooth)
    every: list[Callable[..., Any]] = [stopping, *callbacks]
    booster = lgb.train(parameters, data, rounds, valid_sets=[held_out], valid_names=["stop set"], callbacks=every)
    booster.best_iteration = stopping.best_round
    return booster


class Stopping:
    """Stop early by the moving average of the stopping weeks' MAP@12 over the last ``smooth`` rounds.

    A single round's MAP@12 depends on a few hundred customers and often peaks by chance, long before the ranker has
    converged. The moving average is less noisy. ``best_round``: the middle of the window with the best average.
    """

    def __init__(self, patience: int, smooth: int) -> None:
        self.patience, self.smooth = patience, smooth
        self.values: list[float] = []
        self.best_mean, self.best_end, self.best_round = -np.inf, 0, 1

    def __call__(self, env: Any) -> None:
        self.values.append(env.evaluation_result_list[0][2])
        n = len(self.values)
        mean = float(np.mean(self.values[-self.smooth :]))
        if n <= self.smooth or mean > self.best_mean:
            self.best_mean, self.best_end = mean, n
            self.best_round = max(n - min(self.smooth, n) // 2, 1)
        elif n - self.best_end >= self.patience:
            raise lgb.callback.EarlyStopException(self.best_round - 1, env.evaluation_result_list)
