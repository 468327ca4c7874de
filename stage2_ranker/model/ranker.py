"""Train the ranker: LightGBM models of several objectives and seeds, fitted on customers' groups and blended."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
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

Report = Callable[[lgb.Booster, int, float | None], None]  # (model, rounds, MAP@12 of the stopping weeks if measured)

KEYS = ("user", "item", "label", "sampled")  # the columns of the ranker's table that are no features
MOST_LEAVES = 200  # ``min_data_in_leaf`` is at most a 200th of the rows ...
LEAST_LEAF = 20  # ... unless that is less than this
LEAF = "min_data_in_leaf"
PRINT_EVERY = 50  # rounds between two lines of progress
EVALUATE_EVERY = 5  # rounds between two measurements of MAP@12 on the stopping weeks: each takes as long as half a tree
BIN_SAMPLE = (20_000, 100_000)  # rows from which the bounds of bins are found: a fifth, within these numbers
OF_BINS = basic._ConfigAliases.get(  # settings, under all their names, on which the binned form depends
    "bin_construct_sample_cnt", "categorical_feature", "data_random_seed", "enable_bundle", "feature_pre_filter",
    "forcedbins_filename", "is_enable_sparse", "linear_tree", "max_bin", "max_bin_by_feature", "min_data_in_bin",
    "num_threads", "use_missing", "zero_as_missing",
)  # fmt: skip


@dataclass(frozen=True)
class Rows:
    """Features (n, f) float32, labels and ages in weeks (n,), and sizes of the contiguous groups of customers."""

    features: Array
    label: Array
    age: Array
    groups: Array
    names: list[str]
    bins: dict[str, lgb.Dataset] = field(default_factory=dict, repr=False, compare=False)  # made once, then shared

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

    def bin(self, parameters: dict[str, Any]) -> lgb.Dataset:
        """Return the rows in LightGBM's binned form; models with the same settings of bins share it.

        Binning takes as long as a hundred trees, so it is done once and not for each model.
        """
        sample = int(np.clip(len(self.label) // 5 + 1, *BIN_SAMPLE))
        settings = {"bin_construct_sample_cnt": sample, "verbosity": -1}
        settings |= {key: value for key, value in parameters.items() if key in OF_BINS}
        key = repr(sorted(settings.items()))
        if key not in self.bins:
            data = lgb.Dataset(
                self.features, self.label, group=self.groups, feature_name=self.names, params=settings,
                free_raw_data=False,
            )  # fmt: skip
            self.bins[key] = data.construct()
        return self.bins[key]

    def bin_like(self, other: "Rows", parameters: dict[str, Any]) -> lgb.Dataset:
        """Return the rows in the bins of ``other``, on which a model is trained."""
        reference = other.bin(parameters)
        key = f"{id(reference)}"
        if key not in self.bins:
            data = lgb.Dataset(
                self.features, self.label, group=self.groups, feature_name=self.names, params=reference.params,
                reference=reference, free_raw_data=False,
            )  # fmt: skip
            self.bins[key] = data.construct()
        return self.bins[key]

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
        name = recipe.name
        report = print_progress if stop is not None else None
        booster = fit_model(train, stop, recipe, settings, rounds[name] if rounds else settings.rounds, report)
        models[name] = booster
        used[name] = booster.best_iteration if stop is not None else booster.current_iteration()
        spreads[name] = evaluated.spreads[name] if evaluated is not None else measure_spread(booster, stop or train)
    return Blend(models, {recipe.name: recipe.weight for recipe in recipes}, spreads, used, settings.average)


def measure_spread(booster: lgb.Booster, rows: Rows) -> float:
    """Measure the standard deviation of the model's raw scores of ``rows``; the blend divides its scores by it."""
    spread = float(np.std(score_raw(booster, rows.features)))
    return spread if spread > 0 else 1.0  # a model without a split has a constant score and adds nothing to the order


def print_progress(booster: lgb.Booster, rounds: int, map12: float | None) -> None:
    """Print MAP@12 of the stopping weeks every ``PRINT_EVERY`` rounds."""
    if map12 is not None and rounds % PRINT_EVERY == 0:
        print(f"[{rounds}] MAP@12 of the stopping weeks: {map12:.5f}")


def fit_model(
    train: Rows, stop: Rows | None, recipe: Recipe, settings: Ranker, rounds: int, report: Report | None = None,
    most: int | None = None,
) -> lgb.Booster:  # fmt: skip
    """Fit a model of ``recipe`` on its rows of ``train``, at most ``most`` of them.

    With ``stop``, ``best_iteration`` is the round that early stopping chose. ``report`` is called after every round
    with the model, the number of rounds, and MAP@12 of the stopping weeks where it was measured.
    """
    keep = model_rows.select_rows(recipe, train.age, train.label, train.groups, most)
    parameters = make_parameters(recipe, int(np.count_nonzero(keep)))
    data = train.bin(parameters)
    data.set_weight(train.compute_weights(recipe.half_life))
    if not keep.all():
        data = data.subset(np.flatnonzero(keep).tolist()).construct()
    booster = lgb.Booster(parameters, data)
    stopping = None
    if stop is not None:
        booster.add_valid(stop.bin_like(train, parameters), "stop")
        stopping = Stopping(settings.patience, settings.smooth)
    for done in range(1, rounds + 1):
        finished = booster.update()
        map12 = None
        if stopping is not None and (done % EVALUATE_EVERY == 0 or done == rounds):
            map12 = booster.eval_valid()[0][2]
            stopping.add(done, map12)
        if report is not None:
            report(booster, done, map12)
        if finished or (stopping is not None and stopping.ended):  # finished: no leaf can be split any more
            break
    fitted = lgb.Booster(model_str=booster.model_to_string(num_iteration=-1))  # without its rows, which stay in memory
    if stopping is not None:
        fitted.best_iteration = min(stopping.best_round, fitted.current_iteration())
    return fitted


def continue_blend(old: Blend, rows: Rows, recipes: list[Recipe], settings: Ranker) -> Blend:
    """Add ``settings.retrain_rounds`` trees to each model of ``old``, fitted to the errors it makes on newer ``rows``.

    That brings what a training from the start on these rows would bring, at a tenth of the time. Weights and spreads
    stay, because new spreads would change the weights after evaluation.
    """
    models = {
        recipe.name: continue_model(old.models[recipe.name], rows, recipe, settings.retrain_rounds)
        for recipe in recipes
    }
    rounds = {name: model.current_iteration() for name, model in models.items()}
    return replace(old, models=models, rounds=rounds)


def continue_model(old: lgb.Booster, rows: Rows, recipe: Recipe, rounds: int) -> lgb.Booster:
    """Return a model of the trees of ``old`` and of ``rounds`` further trees, fitted on the recipe's rows."""
    keep = model_rows.select_rows(recipe, rows.age, rows.label, rows.groups, None)
    parameters = make_parameters(recipe, int(np.count_nonzero(keep)))
    data = rows.bin(parameters)
    data.set_weight(rows.compute_weights(recipe.half_life))
    scores = score_raw(old, rows.features)
    if not keep.all():
        data, scores = data.subset(np.flatnonzero(keep).tolist()).construct(), scores[keep]
    data.set_init_score(scores)
    booster = lgb.Booster(parameters, data)
    for _ in range(rounds):
        if booster.update():
            break
    fitted = lgb.Booster(model_str=booster.model_to_string(num_iteration=-1))
    first = lgb.Booster(model_str=old.model_to_string())  # without trees after its best iteration
    # what lgb.train(init_model=first) does in the end, without LightGBM's own slow scoring of the rows
    basic._safe_call(basic._LIB.LGBM_BoosterMerge(fitted._handle, first._handle))  # type: ignore[attr-defined]
    data.set_field("init_score", None)  # set_init_score(None) would leave the old values in place
    return lgb.Booster(model_str=fitted.model_to_string(num_iteration=-1))


def make_parameters(recipe: Recipe, rows: int) -> dict[str, Any]:
    """Make LightGBM's parameters of ``recipe`` for a training on ``rows`` rows."""
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
    parameters[LEAF] = min(int(parameters[LEAF]), max(rows // MOST_LEAVES, LEAST_LEAF))
    return parameters


class Stopping:
    """Stop early by the moving average of the stopping weeks' MAP@12 over the last ``smooth`` rounds.

    A single round's MAP@12 depends on a few hundred customers and often peaks by chance, long before the ranker has
    converged. The moving average is less noisy. ``best_round``: the middle of the window with the best average.
    """

    def __init__(self, patience: int, smooth: int) -> None:
        self.patience, self.smooth = patience, smooth
        self.rounds: list[int] = []
        self.values: list[float] = []
        self.best_mean, self.best_end, self.best_round = -np.inf, 0, 1

    def add(self, done: int, value: float) -> None:
        """Add MAP@12 after ``done`` rounds."""
        self.rounds.append(done)
        self.values.append(value)
        window = [known for known, since in zip(self.values, self.rounds, strict=True) if since > done - self.smooth]
        mean = float(np.mean(window))
        if done <= self.smooth or mean > self.best_mean:
            self.best_mean, self.best_end = mean, done
            self.best_round = max(done - min(self.smooth, done) // 2, 1)

    @property
    def ended(self) -> bool:
        """Tell whether the average has not risen for ``patience`` rounds."""
        return bool(self.rounds) and self.rounds[-1] - self.best_end >= self.patience
