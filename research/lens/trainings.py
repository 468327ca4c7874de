"""Train the networks of the benchmark and keep each under a fingerprint of its settings, so a killed run resumes."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from research.lens import figures
from research.lens.tasks import SALES_HALF_LIFE, Task
from retail import kept
from retail.log import Array
from stage1_candidates.engine.blocks import Training
from stage1_candidates.networks.base import training, weights
from stage1_candidates.networks.lens import answers, basket_sequences, rows, warm
from stage1_candidates.networks.lens.basket_sequences import BasketSequences
from stage1_candidates.networks.lens.clock import Clock
from stage1_candidates.networks.lens.decoder import Lens
from stage1_candidates.networks.lens.encoder import Shape
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
CODE = [*sorted((NETWORKS / "lens").glob("*.py")), NETWORKS / "base/training.py"]
PER_CUSTOMER = 2  # maximum number of examples of a customer in an epoch
EPOCH = 3000  # maximum number of examples in an epoch
BATCH = 32  # examples


@dataclass(frozen=True)
class Trained:
    """A trained network and what its training cost."""

    network: nn.Module
    seconds: float
    epochs: tuple[int, int]  # number of trained epochs, and the best epoch, whose weights are kept


def adapt_shape(task: Task, settings: dict[str, Any]) -> Shape:
    """Adapt the settings of a row to the task: switch off inputs that its data lack."""
    available = dict(settings)
    if not task.customers:
        available["user_width"] = None
    if not len(task.sequences.trend):
        available["sales_half_life"] = None
    return Shape(**available)


def train_basket(task: Task, row: dict[str, Any], seed: int, folder: Path, settings: Training = TRAINING) -> Trained:
    """Train a ``Lens``; early stopping uses the F1 of the validation customers' free-running baskets."""
    sequences, shape = task.sequences, adapt_shape(task, row)

    def make_network() -> Lens:
        network = Lens(sequences.articles, sequences.users, shape)
        readable = sequences.keep_articles(task.training_baskets)
        sold = np.bincount(readable.token, minlength=sequences.articles + 1)[1:]
        network.initialise(_compute_vectors(readable, shape), np.unique(task.train.user), sold)
        return network

    def measure(network: Any) -> float:
        lists = answers.decode_baskets(network, sequences, task.validation).token
        return figures.summarise(figures.measure_baskets(lists, task, task.validation))["f1"]

    return _load_or_train(task, "basket", make_network, shape, measure, seed, folder, settings)


def train_clock(task: Task, row: dict[str, Any], seed: int, folder: Path, settings: Training = TRAINING) -> Trained:
    """Train a ``Clock``; early stopping uses its mean absolute error on the validation customers."""
    sequences, shape = task.sequences, adapt_shape(task, row)
    gap = (sequences.day[task.train.stop] - sequences.day[task.train.stop - 1]).mean()

    def make_network() -> Clock:
        network = Clock(sequences.articles, sequences.users, shape)
        vectors = _compute_vectors(sequences.keep_articles(task.training_baskets), shape)
        network.initialise(vectors, torch.from_numpy(np.unique(task.train.user)), float(gap))
        return network

    true = sequences.day[task.validation.stop] - sequences.day[task.validation.stop - 1]

    def measure(network: Any) -> float:
        return -float(np.abs(answers.forecast_days(network, sequences, task.validation) - true).mean())

    return _load_or_train(task, "clock", make_network, shape, measure, seed, folder, settings)


def _compute_vectors(readable: BasketSequences, shape: Shape) -> torch.Tensor:
    """Compute the initial article vectors (V, d); empty for a cold start."""
    if shape.start == "cold":
        return torch.zeros(0)
    return torch.from_numpy(warm.compute_vectors(readable, shape.item_width))


def _load_or_train(
    task: Task, kind: str, make_network: Any, shape: Shape, measure: Any, seed: int, folder: Path, settings: Training
) -> Trained:
    """Load the kept training with this fingerprint, or train the result of ``make_network`` and keep it."""
    about = [task.name, task.about, kind, shape.model_dump(), settings.model_dump(), seed, PER_CUSTOMER, EPOCH, BATCH]
    torch.manual_seed(seed)
    network = make_network()

    def compute(checkpoints: Path) -> dict[str, Array]:
        return dict(_train(task, network, shape, measure, seed, checkpoints, settings, f"{task.name}, {kind}"))

    stored = kept.keep(folder / f"{kept.fingerprint(about, CODE)}.npz", compute)
    cost = stored.pop("cost")
    weights.with_arrays(network, stored)
    return Trained(network, float(cost[0]), (int(cost[1]), int(cost[2])))


def _train(
    task: Task, network: nn.Module, shape: Shape, measure: Any, seed: int, folder: Path, settings: Training, label: str
) -> dict[str, Array]:
    """Train ``network`` with checkpoints in ``folder``; return its weights and its cost."""
    spent = folder / "seconds"
    folder.mkdir(parents=True, exist_ok=True)
    started, before = time.perf_counter(), float(spent.read_text()) if spent.exists() else 0.0

    def make_batches(epoch: int) -> Iterator[Batch]:
        rng = np.random.default_rng([seed, epoch])
        sample = rng.permutation(basket_sequences.sample_rows(task.train, PER_CUSTOMER, rng))[:EPOCH]
        examples, shuffle = task.train.select(sample), shape.order == "drawn"
        yield from rows.iterate_batches(task.sequences, examples, shape.reading, BATCH, shuffle, rng)
        spent.write_text(str(before + time.perf_counter() - started))

    steps = -(-min(int(np.minimum(np.bincount(task.train.user), PER_CUSTOMER).sum()), EPOCH) // BATCH)
    curve = training.train(network, make_batches, steps, measure, settings, seed, folder, label)
    cost = np.array([before + time.perf_counter() - started, len(curve.loss), curve.best + 1])
    return {**weights.arrays(network), "cost": cost}
