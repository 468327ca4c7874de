"""What each part of the pipeline is worth: MAP@12 without it, beside everything. ``python -m benchmarks.ablate``.

Two tables: without the columns of one feature group, of the pool or of one source; without one source altogether,
candidates and columns. Runs the graph's own stages in a scratch folder and goes on where an earlier run was ended. The
ranker's models are those of data/tuned/best.json where the project has it, else those of params.yaml; since some
thirty rankers are fitted, on fewer rows than there, and each for as many rounds as serve everything best.
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

from benchmarks import paired, results, scratch
from benchmarks.scratch import Scratch
from retail import paths, stage
from stage1_candidates.engine import source
from stage2_ranker.model.ranker import KEYS

EVERYTHING, RESEEDED = "everything", "everything, other seeds"
TITLES = {"groups": "without the columns of", "sources": "without the source"}
HEADER = ["MAP@12", "95%", "minus everything", "95%", "p (Holm)"]
OTHER_SEEDS = 1000  # added to every seed of the ranker
ROWS = 100_000  # of all training weeks together

Variants = dict[str, Callable[[], pl.DataFrame]]  # its name -> AP@12 of every buyer of the validation weeks


def columns_by_part(columns: list[str]) -> dict[str, list[str]]:
    """Feature group, source or pool -> its columns, ``<part>__<what>``; alphabetical."""
    parts: dict[str, list[str]] = {}
    for column in sorted(set(columns) - set(KEYS)):
        parts.setdefault(column.partition("__")[0], []).append(column)
    return parts


def without_source(raw: dict[str, Any], name: str) -> dict[str, Any]:
    """``raw`` params with one source or network switched off."""
    kind = "networks" if name in raw["networks"] else "sources"
    return {**raw, kind: {**raw[kind], name: {**raw[kind][name], "use": False}}}


def variants(base: Scratch, only: str | None) -> dict[str, Variants]:
    """Table -> its variants; everything stands at the head of each."""
    parts, everything = columns_by_part(scratch.columns(base)), base.variant("everything", base.raw)
    whole: Variants = {
        EVERYTHING: partial(scratch.without_columns, base, everything, []),
        RESEEDED: partial(scratch.without_columns, base, reseeded(base), [], everything),
    }
    tables = {kind: dict(whole) for kind in TITLES if only in (None, kind)}
    if "groups" in tables:
        for name, columns in parts.items():
            variant = base.variant(f"columns_{name}", base.raw)
            tables["groups"][name] = partial(scratch.without_columns, base, variant, columns, everything)
    proposing = source.proposing(base.params)
    if "sources" in tables and len(proposing) > 1:  # a pool of none cannot be ranked
        for name in proposing:
            variant = base.variant(f"source_{name}", without_source(base.raw, name))
            tables["sources"][name] = partial(scratch.repooled, variant, everything)
    return tables


def reseeded(base: Scratch) -> Scratch:
    """A variant whose ranker draws its rows and columns otherwise."""
    models = [one.model_copy(update={"seed": one.seed + OTHER_SEEDS}) for one in base.best.models]
    return replace(base, best=base.best.model_copy(update={"models": models})).variant("reseeded", base.raw)


def evaluated(tables: Mapping[str, Variants]) -> dict[str, dict[str, pl.DataFrame]]:
    """AP@12 of every variant of every table, everything but once."""
    ap: dict[str, dict[str, pl.DataFrame]] = {}
    with tqdm(total=sum(map(len, tables.values())), desc="ablate", unit="variant") as bar:
        for kind, of_table in tables.items():
            ap[kind] = {}
            for name, run in of_table.items():
                bar.set_postfix_str(f"{TITLES[kind]} {name}")
                ap[kind][name] = run()
                bar.update()
    return ap


def compared(ap: Mapping[str, dict[str, pl.DataFrame]]) -> dict[str, dict[str, Any]]:
    """Table -> variant -> figures, the part that is missed most first; p adjusted for all parts of all tables."""
    rows: dict[str, dict[str, Any]] = {}
    told: dict[tuple[str, str], Any] = {}
    for kind, of_table in ap.items():
        figures = paired.compared(of_table, EVERYTHING)
        parts = sorted(filter(is_part, figures), key=lambda name: figures[name]["minus"]["mean"])
        rows[kind] = {name: figures[name] for name in (EVERYTHING, RESEEDED, *parts)}
        told |= {(kind, name): figures[name]["minus"] for name in parts}
    for key, p in paired.holm({key: gap["p"] for key, gap in told.items()}).items():
        told[key]["holm"] = p
    return rows


def is_part(name: str) -> bool:
    """Whether the variant lacks something."""
    return name not in (EVERYTHING, RESEEDED)


def cells(rows: Mapping[str, Any]) -> list[list[str]]:
    """A table's text."""
    holms = [row["minus"].get("holm") for row in rows.values()]
    return [
        [*paired.cells(name, row), "" if holm is None else f"{holm:.3f}"]
        for (name, row), holm in zip(rows.items(), holms, strict=True)
    ]


def note(comparisons: int) -> str:
    """What a reader must know of so many comparisons."""
    return (
        "A part pays where the difference is below 0. Each interval (95%, bootstrap over customers) stands for its own "
        f"comparison: of {comparisons} parts worth nothing {comparisons / 20:.1f} would be expected to miss 0 by "
        "chance; p (Holm) is adjusted for all of them. The intervals do not hold what another training would move: "
        f"'{RESEEDED}' lacks nothing and shows it."
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ablate", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/online_retail"))
    parser.add_argument("--weeks", type=int, default=8, help="label weeks that are reported (%(default)s)")
    parser.add_argument("--rows", type=int, default=ROWS, help="that a ranker is fitted on (%(default)s)")
    parser.add_argument("--only", choices=tuple(TITLES), help="one of the two tables")
    parser.add_argument("--scratch", type=Path, default=paths.DATA / "bench" / "ablate")
    parser.add_argument("--out", type=Path, default=results.RESULTS)
    asked = parser.parse_args()
    raw = scratch.asked(asked.data, asked.weeks)
    raw["table"]["rows"] = min(asked.rows, raw["table"]["rows"])
    base = scratch.base(asked.scratch, raw)
    scratch.pool(base)
    rows = compared(evaluated(variants(base, asked.only)))
    alone = f", {asked.only} alone" if asked.only else ""
    command = f"make ablate ({asked.weeks} label weeks, {asked.rows:,} rows{alone})"
    made = results.made_from(sorted(asked.data.glob("*.csv")), [raw["seed"]], command, base.seconds())
    leave(rows, asked.weeks, made, asked.out)


def leave(rows: dict[str, dict[str, Any]], weeks: int, made: dict[str, Any], out: Path) -> None:
    """Print the tables, and write ablate.json, ablate.md and ablate.png."""
    console, texts = Console(width=120), []
    for kind, of_table in rows.items():
        header = [TITLES[kind], *HEADER]
        table = Table(*header)
        for line in cells(of_table):
            table.add_row(*line)
        console.print(table)
        texts.append(results.markdown_table(header, cells(of_table)))
    said = note(sum(is_part(name) for of_table in rows.values() for name in of_table))
    console.print(said)
    results.write_json("ablate", made, {"weeks": weeks, "note": said, **rows}, out)
    results.write_markdown("ablate", made, "\n\n".join([*texts, said]), out)
    shown = {TITLES[kind]: of_table for kind, of_table in rows.items()}
    results.write_plot("ablate", paired.plot(shown, "MAP@12 minus that of everything"), out)


if __name__ == "__main__":
    stage.guarded(main, "ablate")
