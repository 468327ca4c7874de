"""Train the rows of the table; each training is kept in a folder, so that a killed one resumes."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from research.parsrec import baselines, ours
from research.parsrec.baselines import Transformer
from research.parsrec.parsrec_sales import Sales
from research.parsrec.parsrec_sales import Settings as ShopSettings
from research.parsrec.protocol import Task
from retail import kept, paths
from stage1_candidates.engine.blocks import Training
from stage1_candidates.networks.base.training import Curve
from stage1_candidates.networks.parsrec.network import Parsrec, Shape

FOLDER = paths.DATA / "bench" / "parsrec"
SAMPLE = ShopSettings(customers=1024, sessions=100, articles=100, seed=123)  # the authors' sample
NETWORK = Path(__file__).parents[2] / "stage1_candidates/networks/parsrec"
CODE = [NETWORK / f"{name}.py" for name in ("cell", "network", "sessions")]

# The paper's settings (5.2) except for the learning rate. The paper trains fifty epochs at .001; here sixteen epochs at
# falling rates suffice.
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
    # Equation 6 sums the history, but 4.3 calls it a weighted average. So the mean is used, as in the code.
    PAPERS: Shape(width=128, heads=2, dropout=0.1, history="mean", missed="random", padding="ignored"),
}


def _make_settings(both_ways: bool, epochs: int) -> baselines.Settings:
    training = FAST.model_copy(update={"epochs": epochs, "learning_rate": 0.003, "warmup": 0.05, "clip": 5})
    return baselines.Settings(
        both_ways=both_ways, width=64, layers=2, heads=2, dropout=0.1, longest=200, masked=0.4, batch=32,
        training=training,
    )  # fmt: skip


BASELINES = {
    "SASRec": _make_settings(both_ways=False, epochs=18),
    "BERT4Rec": _make_settings(both_ways=True, epochs=24),
}
Net = TypeVar("Net")


class Clock:
    """Count the seconds of a training up to its last finished epoch, including those before a kill."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "seconds"
        self.before = self.read()
        self.started = time.perf_counter()

    def read(self) -> float:
        """Return the seconds counted so far."""
        return float(self.file.read_text()) if self.file.exists() else 0.0

    def tick(self) -> None:
        """Save the seconds at the end of an epoch."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(f"{self.before + time.perf_counter() - self.started:.1f}")


def train_parsrec(
    sales: Sales, task: Task, shape: Shape, phases: Sequence[Training], seed: int
) -> tuple[Parsrec, dict[str, Any]]:
    """Train or load PARSRec; return it with the curves and seconds of its training, for the results."""
    folder = FOLDER / f"parsrec_{_fingerprint(sales, [shape, *phases], seed, CODE)}"
    return _time_training(folder, lambda end_epoch: ours.train(task, shape, phases, seed, folder, end_epoch))


def train_baseline(
    sales: Sales, task: Task, settings: baselines.Settings, seed: int
) -> tuple[Transformer, dict[str, Any]]:
    """Train or load a baseline; return it with the curve and seconds of its training, for the results."""
    folder = FOLDER / f"baseline_{_fingerprint(sales, [settings], seed, [Path(baselines.__file__)])}"

    def train(end_epoch: Callable[[], None]) -> tuple[Transformer, list[Curve]]:
        network, curve = baselines.train(task, settings, seed, folder, end_epoch)
        return network, [curve]

    return _time_training(folder, train)


def _time_training(
    folder: Path, train: Callable[[Callable[[], None]], tuple[Net, list[Curve]]]
) -> tuple[Net, dict[str, Any]]:
    clock = Clock(folder)
    network, curves = train(clock.tick)
    phases = [{"loss": curve.loss, "validation": curve.metric, "best": curve.best} for curve in curves]
    return network, {"phases": phases, "seconds": clock.read()}


def _fingerprint(sales: Sales, settings: list[BaseModel], seed: int, code: list[Path]) -> str:
    """Compute a fingerprint of everything that a training depends on."""
    return kept.fingerprint([sales.settings, settings, seed], code, sales.sigmas)
