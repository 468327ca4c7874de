"""Compare LENS with personal frequency and measure its uses: ``python -m research.lens``.

Each training (task, row, seed) is kept under data/bench/lens. A killed run resumes from its last epoch.
"""

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks import record
from research.case import tafeng
from research.lens import planted, report, rows, tasks
from research.lens.trainings import OURS
from research.trex import shops
from retail import paths, stage
from retail.cores import cores

FOLDER = paths.DATA / "bench/lens"
TAFENG = shops.ROOT.parent / "shared/data/case_tafeng"


def main() -> None:
    """Train the networks, measure all rows, write lens.json, lens.md and lens.png, and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tafeng", type=Path, default=TAFENG, help="folder of the CASE paper's Ta-Feng files")
    parser.add_argument("--out", type=Path, default=record.RESULTS, help="folder of the results")
    parser.add_argument("--rows", nargs="+", default=rows.NAMES, choices=rows.NAMES, help="networks; default: all")
    arguments = parser.parse_args()
    names = [name for name in rows.NAMES if name in arguments.rows]
    torch.set_num_threads(cores())
    shops.check()
    folder = FOLDER.resolve() / "trainings"
    shop = shops.read("online_retail", FOLDER / "online_retail")
    groups = planted.make_shop(1)
    shop_task = tasks.make_shop_task("online_retail", shop)
    planted_task = tasks.make_shop_task("planted", groups.shop)
    tafeng_task = tasks.make_tafeng_task(arguments.tafeng)
    rows.train_all(shop_task, tafeng_task, planted_task, names, folder)
    figures: dict[str, Any] = {
        "baskets": {task.name: rows.compare_baskets(task, names, folder) for task in (shop_task, tafeng_task)},
        "times": {task.name: rows.compare_days(task, names, folder) for task in (shop_task, tafeng_task)},
        "by heart": rows.memorise(shop_task, folder),
        "insights": {
            "online_retail": rows.measure_insights(shop_task, shop, OURS, folder, None),
            "planted": rows.measure_insights(planted_task, groups.shop, rows.SMALL, folder, groups),
        },
    }
    files = [tafeng.locate(arguments.tafeng, part) for part in tafeng.PARTS]
    data = [*sorted(shops.ONLINE_RETAIL.glob("*.csv")), *files]
    tables = [task["rows"] for part in ("baskets", "times") for task in figures[part].values()]
    seconds = sum(row.get("seconds", 0) for table in (*tables, figures["by heart"]) for row in table.values())
    seeds = sorted({seed for table in tables for row in table.values() for seed in row.get("seeds", [])})
    command = shlex.join(["python", "-m", "research.lens", *sys.argv[1:]])
    report.write(record.describe_origin(data, seeds, command, seconds), figures, arguments.out)
    print((arguments.out / "lens.md").read_text())


if __name__ == "__main__":
    stage.guarded(main, "bench-lens")
