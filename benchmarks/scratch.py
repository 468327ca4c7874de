"""Folders in which a benchmark runs the graph's own stages on params of its own; what is finished is kept.

The first folder is called by a fingerprint of params, data and code, so that whatever lies in it was made from the
same. A variant is a folder within it, which takes some tables over and makes the others anew.
"""

import hashlib
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

from benchmarks import record
from features.engine import group
from retail import params as parameters
from retail import paths
from retail.errors import InputError
from retail.params import Params, Ranker, validated
from retail.stage import whole_folder
from retail_input import point
from stage2_ranker.model import recipe
from stage2_ranker.model.recipe import Best

ROOT = Path(__file__).parent.parent
FIT_LIKE = ROOT / "benchmarks" / "fit_like.py"  # the one program of a variant's that is no stage of the graph
ROOMS = ("retail", "retail_input", "stage1_candidates", "features", "stage2_ranker", "submissions")
AP = paths.EVALUATION / "ap.parquet"
LAST_LINES = 12  # of a stage that failed


@dataclass(frozen=True)
class Scratch:
    """A folder with a params.yaml of its own, ``raw``; every table in it is whole, or not there."""

    folder: Path
    raw: dict[str, Any]
    best: Best  # the ranker's models

    @property
    def params(self) -> Params:
        return parameters.read(self.folder / paths.PARAMS)

    @property
    def finished(self) -> bool:
        return (self.folder / AP).exists()

    def written(self) -> "Scratch":
        """Itself, with params.yaml and best.json in its folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / paths.PARAMS).write_text(json.dumps(self.raw))  # JSON is YAML too
        recipe.write(self.best, self.folder / recipe.BEST)
        return self

    def variant(self, name: str, raw: dict[str, Any]) -> "Scratch":
        """A folder of this one's with other params that takes over the log and what the sources know."""
        made = replace(self, folder=self.folder / "variants" / name, raw=raw).written()
        for part in (paths.PREPARED, paths.SOURCES):
            link = made.folder / part
            link.parent.mkdir(exist_ok=True)
            if not link.is_symlink():
                link.symlink_to((self.folder / part).resolve(), target_is_directory=True)
        return made

    def make(self, made: Path, module: str, *arguments: str, silent: bool = True) -> None:
        """Run a stage unless ``made``, its output, is there; a ``silent`` one is heard only where it fails."""
        if (self.folder / made).exists():
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
            raise InputError(f"{' '.join(command)} ended with {done.returncode}; its own line above says why")

    def seconds(self) -> float:
        """Of all stages that have run here and in the variants, each in its last run."""
        costs = self.folder.rglob(f"{paths.COSTS}/*.json")
        return float(sum(json.loads(file.read_text())["seconds"] for file in costs))

    def tidy(self) -> None:
        """Remove the large tables that no variant takes over."""
        for part in (paths.POOL, paths.SAMPLE, paths.FEATURES, paths.TABLE):
            shutil.rmtree(self.folder / part, ignore_errors=True)


def asked(data: Path, weeks: int) -> dict[str, Any]:
    """params.yaml of the project, pointed at the shop in ``data``, with so many validation weeks."""
    point.check(data)
    raw: dict[str, Any] = YAML(typ="safe", pure=True).load((ROOT / paths.PARAMS).read_text(encoding="utf-8"))
    raw["data"]["folder"] = str(data.resolve())
    raw["weeks"]["validation"] = weeks
    return raw


def base(folder: Path, raw: dict[str, Any], drop: int = 0) -> Scratch:
    """Prepared log, learned networks and proposals for ``raw``; of a log that ends ``drop`` weeks earlier."""
    best = models(raw)
    scratch = Scratch(folder.resolve() / fingerprint(raw, best, drop), raw, best).written()
    _prepare(scratch, drop)
    params = scratch.params
    for name in params.networks:
        scratch.make(paths.NETWORKS / name, "stage1_candidates.train_network", name, silent=False)
    for name in params.sources:
        scratch.make(paths.SOURCES / name, "stage1_candidates.propose", name, silent=False)
    for name in params.networks:
        scratch.make(paths.SOURCES / name, "stage1_candidates.propose_network", name, silent=False)
    return scratch


def models(raw: dict[str, Any]) -> Best:
    """The models that stage ``tune`` found in the project; where it has not run, those of ``raw``."""
    if (ROOT / recipe.BEST).exists():
        return Best(models=recipe.read(ROOT / recipe.BEST), kept="found", why="as in the project", judgement=None)
    settings = validated(Ranker, raw["ranker"], "ranker")
    return Best(models=recipe.of_params(settings), kept="params.yaml", why="nothing was tuned", judgement=None)


def fingerprint(raw: dict[str, Any], best: Best, drop: int) -> str:
    """A digest of the settings, of the data they point at and of the code that is run."""
    csvs = sorted(Path(raw["data"]["folder"]).glob("*.csv"))
    shop = {**raw["data"], "folder": record.digest(csvs)}
    code = sorted([FIT_LIKE, *(file for room in ROOMS for file in (ROOT / room).rglob("*.py"))])
    settings = json.dumps([{**raw, "data": shop}, best.model_dump(), drop, record.digest(code)], sort_keys=True)
    return hashlib.sha256(settings.encode()).hexdigest()[:16]


def _prepare(scratch: Scratch, drop: int) -> None:
    if not drop or (scratch.folder / paths.PREPARED).exists():
        scratch.make(paths.PREPARED, "retail_input.prepare", silent=False)
        return
    uncut = replace(scratch, folder=scratch.folder / "uncut").written()
    uncut.make(paths.PREPARED, "retail_input.prepare", silent=False)
    days = json.loads((uncut.folder / paths.CALENDAR).read_text())["days"] - 7 * drop
    with whole_folder(scratch.folder / paths.PREPARED) as part:
        shutil.copytree(uncut.folder / paths.PREPARED, part, dirs_exist_ok=True)
        log = pl.read_parquet(part / paths.LOG.name).filter(pl.col("day") < days)
        log.write_parquet(part / paths.LOG.name)
        (part / paths.CALENDAR.name).write_text(json.dumps({"days": days}))


def pool(scratch: Scratch) -> None:
    """Run the stages ``pool``, ``sample``, ``build_features`` and ``table``."""
    scratch.make(paths.POOL, "stage1_candidates.pool")
    scratch.make(paths.SAMPLE, "stage2_ranker.sample")
    for name in group.switched_on(scratch.params):
        scratch.make(paths.FEATURES / name, "features.build_features", name)
    scratch.make(paths.TABLE, "stage2_ranker.table")


def columns(scratch: Scratch) -> list[str]:
    """The columns of the table."""
    return list(pl.read_parquet_schema(next((scratch.folder / paths.TABLE).glob("*.parquet"))))


def repooled(variant: Scratch, like: Scratch | None = None) -> pl.DataFrame:
    """AP@12 of every buyer of the validation weeks by a variant's own pool and the ranker fitted on it.

    With ``like`` for as many rounds as that variant's, which has been evaluated.
    """
    if not variant.finished:
        pool(variant)
    return _evaluated(variant, like)


def without_columns(
    pooled: Scratch, variant: Scratch, left_out: Sequence[str], like: Scratch | None = None
) -> pl.DataFrame:
    """As ``repooled``, by a ranker fitted on the table of ``pooled`` in which the columns ``left_out`` are 0.

    LightGBM never splits on a constant column and draws none for a tree: the ranker is the one that it would be
    without them, while the answers may keep the columns.
    """
    if not variant.finished:
        pool(pooled)
        blank(pooled.folder / paths.TABLE, variant.folder / paths.TABLE, left_out)
    return _evaluated(variant, like)


def blank(table: Path, into: Path, left_out: Iterable[str]) -> None:
    """Copy the weeks of ``table`` to ``into`` with the columns ``left_out`` set to 0."""
    with whole_folder(into) as part:
        for file in sorted(table.iterdir()):
            rows = pl.read_parquet(file)
            rows.with_columns(pl.lit(0.0, pl.Float32).alias(name) for name in left_out).write_parquet(part / file.name)


def _evaluated(variant: Scratch, like: Scratch | None) -> pl.DataFrame:
    if like is None:
        variant.make(paths.MODEL, "stage2_ranker.train")
    else:
        variant.make(paths.MODEL, "benchmarks.fit_like", str(like.folder / paths.MODEL))
    variant.make(paths.EVALUATION, "submissions.evaluate")
    variant.tidy()
    return pl.read_parquet(variant.folder / AP)
