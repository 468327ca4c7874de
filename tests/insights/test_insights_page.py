"""Test the page of insights: a browser draws it with all networks trained; it works without networks."""

import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import browser
import polars as pl
import pytest
from csv_shop import ROOT
from safetensors.numpy import save_file
from world import World, random_world, train_weights, write_prepared

from insights import cadence, segments, spillover
from insights.page import __main__ as page
from insights.page import stock
from insights.project import read_project
from retail import paths, stage
from retail_input import switch_network
from submissions.report.figure import Section

ODD = "</script><b>Lamp & shade"  # a name that must not become markup of the page
KINDS = ("Hat", "Coat", "Sock", "<i>Bag")
LAST = 58  # the week after the data
FIGURES = {
    "cadence": ["steady-articles", "pace-of-articles"],
    "stock": ["pieces-by-day", "most-expected"],
    "unusual": ["unusual-baskets"],
    "groups": ["who-buys-what"],
    "removal": ["change-of-others", "sold-together"],
    "together": ["attention-0", "attention-1"],
}


def make_project(folder: Path, world: World, *networks: str) -> None:
    """Make a prepared project with these optional networks in params.yaml."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        names = [ODD] * world.articles.height
        kinds = [KINDS[k % len(KINDS)] for k in range(world.articles.height)]
        write_prepared(world, prod_name=names, product_type_name=kinds)
        text = (ROOT / "params.yaml").read_text(encoding="utf-8")
        for name in networks:
            text = switch_network.set_network(text, name, on=True)
        paths.PARAMS.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module", autouse=True)
def lower_least() -> object:
    """Lower the least repeat buyers of an article: the shop is small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cadence, "MIN_REPEAT_BUYERS", 3)
        yield


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bare")
    make_project(folder, random_world(5))
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same shop with LENS and PARSRec trained for two epochs."""
    folder = tmp_path_factory.mktemp("trained")
    world = random_world(5)
    make_project(folder, world, "lens", "parsrec")
    for name, week in (("lens", LAST - 8), ("parsrec", LAST - 8)):
        file = folder / paths.of_week(paths.NETWORKS / name, "weights", week, "safetensors")
        file.parent.mkdir(parents=True)
        save_file(train_weights(name, world.shop, week), file)
    return folder


def build_sections(folder: Path, *arguments: str) -> list[Section]:
    project = read_project(folder)
    return page.build_sections(project, page.read_options(project, page.parse_arguments(arguments)))


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: object) -> str:
    """Run the program and return the page."""
    monkeypatch.setattr(sys, "argv", ["page", "--project", str(folder), *map(str, arguments)])
    stage.guarded(page.main, "insights")
    return (folder / page.PAGE).read_text(encoding="utf-8")


def list_ids(sections: Sequence[Section]) -> dict[str, list[str]]:
    return {part.id: [figure.id for figure in part.figures] for part in sections}


def test_a_browser_draws_every_figure(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = run(monkeypatch, trained)
    assert list_ids(build_sections(trained)) == FIGURES
    browser.check(trained / page.PAGE, [name for part in FIGURES.values() for name in part], tmp_path)
    visible = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert ODD not in text and "&lt;/script&gt;&lt;b&gt;Lamp" in visible and "<i>Bag" not in visible
    assert "https://" not in visible and "http://" not in visible
    assert "Model: LENS, trained on the weeks before week 50" in visible and "make bench-parsrec" in visible


def test_without_networks_it_says_how_to_switch_them_on(bare: Path) -> None:
    sections = build_sections(bare)
    assert list_ids(sections) == {**FIGURES, "together": []}
    text = {part.id: part.text for part in sections}
    hint = "run `make network-on NAME=parsrec`, then `dvc repro train_network@parsrec`"
    assert hint in text["together"] and hint in text["removal"]
    for name in ("stock", "unusual", "groups"):
        assert "counts of past purchases" in text[name] and "run `make network-on NAME=lens`" in text[name]


def test_the_same_shop_gives_the_same_page(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, bare) == run(monkeypatch, bare)


def test_a_resupply_turns_demand_into_alerts(bare: Path, tmp_path: Path) -> None:
    project = read_project(bare)
    lines = [f"{article},{project.date(project.shop.log.days)},{k}" for k, article in enumerate(project.article_id)]
    (tmp_path / "in.csv").write_text("article_id,date,pieces\n" + "\n".join(lines) + "\n")
    part = {part.id: part for part in build_sections(bare, "--resupply", str(tmp_path / "in.csv"))}["stock"]
    assert [figure.id for figure in part.figures] == ["pieces-by-day", "pieces-missing"]
    missing = [float(row[2]) for row in part.tables[0].rows]
    assert 0 < len(missing) <= stock.SHOWN and missing == sorted(missing, reverse=True) and missing[0] > 0
    assert f"{len(missing)} of the 40 articles" in part.text or len(missing) == stock.SHOWN


def test_the_category_can_be_chosen(bare: Path) -> None:
    removal = {name: build_sections(bare, "--category", name)[4] for name in ("Hat", "Sock")}
    assert all(f"“{name}”" in part.text for name, part in removal.items())
    assert "Hat" not in removal["Hat"].figures[0].plot.data[0].y and "Hat" in removal["Sock"].figures[0].plot.data[0].y


def test_a_shop_without_categories_has_the_rest_of_the_page(tmp_path: Path) -> None:
    make_project(tmp_path, random_world(5))
    file = tmp_path / paths.ARTICLES
    pl.read_parquet(file).drop("product_type_name").write_parquet(file)
    sections = build_sections(tmp_path)
    assert list_ids(sections) == {**FIGURES, "removal": [], "together": []}
    assert sections[4].text.startswith(f"{tmp_path / 'data/demo/articles.csv'}: no such file; expected a CSV file with")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["--category", "Shoe"],
            "insights: product_type_name 'Shoe': no article has it; expected a value of that column",
        ),
        (["--column", "shape"], "data/demo/articles.csv: no such file; expected a CSV file with article_id, shape"),
        (["--resupply", "none.csv"], "insights: none.csv: no such file"),
        (["--seed", "-1"], "insights: --seed is -1; expected 0 to 2**63 - 1"),
    ],
)
def test_what_the_shop_lacks_is_reported_in_one_line(
    arguments: list[str], line: str, bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, bare, *arguments)
    error = capsys.readouterr().err
    assert ended.value.code == 2 and line in error and error.count("\n") == 1


@pytest.fixture
def single_baskets(tmp_path: Path) -> Path:
    """A shop whose baskets have one article each; its first article has no name, but a type."""
    world = random_world(5)
    make_project(tmp_path, replace(world, tx=world.tx.unique(["user", "day"], keep="first", maintain_order=True)))
    file = tmp_path / paths.ARTICLES
    first = pl.int_range(pl.len()) == 0
    names = pl.when(first).then(pl.lit("")).otherwise("prod_name").alias("prod_name")
    pl.read_parquet(file).with_columns(names).write_parquet(file)
    return tmp_path


def test_baskets_of_one_article_have_a_page(single_baskets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Groups of customers and articles" in run(monkeypatch, single_baskets)
    assert list_ids(build_sections(single_baskets))["groups"] == ["who-buys-what"]


def test_baskets_of_one_article_have_only_customer_segments(
    single_baskets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [str(single_baskets / "out"), "--articles", "2", "--project", str(single_baskets)]
    monkeypatch.setattr(sys, "argv", ["segments", *arguments])
    stage.guarded(segments.main, "segments")
    assert pl.read_csv(single_baskets / "out/articles.csv").height == 0
    assert pl.read_csv(single_baskets / "out/customers.csv")["segment"].to_list()[:2] == [0, 0]


def test_an_article_without_a_name_has_the_name_of_its_type(single_baskets: Path) -> None:
    assert read_project(single_baskets).name.to_list()[:2] == [KINDS[0], ODD]


def test_a_bad_seed_of_spillover_is_reported_in_one_line(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out.csv")
    monkeypatch.setattr(sys, "argv", ["spillover", "Sock", out, "--project", str(bare), "--seed", "-1"])
    with pytest.raises(SystemExit) as ended:
        stage.guarded(spillover.main, "spillover")
    assert ended.value.code == 2
    assert capsys.readouterr().err == "spillover: --seed is -1; expected 0 to 2**63 - 1\n"


def test_spillover_as_a_program(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["spillover", "Sock", str(tmp_path / "out.csv"), "--project", str(trained)])
    stage.guarded(spillover.main, "spillover")
    rows = pl.read_csv(tmp_path / "out.csv")
    assert rows.columns == ["category", "sold", "together", "change", "low", "high", "network"]
    assert set(rows["category"]) == {"Hat", "Coat", "<i>Bag"} and rows["sold"].is_sorted(descending=True)
    assert (rows["low"] < rows["change"]).all() and rows["network"].null_count() == 0
