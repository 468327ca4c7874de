"""`python -m retail_input.point FOLDER` changes one value of params.yaml, or reports in one line what is missing."""

import difflib
import sys
from pathlib import Path

import pytest
from csv_shop import FILES, ROOT, write

from retail import params, paths, stage
from retail_input import point


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a project with the repository's params.yaml and the folder ``shop``."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, FILES)
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *folders: str) -> None:
    monkeypatch.setattr(sys, "argv", ["point", *folders])
    stage.guarded(point.main, "point")


def test_one_line_changes(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(monkeypatch, "data/demo")
    before = (here / "params.yaml").read_text().splitlines()
    run(monkeypatch, "shop/")
    after = (here / "params.yaml").read_text().splitlines()
    changed = [line for line in difflib.ndiff(before, after) if line[0] in "+-"]
    assert [line.split("#")[0].split() for line in changed] == [
        ["-", "folder:", "data/demo"],
        ["+", "folder:", "shop"],
    ]
    assert changed[0].split("#")[1] == changed[1].split("#")[1]  # the comment stays
    assert params.read().data.folder == Path("shop")


def test_an_absolute_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(monkeypatch, str(here / "shop"))
    assert params.read().data.folder == here / "shop"


def test_the_demo_shop_need_not_exist_yet(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(monkeypatch, "shop")
    run(monkeypatch, "data/demo")
    assert params.read().data.folder == paths.DEMO


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["nowhere"], "point: nowhere: no such folder; expected one with articles.csv, customers.csv and"),
        (["shop/articles.csv"], "point: shop/articles.csv: no such folder"),
        (["."], "point: articles.csv: no such file; add the file or give another folder as DATA="),
        ([], "point: 0 arguments, expected one folder"),
    ],
)
def test_a_folder_that_is_no_shop(
    folders: list[str], message: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (here / "params.yaml").read_bytes()
    with pytest.raises(SystemExit) as end:
        run(monkeypatch, *folders)
    assert end.value.code == stage.BAD_INPUT
    assert capsys.readouterr().err.startswith(message)
    assert (here / "params.yaml").read_bytes() == before
    assert not (here / paths.COSTS).exists()
