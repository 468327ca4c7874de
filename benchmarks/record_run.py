"""Record the figures of the last run for the documentation: ``python -m benchmarks.record_run NAME``.

Run it in a project whose graph has run. It reads outputs/metrics.json and data/prepared/calendar.json and writes
benchmarks/results/shops/NAME.json with the origin of the figures. ``make docs`` then pastes them.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.record import RESULTS, describe_origin, write_json
from benchmarks.result_tables import SHOPS
from retail import params, paths, stage
from retail.errors import InputError
from submissions import cost

FILES = ("articles.csv", "customers.csv", "transactions_train.csv")
FOLDER = RESULTS / "shops"


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that the graph writes; InputError where the graph has not run."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; run `make repro` first")
    table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return table


def record(name: str, command: str) -> Path:
    """Write the record ``name`` of the project in the working folder and return its path."""
    settings = params.read()
    metrics, calendar = read_json(paths.METRICS), read_json(paths.CALENDAR)
    costs = read_json(cost.COST)
    data = [settings.data.folder / file for file in FILES]
    origin = describe_origin(data, [settings.seed], command, sum(row["seconds"] for row in costs.values()))
    write_json(name, {**origin, "calendar": calendar}, {"metrics": metrics}, FOLDER)
    return FOLDER / f"{name}.json"


def main() -> None:
    """Write the record that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.record_run", description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=SHOPS, help="row of README.md that the run fills")
    parser.add_argument("--command", default="make repro", help="the command of the run (%(default)s)")
    arguments = parser.parse_args()
    print(f"record_run: wrote {record(arguments.name, arguments.command)}")


if __name__ == "__main__":
    stage.guarded(main, "record_run")
