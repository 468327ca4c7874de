"""Compare MAP@12 of the models of params.yaml with that of searched models: ``python -m benchmarks.tuning``.

Runs the graph's stages in a scratch folder, on the same table for both: stage ``tune`` once without a trial and once
with ``--trials`` trials, then ``train`` and ``evaluate``. A killed run resumes where it ended.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

from benchmarks import paired, record, scratch
from benchmarks.scratch import Scratch
from retail import paths, stage
from stage2_ranker.model.recipe import BEST, Best
from stage2_ranker.search import trials

UNTUNED, TUNED = "models of params.yaml", "models of the search"
STAGES = ("tune", "train")


def add_variant(base: Scratch, name: str, count: int) -> Scratch:
    """Add a variant of ``base`` with its table, for a search of ``count`` trials that starts from params.yaml."""
    raw, folder = {**base.raw, "tuning": {**base.raw["tuning"], "trials": count}}, base.folder / "variants" / name
    if (folder / trials.TUNING).exists():  # the search has finished: keep its best.json
        base = replace(base, best=Best.model_validate_json((folder / BEST).read_bytes()))
    variant = base.add_variant(name, raw)
    for part in (paths.POOL, paths.FEATURES, paths.TABLE):
        link = variant.folder / part
        if not link.is_symlink():
            link.symlink_to((base.folder / part).resolve(), target_is_directory=True)
    return variant


def evaluate(variant: Scratch) -> pl.DataFrame:
    """Search, train and evaluate in the folder of ``variant``: AP@12 per buyer and validation week."""
    variant.run_stage(trials.TUNING, "stage2_ranker.tune", silent=False)
    return scratch.evaluate_pool(variant)


def read_seconds(variant: Scratch) -> dict[str, float]:
    """Read the seconds of the stages ``tune`` and ``train``, each in its last run."""
    costs = {name: variant.folder / paths.COSTS / f"{name}.json" for name in STAGES}
    return {name: json.loads(file.read_text())["seconds"] for name, file in costs.items()}


def describe_search(count: int, weeks: int, best: Best, seconds: dict[str, dict[str, float]]) -> str:
    """Describe the search: its trials, the models kept and why, and the seconds of each ranker's stages."""
    models = ", ".join(f"{model.name} x {model.weight:.2f}" for model in best.models)
    costs = "; ".join(f"{name}: {', '.join(f'{k} {v:.0f} s' for k, v in row.items())}" for name, row in seconds.items())
    return (
        f"{count} trials in addition to the models of params.yaml; {weeks} label weeks, which the search does not "
        f"read. Kept: {best.kept} ({models}); {best.why}. {costs}."
    )


def write_results(
    rows: dict[str, Any], description: str, figures: dict[str, Any], origin: dict[str, Any], out: Path
) -> None:
    """Print the table, and write tuning.json, tuning.md and tuning.png to ``out``."""
    header = ["ranker", "MAP@12", "95%", "minus untuned", "95%"]
    cells = [paired.format_cells(name, row) for name, row in rows.items()]
    table = Table(*header)
    for line in cells:
        table.add_row(*line)
    console = Console(width=120)
    console.print(table)
    console.print(description)
    record.write_json("tuning", origin, {**figures, "rows": rows}, out)
    record.write_markdown("tuning", origin, f"{record.markdown_table(header, cells)}\n\n{description}", out)
    record.write_plot("tuning", paired.plot({"ranker": rows}, f"MAP@12 minus that of the {UNTUNED}"), out)


def main() -> None:
    """Evaluate both rankers; print and write the table and the plot."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tuning", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/online_retail"))
    parser.add_argument(
        "--trials", type=int, default=60, help="trials in addition to the models of params.yaml (%(default)s)"
    )
    parser.add_argument("--weeks", type=int, default=4, help="label weeks that are reported (%(default)s)")
    parser.add_argument(
        "--drop", type=int, default=0, help="weeks at the end of the log to leave out, to make choices on earlier weeks"
    )
    parser.add_argument(
        "--rows", type=int, help="rows that a trial is trained on, at most (default: those of params.yaml)"
    )
    parser.add_argument("--scratch", type=Path, default=paths.DATA / "bench" / "tuning")
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    arguments = parser.parse_args()
    raw = scratch.read_settings(arguments.data, arguments.weeks)
    raw["tuning"] |= {"rows": arguments.rows} if arguments.rows else {}
    base = scratch.make_base(arguments.scratch, raw, arguments.drop)
    scratch.build_table(base)
    variants = {
        UNTUNED: add_variant(base, "untuned", 0),
        TUNED: add_variant(base, f"tuned_{arguments.trials}", arguments.trials),
    }
    rows = paired.compare_variants({name: evaluate(variant) for name, variant in variants.items()}, UNTUNED)
    seconds = {name: read_seconds(variant) for name, variant in variants.items()}
    best = Best.model_validate_json((variants[TUNED].folder / BEST).read_bytes())
    command = f"make bench-tuning ({arguments.trials} trials, {arguments.weeks} label weeks, {arguments.drop} dropped)"
    origin = record.describe_origin(sorted(arguments.data.glob("*.csv")), [raw["seed"]], command, base.sum_seconds())
    figures = {"trials": arguments.trials, "weeks": arguments.weeks, "seconds": seconds, "best": best.model_dump()}
    write_results(
        rows, describe_search(arguments.trials, arguments.weeks, best, seconds), figures, origin, arguments.out
    )


if __name__ == "__main__":
    stage.guarded(main, "bench-tuning")
