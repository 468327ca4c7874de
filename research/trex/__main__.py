"""Compare T-REX-style networks with frequency baselines, leave-last-basket-out: ``python -m research.trex``.

Each training (shop, row, seed) is kept under data/bench/trex, so a killed run resumes.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from research.trex import figures, protocol, report, rows, shops
from research.trex.protocol import Task
from research.trex.rows import MASKED, NETWORKS, OWN, PLAIN
from retail import paths, stage

FOLDER = paths.DATA / "bench/trex"
VALIDATION_DAYS, TEST_DAYS = 60, 120
NOTE = (
    "Categories are product types. The test target is the last basket of a customer, if it lies in the last "
    f"{TEST_DAYS} days and at least two baskets precede it. Settings and early stopping use the {VALIDATION_DAYS} days "
    "before. Weights are trained on earlier baskets only. Figures are means over customers; seeds are averaged per "
    f"customer first. '{PLAIN}' is the model of the paper as far as its abstract describes it. '{OWN}' adds a learned "
    "bonus for the customer's own categories and the recent sales of the shop, which the paper does not have. Demo is "
    "an invented shop (shops.synthesize, seed of params.yaml)."
)


def main() -> None:
    """Train the networks of each shop, write trex.json, trex.md and the plots, and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--data", nargs="*", default=list(shops.NAMES), choices=shops.NAMES, help="shops to run (default: all)"
    )
    parser.add_argument(
        "--validation-only", action="store_true", help="print validation figures; and ignore the test baskets"
    )
    parser.add_argument("--ablations", action="store_true", help="also train the ablations")
    arguments = parser.parse_args()
    names = [name for name, row in NETWORKS.items() if arguments.ablations or not row.ablation]
    if "online_retail" in arguments.data:
        shops.check()
    results: dict[str, Any] = {}
    for name in arguments.data:
        task = protocol.build_task(shops.read(name, FOLDER / name), VALIDATION_DAYS, TEST_DAYS)
        results[name] = run_shop(task, name, names, FOLDER.resolve() / name / "trainings", arguments.validation_only)
        print_table(name, results[name], "validation" if arguments.validation_only else "test")
    if not arguments.validation_only:
        seconds = sum(row["seconds"] for shop in results.values() for row in shop["rows"].values())
        command = " ".join(["python -m research.trex", *sys.argv[1:]])
        report.write({"command": command, "seconds": seconds, "note": NOTE, "data": results})


def run_shop(task: Task, data: str, names: list[str], folder: Path, validation_only: bool) -> dict[str, Any]:
    """Compute all figures of one shop for the baselines and the networks ``names``."""
    closed, tuned = rows.rank_baselines(task)
    runs = {
        name: {seed: rows.load_or_train(task, data, name, seed, folder) for seed in NETWORKS[name].seeds}
        for name in names
    }
    validation = {name: [lists[0]] for name, lists in closed.items()}
    test = {name: [lists[1]] for name, lists in closed.items()}
    for name, by_seed in runs.items():
        validation[name] = [run["validation"] for run in by_seed.values()]
        test[name] = [run["test"] for run in by_seed.values()]
    out: dict[str, Any] = {
        "about": f"{len(task.test.user)} test customers, {len(task.validation.user)} validation customers, "
        f"{len(task.train.user)} training baskets, {task.tokens.categories} categories; {tuned}",
        "rows": {name: {"seeds": [], "seconds": 0.0} for name in test},
    }
    for name, lists in validation.items():
        out["rows"][name]["validation"] = figures.average_curves(figures.measure(lists, task.validation))
    for name, by_seed in runs.items():
        out["rows"][name]["seeds"] = list(by_seed)
        out["rows"][name]["epochs"] = [run["epochs"].tolist() for run in by_seed.values()]
        out["rows"][name]["seconds"] = sum(float(run["seconds"]) for run in by_seed.values())
    return out if validation_only else out | evaluate_test(out["rows"], runs, test, task)


def evaluate_test(table: dict[str, Any], runs: dict[str, Any], test: dict[str, Any], task: Task) -> dict[str, Any]:
    """Add the test figures to the rows of ``table``; return differences, strata and the leak of the masked baseline."""
    test[f"{PLAIN}, generated"] = [run["generated"] for run in runs[PLAIN].values()]
    table[f"{PLAIN}, generated"] = {"seeds": table[PLAIN]["seeds"], "seconds": 0.0}
    each = {name: figures.measure(lists, task.test) for name, lists in test.items()}
    for name, measured in each.items():
        table[name]["test"] = figures.average_curves(measured)
        table[name]["recall@10 by seed"] = [
            float(figures.measure([lists], task.test)[0][:, 9].mean()) for lists in test[name]
        ]
    baselines = [name for name in each if name.startswith("P-Top")]
    return {
        "differences": {
            row: {
                baseline: figures.bootstrap_difference(each[row], each[baseline], task.test.user)
                for baseline in (*baselines, *([PLAIN] if row == OWN else []))
            }
            for row in (OWN, PLAIN)
        },
        "strata": figures.stratify({name: each[name] for name in report.PLOTTED[1:]}, task),
        "halves": {
            name: np.mean([run["halves"] for run in runs[name].values()], axis=0).tolist() for name in (PLAIN, MASKED)
        },
    }


def print_table(name: str, data: dict[str, Any], part: str) -> None:
    """Print the table of one shop; ``part``: "validation" or "test"."""
    table = Table("row", "recall@5", "recall@10", "precision@10", "recall@20", "seconds", title=f"{name}, {part}")
    for row, values in data["rows"].items():
        if part in values:
            recall, precision = values[part]["recall"], values[part]["precision"]
            cells = [f"{value:.4f}" for value in (recall[4], recall[9], precision[9], recall[19])]
            table.add_row(row, *cells, f"{values['seconds']:.0f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    stage.guarded(main, "bench-trex")
