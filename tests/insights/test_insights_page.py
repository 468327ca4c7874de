"""The page of insights: drawn by a browser with all networks trained, made all the same where none is."""

import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import browser
import polars as pl
import pytest
from csv_shop import ROOT
from safetensors.numpy import save_file
from world import World, prepared, random_world, weights_of

from insights import cadence, segments, spillover
from insights import project as projects
from insights.page import __main__ as page
from insights.page import stock
from retail import paths, stage
from submissions.report.figure import Section

ODD = "</script><b>Lamp & shade"  # a name that must not become part of the page
KINDS = ("Hat", "Coat", "Sock", "<i>Bag")
LAST = 58  # the week after the data
FIGURES = {
    "cadence": ["steady-articles", "pace-of-articles"],
    "stock": ["pieces-by-day", "most-expected"],
    "unlike": ["unlike-baskets"],
    "groups": ["who-buys-what"],
    "leaving": ["change-of-others", "sold-together"],
    "company": ["attention-0", "attention-1"],
}


def made(folder: Path, world: World) -> None:
    """A prepared project without networks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        names = [ODD] * world.articles.height
        kinds = [KINDS[k % len(KINDS)] for k in range(world.articles.height)]
        prepared(world, prod_name=names, product_type_name=kinds)
        shutil.copy(ROOT / "params.yaml", paths.PARAMS)


@pytest.fixture(scope="module", autouse=True)
def few() -> object:
    """Articles of so small a shop have few who come back."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cadence, "LEAST", 3)
        yield


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bare")
    made(folder, random_world(5))
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same shop with LENS and PARSRec trained for two epochs."""
    folder = tmp_path_factory.mktemp("trained")
    world = random_world(5)
    made(folder, world)
    for name, week in (("lens", LAST - 8), ("parsrec", LAST - 8)):
        file = folder / paths.of_week(paths.NETWORKS / name, "weights", week, "safetensors")
        file.parent.mkdir(parents=True)
        save_file(weights_of(name, world.shop, week), file)
    return folder


def sections(folder: Path, *arguments: str) -> list[Section]:
    project = projects.read(folder)
    return page.sections(project, page.asked_about(project, page.arguments(arguments)))


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: object) -> str:
    """The page as the program writes it."""
    monkeypatch.setattr(sys, "argv", ["page", "--project", str(folder), *map(str, arguments)])
    stage.guarded(page.main, "insights")
    return (folder / page.PAGE).read_text(encoding="utf-8")


def ids(found: Sequence[Section]) -> dict[str, list[str]]:
    return {part.id: [figure.id for figure in part.figures] for part in found}


def test_a_browser_draws_every_figure(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = run(monkeypatch, trained)
    assert ids(sections(trained)) == FIGURES
    browser.check(trained / page.PAGE, [name for part in FIGURES.values() for name in part], tmp_path)
    visible = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert ODD not in text and "&lt;/script&gt;&lt;b&gt;Lamp" in visible and "<i>Bag" not in visible
    assert "https://" not in visible and "http://" not in visible
    assert "by LENS, trained on what lies before week 50" in visible and "make bench-parsrec" in visible


def test_without_networks_it_says_what_turns_them_on(bare: Path) -> None:
    found = sections(bare)
    assert ids(found) == {**FIGURES, "company": []}
    text = {part.id: part.text for part in found}
    assert "set networks.parsrec.use to true in params.yaml and run `dvc repro network@parsrec`" in text["company"]
    assert "set networks.parsrec.use" in text["leaving"]
    for name in ("stock", "unlike", "groups"):
        assert "counts of the past" in text[name] and "set networks.lens.use" in text[name]


def test_the_same_shop_gives_the_same_page(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, bare) == run(monkeypatch, bare)


def test_a_resupply_turns_demand_into_alerts(bare: Path, tmp_path: Path) -> None:
    project = projects.read(bare)
    lines = [f"{one},{project.date(project.shop.log.days)},{k}" for k, one in enumerate(project.article_id)]
    (tmp_path / "in.csv").write_text("article_id,date,pieces\n" + "\n".join(lines) + "\n")
    part = {part.id: part for part in sections(bare, "--resupply", str(tmp_path / "in.csv"))}["stock"]
    assert [figure.id for figure in part.figures] == ["pieces-by-day", "pieces-missing"]
    missing = [float(row[2]) for row in part.tables[0].rows]
    assert 0 < len(missing) <= stock.SHOWN and missing == sorted(missing, reverse=True) and missing[0] > 0
    assert f"{len(missing)} of the 40 articles" in part.text or len(missing) == stock.SHOWN


def test_the_category_is_a_choice(bare: Path) -> None:
    leaving = {name: sections(bare, "--category", name)[4] for name in ("Hat", "Sock")}
    assert all(f"“{name}”" in part.text for name, part in leaving.items())
    assert "Hat" not in leaving["Hat"].figures[0].plot.data[0].y and "Hat" in leaving["Sock"].figures[0].plot.data[0].y


def test_a_shop_without_categories_has_the_rest_of_the_page(tmp_path: Path) -> None:
    made(tmp_path, random_world(5))
    file = tmp_path / paths.ARTICLES
    pl.read_parquet(file).drop("product_type_name").write_parquet(file)
    found = sections(tmp_path)
    assert ids(found) == {**FIGURES, "leaving": [], "company": []}
    assert found[4].text.startswith(f"{tmp_path / 'data/demo/articles.csv'}: no such file; expected a CSV file with")


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
def test_what_the_shop_lacks_is_one_line(
    arguments: list[str], line: str, bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, bare, *arguments)
    error = capsys.readouterr().err
    assert ended.value.code == 2 and line in error and error.count("\n") == 1


@pytest.fixture
def lone(tmp_path: Path) -> Path:
    """A shop whose baskets hold one article each; an article of it has no name, its type has."""
    world = random_world(5)
    made(tmp_path, replace(world, tx=world.tx.unique(["user", "day"], keep="first", maintain_order=True)))
    file = tmp_path / paths.ARTICLES
    first = pl.int_range(pl.len()) == 0
    names = pl.when(first).then(pl.lit("")).otherwise("prod_name").alias("prod_name")
    pl.read_parquet(file).with_columns(names).write_parquet(file)
    return tmp_path


def test_baskets_of_one_article_have_a_page(lone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Groups of customers and articles" in run(monkeypatch, lone)
    assert ids(sections(lone))["groups"] == ["who-buys-what"]


def test_baskets_of_one_article_have_segments_of_customers_alone(lone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = [str(lone / "out"), "--articles", "2", "--project", str(lone)]
    monkeypatch.setattr(sys, "argv", ["segments", *arguments])
    stage.guarded(segments.main, "segments")
    assert pl.read_csv(lone / "out/articles.csv").height == 0
    assert pl.read_csv(lone / "out/customers.csv")["segment"].to_list()[:2] == [0, 0]


def test_an_article_without_a_name_is_called_by_its_type(lone: Path) -> None:
    assert projects.read(lone).name.to_list()[:2] == [KINDS[0], ODD]


def test_a_seed_of_spillover_that_is_none_is_one_line(
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
    found = pl.read_csv(tmp_path / "out.csv")
    assert found.columns == ["category", "sold", "together", "change", "low", "high", "network"]
    assert set(found["category"]) == {"Hat", "Coat", "<i>Bag"} and found["sold"].is_sorted(descending=True)
    assert (found["low"] < found["change"]).all() and found["network"].null_count() == 0
