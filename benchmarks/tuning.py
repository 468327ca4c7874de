"""MAP@12 with the models of params.yaml and with those that a search finds: ``python -m benchmarks.tuning``.

Runs the graph's own stages in a scratch folder, on one and the same table: stage ``tune`` once without a trial and once
with ``--trials``, then ``train`` and ``evaluate``. A run that was killed goes on where it was.
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


def variant(base: Scratch, name: str, count: int) -> Scratch:
    """A folder of ``base``'s with its table, for a search of ``count`` trials that starts from params.yaml."""
    raw, folder = {**base.raw, "tuning": {**base.raw["tuning"], "trials": count}}, base.folder / "variants" / name
    if (folder / trials.TUNING).exists():  # the search has ended, and its best.json must outlive this run
        base = replace(base, best=Best.model_validate_json((folder / BEST).read_bytes()))
    made = base.variant(name, raw)
    for part in (paths.POOL, paths.FEATURES, paths.TABLE):
        link = made.folder / part
        if not link.is_symlink():
            link.symlink_to((base.folder / part).resolve(), target_is_directory=True)
    return made


def evaluated(made: Scratch) -> pl.DataFrame:
    """AP@12 of every buyer of the validation weeks, after a search in the folder of ``made``."""
    made.make(trials.TUNING, "stage2_ranker.tune", silent=False)
    return scratch.repooled(made)


def seconds(made: Scratch) -> dict[str, float]:
    """Of stage ``tune``, in its last run alone, and of ``train``."""
    costs = {name: made.folder / paths.COSTS / f"{name}.json" for name in STAGES}
    return {name: json.loads(file.read_text())["seconds"] for name, file in costs.items()}


def text(count: int, weeks: int, best: Best, took: dict[str, dict[str, float]]) -> str:
    """What was searched, what it found on the tuning weeks, and the seconds."""
    models = ", ".join(f"{one.name} x {one.weight:.2f}" for one in best.models)
    of = "; ".join(f"{name}: {', '.join(f'{k} {v:.0f} s' for k, v in one.items())}" for name, one in took.items())
    return (
        f"{count} trials beside the models of params.yaml; {weeks} label weeks, which the search does not read. Kept: "
        f"{best.kept} ({models}); {best.why}. {of}."
    )


def leave(rows: dict[str, Any], said: str, figures: dict[str, Any], made: dict[str, Any], out: Path) -> None:
    """Print the table, and write tuning.json, tuning.md and tuning.png."""
    header = ["ranker", "MAP@12", "95%", "minus untuned", "95%"]
    cells = [paired.cells(name, row) for name, row in rows.items()]
    table = Table(*header)
    for line in cells:
        table.add_row(*line)
    console = Console(width=120)
    console.print(table)
    console.print(said)
    record.write_json("tuning", made, {**figures, "rows": rows}, out)
    record.write_markdown("tuning", made, f"{record.markdown_table(header, cells)}\n\n{said}", out)
    record.write_plot("tuning", paired.plot({"ranker": rows}, f"MAP@12 minus that of the {UNTUNED}"), out)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tuning", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/online_retail"))
    parser.add_argument("--trials", type=int, default=60, help="trials beside the models of params.yaml (%(default)s)")
    parser.add_argument("--weeks", type=int, default=4, help="label weeks that are reported (%(default)s)")
    parser.add_argument("--drop", type=int, default=0, help="weeks at the end of the log to leave out: to choose on")
    parser.add_argument("--rows", type=int, help="rows that a trial is trained on, at most (that of params.yaml)")
    parser.add_argument("--scratch", type=Path, default=paths.DATA / "bench" / "tuning")
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    asked = parser.parse_args()
    raw = scratch.asked(asked.data, asked.weeks)
    raw["tuning"] |= {"rows": asked.rows} if asked.rows else {}
    base = scratch.base(asked.scratch, raw, asked.drop)
    scratch.pool(base)
    made = {UNTUNED: variant(base, "untuned", 0), TUNED: variant(base, f"tuned_{asked.trials}", asked.trials)}
    rows = paired.compared({name: evaluated(one) for name, one in made.items()}, UNTUNED)
    took = {name: seconds(one) for name, one in made.items()}
    best = Best.model_validate_json((made[TUNED].folder / BEST).read_bytes())
    command = f"make bench-tuning ({asked.trials} trials, {asked.weeks} label weeks, {asked.drop} dropped)"
    source = record.made_from(sorted(asked.data.glob("*.csv")), [raw["seed"]], command, base.seconds())
    figures = {"trials": asked.trials, "weeks": asked.weeks, "seconds": took, "best": best.model_dump()}
    leave(rows, text(asked.trials, asked.weeks, best, took), figures, source, asked.out)


if __name__ == "__main__":
    stage.guarded(main, "bench-tuning")
