"""The rows of the table: their settings, and their trainings, each kept in a folder so that a killed one goes on."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from benchmarks import record
from research.parsrec import ours, rivals
from research.parsrec.parsrec_sales import Sales
from research.parsrec.parsrec_sales import Settings as ShopSettings
from research.parsrec.protocol import Task
from research.parsrec.rivals import Rival
from retail import paths
from stage1_candidates.engine.source import Training
from stage1_candidates.networks.base.training import Curve
from stage1_candidates.networks.parsrec.network import Parsrec, Shape

FOLDER = paths.DATA / "bench" / "parsrec"
SAMPLE = ShopSettings(customers=1024, sessions=100, articles=100, seed=123)  # the authors' sample
NETWORK = Path(__file__).parents[2] / "stage1_candidates/networks/parsrec"
CODE = [NETWORK / f"{name}.py" for name in ("cell", "network", "sessions")]

# The paper's settings (5.2), but for the learning rate, which there is .001 for fifty epochs: at .008, then .001,
# then .0002, sixteen epochs do.
FAST = Training(
    epochs=7, patience=4, learning_rate=0.008, weight_decay=0, decoupled=False, warmup=0, clip=30, precision="32-true",
    devices=1,
)  # fmt: skip
PHASES = (
    FAST,
    FAST.model_copy(update={"epochs": 5, "learning_rate": 0.001}),
    FAST.model_copy(update={"epochs": 4, "learning_rate": 0.0002}),
)
CODES, PAPERS = "PARSRec, the code's variants", "PARSRec, the paper's variants"
SHAPES = {
    CODES: Shape(width=128, heads=2, dropout=0.1, history="mean", missed="first", padding="counted"),
    # Equation 6 sums the history and 4.3 calls it a weighted average: the mean, as in the code.
    PAPERS: Shape(width=128, heads=2, dropout=0.1, history="mean", missed="random", padding="ignored"),
}


def _rival(both_ways: bool, epochs: int) -> rivals.Settings:
    fitting = FAST.model_copy(update={"epochs": epochs, "learning_rate": 0.003, "warmup": 0.05, "clip": 5})
    return rivals.Settings(
        both_ways=both_ways, width=64, layers=2, heads=2, dropout=0.1, longest=200, masked=0.4, batch=32,
        training=fitting,
    )  # fmt: skip


RIVALS = {"SASRec": _rival(both_ways=False, epochs=18), "BERT4Rec": _rival(both_ways=True, epochs=24)}
Net = TypeVar("Net")


class Clock:
    """Seconds of one training, those before a kill counted in, up to its last whole epoch."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "seconds"
        self.before = self.read()
        self.started = time.perf_counter()

    def read(self) -> float:
        return float(self.file.read_text()) if self.file.exists() else 0.0

    def tick(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(f"{self.before + time.perf_counter() - self.started:.1f}")


def parsrec(
    sales: Sales, task: Task, shape: Shape, phases: Sequence[Training], seed: int
) -> tuple[Parsrec, dict[str, Any]]:
    """The trained network and what is to be said of its training."""
    folder = FOLDER / f"parsrec_{_mark(sales, [shape, *phases], seed, CODE)}"
    return _timed(folder, lambda ended: ours.trained(task, shape, phases, seed, folder, ended))


def rival(sales: Sales, task: Task, settings: rivals.Settings, seed: int) -> tuple[Rival, dict[str, Any]]:
    """As ``parsrec``."""
    folder = FOLDER / f"rival_{_mark(sales, [settings], seed, [Path(rivals.__file__)])}"

    def train(ended: Callable[[], None]) -> tuple[Rival, list[Curve]]:
        network, curve = rivals.trained(task, settings, seed, folder, ended)
        return network, [curve]

    return _timed(folder, train)


def _timed(folder: Path, train: Callable[[Callable[[], None]], tuple[Net, list[Curve]]]) -> tuple[Net, dict[str, Any]]:
    clock = Clock(folder)
    network, curves = train(clock.tick)
    phases = [{"loss": one.loss, "validation": one.metric, "best": one.best} for one in curves]
    return network, {"phases": phases, "seconds": clock.read()}


def _mark(sales: Sales, settings: list[BaseModel], seed: int, code: list[Path]) -> str:
    """A digest of all that a training was made from."""
    known = [asdict(sales.settings), [sigma.tolist() for sigma in sales.sigmas]]
    words = json.dumps([known, [one.model_dump() for one in settings], seed, record.digest(code)], sort_keys=True)
    return hashlib.sha256(words.encode()).hexdigest()[:16]
