"""Test the report: its figures by hand, and the whole page in a headless browser."""

import json
import re
import shutil
from datetime import date
from math import log2
from pathlib import Path

import browser
import numpy as np
import optuna
import polars as pl
import pytest
from csv_shop import ROOT
from optuna.distributions import BaseDistribution, IntDistribution
from world import PARAMS, World, drawn, random_world, write_prepared

from retail import params as parameters
from retail import paths, weeks
from stage2_ranker.model import recipe
from stage2_ranker.model.recipe import Best
from stage2_ranker.search import trials
from submissions import evaluate
from submissions.report import __main__ as page
from submissions.report import activity
from submissions.report.candidates import build_recall_section
from submissions.report.gain import build_gain_section
from submissions.report.people import PEOPLE, build_customers_section, choose_examples
from submissions.report.quality import SEGMENT_NAMES
from submissions.report.tuning import build_tuning_section
from submissions.scoring import calibration
from submissions.scoring.recency import name_segments
from submissions.scoring.variety import measure_variety

BEST = Best(models=recipe.of_params(PARAMS.ranker), kept="params.yaml", why="no better one was found", judgement=None)


# The tables of stage evaluate


def test_variety_by_hand() -> None:
    """The week begins on day 35: a and b are old, c was first sold 28 days before, d never; days 7..34 hold c, c, b."""
    shop = drawn("a.....bc........................b...c.....", "a........c................................", items=4)
    history = weeks.history(shop.log, 5)
    assert history.cutoff == 35
    user, item = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 3])
    table = measure_variety(history, {"list": (user, item), "bought": (np.array([0]), np.array([2]))})
    bits = [-log2((sold + 1) / (3 + 4)) for sold in (0, 1, 2, 0)]
    row = table.row(0, named=True)
    assert row["entries"] == 4
    assert row["coverage"] == 2 / 2  # b and c of b and c
    assert row["novelty"] == pytest.approx(sum(bits) / 4)
    assert row["repeat"] == 2 / 4  # customer 0 bought a and c; customer 1 neither b nor d
    assert row["new"] == 2 / 4  # c and d
    bought = table.row(1, named=True)
    assert (bought["coverage"], bought["repeat"], bought["new"]) == (1 / 2, 1.0, 1.0)
    assert bought["novelty"] == pytest.approx(-log2(3 / 7))


def test_variety_ignores_the_future() -> None:
    world = random_world(3)
    later = world.rewritten(weeks.first_day(world.days, 50), 1)
    entries = {"list": (np.arange(20), np.arange(20))}
    first, second = (measure_variety(weeks.history(w.shop.log, 50), entries) for w in (world, later))
    assert first.equals(second)


def test_calibration_by_hand() -> None:
    score = np.arange(200.0)[::-1].copy()
    label = np.zeros(200, np.uint8)
    label[[0, 1, 2, 30]] = 1
    table = calibration.count_by_score(score, label)
    assert table["candidates"].to_list() == [2, 2, 6, 10, *[20] * 9]
    assert table["bought"].to_list() == [2, 1, 0, 0, 1, *[0] * 8]  # places 0 and 1; 2; 30 lies in 20..39
    assert table["score"][0] == (199 + 198) / 2


def test_each_of_few_candidates_is_counted_once() -> None:
    table = calibration.count_by_score(np.array([0.1, 0.9, 0.5]), np.array([0, 1, 0]))
    assert table["candidates"].sum() == 3 and table["bought"].to_list()[0] == 1


def test_count_by_place_by_hand() -> None:
    table = evaluate.count_by_place(
        {"twelve": np.array([[3, *range(10, 21)], [4, 3, *range(10, 20)]])},
        np.array([5, 7], np.uint32),
        (np.array([5, 7], np.uint32), np.array([3, 3], np.uint32)),
    )
    assert table["bought"].to_list() == [1, 1, *[0] * 10] and set(table["customers"]) == {2}


def test_intervals_contain_the_mean_of_each_week_and_segment() -> None:
    keys = {"week": [8, 8, 9, 9], "user": [0, 1, 0, 2], "recency": ["7 d", "never", "7 d", "30 d"]}
    values = {name: [1.0, 0.5, 0.25, 0.25] for name in evaluate.EVALUATED_LISTS}
    ap = pl.DataFrame({**keys, **values, evaluate.SAME: True})
    table = evaluate.bootstrap_intervals(ap, 200, 1).filter(pl.col("list") == "twelve")
    assert table["name"].to_list() == ["8", "9", "7 d", "never", "30 d"]
    assert table["mean"].to_list() == [(1 + 1 / 2) / 2, 1 / 4, (1 + 1 / 4) / 2, 1 / 2, 1 / 4]
    assert table["customers"].to_list() == [2, 2, 2, 1, 1]
    assert (table["low"] <= table["mean"]).all() and (table["mean"] <= table["high"]).all()


def test_every_segment_has_a_name_in_the_report() -> None:
    assert set(name_segments(np.array([1, 7, 8, 30, 31, 90, 91, 9999, -1]))) == set(SEGMENT_NAMES)


# Counts of the data


def make_log(*entries: tuple[int, int, int]) -> pl.DataFrame:
    """Return user, item, day as in the prepared log."""
    return pl.DataFrame(entries, schema={"user": pl.UInt32, "item": pl.UInt32, "day": pl.Int16}, orient="row")


def test_weeks_by_hand() -> None:
    """16 days: weeks of 2, 7 and 7 days; nothing is bought in the second."""
    log = make_log((0, 1, 0), (0, 2, 0), (1, 1, 1), (0, 1, 9), (0, 1, 10), (0, 3, 10), (2, 1, 15))
    table = activity.count_by_week(log, 16)
    assert table["week"].to_list() == [0, 1, 2]
    assert table["entries"].to_list() == [3, 0, 4]
    assert table["baskets"].to_list() == [2, 0, 3]
    assert table["buyers"].to_list() == [2, 0, 2]
    assert table["repurchase"].to_list() == [0, None, pytest.approx(1 / 3)]  # 0-1 of 0-1, 0-3 and 2-1
    assert table["cold"].to_list() == [1, None, 1 / 2]  # customer 2 of 0 and 2


def test_basket_sizes_by_hand() -> None:
    log = make_log(
        *((0, item, 0) for item in range(6)), (0, 1, 3), (1, 1, 0), (1, 2, 0), *((2, i, 0) for i in range(51))
    )
    sizes = dict(activity.count_basket_sizes(log).iter_rows())
    assert sizes == {"1": 1, "2": 1, "3": 0, "4": 0, "5": 0, "6-10": 1, "11-20": 0, "21-50": 0, "over 50": 1}


def test_last_purchases_by_hand() -> None:
    """The forecast week begins on day 400; last purchases 1, 7, 8, 364 and 365 days before, one customer without."""
    log = make_log((0, 1, 0), (0, 1, 399), (1, 1, 393), (2, 1, 392), (3, 1, 36), (4, 1, 35))
    last = dict(activity.count_last_purchases(log, 400, 6).iter_rows())
    assert last.pop("183-364") == 1 and last.pop("over 364") == 1 and last.pop("never") == 1
    assert last.pop("1-7") == 2 and last.pop("8-14") == 1 and set(last.values()) == {0}


# Sections


def test_gain_is_summed_by_group() -> None:
    features = pl.DataFrame({"feature": ["own__a", "two_tower__rank", "own__b"], "gain": [0.25, 0.5, 0.25]})
    by_group = build_gain_section(features, ["own"]).figures[0].plot.data[0]
    assert list(by_group.y) == ["own", "two_tower"] and list(by_group.x) == [0.25 + 0.25, 0.5]


def test_loss_of_recall_without_each_source() -> None:
    losses = build_recall_section(RECALL).figures[1].plot.data[0]
    assert list(losses.y) == ["popular", "ease"] and list(losses.x) == pytest.approx([0.6 - 0.4, 0.6 - 0.65])


def test_examples_are_spread_over_segments_and_baskets() -> None:
    """60 customers, customer u with 1 + u % 3 baskets, the last one u days ago; the last ten never bought."""
    log = make_log(*((u, 1, 100 - u - 20 * k) for u in range(1, 50) for k in range(1 + u % 3) if 100 - u - 20 * k >= 0))
    examples = choose_examples(pl.Series(range(60), dtype=pl.UInt32), log, 101)
    assert len(examples) == PEOPLE == len({user for user, _ in examples})
    assert [name for _, name in examples] == ["7 d"] * 3 + ["30 d"] * 3 + ["90 d"] * 3 + ["never"] * 3
    baskets = dict(log.group_by("user").agg(pl.col("day").n_unique()).iter_rows())
    assert [baskets[user] for user, name in examples if name == "30 d"] == [1, 2, 3]
    assert examples == choose_examples(pl.Series(range(60), dtype=pl.UInt32), log, 101)


def test_few_customers_are_all_examples() -> None:
    examples = choose_examples(pl.Series([4, 9], dtype=pl.UInt32), make_log((9, 1, 3)), 5)
    assert examples == [(9, "7 d"), (4, "never")]


@pytest.mark.parametrize("explained", [None, pl.DataFrame({"customer_id": []})])
def test_without_reasons_the_report_says_how_to_compute_them(explained: pl.DataFrame | None) -> None:
    section = build_customers_section(explained, make_log(), 7, date(2020, 1, 1), pl.Series(["a"]), pl.DataFrame())
    assert "No reasons were computed" in section.text and not section.people


def test_the_type_or_the_id_replaces_a_missing_name() -> None:
    names = {"prod_name": ["Strap top", "", None, ""], "product_type_name": ["Vest", "Vest", "", "Sock"]}
    articles = pl.DataFrame(
        {"item": pl.Series(range(4), dtype=pl.UInt32), "article_id": [f"010000000{i}" for i in range(4)], **names}
    )
    listed = pl.DataFrame(
        {
            "customer_id": ["a"] * 4,
            "place": [1, 2, 3, 4],
            "article_id": articles["article_id"],
            "sources": [["ease"]] * 4,
            **{name: ["once"] * 4 for name in ("reason_1", "reason_2", "reason_3")},
        }
    )
    section = build_customers_section(listed, make_log((0, 1, 3)), 5, date(2020, 1, 1), pl.Series(["a"]), articles)
    person = section.people[0]
    assert [place.article for place in person.places] == ["Strap top", "Vest", "0100000002", "Sock"]
    assert person.history[0].articles == ["Vest"]


@pytest.mark.parametrize(("completed", "figures"), [(0, 0), (1, 1), (2, 3)])
def test_plots_of_the_search_by_number_of_trials(completed: int, figures: int) -> None:
    section = build_tuning_section(make_study(completed, pruned=1), BEST)
    assert len(section.figures) == figures
    assert ("need at least 2" in section.text) == (completed == 1)
    assert f"completed {completed} trials and stopped 1 early" in section.text and BEST.why in section.text


def make_study(completed: int, pruned: int) -> optuna.Study:
    study = optuna.create_study(direction="maximize")
    distributions: dict[str, BaseDistribution] = {"num_leaves": IntDistribution(2, 99)}
    for k in range(completed + pruned):
        state = optuna.trial.TrialState.COMPLETE if k < completed else optuna.trial.TrialState.PRUNED
        value = 0.1 + 0.01 * k
        study.add_trial(
            optuna.trial.create_trial(
                state=state,
                value=value,
                params={"num_leaves": 7 + k},
                distributions=distributions,
                intermediate_values={1: value},
            )
        )
    return study


# The whole page

RECALL = {
    "ease": {"recall@12": 0.1, "recall@50": 0.5, "rows": 9, "hit_ratio": 0.1},
    "popular": {"recall@12": 0.2, "recall@50": 0.3, "rows": 9, "hit_ratio": 0.1},
    "union": {"recall@12": 0.3, "recall@50": 0.6, "rows": 9, "hit_ratio": 0.1},
    "union without ease": {"recall@12": 0.2, "recall@50": 0.65},
    "union without popular": {"recall@12": 0.1, "recall@50": 0.4},
    "oracle_map12": 0.7,
}
MARKUP = "</script><b>Lamp & shade"  # a name that must not become markup


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project folder with everything that the report reads, and the report."""
    folder = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        world = random_world(5)
        for path in (paths.EVALUATION, paths.MODEL, trials.TUNING, paths.OUTPUTS, recipe.BEST.parent):
            path.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "params.yaml", paths.PARAMS)
        write_prepared(world, prod_name=[MARKUP] * world.articles.height)
        write_evaluation(world)
        gains = {"feature": ["own__times", "ease__rank", "pool__fused"], "gain": [0.5, 0.3, 0.2]}
        pl.DataFrame(gains).write_csv(paths.MODEL / "gain.csv")
        (paths.MODEL / "blend.json").write_text(json.dumps({"models": {"binary": {"rounds": 91}}}))
        trials.write(trials.make_records(make_study(3, pruned=1).get_trials()), trials.TUNING)
        recipe.write(BEST)
        make_explanations(world).write_parquet(page.EXPLANATIONS)
        page.main()
    return folder


def write_evaluation(world: World, validation: int = 2) -> None:
    rng = np.random.default_rng(1)
    end = world.shop.log.weeks
    parts = []
    for week in range(end - validation, end):
        history, users = weeks.history(world.shop.log, week), weeks.buyers(world.shop.log, week)
        lists = {name: rng.integers(world.articles.height, size=(len(users), 12)) for name in evaluate.EVALUATED_LISTS}
        truth = weeks.truth(world.shop.log, week)
        entries = {name: (np.repeat(users, 12), items.ravel()) for name, items in lists.items()}
        tables = {
            "ap": pl.DataFrame(
                {
                    "user": users,
                    "recency": evaluate.assign_segments(history, users),
                    evaluate.SAME: True,
                    **{name: rng.random(len(users)) for name in lists},
                }
            ),
            "by_score": calibration.count_by_score(rng.random(900), rng.integers(2, size=900)),
            "by_place": evaluate.count_by_place(lists, users, truth),
            "variety": measure_variety(history, {**entries, "bought": truth}),
        }
        parts.append({name: table.with_columns(week=pl.lit(week, pl.Int32)) for name, table in tables.items()})
    tables = {name: pl.concat([part[name] for part in parts]) for name in parts[0]}
    ap = tables.pop("ap")
    for name, table in {**tables, "intervals": evaluate.bootstrap_intervals(ap, 20, 1)}.items():
        table.write_csv(paths.EVALUATION / f"{name}.csv")
    cost = {"prepare": {"seconds": 1.5, "peak_mb": 90}, "train": {"seconds": 20.0, "peak_mb": 300}}
    (paths.OUTPUTS / "cost.json").write_text(json.dumps(cost))
    paths.METRICS.write_text(json.dumps({**evaluate.summarise(ap, 20, 1), "recall": RECALL}))


def make_explanations(world: World) -> pl.DataFrame:
    ids = world.customers["customer_id"].to_list()
    return pl.DataFrame(
        {
            "customer_id": np.repeat(ids, 12),
            "place": pl.Series(np.tile(np.arange(1, 13), len(ids)), dtype=pl.Int8),
            "article_id": np.tile(world.articles["article_id"].to_numpy()[:12], len(ids)),
            "score": pl.Series([None if k % 12 == 11 else 0.5 for k in range(12 * len(ids))], dtype=pl.Float32),
            "sources": [[] if k % 12 == 11 else ["ease", "popular"] for k in range(12 * len(ids))],
            "reason_1": ["you bought it 6 times"] * 12 * len(ids),
            "reason_2": ["<i>odd"] * 12 * len(ids),
            "reason_3": [""] * 12 * len(ids),
        }
    )


def list_figures(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(root)
    return [figure.id for part in page.build_sections(parameters.read()) for figure in part.figures]


def test_every_section_is_there(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    ids = [part.id for part in page.build_sections(parameters.read())]
    assert set(ids) == {
        "score", "recency", "customers", "variety", "recall", "calibration", "gain", "tuning", "data", "cost"
    }  # fmt: skip
    text = page.PAGE.read_text(encoding="utf-8")
    assert all(f'<section id="{name}">' in text and f'href="#{name}"' in text for name in ids)


def test_equal_tables_give_an_equal_report(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root)
    before = page.PAGE.read_bytes()
    page.main()
    assert page.PAGE.read_bytes() == before
    assert capsys.readouterr().out.splitlines()[-1] == "report: outputs/report.html"


def test_many_label_weeks(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Test 40 weeks: a point per week and list; in intervals.csv the segments follow 120 rows with numbers as names."""
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    write_evaluation(random_world(5), 40)
    parts = {part.id: part for part in page.build_sections(parameters.read())}
    (weeks_,), (segments_,) = (parts[name].figures for name in ("score", "recency"))
    assert [len(list(trace.y)) for trace in weeks_.plot.data] == [40] * len(evaluate.EVALUATED_LISTS)
    assert len(list(segments_.plot.data[0].y)) > 1


def test_names_are_escaped_and_nothing_is_downloaded(root: Path) -> None:
    text = (root / page.PAGE).read_text(encoding="utf-8")
    visible = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert MARKUP not in text and "&lt;/script&gt;&lt;b&gt;Lamp &amp; shade" in visible and "&lt;i&gt;odd" in visible
    assert "https://" not in visible and "http://" not in visible
    assert set(re.findall(r"(?:src|href)=\"(.)", visible)) <= {"#", "d"} and visible.count('href="data:,"') == 1


def test_a_browser_draws_every_figure(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    browser.check(root / page.PAGE, list_figures(root, monkeypatch), tmp_path)
