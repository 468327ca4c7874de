"""PARSRec on its authors' synthetic sample: ranking, attention, the what-if: ``python -m research.parsrec``.

Trainings are kept in data/bench/parsrec, so a run that was killed goes on where it stopped.
"""

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import record
from research.parsrec import attention, closed_form, ours, parsrec_sales, protocol, report, rivals, rows, spillover
from research.parsrec.protocol import KS, Scorer, Task
from retail import stage

POOLS = 7  # seed of the test's pools


def main() -> None:
    asked = arguments()
    sales = parsrec_sales.sold(rows.SAMPLE, parsrec_sales.paper_sigmas())
    task = protocol.task(sales)
    table: dict[str, Any] = {name: {"figures": measured(score, task)} for name, score in untrained(task).items()}
    for name in (one for one in rows.RIVALS if one in asked.rows):
        rival, info = rows.rival(sales, task, rows.RIVALS[name], asked.seed)
        table[name] = {"figures": measured(rivals.scorer(rival, task.test), task), **info}
    heats = {}
    for name in (one for one in rows.SHAPES if one in asked.rows):
        network, info = rows.parsrec(sales, task, rows.SHAPES[name], rows.PHASES, asked.seed)
        table[name] = {"figures": measured(ours.scorer(network, task.test), task), **info}
        heats[name] = attention.heat(network, task, sales)
    seen = {name: attention.compared(heat, sales, asked.seed) for name, heat in heats.items()}
    what_if = {seed: spillover.run(seed) for seed in asked.spillover}
    seconds = sum(row.get("seconds", 0.0) for row in (*table.values(), *what_if.values()))
    command = shlex.join(["python", "-m", "research.parsrec", *sys.argv[1:]])
    made = record.made_from([Path(parsrec_sales.__file__)], [asked.seed, *asked.spillover], command, seconds)
    body = {"rows": table, "published": report.PUBLISHED, "attention": seen, "spillover": what_if}
    record.write_json("parsrec", made, body)
    text = report.markdown(table, seen, what_if)
    record.write_markdown("parsrec", made, text)
    if heats:
        record.write_plot("parsrec", report.plot(next(iter(heats.values())), sales.sigmas))
    Console(width=None if sys.stdout.isatty() else 160).print(text, markup=False, highlight=False)


def arguments() -> argparse.Namespace:
    trained = [*rows.RIVALS, *rows.SHAPES]
    parser = argparse.ArgumentParser(prog="python -m research.parsrec", description="PARSRec's synthetic sample.")
    parser.add_argument("--seed", type=int, default=1, help="of the trainings (%(default)s)")
    parser.add_argument("--rows", nargs="*", default=trained, choices=trained, help="that are trained; else all")
    parser.add_argument("--spillover", type=int, nargs="*", default=[1, 2, 3, 4, 5], help="seeds of the what-if")
    return parser.parse_args()


def untrained(task: Task) -> dict[str, Scorer]:
    return {
        "random": closed_form.random(task.test, task.articles, 1),
        "POPRec": closed_form.popular(task.test, task.articles),
        "personal frequency": closed_form.personal(task.test, task.articles),
    }


def measured(scorer: Scorer, task: Task) -> dict[str, dict[str, float]]:
    """The test's figures at each k."""
    pool = protocol.others(task.test, task.articles, POOLS)
    return {str(k): protocol.walked(scorer, task.test, pool, k).figures() for k in KS}


if __name__ == "__main__":
    stage.guarded(main, "bench-parsrec")
