"""The documentation: generated parts are as generated, links lead somewhere, and README.md stays short."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from csv_shop import ROOT

from benchmarks import docs
from benchmarks.result_tables import tabulate_shops
from retail.errors import InputError
from runs.set_params import set_values

README = ROOT / "README.md"
MOST_LINES, MOST_FIGURES, MOST_LINES_OF_A_PAGE = 150, 30, 120
WRITTEN = [
    README,
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "research").glob("*/README.md")),
]
LINK = re.compile(r"\]\(([^()\s]+)\)")
DECIMAL = re.compile(r"(?<![\w/.])\d*\.\d+(?![\w/.])")
VERSIONS = {"3.11"}  # decimals that are no results


def without_code(text: str) -> str:
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", without_code(page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(page: Path) -> Iterator[str]:
    for link in LINK.findall(without_code(page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue  # https:, mailto:
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


def test_generated_parts_are_as_generated() -> None:
    edited = [
        str(path)
        for path, text in docs.make_pages(ROOT).items()
        if not (ROOT / path).is_file() or (ROOT / path).read_text(encoding="utf-8") != text
    ]
    assert not edited, f"run `make docs`: {edited}"


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_images_lead_somewhere(page: Path) -> None:
    assert list(dead_links(page)) == []


def test_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_pages_are_short(page: Path) -> None:
    if page.name != docs.PAGE.name:  # generated as a whole
        assert len(page.read_text(encoding="utf-8").splitlines()) <= MOST_LINES_OF_A_PAGE


def test_figures_of_readme_are_few_and_generated() -> None:
    text = README.read_text(encoding="utf-8")
    by_hand = DECIMAL.findall(re.sub(r"\]\([^)]*\)", "]", docs.BLOCK.sub("", text)))
    assert set(by_hand) <= VERSIONS
    assert len(DECIMAL.findall("".join(block.group() for block in docs.BLOCK.finditer(text)))) <= MOST_FIGURES


@pytest.mark.parametrize("folder", ["stage1_candidates/sources", "features/groups"])
def test_readme_names_every_source_and_feature_group(folder: str) -> None:
    names = {file.stem for file in (ROOT / folder).glob("*.py")} - {"__init__"}
    rows = set(re.findall(r"^\| `(\w+)` \|", README.read_text(encoding="utf-8"), re.MULTILINE))
    assert names <= rows


def test_a_block_of_an_unknown_name_is_refused() -> None:
    with pytest.raises(InputError, match="'nothing' is unknown"):
        docs.fill_blocks("<!-- figures: nothing -->\n<!-- end -->\n", {"shops": ""}, "README.md")


def test_a_missing_record_says_so(tmp_path: Path) -> None:
    tables = docs.make_tables(tmp_path)
    assert tables["networks"] == tables["hm_report"] == "Not recorded."
    assert tables["shops"].count("not recorded") == 3


def test_a_row_of_results_by_hand() -> None:
    figure = {"mean": 0.5, "low": 0.25, "high": 0.75}
    map12 = {"twelve": figure, "repurchase_popular": {"mean": 0.125}, "popular": {"mean": 0.0625}}
    run = {"metrics": {"map12": map12, "by_week": {"8": {}, "9": {}}}}
    row = "| demo shop, 2 weeks | 0.5000 [0.2500, 0.7500] | 0.1250 | 0.0625 |"
    assert tabulate_shops({"demo": run}).splitlines()[-1] == row


def test_settings_of_the_runs_exist() -> None:
    script = (ROOT / "runs/competition.sh").read_text(encoding="utf-8")
    assignments = re.findall(r"[a-z_]+(?:\.\w+)+=\w+", script)
    assert len(assignments) == 10
    set_values((ROOT / "params.yaml").read_text(encoding="utf-8"), assignments)


def test_a_setting_that_does_not_exist_is_refused() -> None:
    with pytest.raises(KeyError, match="take_all"):
        set_values("pool:\n  take: 120\n", ["pool.take_all=1"])
