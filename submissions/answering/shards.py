"""Keep the lists of each finished shard of customers in a file, so that a killed submission can resume."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from retail import kept, paths
from retail.log import Array
from retail.params import Params
from stage1_candidates.engine import source

FOLDER = paths.CHECKPOINTS / "submit"
ROOT = Path(__file__).parent.parent
ANSWERING_PACKAGES = ("retail", "stage1_candidates", "features", "stage2_ranker")  # their code decides the lists
LIBRARIES = ("lightgbm", "numba", "numpy", "polars", "torch")


@dataclass(frozen=True)
class Shards:
    """The kept lists of one submission; lists made from other inputs lie in other folders and are never read."""

    folder: Path

    @staticmethod
    def open(week: int, params: Params) -> "Shards":
        """Open the store for label week ``week`` and the current files, settings, code and library versions."""
        states = [paths.of_week(paths.SOURCES / name, "state", week, "npz") for name in source.switched_on(params)]
        files = [*sorted(paths.PREPARED.iterdir()), *sorted(paths.FINAL_MODEL.iterdir()), *states]
        code = [file for package in ANSWERING_PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]
        versions = {name: version(name) for name in LIBRARIES if find_spec(name)}
        blocks = {"sources", "networks", "pool", "features", "seed", "submit"}
        settings = params.model_dump(mode="json", include=blocks)
        return Shards(FOLDER / kept.fingerprint([settings, versions], [*files, *code]))

    def load_or_answer(self, number: int, answer: Callable[[], Array]) -> Array:
        """Return the kept lists of shard ``number``, or compute them with ``answer()`` and keep them."""
        return kept.keep(self.folder / f"{number:06d}.npz", lambda _: {"lists": answer()})["lists"]

    def remove_all(self) -> None:
        """Remove the kept lists of this and every other submission."""
        shutil.rmtree(FOLDER, ignore_errors=True)
