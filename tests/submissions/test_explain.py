"""Test the contributions (TreeSHAP of the blend), the table of reasons, and the printed recommendations."""

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
from world import PARAMS, random_world, source_of, write_prepared

from retail import params as parameters
from retail import paths, stage, weeks
from retail.log import Array
from retail.params import Params
from retail.ragged import pair_codes
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


def train(features: Array, label: Array, rounds: int = 12, **settings: Any) -> lgb.Booster:
    return lgb.train({**SETTINGS, "min_data_in_leaf": 5, **settings}, lgb.Dataset(features, label), rounds)


def make_rows(n: int = 600, columns: int = 14) -> tuple[Array, Array]:
    """Return features with missing values and zeros, and a label that depends on all of them."""
    rng = np.random.default_rng(1)
    features = rng.normal(size=(n, columns)).astype(np.float32)
    label = (features.sum(axis=1) + features[:, 0] * features[:, 1] > 0).astype(np.uint8)
    features[rng.random(features.shape) < 0.1] = np.nan
    features[rng.random(features.shape) < 0.1] = 0
    return features, label


def compute_contributions(model: lgb.Booster, features: Array, row_count: int = 10**6) -> tuple[Array, float]:
    shap = Shap.from_model(model, row_count)
    out = np.zeros(features.shape, np.float32)
    shap.add_to(out, features, 1.0)
    return out, shap.expected


# Contributions


@pytest.mark.parametrize(
    "settings",
    [
        {"num_leaves": 15},
        {"num_leaves": 63, "min_data_in_leaf": 1},  # paths with more features than a table covers
        {"use_missing": False},
        {"zero_as_missing": True},
        {"objective": "regression", "bagging_fraction": 0.5, "bagging_freq": 1, "feature_fraction": 0.5},
    ],
)
@pytest.mark.parametrize("row_count", [10**6, 1, 0])  # with all, some and no tables
def test_contributions_equal_those_of_lightgbm(settings: dict[str, Any], row_count: int) -> None:
    features, label = make_rows()
    model = train(features, label, **settings)
    contributions, expected = compute_contributions(model, features, row_count)
    lightgbm = np.asarray(model.predict(features, pred_contrib=True))
    np.testing.assert_allclose(contributions, lightgbm[:, :-1], atol=1e-5)
    assert np.array_equal(contributions, compute_contributions(model, features)[0])
    assert expected == pytest.approx(lightgbm[0, -1])


def test_one_split_by_hand() -> None:
    features = np.array([[0, 5]] * 30 + [[1, 5]] * 10, np.float32)
    label = features[:, 0] * 8
    settings = {"objective": "regression", "learning_rate": 1.0, "boost_from_average": False, "lambda_l2": 0.0}
    contributions, expected = compute_contributions(train(features, label, 1, **settings), features)
    assert expected == pytest.approx(30 / 40 * 0 + 10 / 40 * 8)
    assert contributions[0].tolist() == pytest.approx([0 - 2, 0])
    assert contributions[-1].tolist() == pytest.approx([8 - 2, 0])


def test_a_model_without_a_split_has_no_contributions() -> None:
    features, label = make_rows(50)
    model = train(features, label, min_data_in_leaf=1000)
    contributions, expected = compute_contributions(model, features)
    raw = np.asarray(model.predict(features, raw_score=True))
    assert not contributions.any() and expected == pytest.approx(float(raw[0]))


def test_contributions_and_expected_score_add_up_to_the_score() -> None:
    features, label = make_rows()
    models = {"few": train(features, label, 5), "many": train(features, label, 30, num_leaves=31, seed=2)}
    blend = Blend(models, {"few": 0.5, "many": 2.0}, {"few": 1.5, "many": 0.3}, {"few": 5, "many": 30}, "scores")
    explainer = Explainer.prepare(blend, len(features))
    contributions = explainer.compute_contributions(features)
    assert contributions.dtype == np.float32
    np.testing.assert_allclose(
        contributions.sum(axis=1) + explainer.expected_score,
        blend.predict(features, np.arange(len(features))),
        atol=1e-4,
    )


def test_contributions_of_a_row_do_not_depend_on_other_rows() -> None:
    features, label = make_rows(2 * tree_shap.BLOCK + 7)
    model = train(features, label)
    whole = compute_contributions(model, features)[0]
    for row in (0, tree_shap.BLOCK - 1, tree_shap.BLOCK, len(features) - 1):
        assert np.array_equal(compute_contributions(model, features[row : row + 1])[0][0], whole[row])


# The table


def make_small_params(*names: str) -> Params:
    """Return parameters with three feature groups and the named sources, each with few candidates."""
    sources = {name: {**PARAMS.sources[name], "take": 8} for name in names}
    features = {name: PARAMS.features[name] for name in ("item_sales", "own", "user_profile")}
    return PARAMS.model_copy(update={"sources": sources, "networks": {}, "features": features})


class SmallShop:
    """A random shop at a cutoff, its sources, and a ranker trained on the label week before."""

    def __init__(self, *names: str) -> None:
        self.params, self.shop = make_small_params(*names), random_world(3).shop
        self.users = np.arange(self.shop.log.users, dtype=np.uint32)
        (history, sources), truth = self.load_week(50), weeks.truth(self.shop.log, 50)
        pairs, table = answer.build_table(history, self.shop, self.users, sources, self.params)
        bought = np.isin(pair_codes(pairs.user, pairs.items), pair_codes(*truth))
        data = lgb.Dataset(ranker.to_matrix(table), bought.astype(np.uint8), feature_name=table.columns[2:])
        model = lgb.train({**SETTINGS, "min_data_in_leaf": 5}, data, 20)
        self.explainer = Explainer.prepare(
            Blend({"binary": model}, {"binary": 1.0}, {"binary": 1.0}, {"binary": 20}, "scores"), 600
        )
        self.history, self.sources = self.load_week(51)
        items = range(self.shop.log.items)
        self.articles = pl.DataFrame({"article_id": [f"0{i:09d}" for i in items], "name": [f"A{i}" for i in items]})

    def load_week(self, week: int) -> tuple[Any, dict[str, Loaded]]:
        history = weeks.history(self.shop.log, week)
        loaded = {}
        for name in sorted(self.params.sources):
            module, block = source_of(name, take=8)
            loaded[name] = Loaded.fit(module, block, history, self.shop)
        return history, loaded

    def explain(self, users: Array) -> pl.DataFrame:
        return explanations.explain_shard(
            self.history, self.shop, users, self.sources, self.explainer, self.params, self.articles
        )


@pytest.fixture(scope="module")
def small_shop() -> SmallShop:
    return SmallShop("item_cf", "popular", "repurchase", "tifu_knn")


def test_explained_lists_equal_the_submission(small_shop: SmallShop) -> None:
    table = small_shop.explain(small_shop.users)
    lists = answer.answer(
        small_shop.history, small_shop.shop, small_shop.users, small_shop.sources, small_shop.explainer.blend,
        small_shop.params,
    )  # fmt: skip
    assert np.array_equal(table["item"].to_numpy().reshape(-1, 12), lists)
    assert np.array_equal(table["user"].to_numpy().reshape(-1, 12)[:, 0], small_shop.users)
    assert table["place"].to_list() == [*range(1, 13)] * len(small_shop.users)


def test_shards_make_no_difference(small_shop: SmallShop) -> None:
    parts = [small_shop.explain(small_shop.users[:17]), small_shop.explain(small_shop.users[17:])]
    assert pl.concat(parts).equals(small_shop.explain(small_shop.users))


def test_sources_are_those_that_propose_the_article(small_shop: SmallShop) -> None:
    proposed = pool.propose(small_shop.sources, small_shop.history, small_shop.shop, small_shop.users)
    pairs = {
        name: set(zip(best.key_of_rows().tolist(), best.target.tolist(), strict=True))
        for name, best in proposed.items()
    }
    for row in small_shop.explain(small_shop.users).iter_rows(named=True):
        assert row["sources"] == [name for name in sorted(pairs) if (row["user"], row["item"]) in pairs[name]]


def test_scores_descend_and_scored_articles_have_sources_and_reasons(small_shop: SmallShop) -> None:
    table = small_shop.explain(small_shop.users)
    score = table["score"].to_numpy().reshape(-1, 12)
    assert not (np.diff(score, axis=1) > 0).any()
    assert table["score"].is_null().equals(table["sources"].list.len() == 0)
    assert set(table["reason_1"]) != {""} and table.null_count().select(pl.exclude("score")).sum_horizontal()[0] == 0


def test_best_sellers_that_complete_a_list_have_their_own_reason() -> None:
    shop = SmallShop("repurchase")
    table = shop.explain(shop.users)
    filled = table.filter(pl.col("score").is_null())
    assert set(filled["reason_1"]) == {explanations.FILLER_REASON} and set(filled["reason_2"]) == {""}
    cold = int(random_world(3).cold[0])  # repurchase proposes nothing to a customer without purchases
    assert table.filter(pl.col("user") == cold)["score"].null_count() == 12
    alone = shop.explain(np.array([cold], np.uint32))  # a shard without any candidate
    assert alone.equals(table.filter(pl.col("user") == cold))


# The stage and the printed recommendations


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Prepare the shop of csv_shop with three customers; c has bought nothing."""
    monkeypatch.chdir(tmp_path)
    # brackets must not become terminal markup
    articles = csv_shop.FILES["articles.csv"].replace("Strap top", "Strap top [red]")
    csv_shop.write(tmp_path, {**csv_shop.FILES, "articles.csv": articles})
    prepare.main()
    paths.FINAL_MODEL.mkdir()
    return tmp_path


def store_explanations(*customers: str) -> pl.DataFrame:
    """Write two explained articles of each customer."""
    ids = ["0108775044", "0200000001"]
    bought = "you bought it twice, 2 days apart, most recently 7 days ago"
    columns = {
        "customer_id": [customer for customer in customers for _ in ids],
        "place": [1, 2] * len(customers),
        "article_id": ids * len(customers),
        "score": [1.5, None] * len(customers),
        "sources": [["popular", "repurchase"], []] * len(customers),
        "reason_1": [bought, explanations.FILLER_REASON] * len(customers),
        "reason_2": ["", ""] * len(customers),
        "reason_3": ["", ""] * len(customers),
    }
    table = pl.DataFrame(columns, schema=explanation_table.COLUMNS)
    paths.OUTPUTS.mkdir(exist_ok=True)
    table.write_parquet(explanation_table.FILE)
    return table


def test_no_customers_give_an_empty_table(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = parameters.read().model_copy(update={"explain": SimpleNamespace(customers=0)})
    monkeypatch.setattr(parameters, "read", lambda: params)
    explain.write()
    table = pl.read_parquet(explanation_table.FILE)
    assert table.height == 0 and table.schema == explanation_table.COLUMNS


def test_recommendations_of_a_customer_are_printed(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store_explanations("b", "c")
    explain.show("b")
    printed = " ".join(capsys.readouterr().out.split())
    for text in (
        "b: 21 years old, 2 baskets since 2020-09-01, 1 different article",
        "Strap top [red] (0.04)",  # the lower of the day's two prices
        "Twelve articles for the week from 2020-09-10",
        "0108775044",
        "1.50",
        "you bought it twice, 2 days apart",  # the line breaks after this
        "popular, repurchase",
    ):
        assert text in printed
    assert "Jeans (" not in printed


def test_recommendations_of_a_customer_without_purchases_are_printed(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store_explanations("b", "c")
    explain.show("c")
    printed = capsys.readouterr().out
    assert "c: 49 years old, no purchases yet" in printed and "0200000001" in printed


def test_a_customer_without_stored_rows_is_explained_at_once(
    shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = store_explanations("b").with_columns(customer_id=pl.lit("a"))
    monkeypatch.setattr(
        explanations, "explain_customers", lambda users, _: table if users.tolist() == [0] else table.clear()
    )
    explain.show("a")
    printed = capsys.readouterr().out
    assert "a: 3 baskets since 2020-09-01" in printed and "bought it twice" in printed


def test_an_unknown_customer_gives_one_line_of_error(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        stage.guarded(lambda: explain.show("zoe"), "explain")
    error = capsys.readouterr().err
    assert ended.value.code == 2 and error.count("\n") == 1
    assert "customer 'zoe': not in customers.csv, expected one of its ids, such as 'a'" in error


@pytest.mark.parametrize("off", [False, True])
def test_a_missing_source_state_gives_one_line_of_error(
    off: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Test without any source output, and with the mark of a source that was switched off in an earlier run."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(csv_shop.ROOT / "params.yaml", paths.PARAMS)
    write_prepared(random_world(5))
    paths.FINAL_MODEL.mkdir()
    model = {"binary": train(*make_rows())}
    Blend(model, {"binary": 1.0}, {"binary": 1.0}, {"binary": 12}, "scores").save(paths.FINAL_MODEL)
    if off:
        (paths.SOURCES / "category").mkdir(parents=True)
        (paths.SOURCES / "category" / paths.SETTINGS).write_text('{"use": false}')
    with pytest.raises(SystemExit) as ended:
        stage.guarded(lambda: explain.show("c0001"), "explain")
    error = capsys.readouterr().err
    assert ended.value.code == 2 and error.count("\n") == 1
    assert "data/sources/category/state_058.npz: no such file; run `dvc repro` first" in error


def test_missing_prepared_data_gives_one_line_of_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        stage.guarded(lambda: explain.show("a"), "explain")
    assert "data/prepared: no such folder; run `dvc repro` first" in capsys.readouterr().err


def test_importing_explain_loads_no_models() -> None:
    script = "import sys; from submissions import explain; print({'torch', 'lightgbm'} & set(sys.modules))"
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=csv_shop.ROOT, capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "set()"
