"""The ranker: groups that are customers, fits that repeat, models that survive their file, objectives that blend."""

import re
from pathlib import Path
from types import SimpleNamespace
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
from stage2_ranker.model.blend import Blend, ranks, say
from stage2_ranker.model.ranker import Rows
from stage2_ranker.model.recipe import Objective, Recipe
from stage2_ranker.search import known_settings

OBJECTIVES: tuple[Objective, ...] = ("lambdarank", "binary", "rank_xendcg")
LEAVES: dict[str, Any] = {"num_leaves": 7, "min_data_in_leaf": 5, "bagging_fraction": 0.8, "bagging_freq": 1}
ONE_THREAD = {"num_threads": 1}  # 800 rows are not worth a second one


def table(*customers: tuple[int, list[int]]) -> pl.DataFrame:
    """One row per label of each (customer, labels); the feature ``n`` numbers the rows."""
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
    """The tables as label weeks 0, 1 ..."""
    return Rows.of(dict(enumerate(tables)), only_sampled)


def informative(seed: int, customers: int = 80) -> pl.DataFrame:
    """Candidates of which the bought one tends to have a large ``signal``; ``noise`` says nothing."""
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
    """The customer of each row."""
    return np.repeat(np.arange(len(rows.groups)), rows.groups)


def of(name: str, objective: Objective, seed: int = 1, weight: float = 1.0, **settings: Any) -> Recipe:
    every: dict[str, Any] = {"half_life": 1.0, "weeks": None, "negatives": None}
    leaves = {**LEAVES, **ONE_THREAD, **settings}
    return Recipe(name=name, objective=objective, seed=seed, weight=weight, settings=leaves, **every)


BOTH = [of("lambdarank", "lambdarank"), of("binary", "binary", seed=2)]


def settings(rounds: int = 25, average: Average = "scores") -> Ranker:
    return Ranker(
        rounds=rounds, patience=5, retrain=True, final_growth=1.0, half_life=20.0, smooth=2, average=average, models={}
    )


@pytest.fixture(scope="module")
def rows() -> tuple[Rows, Rows]:
    return rows_of([informative(1), informative(2)], only_sampled=True), rows_of([informative(3)], only_sampled=False)


# Rows


def test_groups_are_the_customers_of_each_week() -> None:
    first, second = table((3, [1, 0]), (5, [0, 0, 1])), table((5, [1]), (6, [0, 1]))
    found = rows_of([first, second], only_sampled=False)
    assert found.groups.tolist() == [2, 3, 1, 2]  # customer 5 is a group of each week, though the rows touch
    assert found.groups.sum() == len(found.label) == len(found.features) == 8
    assert found.label.tolist() == [1, 0, 0, 0, 1, 1, 0, 1]
    assert found.features[:, 0].tolist() == [0, 1, 2, 3, 4, 0, 1, 2] and found.features.dtype == np.float32
    assert found.names == ["n"]
    assert found.age.tolist() == [1] * 5 + [0] * 3
    assert found.weight(half_life=0.5).tolist() == [1 / 4] * 5 + [1.0] * 3


def test_rows_that_are_not_sampled_are_left_out_only_if_asked() -> None:
    one = table((0, [0, 0]), (1, [0, 1, 0]), (2, [0]), (3, [1, 1]))
    one = one.with_columns(sampled=pl.col("user").is_in([1, 3]))
    whole, useful = rows_of([one], only_sampled=False), rows_of([one], only_sampled=True)
    assert whole.groups.tolist() == [2, 3, 1, 2] and useful.groups.tolist() == [3, 2]
    assert useful.features[:, 0].tolist() == [2, 3, 4, 6, 7] and useful.label.tolist() == [0, 1, 0, 1, 1]


@pytest.mark.parametrize("only_sampled", [False, True])
def test_a_week_of_no_rows_makes_no_group(only_sampled: bool) -> None:
    found = rows_of([table((0, [1, 0])), table()], only_sampled)
    assert found.groups.tolist() == [2] and len(found.label) == 2


@pytest.mark.parametrize("only_sampled", [False, True])
@pytest.mark.parametrize("weeks", [[table((0, [0, 0]))], [table((0, [0])), table((1, [0, 0]))], [table()]])
def test_nothing_bought_is_nothing_to_learn(weeks: list[pl.DataFrame], only_sampled: bool) -> None:
    told = f"no candidate of label week(s) {', '.join(str(week) for week in range(len(weeks)))} was bought, expected"
    with pytest.raises(InputError, match=re.escape(told)):
        rows_of(weeks, only_sampled)


def test_a_table_with_and_without_label_has_the_same_features() -> None:
    one = informative(1)
    assert np.array_equal(ranker.matrix(one), ranker.matrix(one.drop("label")))
    assert ranker.matrix(one).dtype == np.float32


# Fits


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_each_objective_learns_and_says_so_in_its_text(objective: Objective, rows: tuple[Rows, Rows]) -> None:
    blend = ranker.fit(*rows, [of("one", objective)], settings(), None, None)
    assert f"objective={objective}" in blend.models["one"].model_to_string()
    score, stop = blend.predict(rows[1].features, run(rows[1])), rows[1]
    assert score[stop.label == 1].mean() > score[stop.label == 0].mean() + 0.5 * score.std()
    assert train.gains(blend)["feature"].to_list() == ["signal", "noise"]
    assert train.gains(blend)["gain"].sum() == pytest.approx(1)


def test_two_fits_give_the_same_text(rows: tuple[Rows, Rows]) -> None:
    models = [of(name, name, num_threads=2, feature_fraction=0.5) for name in OBJECTIVES]
    one, other = (ranker.fit(*rows, models, settings(rounds=5), None, None) for _ in range(2))
    assert list(one.models) == list(OBJECTIVES)
    for name in one.models:
        assert one.models[name].model_to_string() == other.models[name].model_to_string()
    assert (one.spreads, one.rounds, one.weights) == (other.spreads, other.rounds, other.weights)


def test_another_seed_gives_another_model(rows: tuple[Rows, Rows]) -> None:
    found = ranker.fit(*rows, [of("a", "binary", seed=1), of("b", "binary", seed=2)], settings(), None, None)
    assert not np.array_equal(found.models["a"].predict(rows[0].features), found.models["b"].predict(rows[0].features))


def test_a_blend_survives_its_folder(rows: tuple[Rows, Rows], tmp_path: Path) -> None:
    blend = ranker.fit(*rows, BOTH, settings(), None, None)
    blend.save(tmp_path)
    again = Blend.load(tmp_path)
    assert (again.rounds, again.weights, again.spreads) == (blend.rounds, blend.weights, blend.spreads)
    assert np.array_equal(again.raw(rows[0].features), blend.raw(rows[0].features)) and again.average == blend.average
    assert {path.name for path in tmp_path.iterdir()} == {"lambdarank.txt", "binary.txt", "blend.json"}


def test_the_blend_is_the_weighted_sum_of_standardised_scores(rows: tuple[Rows, Rows]) -> None:
    models = [of("a", "lambdarank", weight=2.0), of("b", "binary", weight=0.5)]
    blend, stop = ranker.fit(*rows, models, settings(), None, None), rows[1].features
    raw = {name: np.asarray(model.predict(stop, raw_score=True)) for name, model in blend.models.items()}
    assert blend.spreads == pytest.approx({name: score.std() for name, score in raw.items()})
    expected = 2.0 * raw["a"] / raw["a"].std() + 0.5 * raw["b"] / raw["b"].std()
    assert blend.predict(stop, run(rows[1])) == pytest.approx(expected)


def test_ranks_and_their_average_by_hand() -> None:
    run = np.array([4, 4, 4, 7, 9, 9])
    assert ranks(np.array([0.1, 0.5, 0.3, -2.0, 1.0, 1.0]), run).tolist() == [3, 1, 2, 1, 1, 2]  # a tie: as they stand
    assert ranks(np.zeros(0), np.zeros(0)).shape == (0,)
    one, other = np.array([[0.1, 0.5, 0.3, -2.0, 1.0, 2.0], [9.0, 8.0, 7.0, 1.0, 1.0, 0.0]])
    assert say(one, 0.5, run, "scores").tolist() == [0.2, 1.0, 0.6, -4.0, 2.0, 4.0]
    blend = Blend({"a": None, "b": None}, {"a": 1.0, "b": 2.0}, {}, {}, "ranks")  # type: ignore[dict-item]
    blend.spreads.update(a=1.0, b=1.0)
    assert blend.blended(np.stack([one, other]), run).tolist() == [-5, -5, -8, -3, -4, -5]


def test_an_average_of_ranks_knows_the_order_alone_and_survives_its_folder(
    rows: tuple[Rows, Rows], tmp_path: Path
) -> None:
    blend = ranker.fit(*rows, BOTH, settings(average="ranks"), None, None)
    blend.save(tmp_path)
    stop, customer = rows[1].features, run(rows[1])
    raw = Blend.load(tmp_path).raw(stop)
    found = Blend.load(tmp_path).predict(stop, customer)
    assert np.array_equal(found, blend.blended(np.stack([np.exp(raw[0]), raw[1]]), customer))
    assert np.array_equal(found, -sum(ranks(one, customer) for one in raw))


def test_early_stopping_ends_before_the_last_round_and_refit_takes_its_rounds(rows: tuple[Rows, Rows]) -> None:
    stopped = ranker.fit(*rows, BOTH, settings(rounds=400), None, None)
    assert all(0 < n < 400 for n in stopped.rounds.values())
    again = ranker.fit(rows[0], None, BOTH, settings(rounds=400), {"lambdarank": 3, "binary": 5}, stopped)
    assert again.rounds == {"lambdarank": 3, "binary": 5} and again.spreads == stopped.spreads
    assert {name: model.num_trees() for name, model in again.models.items()} == again.rounds


def test_a_saved_model_ends_where_stopping_chose(rows: tuple[Rows, Rows], tmp_path: Path) -> None:
    blend = ranker.fit(*rows, BOTH, settings(rounds=400), None, None)
    blend.save(tmp_path)
    assert {name: model.num_trees() for name, model in Blend.load(tmp_path).models.items()} == blend.rounds


def test_no_rows_have_no_scores(rows: tuple[Rows, Rows]) -> None:
    blend = ranker.fit(*rows, BOTH, settings(), None, None)
    assert blend.predict(np.zeros((0, 2), np.float32), np.zeros(0)).shape == (0,)


def fed(figures: list[float], patience: int, smooth: int) -> ranker.Stopping:
    """A Stopping after these figures, or after the one at which it ended the fit."""
    stopping = ranker.Stopping(patience, smooth)
    for figure in figures:
        try:
            stopping(SimpleNamespace(evaluation_result_list=[("stop set", "map@12", figure, True)]))
        except lgb.callback.EarlyStopException:
            break
    return stopping


def test_stopping_by_the_mean_of_neighbouring_rounds() -> None:
    # means of 3 end at rounds 3..8: 2/3, 4/3, 5/3, 7/3, 6/3, 5/3: rounds 4, 5, 6 are best, their middle is 5
    assert fed([0, 1, 1, 2, 2, 3, 1, 1], patience=9, smooth=3).best_round == 5
    # a lucky round 2 does not win against the plateau of rounds 5 to 7
    assert fed([0, 5, 0, 0, 3, 3, 3, 0], patience=9, smooth=3).best_round == 6


def test_stopping_ends_the_fit_after_patience() -> None:
    stopping = fed([1, 2, 3, 2, 1, 0, 9, 9], patience=3, smooth=1)
    assert len(stopping.figures) == 6 and stopping.best_round == 3


# Settings


def test_the_settings_of_params_are_known(capfd: pytest.CaptureFixture[str]) -> None:
    known_settings.check(recipe.of_params(PARAMS.ranker), PARAMS.ranker)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_aliases_and_small_shares_are_known(objective: Objective) -> None:
    aliases: dict[str, Any] = {"eta": 0.1, "num_leaf": 7, "sub_row": 0.01, "subsample_freq": 1, "verbose": 1}
    known_settings.check([of("one", objective, **aliases)], settings())


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"num_leafs": 3}, "unknown 'num_leafs'; expected names of LightGBM's"),
        ({"num_leafs": 3, "verbosity": -1, "lamda_l2": 1.0}, "unknown 'lamda_l2', 'num_leafs'; expected"),
        ({"num_leaves": 1}, "LightGBM says: Check failed: (num_leaves) > (1); mend it"),
        ({"num_leaves": 15.5}, 'LightGBM says: Parameter num_leaves should be of type int, got "15.5"; mend it'),
        ({"min_data_in_leaf": float("inf")}, "LightGBM says: cannot convert float infinity to integer; mend it"),
        ({"early_stopping_round": 5}, "LightGBM says: For early stopping, at least one dataset"),
        ({"random_state": 5}, "'random_state' is asked for in another place; set 'seed' beside 'settings'"),
        ({"loss": 1}, "'loss' is asked for in another place; set 'objective' beside 'settings'"),
        ({"n_estimators": 9}, "'n_estimators' is asked for in another place; set 'ranker.rounds'"),
    ],
)  # fmt: skip
def test_a_setting_that_lightgbm_does_not_take_is_named(
    objective: Objective, wrong: dict[str, Any], told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    before = basic._LOGGER
    with pytest.raises(InputError) as error:
        known_settings.check([of("fine", objective), of("one", objective, **wrong)], settings())
    assert str(error.value).startswith(f"params.yaml: 'ranker.models.one.settings': {told}")
    assert basic._LOGGER is before and capfd.readouterr() == ("", "") and "\n" not in str(error.value)


def test_the_size_of_a_leaf_counts_under_each_of_its_names(rows: tuple[Rows, Rows]) -> None:
    def trees(**asked: Any) -> str:
        one = of("one", "binary").model_copy(update={"settings": {"num_leaves": 7, **ONE_THREAD, **asked}})
        text: str = ranker.fit_one(rows[0], None, one, settings(), 3, []).model_to_string()
        return text.partition("\nparameters:")[0]

    assert trees(min_child_samples=20) == trees(min_data_in_leaf=20) != trees(min_data_in_leaf=2)


def test_a_check_of_settings_changes_no_fit(rows: tuple[Rows, Rows]) -> None:
    one = ranker.fit(*rows, BOTH, settings(rounds=5), None, None)
    known_settings.check([of("other", "lambdarank", seed=9)], settings())
    other = ranker.fit(*rows, BOTH, settings(rounds=5), None, None)
    for name in one.models:
        assert one.models[name].model_to_string() == other.models[name].model_to_string()
