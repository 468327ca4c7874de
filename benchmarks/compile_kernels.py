"""Compile the numba kernels once, by a run of the graph on a tiny shop: ``python -m benchmarks.compile_kernels``.

numba keeps compiled kernels in ``__pycache__`` next to their source. `make` runs this at the end of an installation, so
that neither the first tests nor the first run of the graph wait for the compiler. The shop lies in a temporary folder.
The networks are off, because they train for long. Other processes call the kernels that the graph reaches last, so that
all cores compile: those of the features, of the trees, and of the network ``two_tower``. Kernels of other networks are
compiled at the first use.
"""

import contextlib
import importlib
import io
import json
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from benchmarks import graph
from retail import chunks, metrics, pairs, paths, stage, weeks
from retail import params as parameters
from retail import shop as shops
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


def write_project(folder: Path) -> None:
    """Write params.yaml and the CSV files of the tiny shop to ``folder``, and prepare them."""
    raw = make_tiny_params()
    with quietly_in(folder):
        paths.PARAMS.write_text(json.dumps(raw), encoding="utf-8")  # JSON is YAML too
        synthesize.write_demo()
        run_steps([step for step in graph.read_steps(raw) if step.name == "prepare"])


def run_stages(folder: Path) -> None:
    """Run all stages after ``prepare`` on the tiny shop in ``folder``, in this process and without their output."""
    with quietly_in(folder):
        run_steps([step for step in graph.read_steps(make_tiny_params()) if step.name != "prepare"])


def run_steps(steps: list[graph.Step]) -> None:
    """Call the ``main`` of each of ``steps`` with its arguments."""
    for step in steps:
        sys.argv = [step.module, *step.arguments]
        module = importlib.import_module(step.module)
        if hasattr(module, "__path__"):  # a package
            module = importlib.import_module(f"{step.module}.__main__")
        (module.main if hasattr(module, "main") else module.write)()


@contextlib.contextmanager
def quietly_in(folder: Path) -> Iterator[None]:
    """Work in ``folder`` within a ``with`` block, and print nothing."""
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def compile_features(folder: Path) -> None:
    """Compute all feature groups of a few pairs, and MAP@12."""
    from features.engine import group  # each process imports what it needs

    with quietly_in(folder):
        shop, params = shops.read(), parameters.read()
        history = weeks.history(shop.log, weeks.plan(shop.log, params.weeks).submission)
        row, item = np.indices((shop.log.users, 5), np.uint32).reshape(2, -1)
        candidates = pairs.build_pairs(row, item)
        for name in group.switched_on(params):
            module, settings = group.load(name, params)
            group.compute(name, module, history, shop, candidates, settings)
        metrics.average_precision(np.array([0, 1]), np.array([3]), np.arange(metrics.K)[None])


def compile_trees(folder: Path) -> None:
    """Score and explain with trees of at most 32 and of more leaves: each width of the masks has a kernel."""
    import lightgbm as lgb

    from stage2_ranker.fast_trees.forest import Forest
    from stage2_ranker.fast_trees.tree_shap import Shap

    features = np.random.default_rng(1).random((400, 5), np.float32)
    for leaves in (8, 40):
        settings = {"num_leaves": leaves, "min_data_in_leaf": 1, "num_threads": 1, "verbosity": -1}
        model = lgb.train(settings, lgb.Dataset(features, features.sum(1)), 2)
        forest = Forest.from_model(model)
        assert forest is not None
        forest.score(features)
    Shap.from_model(model, len(features)).add_to(np.zeros_like(features), features, 1.0)


def compile_two_tower(folder: Path) -> None:
    """Build the input of ``two_tower``, and multiply a few vectors, where torch and faiss are installed."""
    if find_spec("torch") is None or find_spec("faiss") is None:
        return
    from stage1_candidates.networks.base import ann
    from stage1_candidates.networks.two_tower import inputs

    with quietly_in(folder):
        shop = shops.read()
        history = weeks.history(shop.log, weeks.plan(shop.log, parameters.read().weeks).submission)
        users, bag = np.arange(3, dtype=np.uint32), inputs.Bag(5, [30.0], 1.0)
        inputs.build_customers(history, shop, users, bag, inputs.list_bought(history, users, bag.entries))
        inputs.compute_article_numbers(history)
        vectors = np.ones((3, 4), np.float32)
        ann.dot(vectors, vectors, np.arange(3), np.arange(3))


EARLY: tuple[Callable[[Path], None], ...] = (compile_trees, compile_features, compile_two_tower)  # the longest first


def compile_all(folder: Path, processes: int) -> None:
    """Compile all kernels with ``processes`` processes; this one runs the whole graph in ``folder``.

    The graph compiles whatever the others have not, so they affect only the time.
    """
    write_project(folder)
    if processes == 1:
        run_stages(folder)
        for function in EARLY:
            function(folder)
        return
    with ProcessPoolExecutor(min(processes - 1, len(EARLY)), get_context("spawn")) as pool:  # polars cannot fork
        early = [pool.submit(function, folder) for function in EARLY]
        run_stages(folder)
        for result in early:
            result.result()


def main() -> None:
    """Run the graph on the tiny shop and print the seconds."""
    began = time.perf_counter()
    with TemporaryDirectory() as folder:
        compile_all(Path(folder), chunks.count_threads())
    print(f"compile_kernels: {time.perf_counter() - began:.0f} s; kernels are kept next to their source")


if __name__ == "__main__":
    stage.guarded(main, "compile_kernels")
