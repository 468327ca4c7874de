"""Test the ranker: groups of customers, deterministic fits, saved models, blends and checks of settings."""

import re
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import polars as pl
import pytest
from lightgbm import basic
from world import PARAMS

from retail.errors import InputError
from retail.log import Array
from retail.params import Average, Ranker
from stage2_ranker import train
from stage2_ranker.model import ranker, recipe
from stage2_ranker.model.blend import Blend, normalise, rank_rows
from stage2_ranker.model.ranker import Rows
from stage2_ranker.model.recipe import Objective, Recipe
from stage2_ranker.search import known_settings

OBJECTIVES: tuple[Objective, ...] = ("lambdarank", "binary", "rank_xendcg")
LEAVES: dict[str, Any] = {"num_leaves": 7, "min_data_in_leaf": 5, "bagging_fraction": 0.8, "bagging_freq": 1}
ONE_THREAD = {"num_threads": 1}  # a second thread does not pay off for 800 rows


def make_table(*customers: tuple[int, list[int]]) -> pl.DataFrame:
    """Make a row per label of each (customer, labels); the feature ``n`` numbers the rows."""
    user = [user for user, labels in customers for _ in labels]
    return pl.DataFrame(
        {
            "user": pl.Series(user, dtype=pl.UInt32),
            "item": pl.Series(range(len(user)), dtype=pl.UInt32),
            "label": pl.Series([label for _, labels in customers for label in labels], dtype=pl.UInt8),
            "sampled": pl.Series([True] * len(user), dtype=pl.Boolean),
            "n": pl.Series(range(len(user)), dtype=pl.Float32),
        }
    )


def rows_of(tables: list[pl.DataFrame], only_sampled: bool) -> Rows:
    """Return the rows of the tables, which are those of label weeks 0, 1 ..."""
    return Rows.from_tables(dict(enumerate(tables)), only_sampled)


def make_informative(seed: int, customers: int = 80) -> pl.DataFrame:
    """Make candidates: the bought ones tend to have a large ``signal``, ``noise`` is independent of the label."""
    rng = np.random.default_rng(seed)
    n = customers * 10
    signal = rng.random(n)
    return pl.DataFrame(
        {
            "user": pl.Series(np.repeat(np.arange(customers), 10), dtype=pl.UInt32),
            "item": pl.Series(np.tile(np.arange(10), customers), dtype=pl.UInt32),
            "label": pl.Series(rng.random(n) < 0.5 * signal**2, dtype=pl.UInt8),
            "sampled": np.ones(n, bool),
            "signal": pl.Series(signal, dtype=pl.Float32),
            "noise": pl.Series(rng.random(n), dtype=pl.Float32),
        }
    )


def run(rows: Rows) -> Array:
    """Return the customer of each row."""
    return np.repeat(np.arange(len(rows.groups)), rows.groups)


def make_recipe(name: str, objective: Objective, seed: int = 1, weight: float = 1.0, **settings: Any) -> Recipe:
    all_rows: dict[str, Any] = {"half_life": 1.0, "weeks": None, "negatives": None}
    leaves = {**LEAVES, **ONE_THREAD, **settings}
    return Recipe(name=name, objective=objective, seed=seed, weight=weight, settings=leaves, **all_rows)


BOTH = [make_recipe("lambdarank", "lambdarank"), make_recipe("binary", "binary", seed=2)]


def make_settings(rounds: int = 25, average: Average = "scores") -> Ranker:
    return Ranker(
        rounds=rounds, patience=5, retrain=True, retrain_rounds=3, half_life=20.0, smooth=2, average=average, models={}
    )


@pytest.fixture(scope="module")
def rows() -> tuple[Rows, Rows]:
    training = rows_of([make_informative(1), make_informative(2)], only_sampled=True)
    return training, rows_of([make_informative(3)], only_sampled=False)


# Rows


def test_groups_are_the_customers_of_each_week() -> None:
    first, second = make_table((3, [1, 0]), (5, [0, 0, 1])), make_table((5, [1]), (6, [0, 1]))
    rows = rows_of([first, second], only_sampled=False)
    assert rows.groups.tolist() == [2, 3, 1, 2]  # customer 5 is a group of each week, although the rows are adjacent
    assert rows.groups.sum() == len(rows.label) == len(rows.features) == 8
    assert rows.label.tolist() == [1, 0, 0, 0, 1, 1, 0, 1]
    assert rows.features[:, 0].tolist() == [0, 1, 2, 3, 4, 0, 1, 2] and rows.features.dtype == np.float32
    assert rows.names == ["n"]
    assert rows.age.tolist() == [1] * 5 + [0] * 3
    assert rows.compute_weights(half_life=0.5).tolist() == [1 / 4] * 5 + [1.0] * 3


def test_only_sampled_leaves_out_the_other_rows() -> None:
    table = make_table((0, [0, 0]), (1, [0, 1, 0]), (2, [0]), (3, [1, 1]))
    table = table.with_columns(sampled=pl.col("user").is_in([1, 3]))
    all_rows, sampled = rows_of([table], only_sampled=False), rows_of([table], only_sampled=True)
    assert all_rows.groups.tolist() == [2, 3, 1, 2] and sampled.groups.tolist() == [3, 2]
    assert sampled.features[:, 0].tolist() == [2, 3, 4, 6, 7] and sampled.label.tolist() == [0, 1, 0, 1, 1]


@pytest.mark.parametrize("only_sampled", [False, True])
def test_a_week_of_no_rows_makes_no_group(only_sampled: bool) -> None:
    rows = rows_of([make_table((0, [1, 0])), make_table()], only_sampled)
    assert rows.groups.tolist() == [2] and len(rows.label) == 2


@pytest.mark.parametrize("only_sampled", [False, True])
@pytest.mark.parametrize(
    "weeks", [[make_table((0, [0, 0]))], [make_table((0, [0])), make_table((1, [0, 0]))], [make_table()]]
)
def test_rows_without_a_positive_are_refused(weeks: list[pl.DataFrame], only_sampled: bool) -> None:
    message = f"no candidate of label week(s) {', '.join(str(week) for week in range(len(weeks)))} was bought, expected"
    with pytest.raises(InputError, match=re.escape(message)):
        rows_of(weeks, only_sampled)


def test_a_table_with_and_without_label_has_the_same_features() -> None:
    table = make_informative(1)
    assert np.array_equal(ranker.to_matrix(table), ranker.to_matrix(table.drop("label")))
    assert ranker.to_matrix(table).dtype == np.float32


# Fits


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_each_objective_is_trained_and_named_in_the_model_file(objective: Objective, rows: tuple[Rows, Rows]) -> None:
    blend = ranker.fit(*rows, [make_recipe("a", objective)], make_settings(), None, None)
    assert f"objective={objective}" in blend.models["a"].model_to_string()
    score, stop = blend.predict(rows[1].features, run(rows[1])), rows[1]
    assert score[stop.label == 1].mean() > score[stop.label == 0].mean() + 0.5 * score.std()
    assert train.compute_gains(blend)["feature"].to_list() == ["signal", "noise"]
    assert train.compute_gains(blend)["gain"].sum() == pytest.approx(1)


def test_two_fits_give_the_same_text(rows: tuple[Rows, Rows]) -> None:
    recipes = [make_recipe(name, name, num_threads=2, feature_fraction=0.5) for name in OBJECTIVES]
    first, second = (ranker.fit(*rows, recipes, make_settings(rounds=5), None, None) for _ in range(2))
    assert list(first.models) == list(OBJECTIVES)
    for name in first.models:
        assert first.models[name].model_to_string() == second.models[name].model_to_string()
    assert (first.spreads, first.rounds, first.weights) == (second.spreads, second.rounds, second.weights)


def test_another_seed_gives_another_model(rows: tuple[Rows, Rows]) -> None:
    recipes = [make_recipe("a", "binary", seed=1), make_recipe("b", "binary", seed=2)]
    blend = ranker.fit(*rows, recipes, make_settings(), None, None)
    assert not np.array_equal(blend.models["a"].predict(rows[0].features), blend.models["b"].predict(rows[0].features))


def test_a_saved_blend_loads_unchanged(rows: tuple[Rows, Rows], tmp_path: Path) -> None:
    blend = ranker.fit(*rows, BOTH, make_settings(), None, None)
    blend.save(tmp_path)
    loaded = Blend.load(tmp_path)
    assert (loaded.rounds, loaded.weights, loaded.spreads) == (blend.rounds, blend.weights, blend.spreads)
    assert loaded.average == blend.average
    assert np.array_equal(loaded.score_raw(rows[0].features), blend.score_raw(rows[0].features))
    assert {path.name for path in tmp_path.iterdir()} == {"lambdarank.txt", "binary.txt", "blend.json"}


def test_the_blend_is_the_weighted_sum_of_standardised_scores(rows: tuple[Rows, Rows]) -> None:
    recipes = [make_recipe("a", "lambdarank", weight=2.0), make_recipe("b", "binary", weight=0.5)]
    blend, stop = ranker.fit(*rows, recipes, make_settings(), None, None), rows[1].features
    raw = {name: np.asarray(model.predict(stop, raw_score=True)) for name, model in blend.models.items()}
    assert blend.spreads == pytest.approx({name: score.std() for name, score in raw.items()})
    expected = 2.0 * raw["a"] / raw["a"].std() + 0.5 * raw["b"] / raw["b"].std()
    assert blend.predict(stop, run(rows[1])) == pytest.approx(expected)


def test_ranks_and_their_average_by_hand() -> None:
    run = np.array([4, 4, 4, 7, 9, 9])
    ranks = rank_rows(np.array([0.1, 0.5, 0.3, -2.0, 1.0, 1.0]), run)
    assert ranks.tolist() == [3, 1, 2, 1, 1, 2]  # tied rows keep their order
    assert rank_rows(np.zeros(0), np.zeros(0)).shape == (0,)
    first, second = np.array([[0.1, 0.5, 0.3, -2.0, 1.0, 2.0], [9.0, 8.0, 7.0, 1.0, 1.0, 0.0]])
    assert normalise(first, 0.5, run, "scores").tolist() == [0.2, 1.0, 0.6, -4.0, 2.0, 4.0]
    blend = Blend({"a": None, "b": None}, {"a": 1.0, "b": 2.0}, {}, {}, "ranks")  # type: ignore[dict-item]
    blend.spreads.update(a=1.0, b=1.0)
    assert blend.combine(np.stack([first, second]), run).tolist() == [-5, -5, -8, -3, -4, -5]


def test_an_average_of_ranks_depends_on_the_order_alone_and_loads_unchanged(
    rows: tuple[Rows, Rows], tmp_path: Path
) -> None:
    blend = ranker.fit(*rows, BOTH, make_settings(average="ranks"), None, None)
    blend.save(tmp_path)
    stop, customer = rows[1].features, run(rows[1])
    raw = Blend.load(tmp_path).score_raw(stop)
    score = Blend.load(tmp_path).predict(stop, customer)
    assert np.array_equal(score, blend.combine(np.stack([np.exp(raw[0]), raw[1]]), customer))
    assert np.array_equal(score, -sum(rank_rows(scores, customer) for scores in raw))


def test_early_stopping_ends_before_the_last_round_and_retraining_takes_the_given_rounds(
    rows: tuple[Rows, Rows],
) -> None:
    stopped = ranker.fit(*rows, BOTH, make_settings(rounds=400), None, None)
    assert all(0 < n < 400 for n in stopped.rounds.values())
    retrained = ranker.fit(rows[0], None, BOTH, make_settings(rounds=400), {"lambdarank": 3, "binary": 5}, stopped)
    assert retrained.rounds == {"lambdarank": 3, "binary": 5} and retrained.spreads == stopped.spreads
    assert {name: model.num_trees() for name, model in retrained.models.items()} == retrained.rounds


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_continued_model_is_that_of_lightgbm(rows: tuple[Rows, Rows], objective: Objective) -> None:
    """LightGBM's own way, ``init_model``, scores the rows itself and thereby takes many times as long."""
    recipe = make_recipe("a", objective)
    old = ranker.fit_model(*rows, recipe, make_settings(), 9)
    newer = rows[1]
    parameters = ranker.make_parameters(recipe, len(newer.label))
    data = lgb.Dataset(
        newer.features, newer.label, weight=newer.compute_weights(recipe.half_life), group=newer.groups,
        feature_name=newer.names, params=parameters,
    )  # fmt: skip
    first = lgb.Booster(model_str=old.model_to_string())
    expected = lgb.train(parameters, data, 4, init_model=first, keep_training_booster=True)
    continued = ranker.continue_model(old, newer, recipe, 4)
    assert continued.num_trees() == old.best_iteration + 4
    raw = continued.predict(newer.features, raw_score=True)
    assert raw == pytest.approx(expected.predict(newer.features, raw_score=True), abs=1e-9)
    before = np.asarray(old.predict(newer.features, raw_score=True))
    assert np.array_equal(continued.predict(newer.features, raw_score=True, num_iteration=old.best_iteration), before)
    assert not np.array_equal(raw, before)


def test_continuing_leaves_nothing_behind_in_the_shared_bins(rows: tuple[Rows, Rows]) -> None:
    recipe = make_recipe("a", "binary")
    before = ranker.fit_model(rows[0], None, recipe, make_settings(), 4)
    ranker.continue_model(before, rows[0], recipe, 2)
    after = ranker.fit_model(rows[0], None, recipe, make_settings(), 4)
    assert after.model_to_string() == before.model_to_string()


def test_a_continued_blend_keeps_weights_and_spreads(rows: tuple[Rows, Rows]) -> None:
    stopped = ranker.fit(*rows, BOTH, make_settings(rounds=9), None, None)
    longer = ranker.continue_blend(stopped, rows[1], BOTH, make_settings())
    assert longer.rounds == {name: n + make_settings().retrain_rounds for name, n in stopped.rounds.items()}
    assert (longer.weights, longer.spreads) == (stopped.weights, stopped.spreads)


def test_a_saved_model_ends_at_the_round_that_early_stopping_chose(rows: tuple[Rows, Rows], tmp_path: Path) -> None:
    blend = ranker.fit(*rows, BOTH, make_settings(rounds=400), None, None)
    blend.save(tmp_path)
    assert {name: model.num_trees() for name, model in Blend.load(tmp_path).models.items()} == blend.rounds


def test_no_rows_have_no_scores(rows: tuple[Rows, Rows]) -> None:
    blend = ranker.fit(*rows, BOTH, make_settings(), None, None)
    assert blend.predict(np.zeros((0, 2), np.float32), np.zeros(0)).shape == (0,)


def feed_stopping(values: list[float], patience: int, smooth: int) -> ranker.Stopping:
    """Return a Stopping after these values of MAP@12, or after the value at which it ended the fit."""
    stopping = ranker.Stopping(patience, smooth)
    for done, value in enumerate(values, 1):
        stopping.add(done, value)
        if stopping.ended:
            break
    return stopping


def test_stopping_by_the_moving_average() -> None:
    # means of 3 end at rounds 3..8: 2/3, 4/3, 5/3, 7/3, 6/3, 5/3: rounds 4, 5, 6 are best, their middle is 5
    assert feed_stopping([0, 1, 1, 2, 2, 3, 1, 1], patience=9, smooth=3).best_round == 5
    # the peak of round 2 does not win against the plateau of rounds 5 to 7
    assert feed_stopping([0, 5, 0, 0, 3, 3, 3, 0], patience=9, smooth=3).best_round == 6


def test_stopping_counts_rounds_between_measurements() -> None:
    stopping = ranker.Stopping(patience=10, smooth=10)
    for done, value in ((5, 1.0), (10, 2.0), (15, 4.0), (20, 3.0), (25, 1.0)):
        stopping.add(done, value)  # means of two: 1.5 after 10 rounds, 3, 3.5, 2
    assert stopping.best_round == 15 and not stopping.ended
    stopping.add(30, 1.0)
    assert stopping.ended


def test_stopping_ends_the_fit_after_patience() -> None:
    stopping = feed_stopping([1, 2, 3, 2, 1, 0, 9, 9], patience=3, smooth=1)
    assert len(stopping.values) == 6 and stopping.best_round == 3


# Settings


def test_the_settings_of_params_are_known(capfd: pytest.CaptureFixture[str]) -> None:
    known_settings.check(recipe.of_params(PARAMS.ranker), PARAMS.ranker)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_aliases_and_small_shares_are_known(objective: Objective) -> None:
    aliases: dict[str, Any] = {"eta": 0.1, "num_leaf": 7, "sub_row": 0.01, "subsample_freq": 1, "verbose": 1}
    known_settings.check([make_recipe("a", objective, **aliases)], make_settings())


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"num_leafs": 3}, "unknown 'num_leafs'; expected names of LightGBM's"),
        ({"num_leafs": 3, "verbosity": -1, "lamda_l2": 1.0}, "unknown 'lamda_l2', 'num_leafs'; expected"),
        ({"num_leaves": 1}, "LightGBM says: Check failed: (num_leaves) > (1); fix it"),
        ({"num_leaves": 15.5}, 'LightGBM says: Parameter num_leaves should be of type int, got "15.5"; fix it'),
        ({"min_data_in_leaf": float("inf")}, "LightGBM says: cannot convert float infinity to integer; fix it"),
        ({"early_stopping_round": 5}, "'early_stopping_round' does not belong here; set 'ranker.patience' instead"),
        ({"random_state": 5}, "'random_state' does not belong here; set 'seed' next to 'settings' instead"),
        ({"loss": 1}, "'loss' does not belong here; set 'objective' next to 'settings' instead"),
        ({"n_estimators": 9}, "'n_estimators' does not belong here; set 'ranker.rounds' instead"),
    ],
)  # fmt: skip
def test_a_setting_that_lightgbm_rejects_is_named(
    objective: Objective, wrong: dict[str, Any], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    before = basic._LOGGER
    with pytest.raises(InputError) as error:
        known_settings.check(
            [make_recipe("fine", objective), make_recipe("wrong", objective, **wrong)], make_settings()
        )
    assert str(error.value).startswith(f"params.yaml: 'ranker.models.wrong.settings': {message}")
    assert basic._LOGGER is before and capfd.readouterr() == ("", "") and "\n" not in str(error.value)


def test_the_least_size_of_a_leaf_may_be_set_by_an_alias(rows: tuple[Rows, Rows]) -> None:
    def fit_trees(**leaf_size: int) -> str:
        settings = {"num_leaves": 7, **ONE_THREAD, **leaf_size}
        recipe = make_recipe("a", "binary").model_copy(update={"settings": settings})
        text: str = ranker.fit_model(rows[0], None, recipe, make_settings(), 3).model_to_string()
        return text.partition("\nparameters:")[0]

    assert fit_trees(min_child_samples=20) == fit_trees(min_data_in_leaf=20) != fit_trees(min_data_in_leaf=2)


def test_a_check_of_settings_changes_no_fit(rows: tuple[Rows, Rows]) -> None:
    before = ranker.fit(*rows, BOTH, make_settings(rounds=5), None, None)
    known_settings.check([make_recipe("other", "lambdarank", seed=9)], make_settings())
    after = ranker.fit(*rows, BOTH, make_settings(rounds=5), None, None)
    for name in before.models:
        assert before.models[name].model_to_string() == after.models[name].model_to_string()
