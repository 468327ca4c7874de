"""T-REX-style networks beside frequency baselines, leave-last-basket-out: ``python -m research.trex``.

Each training (shop, row, seed) is kept under data/bench/trex; what was killed goes on from there.
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
    "Categories are product types. Leave-last-basket-out: a customer's last basket, if in the last "
    f"{TEST_DAYS} days, from two baskets or more before it; choices and early stopping on the {VALIDATION_DAYS} days "
    "before; weights learned from earlier baskets only. Means over customers; several seeds are averaged per customer "
    f"first. '{PLAIN}' is the paper's model as far as it is known; '{OWN}' adds a learned bonus to the customer's own "
    "categories and reads what the shop sells of late, which the paper does not have. Demo: a made-up shop "
    "(shops.synthesize, seed of params.yaml)."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", nargs="*", default=list(shops.NAMES), choices=shops.NAMES)
    parser.add_argument("--validation-only", action="store_true", help="print validation figures; the test is not read")
    parser.add_argument("--ablations", action="store_true", help="train the rows that lack one part too")
    asked = parser.parse_args()
    names = [name for name, row in NETWORKS.items() if asked.ablations or not row.ablation]
    if "online_retail" in asked.data:
        shops.check()
    found: dict[str, Any] = {}
    for name in asked.data:
        task = protocol.task(shops.read(name, FOLDER / name), VALIDATION_DAYS, TEST_DAYS)
        found[name] = of_shop(task, name, names, FOLDER.resolve() / name / "trainings", asked.validation_only)
        show(name, found[name], "validation" if asked.validation_only else "test")
    if not asked.validation_only:
        seconds = sum(row["seconds"] for of in found.values() for row in of["rows"].values())
        command = " ".join(["python -m research.trex", *sys.argv[1:]])
        report.write({"command": command, "seconds": seconds, "note": NOTE, "data": found})


def of_shop(task: Task, data: str, names: list[str], folder: Path, validation_only: bool) -> dict[str, Any]:
    """All figures of one shop, of the closed forms and the networks ``names``."""
    closed, chosen = rows.closed_forms(task)
    runs = {
        name: {seed: rows.trained(task, data, name, seed, folder) for seed in NETWORKS[name].seeds} for name in names
    }
    validation = {name: [lists[0]] for name, lists in closed.items()}
    test = {name: [lists[1]] for name, lists in closed.items()}
    for name, of_seed in runs.items():
        validation[name] = [run["validation"] for run in of_seed.values()]
        test[name] = [run["test"] for run in of_seed.values()]
    out: dict[str, Any] = {
        "about": f"{len(task.test.user)} test customers, {len(task.validation.user)} validation customers, "
        f"{len(task.train.user)} training baskets, {task.tokens.categories} categories; {chosen}",
        "rows": {name: {"seeds": [], "seconds": 0.0} for name in test},
    }
    for name, lists in validation.items():
        out["rows"][name]["validation"] = figures.curves(figures.measured(lists, task.validation))
    for name, of_seed in runs.items():
        out["rows"][name]["seeds"] = list(of_seed)
        out["rows"][name]["epochs"] = [run["epochs"].tolist() for run in of_seed.values()]
        out["rows"][name]["seconds"] = sum(float(run["seconds"]) for run in of_seed.values())
    return out if validation_only else out | tested(out["rows"], runs, test, task)


def tested(kept: dict[str, Any], runs: dict[str, Any], test: dict[str, Any], task: Task) -> dict[str, Any]:
    """The test's part: figures into ``kept``'s rows; differences, strata, the foil's leak."""
    test[f"{PLAIN}, generated"] = [run["generated"] for run in runs[PLAIN].values()]
    kept[f"{PLAIN}, generated"] = {"seeds": kept[PLAIN]["seeds"], "seconds": 0.0}
    each = {name: figures.measured(lists, task.test) for name, lists in test.items()}
    for name, of in each.items():
        kept[name]["test"] = figures.curves(of)
        kept[name]["recall@10 by seed"] = [
            float(figures.measured([one], task.test)[0][:, 9].mean()) for one in test[name]
        ]
    against = [name for name in each if name.startswith("P-Top")]
    return {
        "differences": {
            ours: {
                theirs: figures.difference(each[ours], each[theirs], task.test.user)
                for theirs in (*against, *([PLAIN] if ours == OWN else []))
            }
            for ours in (OWN, PLAIN)
        },
        "strata": figures.strata({name: each[name] for name in report.DRAWN[1:]}, task),
        "halves": {
            name: np.mean([run["halves"] for run in runs[name].values()], axis=0).tolist() for name in (PLAIN, MASKED)
        },
    }


def show(name: str, data: dict[str, Any], part: str) -> None:
    table = Table("row", "recall@5", "recall@10", "precision@10", "recall@20", "seconds", title=f"{name}, {part}")
    for row, of in data["rows"].items():
        if part in of:
            recall, precision = of[part]["recall"], of[part]["precision"]
            cells = [f"{value:.4f}" for value in (recall[4], recall[9], precision[9], recall[19])]
            table.add_row(row, *cells, f"{of['seconds']:.0f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    stage.guarded(main, "bench-trex")
