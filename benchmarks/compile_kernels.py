"""Compile the numba kernels once, by a run of the graph on a tiny shop: ``python -m benchmarks.compile_kernels``.

numba keeps compiled kernels in ``__pycache__`` next to their source. `make` runs this at the end of an installation, so
that neither the first tests nor the first run of the graph wait for the compiler. The shop lies in a temporary folder.
The networks are off, because they train for long. Their own kernels are compiled at the first use.
"""

import contextlib
import importlib
import io
import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ruamel.yaml import YAML

from benchmarks import graph
from retail import paths, stage
from shops import synthesize

ROOT = Path(__file__).parents[1]


def make_tiny_params() -> dict[str, Any]:
    """Make params like the project's, with a tiny demo shop, few rounds, no search and no network."""
    raw: dict[str, Any] = YAML(typ="safe", pure=True).load((ROOT / paths.PARAMS).read_text(encoding="utf-8"))
    raw["data"]["folder"] = paths.DEMO.as_posix()
    raw["demo"] = {"customers": 80, "articles": 60, "weeks": 14, "seed": 1}
    raw["weeks"] |= {"validation": 1, "stop": 1, "train": {"most": 2, "least": 1, "customers": 60}}
    raw["ranker"] |= {"rounds": 3, "patience": 2}
    raw["tuning"]["trials"] = 0
    raw["evaluate"]["bootstrap"] = 10
    for block in raw["networks"].values():
        block["use"] = False
    for model in raw["ranker"]["models"].values():
        model["settings"]["min_data_in_leaf"] = 5
    return raw


def run_stages(folder: Path) -> None:
    """Run all stages on the tiny shop in ``folder``, in this process and without their output."""
    raw = make_tiny_params()
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        paths.PARAMS.write_text(json.dumps(raw), encoding="utf-8")  # JSON is YAML too
        synthesize.write_demo()
        for step in graph.read_steps(raw):
            sys.argv = [step.module, *step.arguments]
            module = importlib.import_module(step.module)
            if hasattr(module, "__path__"):  # a package
                module = importlib.import_module(f"{step.module}.__main__")
            (module.main if hasattr(module, "main") else module.write)()


def main() -> None:
    """Run the graph on the tiny shop and print the seconds."""
    began = time.perf_counter()
    with TemporaryDirectory() as folder:
        run_stages(Path(folder))
    print(f"compile_kernels: {time.perf_counter() - began:.0f} s; kernels are kept next to their source")


if __name__ == "__main__":
    stage.guarded(main, "compile_kernels")
