"""The trainings of the benchmark, each kept under a fingerprint of its settings, so that a killed run goes on."""

import hashlib
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from torch import nn

from benchmarks import record
from research.lens import figures
from research.lens.tasks import SALES_HALF_LIFE, Task
from retail import stage
from stage1_candidates.engine.source import Training
from stage1_candidates.networks.base import training, weights
from stage1_candidates.networks.lens import answers, funnels, rows, warm
from stage1_candidates.networks.lens.clock import Clock
from stage1_candidates.networks.lens.decoder import Lens
from stage1_candidates.networks.lens.encoder import Shape
from stage1_candidates.networks.lens.funnels import Funnels
from stage1_candidates.networks.lens.rows import Batch

READING: dict[str, Any] = {"baskets": 16, "articles": 32, "longest": 32, "own": 0, "half_lives": []}
LENS1000: dict[str, Any] = {
    "item_width": 64, "user_width": 32, "sce": [64], "fbe": [256], "nsd": [512], "dropout": 0.1, "start": "warm",
    "order": "frequent", "stop": "likeliest", "bonus": None, "sales_half_life": None, "reading": READING,
}  # fmt: skip
LENS2000: dict[str, Any] = {**LENS1000, "sce": [256], "fbe": [256, 256], "nsd": [512, 128]}
OURS: dict[str, Any] = {
    **LENS1000, "user_width": None, "dropout": 0.3, "start": "frozen", "order": "drawn", "stop": "best", "bonus": 32,
    "sales_half_life": SALES_HALF_LIFE,
    "reading": {**READING, "longest": 64, "own": 256, "half_lives": [90.0, 30.0, 365.0]},
}  # fmt: skip
TRAINING = Training(
    epochs=20, patience=4, learning_rate=1e-3, weight_decay=0.01, decoupled=True, warmup=0.02, clip=1.0,
    precision="32-true", devices=1,
)  # fmt: skip
NETWORKS = Path(__file__).parents[2] / "stage1_candidates/networks"
CODE = [*sorted((NETWORKS / "lens").glob("*.py")), NETWORKS / "training.py"]
PER_CUSTOMER, EPOCH, BATCH = 2, 3000, 32  # examples of a customer in an epoch, of an epoch at most, of a batch


@dataclass(frozen=True)
class Trained:
    network: nn.Module
    seconds: float
    epochs: tuple[int, int]  # trained, and the one that was kept


def shape_of(task: Task, changes: dict[str, Any]) -> Shape:
    """A row's shape, less what the task's data do not tell."""
    wanted = dict(changes)
    if not task.customers:
        wanted["user_width"] = None
    if not len(task.funnels.trend):
        wanted["sales_half_life"] = None
    return Shape(**wanted)


def basket(task: Task, changes: dict[str, Any], seed: int, folder: Path, settings: Training = TRAINING) -> Trained:
    """A trained ``Lens``, early stopping by the F1 of free-running baskets of the validation customers."""
    of, shape = task.funnels, shape_of(task, changes)

    def made() -> Lens:
        network = Lens(of.articles, of.users, shape)
        learned = of.emptied(task.seen)
        sold = np.bincount(learned.token, minlength=of.articles + 1)[1:]
        network.begin(_vectors(learned, shape), np.unique(task.train.user), sold)
        return network

    def measure(network: Any) -> float:
        found = answers.baskets(network, of, task.validation).token
        return figures.summary(figures.measured(found, task, task.validation))["f1"]

    return _kept(task, "basket", made, shape, measure, seed, folder, settings)


def clock(task: Task, changes: dict[str, Any], seed: int, folder: Path, settings: Training = TRAINING) -> Trained:
    """A trained ``Clock``, early stopping by its mean absolute error on the validation customers."""
    of, shape = task.funnels, shape_of(task, changes)
    gap = (of.day[task.train.stop] - of.day[task.train.stop - 1]).mean()

    def made() -> Clock:
        network = Clock(of.articles, of.users, shape)
        network.begin(_vectors(of.emptied(task.seen), shape), torch.from_numpy(np.unique(task.train.user)), float(gap))
        return network

    true = of.day[task.validation.stop] - of.day[task.validation.stop - 1]

    def measure(network: Any) -> float:
        return -float(np.abs(answers.days(network, of, task.validation) - true).mean())

    return _kept(task, "clock", made, shape, measure, seed, folder, settings)


def _vectors(learned: Funnels, shape: Shape) -> torch.Tensor:
    if shape.start == "cold":
        return torch.zeros(0)
    return torch.from_numpy(warm.vectors(learned, shape.item_width))


def _kept(
    task: Task, kind: str, made: Any, shape: Shape, measure: Any, seed: int, folder: Path, settings: Training
) -> Trained:
    about = [task.name, task.about, kind, shape.model_dump(), settings.model_dump(), seed, PER_CUSTOMER, EPOCH, BATCH]
    key = hashlib.sha256(json.dumps([*about, record.digest(CODE)]).encode()).hexdigest()[:16]
    file = folder / f"{key}.safetensors"
    torch.manual_seed(seed)
    network = made()
    if not file.exists():
        _learned(
            task, network, shape, measure, seed, folder / f"{key}.checkpoint", settings, f"{task.name}, {kind}", file
        )
    stored = dict(load_file(file))
    cost = stored.pop("cost")
    weights.with_arrays(network, stored)
    return Trained(network, float(cost[0]), (int(cost[1]), int(cost[2])))


def _learned(
    task: Task, network: nn.Module, shape: Shape, measure: Any, seed: int, folder: Path, settings: Training, label: str,
    file: Path,
) -> None:  # fmt: skip
    spent = folder / "seconds"
    folder.mkdir(parents=True, exist_ok=True)
    begun, before = time.perf_counter(), float(spent.read_text()) if spent.exists() else 0.0

    def batches(epoch: int) -> Iterator[Batch]:
        rng = np.random.default_rng([seed, epoch])
        some = task.train.chosen(rng.permutation(funnels.drawn(task.train, PER_CUSTOMER, rng))[:EPOCH])
        yield from rows.batches(task.funnels, some, shape.reading, BATCH, shape.order == "drawn", rng)
        spent.write_text(str(before + time.perf_counter() - begun))

    steps = -(-min(int(np.minimum(np.bincount(task.train.user), PER_CUSTOMER).sum()), EPOCH) // BATCH)
    curve = training.train(network, batches, steps, measure, settings, seed, folder, label)
    cost = np.array([before + time.perf_counter() - begun, len(curve.loss), curve.best + 1])
    with stage.whole_file(file) as part:
        save_file({**weights.arrays(network), "cost": cost}, part)
    shutil.rmtree(folder, ignore_errors=True)
