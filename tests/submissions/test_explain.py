"""Contributions are TreeSHAP of the blend; the table of reasons holds the submission's lists; a page for anybody."""

import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import csv_shop
import lightgbm as lgb
import numpy as np
import polars as pl
import pytest
from world import PARAMS, prepared, random_world, source_of

from retail import params as parameters
from retail import paths, stage, weeks
from retail.log import Array
from retail.params import Params
from retail_input import prepare
from stage1_candidates.engine.loaded import Loaded
from stage1_candidates.pooling import pool
from stage2_ranker.fast_trees import tree_shap
from stage2_ranker.fast_trees.tree_shap import Shap
from stage2_ranker.model import ranker
from stage2_ranker.model.blend import Blend
from submissions.answering import answer
from submissions.explain import __main__ as explain
from submissions.explain import explanation_table, explanations
from submissions.explain.contributions import Explainer

SETTINGS: dict[str, Any] = {"verbosity": -1, "num_threads": 1, "deterministic": True, "objective": "binary", "seed": 1}


def fitted(features: Array, label: Array, rounds: int = 12, **settings: Any) -> lgb.Booster:
    return lgb.train({**SETTINGS, "min_data_in_leaf": 5, **settings}, lgb.Dataset(features, label), rounds)


def rows(n: int = 600, columns: int = 14) -> tuple[Array, Array]:
    """Features with gaps and zeros, and a label that hangs on all of them."""
    rng = np.random.default_rng(1)
    features = rng.normal(size=(n, columns)).astype(np.float32)
    label = (features.sum(axis=1) + features[:, 0] * features[:, 1] > 0).astype(np.uint8)
    features[rng.random(features.shape) < 0.1] = np.nan
    features[rng.random(features.shape) < 0.1] = 0
    return features, label


def contributions_of(model: lgb.Booster, features: Array, row_count: int = 10**6) -> tuple[Array, float]:
    shap = Shap.of(model, row_count)
    out = np.zeros(features.shape, np.float32)
    shap.add_to(out, features, 1.0)
    return out, shap.expected


# Contributions


@pytest.mark.parametrize(
    "settings",
    [
        {"num_leaves": 15},
        {"num_leaves": 63, "min_data_in_leaf": 1},  # paths of more features than have tables
        {"use_missing": False},
        {"zero_as_missing": True},
        {"objective": "regression", "bagging_fraction": 0.5, "bagging_freq": 1, "feature_fraction": 0.5},
    ],
)
@pytest.mark.parametrize("row_count", [10**6, 1, 0])  # with all tables, with some and with none
def test_contributions_are_those_of_lightgbm(settings: dict[str, Any], row_count: int) -> None:
    features, label = rows()
    model = fitted(features, label, **settings)
    found, expected = contributions_of(model, features, row_count)
    theirs = np.asarray(model.predict(features, pred_contrib=True))
    np.testing.assert_allclose(found, theirs[:, :-1], atol=1e-5)
    assert np.array_equal(found, contributions_of(model, features)[0])
    assert expected == pytest.approx(theirs[0, -1])


def test_one_split_by_hand() -> None:
    features = np.array([[0, 5]] * 30 + [[1, 5]] * 10, np.float32)
    label = features[:, 0] * 8
    settings = {"objective": "regression", "learning_rate": 1.0, "boost_from_average": False, "lambda_l2": 0.0}
    found, expected = contributions_of(fitted(features, label, 1, **settings), features)
    assert expected == pytest.approx(30 / 40 * 0 + 10 / 40 * 8)
    assert found[0].tolist() == pytest.approx([0 - 2, 0]) and found[-1].tolist() == pytest.approx([8 - 2, 0])


def test_a_model_without_a_split_says_nothing() -> None:
    features, label = rows(50)
    model = fitted(features, label, min_data_in_leaf=1000)
    found, expected = contributions_of(model, features)
    assert not found.any() and expected == pytest.approx(float(np.asarray(model.predict(features, raw_score=True))[0]))


def test_contributions_and_the_expected_score_add_up_to_the_blend() -> None:
    features, label = rows()
    models = {"few": fitted(features, label, 5), "many": fitted(features, label, 30, num_leaves=31, seed=2)}
    blend = Blend(models, {"few": 0.5, "many": 2.0}, {"few": 1.5, "many": 0.3}, {"few": 5, "many": 30}, "scores")
    explainer = Explainer.of(blend, len(features))
    found = explainer.contributions(features)
    assert found.dtype == np.float32
    np.testing.assert_allclose(
        found.sum(axis=1) + explainer.expected, blend.predict(features, np.arange(len(features))), atol=1e-4
    )


def test_a_row_alone_is_explained_as_among_others() -> None:
    features, label = rows(2 * tree_shap.BLOCK + 7)
    model = fitted(features, label)
    whole = contributions_of(model, features)[0]
    for row in (0, tree_shap.BLOCK - 1, tree_shap.BLOCK, len(features) - 1):
        assert np.array_equal(contributions_of(model, features[row : row + 1])[0][0], whole[row])


# The table


def small_params(*names: str) -> Params:
    """Two groups of features and the named sources, each proposing few."""
    sources = {name: {**PARAMS.sources[name], "take": 8} for name in names}
    features = {name: PARAMS.features[name] for name in ("item_sales", "own", "user_profile")}
    return PARAMS.model_copy(update={"sources": sources, "networks": {}, "features": features})


class Small:
    """A random shop at a cutoff, its sources and a ranker fitted on the label week before."""

    def __init__(self, *names: str) -> None:
        self.params, self.shop = small_params(*names), random_world(3).shop
        self.users = np.arange(self.shop.log.users, dtype=np.uint32)
        past, pasts = self.at(50), weeks.truth(self.shop.log, 50)
        pairs, table = answer.table(past[0], self.shop, self.users, past[1], self.params)
        bought = np.isin(pool.codes(pairs.user, pairs.items), pool.codes(*pasts))
        data = lgb.Dataset(ranker.matrix(table), bought.astype(np.uint8), feature_name=table.columns[2:])
        model = lgb.train({**SETTINGS, "min_data_in_leaf": 5}, data, 20)
        self.explainer = Explainer.of(Blend({"one": model}, {"one": 1.0}, {"one": 1.0}, {"one": 20}, "scores"), 600)
        self.history, self.sources = self.at(51)
        items = range(self.shop.log.items)
        self.articles = pl.DataFrame({"article_id": [f"0{i:09d}" for i in items], "name": [f"A{i}" for i in items]})

    def at(self, week: int) -> tuple[Any, dict[str, Loaded]]:
        history = weeks.history(self.shop.log, week)
        loaded = {}
        for name in sorted(self.params.sources):
            module, block = source_of(name, take=8)
            loaded[name] = Loaded.fit(module, block, history, self.shop)
        return history, loaded

    def explained(self, users: Array) -> pl.DataFrame:
        return explanations.explained(
            self.history, self.shop, users, self.sources, self.explainer, self.params, self.articles
        )


@pytest.fixture(scope="module")
def small() -> Small:
    return Small("item_cf", "popular", "repurchase", "tifu_knn")


def test_the_lists_are_those_of_the_submission(small: Small) -> None:
    found = small.explained(small.users)
    lists = answer.answer(
        small.history, small.shop, small.users, small.sources, small.explainer.blend, small.params
    )  # fmt: skip
    assert np.array_equal(found["item"].to_numpy().reshape(-1, 12), lists)
    assert np.array_equal(found["user"].to_numpy().reshape(-1, 12)[:, 0], small.users)
    assert found["place"].to_list() == [*range(1, 13)] * len(small.users)


def test_shards_make_no_difference(small: Small) -> None:
    parts = [small.explained(small.users[:17]), small.explained(small.users[17:])]
    assert pl.concat(parts).equals(small.explained(small.users))


def test_sources_are_those_whose_list_holds_the_article(small: Small) -> None:
    proposed = pool.propose(small.sources, small.history, small.shop, small.users)
    held = {
        name: set(zip(best.key_of_rows().tolist(), best.target.tolist(), strict=True))
        for name, best in proposed.items()
    }
    for row in small.explained(small.users).iter_rows(named=True):
        assert row["sources"] == [name for name in sorted(held) if (row["user"], row["item"]) in held[name]]


def test_scores_descend_and_whoever_has_one_has_a_source_and_a_reason(small: Small) -> None:
    found = small.explained(small.users)
    score = found["score"].to_numpy().reshape(-1, 12)
    assert not (np.diff(score, axis=1) > 0).any()
    assert found["score"].is_null().equals(found["sources"].list.len() == 0)
    assert set(found["reason_1"]) != {""} and found.null_count().select(pl.exclude("score")).sum_horizontal()[0] == 0


def test_an_article_that_fills_a_list_up_says_so() -> None:
    only = Small("repurchase")
    found = only.explained(only.users)
    filled = found.filter(pl.col("score").is_null())
    assert set(filled["reason_1"]) == {explanations.FILLED} and set(filled["reason_2"]) == {""}
    cold = int(random_world(3).cold[0])  # repurchase proposes nothing to whoever bought nothing
    assert found.filter(pl.col("user") == cold)["score"].null_count() == 12
    alone = only.explained(np.array([cold], np.uint32))  # nobody has a candidate
    assert alone.equals(found.filter(pl.col("user") == cold))


# The stage and the page


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The three customers of csv_shop, prepared; c has bought nothing."""
    monkeypatch.chdir(tmp_path)
    names = csv_shop.FILES["articles.csv"].replace("Strap top", "Strap top [red]")  # no markup for the screen
    csv_shop.write(tmp_path, {**csv_shop.FILES, "articles.csv": names})
    prepare.main()
    paths.FINAL_MODEL.mkdir()
    return tmp_path


def stored_for(*customers: str) -> pl.DataFrame:
    """Two explained articles of each customer."""
    ids = ["0108775044", "0200000001"]
    columns = {
        "customer_id": [one for one in customers for _ in ids],
        "place": [1, 2] * len(customers),
        "article_id": ids * len(customers),
        "score": [1.5, None] * len(customers),
        "sources": [["popular", "repurchase"], []] * len(customers),
        "reason_1": ["bought twice, 2 days apart, last 7 days ago", explanations.FILLED] * len(customers),
        "reason_2": ["", ""] * len(customers),
        "reason_3": ["", ""] * len(customers),
    }
    table = pl.DataFrame(columns, schema=explanation_table.COLUMNS)
    paths.OUTPUTS.mkdir(exist_ok=True)
    table.write_parquet(explanation_table.FILE)
    return table


def test_no_customers_make_an_empty_table(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    none = parameters.read().model_copy(update={"explain": SimpleNamespace(customers=0)})
    monkeypatch.setattr(parameters, "read", lambda: none)
    explain.write()
    table = pl.read_parquet(explanation_table.FILE)
    assert table.height == 0 and table.schema == explanation_table.COLUMNS


def test_the_page_of_a_customer(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored_for("b", "c")
    explain.show("b")
    said = capsys.readouterr().out
    for words in (
        "b: 21 years old, 2 baskets since 2020-09-01, 1 different article\n",
        "Strap top [red] (0.04)",  # the least price of the day's two
        "twelve for the week from 2020-09-10",
        "0108775044",
        "1.50",
        "bought twice, 2 days apart, last 7 days ago",
        "popular, repurchase",
    ):
        assert words in said
    assert "Jeans (" not in said


def test_the_page_of_a_customer_who_bought_nothing(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored_for("b", "c")
    explain.show("c")
    said = capsys.readouterr().out
    assert "c: 49 years old, has bought nothing yet" in said and "0200000001" in said


def test_a_customer_who_is_not_stored_is_explained_now(
    shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = stored_for("b").with_columns(customer_id=pl.lit("a"))
    monkeypatch.setattr(explanations, "of", lambda users, _: rows if users.tolist() == [0] else rows.clear())
    explain.show("a")
    said = capsys.readouterr().out
    assert "a: 3 baskets since 2020-09-01" in said and "bought twice" in said


def test_an_unknown_customer_ends_in_one_line(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        stage.guarded(lambda: explain.show("zoe"), "explain")
    error = capsys.readouterr().err
    assert ended.value.code == 2 and error.count("\n") == 1
    assert "customer 'zoe': not in customers.csv, expected one of its ids, such as 'a'" in error


@pytest.mark.parametrize("off", [False, True])
def test_a_source_that_did_not_run_ends_in_one_line(
    off: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No source has run; or the first by name has, switched off, which it is no longer."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(csv_shop.ROOT / "params.yaml", paths.PARAMS)
    prepared(random_world(5))
    paths.FINAL_MODEL.mkdir()
    model = {"one": fitted(*rows())}
    Blend(model, {"one": 1.0}, {"one": 1.0}, {"one": 12}, "scores").save(paths.FINAL_MODEL)
    if off:
        (paths.SOURCES / "category").mkdir(parents=True)
        (paths.SOURCES / "category/off").touch()
    with pytest.raises(SystemExit) as ended:
        stage.guarded(lambda: explain.show("c0001"), "explain")
    error = capsys.readouterr().err
    assert ended.value.code == 2 and error.count("\n") == 1
    assert "data/sources/category/state_058.npz: no such file; run `dvc repro`" in error


def test_nothing_prepared_ends_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        stage.guarded(lambda: explain.show("a"), "explain")
    assert "data/prepared: no such folder; run `dvc repro` first" in capsys.readouterr().err


def test_a_stored_page_needs_no_models() -> None:
    told = "import sys; from submissions import explain; print({'torch', 'lightgbm'} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", told], cwd=csv_shop.ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"
