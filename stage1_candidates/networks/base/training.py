"""One way to train every network: Lightning's loop, the best epoch by a validation metric, resumed after a kill.

A network is a ``torch.nn.Module`` with ``loss(batch) -> scalar``. Its batches come epoch by epoch from a function of
the epoch's number, and the random state is set anew at each epoch's beginning, so a training that was killed and
resumed ends with the same weights as one that ran through.
"""

import itertools
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset
from tqdm import tqdm

from stage1_candidates.engine.blocks import Training
from stage1_candidates.networks.base.side_by_side import cores

Batches = Callable[[int], Iterable[Any]]
Measure = Callable[[nn.Module], float]
SPREAD = 1_000_003  # between the seeds of two trainings, more than any number of epochs


@dataclass(frozen=True)
class Curve:
    """What happened: row e is epoch e."""

    loss: list[float]  # mean training loss
    metric: list[float]  # validation metric
    best: int  # the epoch whose weights were kept


class _Epoch(IterableDataset[Any]):
    """The batches of the loop's epoch; with several devices each takes every n-th and all take equally many."""

    def __init__(self, loop: "_Loop") -> None:
        self.loop = loop

    def __iter__(self) -> Iterator[Any]:
        world, rank = self.loop.trainer.world_size, self.loop.global_rank
        batches = self.loop.batches(self.loop.epoch)
        label = f"{self.loop.label}, epoch {self.loop.epoch + 1}"
        if self.loop.metrics:
            label += f", best {max(self.loop.metrics):.4f}"
        with tqdm(total=self.loop.steps, desc=label, unit="batch", leave=False, mininterval=1, disable=rank > 0) as bar:
            left = iter(batches)
            while len(group := list(itertools.islice(left, world))) == world:
                yield group[rank]
                bar.update(world)


class _Loop(lightning.LightningModule):
    def __init__(
        self, network: nn.Module, batches: Batches, steps: int, measure: Measure, settings: Training, seed: int,
        label: str,
    ) -> None:  # fmt: skip
        super().__init__()
        self.network, self.batches, self.steps, self.measure = network, batches, steps, measure
        self.settings, self.seed, self.label = settings, seed, label
        self.losses: list[float] = []
        self.metrics: list[float] = []
        self._sum, self._count = 0.0, 0

    @property
    def epoch(self) -> int:
        """Epochs done; after a resumption Lightning's own count comes late by one."""
        return len(self.metrics)

    def train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(_Epoch(self), batch_size=None)

    def on_train_epoch_start(self) -> None:
        torch.set_num_threads(cores())  # numba's parallel loops change the number, and with it a sum's last bit
        self._sum, self._count = 0.0, 0

    def training_step(self, batch: Any, number: int) -> Tensor:
        if number == 0:  # not earlier: a new DataLoader draws too, and a resumed training makes one more of them
            torch.manual_seed(self.seed * SPREAD + self.epoch)
        loss: Tensor = self.network.loss(batch)  # type: ignore[operator]
        self._sum += float(loss.detach())
        self._count += 1
        return loss

    def on_train_epoch_end(self) -> None:
        self.network.eval()
        torch.set_num_threads(cores())
        with torch.no_grad():
            metric = round(float(self.measure(self.network)), 6)  # Lightning compares in single precision
        self.network.train()
        self.losses.append(self._sum / max(self._count, 1))
        self.metrics.append(metric)
        self.log("metric", metric, rank_zero_only=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["curve"] = (self.losses, self.metrics)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.losses, self.metrics = (list(values) for values in checkpoint["curve"])

    def configure_optimizers(self) -> Any:
        kind = torch.optim.AdamW if self.settings.decoupled else torch.optim.Adam
        optimiser = kind(
            self.network.parameters(), lr=self.settings.learning_rate, weight_decay=self.settings.weight_decay
        )
        rise = max(round(self.settings.warmup * self.steps * self.settings.epochs), 1)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: min(1.0, (step + 1) / rise))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def train(
    network: nn.Module, batches: Batches, steps: int, measure: Measure, settings: Training, seed: int, folder: Path,
    label: str,
) -> Curve:  # fmt: skip
    """Train ``network`` in place; it is left in evaluation mode with the weights of its best epoch.

    ``batches(epoch)``: the epoch's batches, the same whenever asked; ``steps``: about how many; ``measure(network)``:
    the validation metric, larger is better, called without gradients in evaluation mode. ``folder`` keeps the
    checkpoints: where it holds those of a killed training, this one goes on from its last epoch.
    """
    quiet()
    torch.manual_seed(seed * SPREAD)
    loop = _Loop(network, batches, steps, measure, settings, seed, label)
    kept: dict[str, Any] = {"enable_version_counter": False, "save_on_train_epoch_end": True}
    best = ModelCheckpoint(folder, "best", monitor="metric", mode="max", **kept)
    last = ModelCheckpoint(folder, "last", **kept)  # written after best: a kill between the two repeats an epoch
    stop = EarlyStopping("metric", patience=settings.patience, mode="max", check_on_train_epoch_end=True)
    trainer = lightning.Trainer(
        max_epochs=settings.epochs,
        accelerator="gpu" if torch.cuda.is_available() else "cpu",
        devices=settings.devices,
        strategy="ddp_fork" if settings.devices > 1 else "auto",
        precision=settings.precision,
        gradient_clip_val=settings.clip or None,
        callbacks=[best, stop, last],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        limit_val_batches=0,
        deterministic="warn",
    )
    file = folder / "last.ckpt"
    losses, metrics = _done(file)
    if not _ended(metrics, settings):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # advice on workers and loggers
            trainer.fit(loop, ckpt_path=str(file) if file.exists() else None, weights_only=False)
        losses, metrics = _done(file)  # not the loop's own lists: with several devices they lie in other processes
    weights = torch.load(folder / "best.ckpt", map_location="cpu", weights_only=False)["state_dict"]
    network.load_state_dict({name.removeprefix("network."): value for name, value in weights.items()})
    network.eval().cpu()
    return Curve(losses, metrics, int(np.argmax(metrics)))


def _done(last: Path) -> tuple[list[float], list[float]]:
    """Losses and metrics of the epochs that a killed training left behind."""
    if not last.exists():
        return [], []
    losses, metrics = torch.load(last, map_location="cpu", weights_only=False)["curve"]
    return list(losses), list(metrics)


def _ended(metrics: list[float], settings: Training) -> bool:
    """Whether a training with these metrics would not go on: Lightning itself would add an epoch to an ended one."""
    return bool(metrics) and (
        len(metrics) >= settings.epochs or len(metrics) - 1 - int(np.argmax(metrics)) >= settings.patience
    )


def quiet() -> None:
    """Lightning's notes on devices and tips would bury the progress bar."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
