"""LENS beside personal frequency, and its uses: ``python -m research.lens``.

Each training (task, row, seed) is kept under data/bench/lens; what was killed goes on from its last epoch.
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
from stage1_candidates.networks.base.side_by_side import cores

FOLDER = paths.DATA / "bench/lens"
TAFENG = shops.ROOT.parent / "shared/data/case_tafeng"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tafeng", type=Path, default=TAFENG, help="folder of the CASE paper's files")
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    parser.add_argument("--rows", nargs="+", default=rows.NAMES, choices=rows.NAMES, help="that are trained; else all")
    asked = parser.parse_args()
    names = [name for name in rows.NAMES if name in asked.rows]
    torch.set_num_threads(cores())
    shops.check()
    folder = FOLDER.resolve() / "trainings"
    whole = shops.read("online_retail", FOLDER / "online_retail")
    made = planted.planted(1)
    of_shop = tasks.of_shop("online_retail", whole)
    of_planted = tasks.of_shop("planted", made.shop)
    of_tafeng = tasks.of_tafeng(asked.tafeng)
    rows.learn(of_shop, of_tafeng, of_planted, names, folder)
    found: dict[str, Any] = {
        "baskets": {task.name: rows.baskets(task, names, folder) for task in (of_shop, of_tafeng)},
        "times": {task.name: rows.times(task, names, folder) for task in (of_shop, of_tafeng)},
        "by heart": rows.by_heart(of_shop, folder),
        "insights": {
            "online_retail": rows.insights(of_shop, whole, OURS, folder, None),
            "planted": rows.insights(of_planted, made.shop, rows.SMALL, folder, made),
        },
    }
    data = [*sorted(shops.ONLINE_RETAIL.glob("*.csv")), *(tafeng.path(asked.tafeng, part) for part in tafeng.PARTS)]
    tables = [of["rows"] for part in ("baskets", "times") for of in found[part].values()]
    seconds = sum(row.get("seconds", 0) for table in (*tables, found["by heart"]) for row in table.values())
    seeds = sorted({seed for table in tables for row in table.values() for seed in row.get("seeds", [])})
    command = shlex.join(["python", "-m", "research.lens", *sys.argv[1:]])
    report.write(record.made_from(data, seeds, command, seconds), found, asked.out)
    print((asked.out / "lens.md").read_text())


if __name__ == "__main__":
    stage.guarded(main, "bench-lens")
