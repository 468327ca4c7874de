"""Paste recorded figures into the documentation: ``python -m benchmarks.docs`` (``make docs``).

Fills every block between ``<!-- figures: NAME -->`` and ``<!-- end -->`` in README.md, docs/ and research/*/README.md,
and writes docs/results.md as a whole. All figures come from the JSON files in benchmarks/results.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks import research_tables, result_tables
from benchmarks.result_tables import Json
from retail import stage
from retail.errors import InputError

RESULTS = Path("benchmarks/results")
PAGE = Path("docs/results.md")
INDEX = "benchmarks.experiment_index"  # writes docs/experiments/INDEX.md
BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
MISSING = "Not recorded."
FAULTS = {"faults": "small", "faults_finished": "competition size", "faults_finished_disk": "competition size, disk"}
QUALITY = ("quality_online_retail", "quality_grocery", "quality_demo")
HM_REPORT = ("hm_report_hm", "hm_report_hm_sample")
TABLES: Mapping[str, Callable[[Json], str]] = {  # name of the JSON file -> function that makes its table
    "networks": result_tables.tabulate_networks,
    "networks_lens_parsrec": result_tables.tabulate_networks,
    "ablate": result_tables.tabulate_ablation,
    "tuning": result_tables.tabulate_tuning,
    "scale": result_tables.tabulate_scale,
    "speed": result_tables.tabulate_speed,
    "sources_table": result_tables.tabulate_sources,
    "scoring": result_tables.tabulate_scoring,
    "kernels": result_tables.tabulate_kernels,
    "case": research_tables.tabulate_case,
    "trex": research_tables.tabulate_trex,
    "two_tower": research_tables.tabulate_two_tower,
    "lens": research_tables.tabulate_lens,
    "parsrec": research_tables.tabulate_parsrec,
}
SECTIONS = (  # of docs/results.md: table, title, description
    (
        "shops",
        "Shops",
        "MAP@12 of the validation weeks. A record is one run of the whole pipeline; its time is the sum of the stages' "
        "seconds, without the installation and DVC's own work.",
    ),
    (
        "shop_details",
        "Differences and limits",
        "A perfect ranker would put all bought articles of the pool first. It can score far above recall@100: "
        "recall counts all purchases, while MAP@12 needs at most twelve per customer. "
        "Its pool may also hold more than 100 candidates.",
    ),
    (
        "networks",
        "Networks",
        "The pipeline with and without each network, on Online Retail. `default` is `two_tower` in both uses; "
        "`all` is `case`, `trex` and `two_tower`.",
    ),
    (
        "networks_lens_parsrec",
        "LENS and PARSRec",
        "A second run with its own baseline. Another machine gave other signs: see "
        "[networks.md](networks.md#what-each-network-gains).",
    ),
    (
        "ablate",
        "Without each part",
        "Online Retail, rankers trained on a third of the usual rows. A part pays where the difference is negative. "
        "The row `everything, other seeds` shows what other seeds alone change.",
    ),
    ("tuning", "Search for the ranker's models", "Online Retail; the search does not read the validation weeks."),
    (
        "scale",
        "Cost by stage",
        "An invented shop as large as the competition's. An exponent of 1: twice the transactions cost twice as much. "
        f"Stages under {result_tables.LEAST_SECONDS} seconds are left out.",
    ),
    (
        "speed",
        "Speed compared with an earlier commit",
        "`make bench-speed` runs the same work at two commits, one directly after the other. Seconds and ratios are "
        "geometric means over the repeats. Ratios are new to base. A target is an upper limit for new.",
    ),
    (
        "quality",
        "Lists compared with an earlier commit",
        "`make bench-quality` evaluates two commits on the same label weeks and customers. Intervals are by bootstrap "
        "over customers and, where a commit has several trainings, over trainings.",
    ),
    (
        "sources_table",
        "Sources compared with the competition's 11th place",
        "Recall on an invented shop of a tenth of the competition's size; the published column is of the real shop.",
    ),
    ("scoring", "Scoring speed", "Rows per second of the ranker's trees. All scorers give identical lists."),
    ("kernels", "Kernels", "Our numba kernels compared with plain polars; a value below 1 means that ours are slower."),
    ("faults", "Kills and shortages", "Stages killed, or run short of memory or disk, then run again."),
)
PAPERS = ("case", "trex", "two_tower", "parsrec", "lens", "hm_report")


def read_figures(name: str, folder: Path = RESULTS) -> dict[str, Any] | None:
    """Read one JSON file of results; None where it does not exist."""
    path = folder / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def make_tables(folder: Path = RESULTS) -> dict[str, str]:
    """Make every table that a block may name: name -> Markdown, ``MISSING`` where nothing is recorded."""
    runs = {name: read_figures(f"shops/{name}", folder) for name in result_tables.SHOPS}
    tables = {"shops": result_tables.tabulate_shops(runs), "shop_details": result_tables.tabulate_shop_details(runs)}
    for name, make_table in TABLES.items():
        figures = read_figures(name, folder)
        tables[name] = MISSING if figures is None else make_table(figures)
    faults = {size: figures for name, size in FAULTS.items() if (figures := read_figures(name, folder))}
    tables["faults"] = result_tables.tabulate_faults(faults) if faults else MISSING
    compared = [figures for name in QUALITY if (figures := read_figures(name, folder))]
    tables["quality"] = result_tables.tabulate_quality(compared) if compared else MISSING
    reports = {name: figures for name in HM_REPORT if (figures := read_figures(name, folder))}
    tables["hm_report"] = research_tables.tabulate_hm_report(reports) if reports else MISSING
    return tables


def fill_blocks(text: str, tables: Mapping[str, str], page: str) -> str:
    """Fill each block of ``text`` with its table; InputError where a block's name is unknown.

    >>> fill_blocks("a\\n<!-- figures: x -->\\nold\\n<!-- end -->\\n", {"x": "new"}, "page")
    'a\\n<!-- figures: x -->\\nnew\\n<!-- end -->\\n'
    """

    def paste(block: re.Match[str]) -> str:
        if block[2] not in tables:
            raise InputError(f"{page}: block '{block[2]}' is unknown; expected one of: {', '.join(sorted(tables))}")
        return f"{block[1]}{tables[block[2]]}\n{block[3]}"

    return BLOCK.sub(paste, text)


def make_results_page(tables: Mapping[str, str], folder: Path = RESULTS) -> str:
    """Make the text of docs/results.md: for each benchmark a section with its table and how it was recorded."""
    parts = [
        "# Results",
        "For readers who want every recorded figure of the pipeline. `make docs` writes this page from the JSON files "
        "in [benchmarks/results](../benchmarks/results). Do not edit it by hand.",
        "Brackets hold 95% intervals by bootstrap over customers; differences are paired by customer. "
        "[trust.md](trust.md) says what the intervals do not cover.",
    ]
    for name, title, about in SECTIONS:
        parts += [f"## {title}", about, tables[name], *_describe_records(name, folder)]
    parts += ["## Papers", "Each paper has a folder with its citation, its benchmark and its tables:"]
    parts.append("\n".join(f"- [research/{name}](../research/{name})" for name in PAPERS))
    return "\n\n".join(parts) + "\n"


def _describe_records(name: str, folder: Path) -> list[str]:
    """Describe in one paragraph how the section's files were recorded; empty where there is no file."""
    shops = [f"shops/{shop}" for shop in result_tables.SHOPS]
    files = {"shops": shops, "shop_details": [], "faults": [*FAULTS], "quality": [*QUALITY]}.get(name, [name])
    lines = []
    for file in files:
        origin = (read_figures(file, folder) or {}).get("made_from")
        if origin:
            seconds = origin["seconds"]
            time = f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"
            link = f"[{file}.json](../benchmarks/results/{file}.json)"
            lines.append(f"- {link}: `{origin['command']}`, {time}, {origin['device']}")
    return ["Recorded by:", "\n".join(lines)] if lines else []


def make_pages(root: Path = Path()) -> dict[Path, str]:
    """Make the text of every page with generated parts: path relative to ``root`` -> text."""
    folder = root / RESULTS
    tables = make_tables(folder)
    templates = [Path("README.md"), *_list_files(root, "docs/*.md"), *_list_files(root, "research/*/README.md")]
    text = {
        path: fill_blocks((root / path).read_text(encoding="utf-8"), tables, path.as_posix())
        for path in templates
        if path != PAGE and (root / path).is_file()
    }
    return {**text, PAGE: make_results_page(tables, folder)}


def _list_files(root: Path, pattern: str) -> list[Path]:
    return sorted(path.relative_to(root) for path in root.glob(pattern))


def main() -> None:
    """Write the pages that changed, then the index of experiments."""
    for path, text in make_pages().items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            with stage.whole_file(path) as part:
                part.write_text(text, encoding="utf-8")
            print(f"docs: wrote {path}")
    if find_spec(INDEX):
        subprocess.run([sys.executable, "-m", INDEX], check=True)


if __name__ == "__main__":
    stage.guarded(main, "docs")
