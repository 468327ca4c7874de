"""The ranker: LightGBM models of several objectives and seeds, fitted on customers' groups and blended."""

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
from stage2_ranker.fast_trees.forest import raw_scores
from stage2_ranker.model import model_rows
from stage2_ranker.model.blend import Blend
from stage2_ranker.model.keys import KEYS
from stage2_ranker.model.recipe import Recipe

MOST_LEAVES = 200  # leaves hold a 200th of the rows at the most ...
LEAST_LEAF = 20  # ... and this many at the least
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
    def of(weeks: dict[int, pl.DataFrame], only_sampled: bool) -> "Rows":
        """Rows of several label weeks' tables; with ``only_sampled`` those that training may see.

        The tables are taken out of ``weeks`` one by one, so that they and the rows need not be in memory twice.
        """
        newest, n = max(weeks), sum(_height(table, only_sampled) for table in weeks.values())
        told = ", ".join(map(str, weeks))
        names = [name for name in weeks[newest].columns if name not in KEYS]
        features, at = np.empty((len(names), n), np.float32), 0  # by column, as LightGBM and the tables have it
        labels, ages, groups = [], [], []
        for week in list(weeks):
            table = weeks.pop(week)
            table = table.filter("sampled") if only_sampled else table
            user = table["user"].to_numpy()
            # a week of no rows has no group, not one of size 1
            bounds = np.flatnonzero(np.concatenate([[len(user) > 0], user[1:] != user[:-1], [True]]))
            for column, name in enumerate(names):
                features[column, at : at + len(user)] = table[name].to_numpy()
            at += len(user)
            labels.append(table["label"].to_numpy())
            ages.append(np.full(len(user), newest - week, np.int32))
            groups.append(np.diff(bounds))
        label, age, sizes = (np.concatenate(column) for column in (labels, ages, groups))
        rows = Rows(features.T, label, age, sizes, names)
        if not rows.label.any():
            raise InputError(
                f"table: no candidate of label week(s) {told} was bought, expected some; bring a log with more "
                "purchases a week, or raise pool.take in params.yaml"
            )
        return rows

    def of_recipe(self, recipe: Recipe, most: int | None = None) -> "Rows":
        """Those that the model of ``recipe`` is trained on, at most ``most``; itself where it is trained on all."""
        keep = model_rows.select_rows(recipe, self.age, self.label, self.groups, most)
        if keep.all():
            return self
        sizes = np.bincount(np.repeat(np.arange(len(self.groups)), self.groups)[keep])
        return Rows(self.features[keep], self.label[keep], self.age[keep], sizes[sizes > 0], self.names)

    def weight(self, half_life: float) -> Array:
        """(n,) float32: a week weighs half as much as one ``half_life`` weeks later.

        Tastes and the shop's range move on.
        """
        ages, place = np.unique(self.age, return_inverse=True)
        weights: Array = np.array([2.0 ** (-int(age) / half_life) for age in ages], np.float32)[place]
        return weights


def _height(table: pl.DataFrame, only_sampled: bool) -> int:
    return int(table["sampled"].sum()) if only_sampled else table.height


def matrix(table: pl.DataFrame) -> Array:
    """(n, f) float32 features of a table, in its column order."""
    return table.drop([key for key in KEYS if key in table.columns]).to_numpy().astype(np.float32, copy=False)


def fit(
    train: Rows, stop: Rows | None, recipes: list[Recipe], settings: Ranker,
    rounds: dict[str, int] | None, like: Blend | None,
) -> Blend:  # fmt: skip
    """Fit every model on the rows of its recipe.

    With ``stop`` each ends where MAP@12 on those rows no longer rises, else after its ``rounds``. The blend takes the
    spreads of ``like`` where given: a refit has no whole pool to measure them on, and those of its sampled rows would
    weigh the models otherwise than they were evaluated.
    """
    models, spreads, used = {}, {}, {}
    for one in recipes:
        rows = train.of_recipe(one)
        looks = [lgb.log_evaluation(PRINT_EVERY)] if stop is not None else []
        booster = fit_one(rows, stop, one, settings, rounds[one.name] if rounds else settings.rounds, looks)
        models[one.name] = booster
        used[one.name] = booster.best_iteration if stop is not None else booster.current_iteration()
        spreads[one.name] = like.spreads[one.name] if like is not None else spread(booster, stop or rows)
    return Blend(models, {one.name: one.weight for one in recipes}, spreads, used, settings.average)


def spread(booster: lgb.Booster, rows: Rows) -> float:
    """Standard deviation of the model's raw scores of ``rows``, by which its scores are divided in a blend."""
    found = float(np.std(raw_scores(booster, rows.features)))
    return found if found > 0 else 1.0  # a model without a split says nothing, and must not drown the rest


def fit_one(
    train: Rows, stop: Rows | None, recipe: Recipe, settings: Ranker, rounds: int, looks: Sequence[Callable[..., Any]]
) -> lgb.Booster:
    """A model of ``recipe`` on exactly these rows; ``best_iteration`` is the round that early stopping chose.

    ``looks`` are further callbacks of LightGBM's, called after every round.
    """
    parameters: dict[str, Any] = {
        "objective": recipe.objective,
        "seed": recipe.seed,
        "metric": "map",
        "eval_at": [12],
        "deterministic": True,
        "force_col_wise": True,  # a third faster than by rows on two cores, and as deterministic
        "enable_bundle": False,  # the same trees, a tenth faster on the demo shop's columns
        "feature_pre_filter": False,
        "verbosity": -1,
        **recipe.settings,
    }
    parameters = basic._choose_param_value(LEAF, parameters, LEAST_LEAF)  # by whichever of its names it was asked for
    # a leaf size made for a large table would leave a small shop's trees without a split
    parameters[LEAF] = min(int(parameters[LEAF]), max(len(train.label) // MOST_LEAVES, LEAST_LEAF))
    data = lgb.Dataset(
        train.features,
        train.label,
        weight=train.weight(recipe.half_life),
        group=train.groups,
        feature_name=train.names,
        params=parameters,
    )
    if stop is None:
        return lgb.train(parameters, data, rounds, callbacks=list(looks))
    held_out = lgb.Dataset(
        stop.features, stop.label, group=stop.groups, feature_name=stop.names, reference=data, params=parameters
    )
    stopping = Stopping(settings.patience, settings.smooth)
    calls: list[Callable[..., Any]] = [stopping, *looks]
    booster = lgb.train(parameters, data, rounds, valid_sets=[held_out], valid_names=["stop set"], callbacks=calls)
    booster.best_iteration = stopping.best_round
    return booster


class Stopping:
    """Early stopping by the running mean of the stopping weeks' MAP@12 over the last ``smooth`` rounds.

    A single round's figure hangs on a few hundred customers and peaks by luck, often long before the ranker is done;
    the mean over neighbouring rounds peaks where it is. ``best_round``: the middle of the best such run of rounds.
    """

    def __init__(self, patience: int, smooth: int) -> None:
        self.patience, self.smooth = patience, smooth
        self.figures: list[float] = []
        self.best_mean, self.best_end, self.best_round = -np.inf, 0, 1

    def __call__(self, env: Any) -> None:
        self.figures.append(env.evaluation_result_list[0][2])
        n = len(self.figures)
        mean = float(np.mean(self.figures[-self.smooth :]))
        if n <= self.smooth or mean > self.best_mean:
            self.best_mean, self.best_end = mean, n
            self.best_round = max(n - min(self.smooth, n) // 2, 1)
        elif n - self.best_end >= self.patience:
            raise lgb.callback.EarlyStopException(self.best_round - 1, env.evaluation_result_list)
