"""Run one row of the Ta-Feng table with one seed as a process: ``research.case.task MODULE ROW SEED DATA FILE``.

The name of the file holds a fingerprint of the task's inputs and code, so a finished task is not run twice. A killed
task resumes from the checkpoints of its training.
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
MODULES = ("closed_form", "dnntsp", "bert4nbr", "case_rows", "ours")  # each has ``ROWS``, in the order of the table
PACKAGES = ("retail", "stage1_candidates", "benchmarks")  # their imported files enter the fingerprint


@dataclass(frozen=True)
class Scores:
    """The result of a task."""

    validate: Array  # (n,) scores of the validation candidates
    test: Array  # (n,) scores of the test candidates
    info: dict[str, Any]  # facts about the run, its "seconds" and "fingerprint" among them


def load_rows() -> dict[str, ModuleType]:
    """Load the modules of all rows: name of the row -> module whose ``ROWS`` holds it."""
    names = [f"research.case.{name}" for name in MODULES]
    modules = [importlib.import_module(name) for name in names if importlib.util.find_spec(name)]
    return {name: module for module in modules for name in module.ROWS}


def slugify(row: str) -> str:
    """Turn the name of a row into a file name.

    >>> slugify("TIFU-KNN, tuned")
    'tifu_knn_tuned'
    """
    return "_".join("".join(c if c.isalnum() else " " for c in row.lower()).split())


def compute_fingerprint(module: ModuleType, row: str, seed: int, data: Path) -> str:
    """Hash the data, the row, the seed and the code: the row's module, with its settings, and what it imports."""
    files = [Path(str(module.__file__)), *(ROOT / "research" / "case" / name for name in ("tafeng.py", "task.py"))]
    parts = [tafeng.locate(data, part) for part in PARTS]
    return kept.fingerprint([row, seed], [*parts, *sorted(_collect_imports(set(files)))])


def _collect_imports(files: set[Path]) -> set[Path]:
    """Collect ``files`` and the project's files that they import, directly or indirectly."""
    closure: set[Path] = set()
    while files:
        file = files.pop()
        closure.add(file)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
            if isinstance(node, ast.ImportFrom):
                names = [str(node.module), *(f"{node.module}.{name}" for name in names)]
            paths = [
                ROOT.joinpath(*name.split(".")).with_suffix(".py") for name in names if name.split(".")[0] in PACKAGES
            ]
            files |= {path for path in paths if path.exists()} - closure
    return closure


def load_scores(file: Path) -> Scores:
    """Load the scores that ``run_task`` kept in ``file``."""
    with np.load(file) as arrays:
        return Scores(arrays["validate"], arrays["test"], json.loads(str(arrays["info"])))


def run_task(row: Row, seed: int, data: Path, file: Path) -> None:
    """Run the task and keep its scores in ``file``, which is named after its fingerprint."""

    def compute(checkpoints: Path) -> dict[str, Array]:
        started = time.perf_counter()
        train_split, validation_split, test_split = (tafeng.read(data, part) for part in PARTS)
        validate, test, info = row(train_split, validation_split, test_split, seed, checkpoints)
        info = {**info, "seconds": round(time.perf_counter() - started, 1)}
        return {"validate": validate, "test": test, "info": np.array(json.dumps(info))}

    kept.keep(file, compute)


def main() -> None:
    """Run the task of the command line."""
    module_name, name, seed, data, file = sys.argv[1:]
    module = importlib.import_module(module_name)
    run_task(module.ROWS[name], int(seed), Path(data), Path(file))


if __name__ == "__main__":
    stage.guarded(main, "bench-case")
