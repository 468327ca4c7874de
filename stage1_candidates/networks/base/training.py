"""Train any network: keep the best epoch by a validation metric, and resume a killed training.

A network is a ``torch.nn.Module`` with ``loss(batch) -> scalar``. A function of the epoch gives its batches, and each
epoch starts from its own random seed. A killed and resumed training thus ends with the same weights as an uninterrupted
one. One device needs no more than a plain loop: Lightning takes seconds to import and some milliseconds per batch, so
only trainings on several devices use it.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from retail import stage
from retail.cores import cores
from stage1_candidates.engine.blocks import Training
from stage1_candidates.networks.base import weights as stored

Batches = Callable[[int], Iterable[Any]]
Measure = Callable[[nn.Module], float]
SEED_STEP = 1_000_003  # distance of the seeds of two trainings, more than any number of epochs
LAST = "last.pt"  # the checkpoint


@dataclass(frozen=True)
class Curve:
    """Hold the losses and metrics of a training; entry e belongs to epoch e."""

    loss: list[float]  # mean training loss
    metric: list[float]  # validation metric
    best: int  # epoch of the kept weights


@dataclass
class _Progress:
    """Hold what the finished epochs leave behind."""

    losses: list[float] = field(default_factory=list)
    metrics: list[float] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)  # weights of the best epoch


def train(
    network: nn.Module, batches: Batches, steps: int, measure: Measure | None, settings: Training, seed: int,
    folder: Path, label: str,
) -> Curve:  # fmt: skip
    """Train ``network`` in place; leave it in evaluation mode with the weights of its best epoch.

    ``batches(epoch)``: the batches of an epoch, the same at each call. ``steps``: their approximate number.
    ``measure(network)``: the validation metric, larger is better, called in evaluation mode without gradients. None:
    train for all epochs and keep the last; the learning rate then falls to 0, because the last step is known.
    ``folder``: the checkpoints; a killed training resumes from its last finished epoch. ``label``: of the progress bar.
    """
    if settings.devices > 1:
        from stage1_candidates.networks.base import several_devices  # here, because it imports Lightning

        return several_devices.train(network, batches, steps, measure, settings, seed, folder, label)
    torch.manual_seed(seed * SEED_STEP)
    network.train().to(stored.device())
    optimiser, schedule = make_optimiser(network, steps, settings, falls=measure is None)
    parts: dict[str, Any] = {"network": network, "optimiser": optimiser, "schedule": schedule}
    progress, file = _Progress(), folder / LAST
    if file.exists():
        state = torch.load(file, map_location=stored.device(), weights_only=True)
        progress = _Progress(state["losses"], state["metrics"], state["best"])
        for name, value in parts.items():
            value.load_state_dict(state[name])
    with _deterministic():
        while not has_ended(progress.metrics, settings):
            epoch = len(progress.metrics)
            text = label_epoch(label, progress.metrics)
            with tqdm(batches(epoch), text, steps, False, unit="batch", mininterval=1) as bar:
                loss = _train_epoch(network, bar, optimiser, schedule, settings, seed * SEED_STEP + epoch)
            progress.losses.append(loss)
            progress.metrics.append(measure_epoch(network, measure, epoch))
            if int(np.argmax(progress.metrics)) == epoch:
                progress.best = {name: value.detach().clone() for name, value in network.state_dict().items()}
            with stage.whole_file(file) as part:
                torch.save({**vars(progress), **{name: value.state_dict() for name, value in parts.items()}}, part)
    network.load_state_dict(progress.best)
    network.eval().cpu()
    return Curve(progress.losses, progress.metrics, int(np.argmax(progress.metrics)))


def make_optimiser(
    network: nn.Module, steps: int, settings: Training, falls: bool
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LambdaLR]:
    """Make the optimiser and its learning rates, which rise from 0 in the first share ``warmup`` of all steps.

    If it ``falls``, a rate is also at most the share of steps that are left.
    """
    kind = torch.optim.AdamW if settings.decoupled else torch.optim.Adam
    fused = settings.devices == 1  # Lightning cannot clip the gradients of a fused optimiser
    rate, decay = settings.learning_rate, settings.weight_decay
    optimiser = kind(network.parameters(), lr=rate, weight_decay=decay, fused=fused)
    rise = max(round(settings.warmup * steps * settings.epochs), 1)
    total = max(steps * settings.epochs, 1)

    def scale(step: int) -> float:
        return min(1.0, (step + 1) / rise, max(1 - step / total, 0.0) if falls else 1.0)

    return optimiser, torch.optim.lr_scheduler.LambdaLR(optimiser, scale)


def measure_epoch(network: nn.Module, measure: Measure | None, epoch: int) -> float:
    """Measure the validation metric in evaluation mode, rounded because Lightning compares in single precision.

    Without ``measure`` it is the number of the epoch, so that the last one is the best.
    """
    if measure is None:
        return float(epoch)
    network.eval()
    torch.set_num_threads(cores())  # numba changes the number, and with it the last bit of sums
    with torch.no_grad():
        metric = round(float(measure(network)), 6)
    network.train()
    return metric


def has_ended(metrics: list[float], settings: Training) -> bool:
    """Tell whether a training with these metrics of its finished epochs has ended."""
    return bool(metrics) and (
        len(metrics) >= settings.epochs or len(metrics) - 1 - int(np.argmax(metrics)) >= settings.patience
    )


def label_epoch(label: str, metrics: list[float]) -> str:
    """Label the progress bar of the epoch after those with these ``metrics``."""
    best = f", best {max(metrics):.4f}" if metrics else ""
    return f"{label}, epoch {len(metrics) + 1}{best}"


def _train_epoch(
    network: nn.Module, batches: Iterable[Any], optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LambdaLR, settings: Training, seed: int,
) -> float:  # fmt: skip
    """Make one step per batch; return the mean loss."""
    torch.set_num_threads(cores())
    total, count, device = 0.0, 0, stored.device()
    for batch in batches:
        if count == 0:  # after the first batch was made, which may draw, too
            torch.manual_seed(seed)
        optimiser.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=settings.precision == "bf16-mixed"):
            loss: Tensor = network.loss(move_batch(batch, device))  # type: ignore[operator]
        loss.backward()  # type: ignore[no-untyped-call]
        if settings.clip:
            torch.nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
        optimiser.step()
        schedule.step()
        total += float(loss.detach())
        count += 1
    return total / max(count, 1)


def move_batch(batch: Any, device: torch.device) -> Any:
    """Move the tensors of a batch, a nest of tuples and lists, to ``device``; leave other values as they are."""
    if device.type == "cpu":
        return batch
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, tuple | list):
        parts = [move_batch(part, device) for part in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)
    return batch


@contextmanager
def _deterministic() -> Iterator[None]:
    """Use deterministic algorithms in a ``with`` block, where torch has them."""
    before, warned = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    debugging: Any = torch.utils.deterministic
    filled = debugging.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    debugging.fill_uninitialized_memory = False  # it only shows errors, and costs time
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*deterministic")
            yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warned)
        debugging.fill_uninitialized_memory = filled
