"""Stage ``build_features``: compute every feature group for the sampled rows of each label week.

Writes data/features/<name>/ for each block of ``features``:

- rows_<week>.parquet: Float32 columns ``<name>__<column>``, one row per kept row of the week's sample, in its order.
- settings.json: the group's block of params.yaml. With ``use: false`` it is the only file.

Only groups whose inputs changed are computed again, and a killed run resumes (``retail.plugin_folders``).
"""

from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl

from features.engine import group
from features.engine.group import GroupModule
from retail import kept, pairs, paths, plugin_folders, stage, weeks
from retail import params as parameters
from retail import shop as shops
from retail.errors import InputError
from retail.log import Array
from retail.pairs import Pairs
from retail.params import Params
from retail.plugin_folders import Task
from retail.shop import Shop
from retail.weeks import History

ROOT = Path(__file__).parents[2]
LIBRARIES = ("numba", "numpy", "polars")


@dataclass(frozen=True)
class Candidates:
    """The sampled rows of a label week and the history before it, shared by all groups."""

    history: History
    pairs: Pairs
    kept: Array  # (rows,) bool

    @staticmethod
    def read(week: int, shop: Shop) -> "Candidates":
        rows = pl.read_parquet(paths.of_week(paths.SAMPLE, "sample", week))
        candidates = pairs.build_pairs(rows["user"].to_numpy(), rows["item"].to_numpy())
        return Candidates(weeks.history(shop.log, week), candidates, rows["kept"].to_numpy())


def write_week(
    name: str, module: GroupModule, settings: Any, shop: Shop, week: int, shared: Candidates, folder: Path
) -> None:
    """Write the group's rows of ``week`` to ``folder``; InputError if it returns wrong rows or dtypes."""
    rows = group.compute(name, module, shared.history, shop, shared.pairs, settings)
    wrong = [column for column, dtype in rows.schema.items() if dtype != pl.Float32]
    expected = len(shared.kept)
    if wrong or rows.height != expected:
        raise InputError(
            f"features {name}: expected {expected} rows of Float32; got {rows.height}; wrong dtype: {wrong}"
        )
    rows.filter(pl.Series(shared.kept)).write_parquet(
        paths.of_week(folder, "rows", week), compression=paths.COMPRESSION
    )


def make_task(name: str, params: Params, shop: Shop, inputs: list[str]) -> Task[Candidates]:
    """Make the task of feature group ``name``; ``inputs``: digests of the tables that it reads."""
    module, settings = group.load(name, params)
    text = settings.model_dump_json(indent=1)
    if not settings.use:
        return Task(name, "off", text, None)
    code = [*sorted((ROOT / "retail").rglob("*.py")), *sorted((ROOT / "features" / "engine").rglob("*.py"))]
    about = [name, settings, inputs, {library: version(library) for library in LIBRARIES}]
    fingerprint = kept.fingerprint(about, [*code, ROOT / "features" / "groups" / f"{name}.py"])
    return Task(name, fingerprint, text, partial(write_week, name, module, settings, shop))


def main() -> None:
    params = parameters.read()
    shop = shops.read()
    plan = weeks.plan(shop.log, params.weeks)
    inputs = [plugin_folders.digest_files(folder) for folder in (paths.PREPARED, paths.SAMPLE)]
    tasks = [make_task(name, params, shop, inputs) for name in params.features]
    read = partial(Candidates.read, shop=shop)
    plugin_folders.fill(paths.FEATURES, tasks, plan.labelled, read, len(shop.log.day), "build_features")


if __name__ == "__main__":
    stage.run(main, "build_features")
