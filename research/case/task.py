"""One row of the Ta-Feng table under one seed, in a process: ``research.case.task MODULE ROW SEED DATA FILE``.

The scores are kept in a file with a fingerprint of all that they were made from, so that a finished task is not done
twice, and a task that was killed finds the checkpoints of its training.
"""

import ast
import importlib.util
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from research.case import tafeng
from research.case.tafeng import PARTS, Row
from retail import kept, stage
from retail.log import Array

ROOT = Path(__file__).parents[2]
MODULES = ("closed_form", "dnntsp", "bert4nbr", "case_rows", "ours")  # each with its ``ROWS``, in the table's order
PACKAGES = ("retail", "stage1_candidates", "benchmarks")


@dataclass(frozen=True)
class Scores:
    validate: Array  # (n,) of the validation users' candidates
    test: Array  # (n,) of the test users' candidates
    info: dict[str, Any]  # the row's own, and its "seconds"


def rows() -> dict[str, ModuleType]:
    """Every row's name and the module that holds it in its ``ROWS``."""
    names = [f"research.case.{name}" for name in MODULES]
    modules = [importlib.import_module(name) for name in names if importlib.util.find_spec(name)]
    return {name: module for module in modules for name in module.ROWS}


def slug(row: str) -> str:
    """
    >>> slug("TIFU-KNN, tuned")
    'tifu_knn_tuned'
    """
    return "_".join("".join(c if c.isalnum() else " " for c in row.lower()).split())


def fingerprint(module: ModuleType, row: str, seed: int, data: Path) -> str:
    """Of the data, the row, the seed, and the code: the row's module, which holds its settings, and what it imports."""
    files = [Path(str(module.__file__)), *(ROOT / "research" / "case" / name for name in ("tafeng.py", "task.py"))]
    return kept.fingerprint([row, seed], [*(tafeng.path(data, part) for part in PARTS), *sorted(_closure(set(files)))])


def _closure(files: set[Path]) -> set[Path]:
    """``files`` and the project's files that they import, directly or not."""
    found: set[Path] = set()
    while files:
        file = files.pop()
        found.add(file)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
            if isinstance(node, ast.ImportFrom):
                names = [str(node.module), *(f"{node.module}.{name}" for name in names)]
            paths = [
                ROOT.joinpath(*name.split(".")).with_suffix(".py") for name in names if name.split(".")[0] in PACKAGES
            ]
            files |= {path for path in paths if path.exists()} - found
    return found


def read(file: Path) -> Scores:
    """The scores that ``run`` kept in ``file``."""
    with np.load(file) as stored:
        return Scores(stored["validate"], stored["test"], json.loads(str(stored["info"])))


def run(row: Row, seed: int, data: Path, file: Path) -> None:
    """Keep the scores of the task in ``file``, which is named after its fingerprint."""

    def made(checkpoints: Path) -> dict[str, Array]:
        started = time.perf_counter()
        train, validating, testing = (tafeng.read(data, part) for part in PARTS)
        validate, test, info = row(train, validating, testing, seed, checkpoints)
        info = {**info, "seconds": round(time.perf_counter() - started, 1)}
        return {"validate": validate, "test": test, "info": np.array(json.dumps(info))}

    kept.keep(file, made)


def main() -> None:
    module, name, seed, data, file = sys.argv[1:]
    holder = importlib.import_module(module)
    run(holder.ROWS[name], int(seed), Path(data), Path(file))


if __name__ == "__main__":
    stage.guarded(main, "bench-case")
