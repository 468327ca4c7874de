"""What a killed submission had answered already: a file per shard of customers, kept until all are answered."""

import hashlib
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from retail import paths, stage
from retail.log import Array
from retail.params import Params
from stage1_candidates.engine import source

FOLDER = paths.CHECKPOINTS / "submit"
ROOT = Path(__file__).parent.parent
ROOMS = ("retail", "stage1_candidates", "features", "stage2_ranker")  # the code that answers
LIBRARIES = ("lightgbm", "numba", "numpy", "polars", "torch")
PIECE = 2**24  # bytes that are digested at a time


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
        settings = params.model_dump(include={"sources", "networks", "pool", "features", "seed", "submit"})
        return Shards(FOLDER / digest(f"{settings} {versions}", [*files, *code]))

    def answered(self, number: int, answer: Callable[[], Array]) -> Array:
        """The lists of shard ``number``: those kept, or else ``answer()``, which are kept from then on."""
        file = self.folder / f"{number:06d}.npy"
        if file.exists():
            kept: Array = np.load(file)
            return kept
        lists = answer()
        with stage.whole_file(file) as part, part.open("wb") as opened:
            np.save(opened, lists)
        return lists

    def forget(self) -> None:
        """Remove what was kept, for this submission and any other."""
        shutil.rmtree(FOLDER, ignore_errors=True)


def digest(text: str, files: Iterable[Path]) -> str:
    """One for ``text`` and the contents of ``files``, in their order."""
    total = hashlib.blake2b(text.encode(), digest_size=8)
    for path in files:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                total.update(piece)
    return total.hexdigest()
