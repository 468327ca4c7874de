"""`make network-on` and `make network-off`: a network's block enters and leaves params.yaml, nothing else."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from csv_shop import ROOT
from ruamel.yaml import YAML

from retail import params, paths, stage
from retail_input import switch_network

TEXT = (ROOT / "params.yaml").read_text(encoding="utf-8")
OPTIONAL = switch_network.list_optional()


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["switch_network", *words])
    stage.guarded(switch_network.main, "network")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the committed params.yaml."""
    monkeypatch.chdir(tmp_path)
    paths.PARAMS.write_text(TEXT, encoding="utf-8")
    return tmp_path


def test_the_optional_networks_are_not_in_the_default_run() -> None:
    assert OPTIONAL == ["lens", "parsrec"]
    assert not set(OPTIONAL) & set(params.read(ROOT / "params.yaml").networks)


@pytest.mark.parametrize("name", OPTIONAL)
def test_an_optional_network_comes_in_with_its_block_and_goes_out_without_a_trace(
    name: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = params.read()
    run(monkeypatch, "on", name)
    after = params.read()
    assert after.networks[name] == YAML(typ="safe", pure=True).load(
        (ROOT / f"research/{name}/params.yaml").read_text(encoding="utf-8")
    )[name]  # fmt: skip
    assert after.networks[name]["use"] is True
    assert after.model_copy(update={"networks": before.networks}) == before
    tables = [paths.NETWORKS / name, paths.SOURCES / name, paths.SOURCES / "popular"]
    for folder in tables:
        folder.mkdir(parents=True)
    run(monkeypatch, "off", name)
    assert paths.PARAMS.read_text(encoding="utf-8") == TEXT
    assert [folder.exists() for folder in tables] == [False, False, True]


def test_on_twice_is_on_once(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(monkeypatch, "on", "lens")
    once = paths.PARAMS.read_text(encoding="utf-8")
    run(monkeypatch, "on", "lens")
    assert paths.PARAMS.read_text(encoding="utf-8") == once


def test_a_network_of_the_default_run_changes_one_line(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(monkeypatch, "on", "case")
    changed = paths.PARAMS.read_text(encoding="utf-8").splitlines()
    lines = [(old, new) for old, new in zip(TEXT.splitlines(), changed, strict=True) if old != new]
    assert [(old.split("#")[0].strip(), new.split("#")[0].strip()) for old, new in lines] == [
        ("use: false", "use: true")
    ]
    run(monkeypatch, "off", "case")
    assert paths.PARAMS.read_text(encoding="utf-8") == TEXT


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("on", "lense"), "network 'lense' is unknown; expected one of: case, lens, parsrec, trex, two_tower"),
        (("on", ""), "network '' is unknown; expected one of"),
        (("up", "lens"), "expected `on` or `off` and the name of a network"),
        ((), "expected `on` or `off` and the name of a network"),
    ],
)
def test_a_wrong_call_ends_with_one_line(
    words: tuple[str, ...],
    line: str,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, *words)
    error = capsys.readouterr().err
    assert ended.value.code == 2 and line in error and error.count("\n") == 1
    assert paths.PARAMS.read_text(encoding="utf-8") == TEXT


def test_the_graph_has_the_stages_of_a_network_that_is_on(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(ROOT / "dvc.yaml", project / "dvc.yaml")
    run(monkeypatch, "on", "parsrec")
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "-q"], cwd=project, check=True)
    listed = subprocess.run(
        [sys.executable, "-m", "dvc", "stage", "list", "--name-only"],
        cwd=project, check=True, text=True, capture_output=True,
    ).stdout.split()  # fmt: skip
    assert "train_network@parsrec" in listed
    assert not [name for name in listed if "lens" in name]
