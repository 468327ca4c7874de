"""Run the graph's stages in a scratch folder with other params; finished outputs are kept and reused.

The name of a base folder is a fingerprint of params, data and code, so all its tables come from the same inputs. A
variant is a subfolder with other params: it links to some tables of its base and computes the others.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
from ruamel.yaml import YAML

from retail import kept, paths
from retail import params as parameters
from retail.errors import InputError
from retail.params import Params, Ranker, validate_block
from retail.stage import whole_folder
from retail_input import point
from stage2_ranker.model import recipe
from stage2_ranker.model.recipe import Best

ROOT = Path(__file__).parent.parent
FIT_LIKE = ROOT / "benchmarks" / "fit_like.py"  # the only program that a variant runs beyond the graph's stages
PACKAGES = ("retail", "retail_input", "stage1_candidates", "features", "stage2_ranker", "submissions")
AP = paths.EVALUATION / "ap.parquet"
LAST_LINES = 12  # lines of a failed stage's output that are printed


@dataclass(frozen=True)
class Scratch:
    """A folder with its own params.yaml, ``raw``; each table in it is complete or absent."""

    folder: Path
    raw: dict[str, Any]
    best: Best  # the ranker's models

    @property
    def params(self) -> Params:
        """Return the folder's params.yaml, checked."""
        return parameters.read(self.folder / paths.PARAMS)

    @property
    def finished(self) -> bool:
        """Return whether the folder's ranker has been evaluated."""
        return (self.folder / AP).exists()

    def write(self) -> "Scratch":
        """Write params.yaml and best.json to the folder; return this Scratch."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / paths.PARAMS).write_text(json.dumps(self.raw))  # JSON is YAML too
        recipe.write(self.best, self.folder / recipe.BEST)
        return self

    def add_variant(self, name: str, raw: dict[str, Any]) -> "Scratch":
        """Add the variant ``name`` with params ``raw``; it links to this folder's log and proposals."""
        variant = replace(self, folder=self.folder / "variants" / name, raw=raw).write()
        for part in (paths.PREPARED, paths.SOURCES):
            link = variant.folder / part
            link.parent.mkdir(exist_ok=True)
            if not link.is_symlink():
                link.symlink_to((self.folder / part).resolve(), target_is_directory=True)
        return variant

    def run_stage(self, output: Path, module: str, *arguments: str, silent: bool = True) -> None:
        """Run a stage unless its ``output`` exists; InputError if it fails.

        A ``silent`` stage prints only if it fails.
        """
        if (self.folder / output).exists():
            return
        command = [sys.executable, "-m", module, *arguments]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=False,
            text=True,
            stdout=subprocess.PIPE if silent else None,
            stderr=subprocess.STDOUT if silent else None,
        )
        if done.returncode:
            print("\n".join((done.stdout or "").splitlines()[-LAST_LINES:]), file=sys.stderr)
            raise InputError(f"{' '.join(command)} ended with {done.returncode}; its message above says why")

    def sum_seconds(self) -> float:
        """Sum the seconds of all stages run here and in the variants, each in its last run."""
        costs = self.folder.rglob(f"{paths.COSTS}/*.json")
        return float(sum(json.loads(file.read_text())["seconds"] for file in costs))

    def remove_tables(self) -> None:
        """Remove the large tables to which no variant links."""
        for part in (paths.POOL, paths.SAMPLE, paths.FEATURES, paths.TABLE):
            shutil.rmtree(self.folder / part, ignore_errors=True)


def read_settings(data: Path, weeks: int) -> dict[str, Any]:
    """Read the project's params.yaml; set the data folder to ``data`` and the number of validation weeks to ``weeks``.

    InputError if ``data`` lacks a file or column that the pipeline needs.
    """
    point.check_folder(data)
    raw: dict[str, Any] = YAML(typ="safe", pure=True).load((ROOT / paths.PARAMS).read_text(encoding="utf-8"))
    raw["data"]["folder"] = str(data.resolve())
    raw["weeks"]["validation"] = weeks
    return raw


def make_base(folder: Path, raw: dict[str, Any], drop: int = 0) -> Scratch:
    """Prepare the log, train the networks and propose candidates for ``raw``; ``drop``: weeks cut off the log's end."""
    best = read_models(raw)
    scratch = Scratch(folder.resolve() / fingerprint(raw, best, drop), raw, best).write()
    _prepare(scratch, drop)
    params = scratch.params
    for name in params.networks:
        scratch.run_stage(paths.NETWORKS / name, "stage1_candidates.networks.base.train_network", name, silent=False)
    scratch.run_stage(paths.SOURCES, "stage1_candidates.engine.propose", silent=False)
    return scratch


def read_models(raw: dict[str, Any]) -> Best:
    """Read the ranker's models that stage ``tune`` kept in the project; if it has not run, those of ``raw``."""
    if (ROOT / recipe.BEST).exists():
        return Best(models=recipe.read(ROOT / recipe.BEST), kept="found", why="as in the project", judgement=None)
    settings = validate_block(Ranker, raw["ranker"], "ranker")
    return Best(models=recipe.of_params(settings), kept="params.yaml", why="nothing was tuned", judgement=None)


def fingerprint(raw: dict[str, Any], best: Best, drop: int) -> str:
    """Compute a digest of the settings, of the data that they name and of the code."""
    csvs = sorted(Path(raw["data"]["folder"]).glob("*.csv"))
    anywhere = {**raw, "data": {**raw["data"], "folder": ""}}
    code = sorted([FIT_LIKE, *(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))])
    return kept.fingerprint([anywhere, best, drop], [*csvs, *code])


def _prepare(scratch: Scratch, drop: int) -> None:
    """Run stage ``prepare``; cut the last ``drop`` weeks off the log."""
    if not drop or (scratch.folder / paths.PREPARED).exists():
        scratch.run_stage(paths.PREPARED, "retail_input.prepare", silent=False)
        return
    uncut = replace(scratch, folder=scratch.folder / "uncut").write()
    uncut.run_stage(paths.PREPARED, "retail_input.prepare", silent=False)
    days = json.loads((uncut.folder / paths.CALENDAR).read_text())["days"] - 7 * drop
    with whole_folder(scratch.folder / paths.PREPARED) as part:
        shutil.copytree(uncut.folder / paths.PREPARED, part, dirs_exist_ok=True)
        log = pl.read_parquet(part / paths.LOG.name).filter(pl.col("day") < days)
        log.write_parquet(part / paths.LOG.name)
        (part / paths.CALENDAR.name).write_text(json.dumps({"days": days}))


def build_table(scratch: Scratch) -> None:
    """Run the stages ``pool``, ``sample``, ``build_features`` and ``table``."""
    scratch.run_stage(paths.POOL, "stage1_candidates.pool")
    scratch.run_stage(paths.SAMPLE, "stage2_ranker.sample")
    scratch.run_stage(paths.FEATURES, "features.engine.build_features")
    scratch.run_stage(paths.TABLE, "stage2_ranker.table")


def read_columns(scratch: Scratch) -> list[str]:
    """Read the names of the table's columns."""
    return list(pl.read_parquet_schema(next((scratch.folder / paths.TABLE).glob("*.parquet"))))


def evaluate_pool(variant: Scratch, reference: Scratch | None = None) -> pl.DataFrame:
    """Evaluate a variant with its own pool and a ranker trained on it.

    Returns a row per buyer of each validation week: week, user, twelve (AP@12). If ``reference``, an evaluated variant,
    is given, the ranker trains for as many rounds as that variant's ranker.
    """
    if not variant.finished:
        build_table(variant)
    return _evaluate(variant, reference)


def evaluate_without_columns(
    pooled: Scratch, variant: Scratch, dropped: Sequence[str], reference: Scratch | None = None
) -> pl.DataFrame:
    """Evaluate a variant whose ranker trains on the table of ``pooled`` with the columns ``dropped`` set to 0.

    ``reference`` and the result are as in ``evaluate_pool``.

    LightGBM neither splits on a constant column nor samples it for a tree. The ranker thus equals one trained without
    these columns. Evaluation still computes them.
    """
    if not variant.finished:
        build_table(pooled)
        blank_columns(pooled.folder / paths.TABLE, variant.folder / paths.TABLE, dropped)
    return _evaluate(variant, reference)


def blank_columns(table: Path, target: Path, dropped: Iterable[str]) -> None:
    """Copy the weeks of ``table`` to the folder ``target`` with the columns ``dropped`` set to 0."""
    with whole_folder(target) as part:
        for file in sorted(table.iterdir()):
            rows = pl.read_parquet(file)
            rows.with_columns(pl.lit(0.0, pl.Float32).alias(name) for name in dropped).write_parquet(part / file.name)


def _evaluate(variant: Scratch, reference: Scratch | None) -> pl.DataFrame:
    """Train and evaluate the variant's ranker, unless done before; remove its tables; read AP@12 per buyer and week."""
    if reference is None:
        variant.run_stage(paths.MODEL, "stage2_ranker.train")
    else:
        variant.run_stage(paths.MODEL, "benchmarks.fit_like", str(reference.folder / paths.MODEL))
    variant.run_stage(paths.EVALUATION, "submissions.evaluate")
    variant.remove_tables()
    return pl.read_parquet(variant.folder / AP)
