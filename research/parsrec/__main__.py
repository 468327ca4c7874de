"""Measure PARSRec's ranking, attention and what-if on a synthetic shop: ``python -m research.parsrec``.

The shop has the settings of the authors' released sample. Trainings are kept in data/bench/parsrec, so a
killed run resumes where it stopped.
"""

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import record
from research.parsrec import attention, baselines, closed_form, ours, parsrec_sales, protocol, report, rows, spillover
from research.parsrec.protocol import KS, Scorer, Task
from retail import stage

POOLS = 7  # seed of the pools of the test sessions


def main() -> None:
    """Train and measure all rows, write parsrec.json, parsrec.md and parsrec.png, and print the tables."""
    arguments = parse_arguments()
    sales = parsrec_sales.simulate(rows.SAMPLE, parsrec_sales.make_paper_sigmas())
    task = protocol.split_sales(sales)
    table: dict[str, Any] = {
        name: {"figures": measure(score, task)} for name, score in make_untrained_scorers(task).items()
    }
    for name in (name for name in rows.BASELINES if name in arguments.rows):
        baseline, info = rows.train_baseline(sales, task, rows.BASELINES[name], arguments.seed)
        table[name] = {"figures": measure(baselines.make_scorer(baseline, task.test), task), **info}
    heats = {}
    for name in (name for name in rows.SHAPES if name in arguments.rows):
        network, info = rows.train_parsrec(sales, task, rows.SHAPES[name], rows.PHASES, arguments.seed)
        table[name] = {"figures": measure(ours.make_scorer(network, task.test), task), **info}
        heats[name] = attention.measure_heat(network, task, sales)
    agreement = {name: attention.compare_with_sigmas(heat, sales, arguments.seed) for name, heat in heats.items()}
    what_if = {seed: spillover.run_what_if(seed) for seed in arguments.spillover}
    seconds = sum(row.get("seconds", 0.0) for row in (*table.values(), *what_if.values()))
    command = shlex.join(["python", "-m", "research.parsrec", *sys.argv[1:]])
    origin = record.describe_origin(
        [Path(parsrec_sales.__file__)], [arguments.seed, *arguments.spillover], command, seconds
    )
    body = {"rows": table, "published": report.PUBLISHED, "attention": agreement, "spillover": what_if}
    record.write_json("parsrec", origin, body)
    text = report.render_markdown(table, agreement, what_if)
    record.write_markdown("parsrec", origin, text)
    if heats:
        record.write_plot("parsrec", report.plot(next(iter(heats.values())), sales.sigmas))
    Console(width=None if sys.stdout.isatty() else 160).print(text, markup=False, highlight=False)


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    trained = [*rows.BASELINES, *rows.SHAPES]
    parser = argparse.ArgumentParser(prog="python -m research.parsrec", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="seed of the trainings (%(default)s)")
    parser.add_argument("--rows", nargs="*", default=trained, choices=trained, help="networks; default: all")
    parser.add_argument("--spillover", type=int, nargs="*", default=[1, 2, 3, 4, 5], help="seeds of the what-if")
    return parser.parse_args()


def make_untrained_scorers(task: Task) -> dict[str, Scorer]:
    """Return the scorers of the baselines without a training."""
    return {
        "random": closed_form.make_random_scorer(task.articles, 1),
        "POPRec": closed_form.make_popular_scorer(task.test, task.articles),
        "personal frequency": closed_form.make_personal_scorer(task.test, task.articles),
    }


def measure(scorer: Scorer, task: Task) -> dict[str, dict[str, float]]:
    """Measure ``scorer`` on the test sessions at each k."""
    pool = protocol.sample_pools(task.test, task.articles, POOLS)
    return {str(k): protocol.replay(scorer, task.test, pool, k).summarise() for k in KS}


if __name__ == "__main__":
    stage.guarded(main, "bench-parsrec")
