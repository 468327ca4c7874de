"""Ablate the pipeline: compare MAP@12 without each part with MAP@12 of the full pipeline.

Run ``python -m benchmarks.ablate``. It writes two tables. The first leaves out the columns of one feature group, of the
pool or of one source. The second leaves out a source altogether, both its candidates and its columns.

The script runs the graph's stages in a scratch folder and resumes after an interruption. The ranker's models are those
of data/tuned/best.json if the project has that file, otherwise those of params.yaml. About thirty rankers are trained,
so each sees fewer rows than the project's. Every variant trains for as many rounds as the full pipeline.
"""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from benchmarks import paired, record, scratch
from benchmarks.scratch import Scratch
from retail import paths, stage
from stage1_candidates.engine import source
from stage2_ranker.model.ranker import KEYS

EVERYTHING, RESEEDED = "everything", "everything, other seeds"
TITLES = {"groups": "without the columns of", "sources": "without the source"}
HEADER = ["MAP@12", "95%", "minus everything", "95%", "p (Holm)"]
OTHER_SEEDS = 1000  # added to every seed of the ranker
ROWS = 100_000  # training rows, all weeks together

# Name -> function that evaluates the variant: AP@12 per buyer and validation week
Variants = dict[str, Callable[[], pl.DataFrame]]


def group_columns(columns: list[str]) -> dict[str, list[str]]:
    """Group columns named ``<part>__<what>`` by part: a feature group, a source or the pool. Alphabetical."""
    parts: dict[str, list[str]] = {}
    for column in sorted(set(columns) - set(KEYS)):
        parts.setdefault(column.partition("__")[0], []).append(column)
    return parts


def switch_off_source(raw: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the params ``raw`` with the source or network ``name`` switched off."""
    kind = "networks" if name in raw["networks"] else "sources"
    return {**raw, kind: {**raw[kind], name: {**raw[kind][name], "use": False}}}


def make_variants(base: Scratch, only: str | None) -> dict[str, Variants]:
    """Make the variants of each table (or of the table ``only``); the full pipeline comes first in each."""
    parts, everything = group_columns(scratch.read_columns(base)), base.add_variant("everything", base.raw)
    shared: Variants = {
        EVERYTHING: partial(scratch.evaluate_without_columns, base, everything, []),
        RESEEDED: partial(scratch.evaluate_without_columns, base, change_seeds(base), [], everything),
    }
    tables = {kind: dict(shared) for kind in TITLES if only in (None, kind)}
    if "groups" in tables:
        for name, columns in parts.items():
            variant = base.add_variant(f"columns_{name}", base.raw)
            tables["groups"][name] = partial(scratch.evaluate_without_columns, base, variant, columns, everything)
    proposing = source.proposing(base.params)
    if "sources" in tables and len(proposing) > 1:  # without its only source the pool would be empty
        for name in proposing:
            variant = base.add_variant(f"source_{name}", switch_off_source(base.raw, name))
            tables["sources"][name] = partial(scratch.evaluate_pool, variant, everything)
    return tables


def change_seeds(base: Scratch) -> Scratch:
    """Make a variant whose ranker samples rows and columns with other seeds."""
    models = [model.model_copy(update={"seed": model.seed + OTHER_SEEDS}) for model in base.best.models]
    return replace(base, best=base.best.model_copy(update={"models": models})).add_variant("reseeded", base.raw)


def evaluate(tables: Mapping[str, Variants]) -> dict[str, dict[str, pl.DataFrame]]:
    """Evaluate every variant of every table: table -> variant -> AP@12 per buyer and validation week."""
    ap: dict[str, dict[str, pl.DataFrame]] = {}
    with tqdm(total=sum(map(len, tables.values())), desc="ablate", unit="variant") as bar:
        for kind, variants in tables.items():
            ap[kind] = {}
            for name, evaluate_variant in variants.items():
                bar.set_postfix_str(f"{TITLES[kind]} {name}")
                ap[kind][name] = evaluate_variant()
                bar.update()
    return ap


def compare(ap: Mapping[str, dict[str, pl.DataFrame]]) -> dict[str, dict[str, Any]]:
    """Compare every variant with the full pipeline: table -> variant -> figures, the most useful part first.

    "holm" in a row's "minus" is p adjusted for all parts of all tables.
    """
    rows: dict[str, dict[str, Any]] = {}
    differences: dict[tuple[str, str], Any] = {}
    for kind, frames in ap.items():
        figures = paired.compare_variants(frames, EVERYTHING)
        parts = sorted(filter(is_part, figures), key=lambda name: figures[name]["minus"]["mean"])
        rows[kind] = {name: figures[name] for name in (EVERYTHING, RESEEDED, *parts)}
        differences |= {(kind, name): figures[name]["minus"] for name in parts}
    for key, p in paired.adjust_holm({key: gap["p"] for key, gap in differences.items()}).items():
        differences[key]["holm"] = p
    return rows


def is_part(name: str) -> bool:
    """Tell whether the variant ``name`` leaves a part out."""
    return name not in (EVERYTHING, RESEEDED)


def format_cells(rows: Mapping[str, Any]) -> list[list[str]]:
    """Format the rows of a table."""
    holms = [row["minus"].get("holm") for row in rows.values()]
    return [
        [*paired.format_cells(name, row), "" if holm is None else f"{holm:.3f}"]
        for (name, row), holm in zip(rows.items(), holms, strict=True)
    ]


def format_note(comparisons: int) -> str:
    """Format the note on reading ``comparisons`` comparisons at once."""
    return (
        "A part helps if its difference is below 0. Each interval (95%, bootstrap over customers) covers its own "
        f"comparison only: of {comparisons} useless parts, {comparisons / 20:.1f} would miss 0 by chance. p (Holm) is "
        "adjusted for all comparisons. The intervals do not include the variance between trainings: "
        f"'{RESEEDED}' leaves nothing out and shows it."
    )


def main() -> None:
    """Evaluate all variants; print and write the tables and the plot."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ablate", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/online_retail"))
    parser.add_argument("--weeks", type=int, default=8, help="label weeks that are reported (%(default)s)")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows that a ranker is trained on (%(default)s)")
    parser.add_argument("--only", choices=tuple(TITLES), help="make this table alone")
    parser.add_argument("--scratch", type=Path, default=paths.DATA / "bench" / "ablate")
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    arguments = parser.parse_args()
    raw = scratch.read_settings(arguments.data, arguments.weeks)
    raw["table"]["rows"] = min(arguments.rows, raw["table"]["rows"])
    base = scratch.make_base(arguments.scratch, raw)
    scratch.build_table(base)
    rows = compare(evaluate(make_variants(base, arguments.only)))
    alone = f", {arguments.only} alone" if arguments.only else ""
    command = f"make ablate ({arguments.weeks} label weeks, {arguments.rows:,} rows{alone})"
    origin = record.describe_origin(sorted(arguments.data.glob("*.csv")), [raw["seed"]], command, base.sum_seconds())
    write_results(rows, arguments.weeks, origin, arguments.out)


def write_results(rows: dict[str, dict[str, Any]], weeks: int, origin: dict[str, Any], out: Path) -> None:
    """Print the tables, and write ablate.json, ablate.md and ablate.png to ``out``."""
    console, texts = Console(width=120), []
    for kind, variants in rows.items():
        header = [TITLES[kind], *HEADER]
        table = Table(*header)
        for line in format_cells(variants):
            table.add_row(*line)
        console.print(table)
        texts.append(record.markdown_table(header, format_cells(variants)))
    note = format_note(sum(is_part(name) for variants in rows.values() for name in variants))
    console.print(note)
    record.write_json("ablate", origin, {"weeks": weeks, "note": note, **rows}, out)
    record.write_markdown("ablate", origin, "\n\n".join([*texts, note]), out)
    panels = {TITLES[kind]: variants for kind, variants in rows.items()}
    record.write_plot("ablate", paired.plot(panels, "MAP@12 minus that of everything"), out)


if __name__ == "__main__":
    stage.guarded(main, "ablate")
