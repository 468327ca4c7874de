"""Test the insights: alerts, distances and clusters by hand; the programs on a small project; bad input."""

import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from csv_shop import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from world import drawn

from insights import anomalies, clusters, models, segments, stock_alerts
from insights.models import PlainModel
from insights.project import Project, read_project
from research.lens import planted, uses
from retail import paths, stage, weeks
from retail.shop import Shop
from stage1_candidates.engine.lists import Lists
from stage1_candidates.networks.lens import basket_sequences
from stage1_candidates.networks.lens.plugin import Expected

PLANTED = planted.make_shop(1)


def build_plain_model(shop: Shop) -> PlainModel:
    history = weeks.history(shop.log, shop.log.weeks)
    vocabulary = basket_sequences.choose_vocabulary(history, shop.log.items)
    return PlainModel(basket_sequences.read_sequences(history, vocabulary, None), vocabulary, shop.log.days)


def build_lists(rows: list[dict[int, float]]) -> Lists:
    ptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    pairs = [pair for row in rows for pair in row.items()]
    return Lists(ptr, np.array([item for item, _ in pairs], np.uint32), np.array([n for _, n in pairs], np.float32))


# Alerts


def test_alerts_by_hand() -> None:
    """Two articles, three days. Customer 0 comes on day 1.7 for 2 of article 3 and 1 of article 5; customer 1 is
    overdue and comes on day 0 for 4 of article 5; customer 2 comes too late, customer 3 never; 9 is not watched."""
    basket = build_lists([{3: 2, 5: 1, 9: 7}, {5: 4}, {3: 50}, {3: 50}])
    expected = Expected(basket, np.zeros(4), np.zeros((4, 1)))
    due = np.array([1.7, -3.0, 3.0, np.nan])
    item = np.array([3, 5])
    demand = stock_alerts.sum_demand(expected, due, item, 3)
    assert demand.tolist() == [[0, 2, 0], [4, 1, 0]]
    resupply = np.array([[1, 0, 0], [5, 0, 0]], np.float32)
    daily = stock_alerts.compute_alerts(item, resupply, demand, cumulative=False)
    assert daily.left.tolist() == [[1, -2, 0], [1, -1, 0]]
    assert np.argwhere(daily.short).tolist() == [[0, 1], [1, 1]]
    summed = stock_alerts.compute_alerts(item, resupply, demand, cumulative=True)
    assert summed.left.tolist() == [[1, -1, -1], [1, 0, 0]]
    assert np.argwhere(summed.short).tolist() == [[0, 1], [0, 2]]  # article 5 uses the surplus of the day before


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 100))
def test_demand_equals_a_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = [
        {int(i): float(rng.integers(1, 4)) for i in rng.choice(9, rng.integers(0, 5), replace=False)} for _ in range(6)
    ]
    due, item = rng.uniform(-2, 6, 6), np.array([1, 4, 6])
    expected = np.zeros((3, 4))
    for row, when in zip(rows, due, strict=True):
        for i, pieces in row.items():
            if i in item and max(when, 0) < 4:
                expected[item.tolist().index(i), int(max(when, 0))] += pieces
    demand = stock_alerts.sum_demand(Expected(build_lists(rows), due, due[:, None]), due, item, 4)
    assert np.array_equal(demand, expected)


def test_without_watched_articles_there_is_no_demand() -> None:
    expected = Expected(build_lists([{1: 1}]), np.zeros(1), np.zeros((1, 1)))
    assert stock_alerts.sum_demand(expected, np.zeros(1), np.zeros(0, np.int64), 2).shape == (0, 2)


# The plain model


def test_the_plain_model_by_hand() -> None:
    """Customer 0 buys a, b on day 0, a on day 2, a and c on day 6: two articles a basket, gaps of 2 and 4 days."""
    shop = drawn(("a.a...a.", "b.....c."), "..b.....", "........")
    model = build_plain_model(shop)
    expected = model.expected(basket_sequences.query_cutoff(model.sequences, np.arange(3), 8))
    first = expected.basket.target[: expected.basket.ptr[1]]
    assert first.tolist() == [0, 2]  # a three times, c the day before yesterday, b a week ago
    assert expected.basket.weight.tolist() == [1, 1, 1] and expected.days.tolist() == [3, 3, 3]
    assert np.diff(expected.basket.ptr).tolist() == [2, 1, 0]
    assert np.linalg.norm(expected.vector[0]) == pytest.approx(1) and not expected.vector[2].any()


def test_the_plain_model_is_blind_to_later_baskets() -> None:
    shop = PLANTED.shop
    model = build_plain_model(shop)
    examples = basket_sequences.list_examples(model.sequences, 3)
    queries = examples.select(basket_sequences.mark_latest(examples)).select(np.arange(20))
    before = model.expected(queries)
    changed = model.sequences.keep_articles(model.sequences.day < queries.day.min())  # without later purchases
    earliest = np.flatnonzero(queries.day == queries.day.min())
    after = PlainModel(changed, model.vocabulary, shop.log.days).expected(queries.select(earliest))
    row = before.basket.key_of_rows()
    assert np.array_equal(before.basket.target[np.isin(row, earliest)], after.basket.target)
    assert np.array_equal(before.days[earliest], after.days) and len(after.basket.target) > 0


# Anomalies


def test_distances_by_hand() -> None:
    expected, actual = build_lists([{1: 1, 2: 1}, {3: 1}, {}]), build_lists([{2: 1, 4: 1, 5: 1}, {4: 1}, {1: 1}])
    assert anomalies.compare_articles(expected, actual).tolist() == pytest.approx([1 - 2 / 5, 1, 1])
    assert anomalies.compare_times(np.array([10.0, 0.5]), np.array([50.0, 1.0])).tolist() == [4, 0.5]


def test_robust_z_by_hand() -> None:
    """Cluster 0: median .2, deviations .1, 0, .1, .8, so their median is .1; cluster 1 is nearly uniform."""
    distance = np.array([0.1, 0.2, 0.3, 1.0, 0.2, 0.5, 0.5, 0.52])
    cluster = np.array([0, 0, 0, 0, 0, 1, 1, 1])
    z = anomalies.compute_robust_z(distance, cluster)
    assert z[:5].tolist() == pytest.approx([-0.1 / 0.14826, 0, 0.1 / 0.14826, 0.8 / 0.14826, 0])
    assert z[5:].tolist() == pytest.approx([0, 0, 0.02 / anomalies.MIN_SPREAD])


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30))
def test_auc_counts_pairs(pairs: list[tuple[int, bool]]) -> None:
    score, positive = np.array([s for s, _ in pairs], float), np.array([p for _, p in pairs])
    if positive.all() or not positive.any():
        return
    each = [(a > b) + 0.5 * (a == b) for a in score[positive] for b in score[~positive]]
    assert anomalies.compute_roc_auc(score, positive) == pytest.approx(np.mean(each))


def test_injected_changes_and_planted_groups_are_detected() -> None:
    model = build_plain_model(PLANTED.shop)
    queries = anomalies.select_last_baskets(model, PLANTED.shop.log.days - 60)
    result = uses.inject_changes(model, queries, 1)
    assert result["articles"]["within"] > 0.95 and result["time"]["within"] > 0.95
    assert result["about"]["clusters"] == planted.GROUPS
    purity = uses.measure_purity(model, PLANTED.shop.log.days, PLANTED.item_group, PLANTED.user_group, 1)
    assert purity["articles"] > 0.95 and purity["customers"] > 0.95


def test_a_swapped_basket_is_from_another_cluster() -> None:
    cluster = np.array([0, 0, 0, 1, 1, 2])
    for seed in range(20):
        chosen = uses._pick_others(
            cluster, np.array([True, False, True, True, True, True]), np.random.default_rng(seed)
        )
        assert chosen[1] == 1 and (cluster[chosen] != cluster)[[0, 2, 3, 4, 5]].all()


# Clusters


def test_clusters_are_numbered_by_size() -> None:
    vectors = np.array([[1, 0], [0, 3], [0, 2], [0.1, 5], [4, 0.1]], np.float32)
    for groups in (2, None):
        assert clusters.cluster_vectors(vectors, groups, 1).tolist() == [1, 0, 0, 0, 1]
    assert clusters.cluster_vectors(vectors[:1], None, 1).tolist() == [0]


def test_centres_fitted_on_a_sample_separate_all_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    planted = np.repeat([0, 1, 2], [500, 300, 200])
    vectors = (np.eye(3)[planted] + rng.normal(0, 0.1, (1000, 3)))[order := rng.permutation(1000)]
    monkeypatch.setattr(clusters, "FIT_SAMPLE", 100)
    monkeypatch.setattr(clusters, "BLOCK", 70)
    assert clusters.cluster_vectors(vectors, None, 1).tolist() == planted[order].tolist()


def test_a_silhouette_by_hand() -> None:
    """Points 0, 2 | 10 on a line: (10 - 2) / 10, (8 - 2) / 8, and 0 for the point that is alone."""
    value = clusters.compute_silhouette(np.array([[0.0], [2.0], [10.0]]), np.array([0, 0, 1]), 1)
    assert value == pytest.approx((0.8 + 0.75 + 0) / 3)


def test_shares_of_segments_by_hand() -> None:
    shop = drawn(("a.a", "b.b"), ("..c", "..d"), ("..c", "..a"))
    model = build_plain_model(shop)
    parts = segments.Segments(np.arange(4), np.array([0, 0, 1, 1]), np.arange(3), np.array([0, 1, 1]))
    assert segments.compute_shares(model, parts).tolist() == [[1, 0], [0.25, 0.75]]


# As programs


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with the planted shop prepared, without networks."""
    folder = tmp_path_factory.mktemp("project")
    log = PLANTED.shop.log
    (folder / paths.PREPARED).mkdir(parents=True)
    pl.DataFrame(
        {name: getattr(log, name) for name in ("user", "item", "day", "price", "channel", "quantity")}
    ).write_parquet(folder / paths.LOG)
    users = pl.Series(range(log.users), dtype=pl.UInt32)
    pl.DataFrame({"user": users, "customer_id": [f"c{u:04d}" for u in range(log.users)]}).write_parquet(
        folder / paths.CUSTOMERS
    )
    items = pl.Series(range(log.items), dtype=pl.UInt32)
    pl.DataFrame(
        {
            "item": items,
            "article_id": [f"{i:010d}" for i in range(log.items)],
            "product_code": pl.Series(range(log.items), dtype=pl.Int32),
            "prod_name": [f"thing {i}" for i in range(log.items)],
        }
    ).write_parquet(folder / paths.ARTICLES)
    (folder / paths.CALENDAR).write_text('{"first_day": "2020-01-01", "days": 728}')
    (folder / paths.PARAMS).write_text((ROOT / "params.yaml").read_text())
    return read_project(folder)


def run(monkeypatch: pytest.MonkeyPatch, main: Callable[[], None], *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["insight", *map(str, arguments)])
    stage.guarded(main, "insight")


def test_alerts_as_a_program(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = project.date(728)
    (tmp_path / "in.csv").write_text(f"article_id,date,pieces\n0000000003,{begin},1\n0000000050,{begin},10000\n")
    run(monkeypatch, stock_alerts.main, tmp_path / "in.csv", tmp_path / "out.csv", "--project", project.folder)
    rows = pl.read_csv(tmp_path / "out.csv", schema_overrides={"article_id": pl.String}, try_parse_dates=True)
    assert rows.columns == ["article_id", "name", "date", "resupplied", "expected", "missing"] and rows.height > 3
    assert (rows["missing"] > 0).all() and rows["date"].is_sorted() and max(rows["date"].to_list()) < date(2022, 1, 12)
    assert np.allclose(rows["missing"], rows["expected"] - rows["resupplied"], atol=0.011)
    assert rows["name"][0] == f"thing {int(rows['article_id'][0])}"
    first = (tmp_path / "out.csv").read_bytes()
    run(monkeypatch, stock_alerts.main, tmp_path / "in.csv", tmp_path / "out.csv", "--project", project.folder)
    assert (tmp_path / "out.csv").read_bytes() == first
    cumulative = [tmp_path / "in.csv", tmp_path / "sum.csv", "--cumulative", "--project", project.folder]
    run(monkeypatch, stock_alerts.main, *cumulative)
    summed = pl.read_csv(tmp_path / "sum.csv", schema_overrides={"article_id": pl.String})
    assert summed["article_id"].unique().to_list() == ["0000000003"]  # the other article has enough for all days


def test_anomalies_as_a_program(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(monkeypatch, anomalies.main, tmp_path / "out.csv", "--project", project.folder)
    rows = pl.read_csv(tmp_path / "out.csv")
    assert rows["customer_id"].n_unique() == rows.height > 300
    highest = rows.select(pl.max_horizontal("articles_z", "time_z")).to_series()
    assert highest.is_sorted(descending=True) and rows["flagged"].to_list() == (highest > 3.5).to_list()


def test_segments_as_a_program(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(monkeypatch, segments.main, tmp_path / "out", "--project", project.folder)
    articles = pl.read_csv(tmp_path / "out/articles.csv")
    assert articles.height == 120 and clusters.compute_purity(articles["segment"].to_numpy(), PLANTED.item_group) > 0.95
    customers = pl.read_csv(tmp_path / "out/customers.csv")
    assert clusters.compute_purity(customers["segment"].to_numpy(), PLANTED.user_group) > 0.95


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("article_id,date,pieces\n0000000003,2021-12-29,-1\n", "column 'pieces', row 2: found '-1', expected a number"),
        ("article_id,date,pieces\n0000000003,2021-12-29,x\n", "column 'pieces', row 2: found 'x', expected a number"),
        ("article_id,date,pieces\n3,2021-12-29,1\n", "column 'article_id', row 2: found '3', expected an article of"),
        ("article_id,date,pieces\n0000000003,2021-12-28,1\n", "expected a date from 2021-12-29 to 2022-01-11"),
        ("article_id,date,pieces\n0000000003,soon,1\n", "column 'date', row 2: found 'soon', expected a date from"),
        ("article_id,day,pieces\n0000000003,1,1\n", "column 'date'"),
        ("", "the file is empty"),
    ],
)  # fmt: skip
def test_a_bad_resupply_is_reported_in_one_line(
    text: str, line: str, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "in.csv").write_text(text)
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, stock_alerts.main, tmp_path / "in.csv", tmp_path / "out.csv", "--project", project.folder)
    error = capsys.readouterr().err
    assert ended.value.code == 2 and line in error and error.count("\n") == 1
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    ("main", "arguments", "line"),
    [
        (
            anomalies.main,
            ["out.csv", "--project", "nowhere"],
            "nowhere/data/prepared: no prepared shop; run `dvc repro",
        ),
        (anomalies.main, ["out.csv", "--days", "0"], "--days is 0; expected 1 or more"),
        (anomalies.main, ["data"], "data: a folder lies where a file is needed; move it away or name another file"),
        (anomalies.main, ["out.csv", "--seed", "-1"], "--seed is -1; expected 0 to 2**63 - 1"),
        (segments.main, ["out", "--seed", "-1"], "--seed is -1; expected 0 to 2**63 - 1"),
        (segments.main, ["out", "--articles", "0"], "--articles is 0; expected 1 or more"),
        (
            segments.main,
            ["out", "--model", "lens"],
            "no weights of week 104 or earlier; run `make network-on NAME=lens`",
        ),
        (stock_alerts.main, ["none.csv", "out.csv"], "none.csv: no such file"),
    ],
)
def test_bad_arguments_are_reported_in_one_line(
    main: Callable[[], None], arguments: list[str], line: str, project: Project, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(project.folder)
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, main, *arguments)
    error = capsys.readouterr().err
    assert ended.value.code == 2 and line in error and error.count("\n") == 1


def test_the_plain_model_is_used_where_lens_is_not_trained(project: Project) -> None:
    assert isinstance(models.choose_model(project, "auto", 104)[0], PlainModel)


def test_weights_of_a_network_that_is_not_in_params_are_ignored(project: Project) -> None:
    file = project.folder / paths.of_week(paths.NETWORKS / "lens", "weights", 100, "safetensors")
    file.parent.mkdir(parents=True)
    file.touch()  # not even read
    assert isinstance(models.choose_model(project, "auto", 104)[0], PlainModel)
    file.unlink()
