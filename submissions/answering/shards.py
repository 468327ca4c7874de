"""What a killed submission had answered already: a file per shard of customers, kept until all are answered."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from retail import kept, paths
from retail.log import Array
from retail.params import Params
from stage1_candidates.engine import source

FOLDER = paths.CHECKPOINTS / "submit"
ROOT = Path(__file__).parent.parent
ROOMS = ("retail", "stage1_candidates", "features", "stage2_ranker")  # the code that answers
LIBRARIES = ("lightgbm", "numba", "numpy", "polars", "torch")


@dataclass(frozen=True)
class Shards:
    """The answers of one submission; others' leave no trace in it."""

    folder: Path

    @staticmethod
    def of(week: int, params: Params) -> "Shards":
        """Those of label week ``week`` that are made from the files, settings, code and libraries that are here now."""
        states = [paths.of_week(paths.SOURCES / name, "state", week, "npz") for name in source.switched_on(params)]
        files = [*sorted(paths.PREPARED.iterdir()), *sorted(paths.FINAL_MODEL.iterdir()), *states]
        code = [file for room in ROOMS for file in sorted((ROOT / room).rglob("*.py"))]
        versions = {name: version(name) for name in LIBRARIES}
        answering = {"sources", "networks", "pool", "features", "seed", "submit"}
        settings = params.model_dump(mode="json", include=answering)
        return Shards(FOLDER / kept.fingerprint([settings, versions], [*files, *code]))

    def answered(self, number: int, answer: Callable[[], Array]) -> Array:
        """The lists of shard ``number``: those kept, or else ``answer()``, which are kept from then on."""
        return kept.keep(self.folder / f"{number:06d}.npz", lambda _: {"lists": answer()})["lists"]

    def forget(self) -> None:
        """Remove what was kept, for this submission and any other."""
        shutil.rmtree(FOLDER, ignore_errors=True)
