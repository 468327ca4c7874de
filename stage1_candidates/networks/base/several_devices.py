"""Train a network on several devices with Lightning; ``training`` documents the arguments and calls this."""

import itertools
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset
from tqdm import tqdm

from retail.cores import cores
from stage1_candidates.engine.blocks import Training
from stage1_candidates.networks.base.training import (
    SEED_STEP,
    Batches,
    Curve,
    Measure,
    has_ended,
    label_epoch,
    make_optimiser,
    measure_epoch,
)


class _Epoch(IterableDataset[Any]):
    """Iterate over the current epoch; each of n devices takes every n-th batch, and all take equally many."""

    def __init__(self, loop: "_Loop") -> None:
        self.loop = loop

    def __iter__(self) -> Iterator[Any]:
        world, rank = self.loop.trainer.world_size, self.loop.global_rank
        batches = self.loop.batches(self.loop.epoch)
        label = label_epoch(self.loop.label, self.loop.metrics)
        with tqdm(total=self.loop.steps, desc=label, unit="batch", leave=False, mininterval=1, disable=rank > 0) as bar:
            stream = iter(batches)
            while len(group := list(itertools.islice(stream, world))) == world:
                yield group[rank]
                bar.update(world)


class _Loop(lightning.LightningModule):
    """Run the training loop of a network, and record losses and metrics."""

    def __init__(
        self, network: nn.Module, batches: Batches, steps: int, measure: Measure | None, settings: Training,
        seed: int, label: str,
    ) -> None:  # fmt: skip
        super().__init__()
        self.network, self.batches, self.steps, self.measure = network, batches, steps, measure
        self.settings, self.seed, self.label = settings, seed, label
        self.losses: list[float] = []
        self.metrics: list[float] = []
        self._sum, self._count = 0.0, 0

    @property
    def epoch(self) -> int:
        """Return the number of finished epochs; Lightning's own count is one too low after a resumption."""
        return len(self.metrics)

    def train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(_Epoch(self), batch_size=None)

    def on_train_epoch_start(self) -> None:
        torch.set_num_threads(cores())  # numba changes the number, and with it the last bit of sums
        self._sum, self._count = 0.0, 0

    def training_step(self, batch: Any, number: int) -> Tensor:
        if number == 0:  # not earlier: a new DataLoader draws, too, and a resumed training makes one more
            torch.manual_seed(self.seed * SEED_STEP + self.epoch)
        loss: Tensor = self.network.loss(batch)  # type: ignore[operator]
        self._sum += float(loss.detach())
        self._count += 1
        return loss

    def on_train_epoch_end(self) -> None:
        metric = measure_epoch(self.network, self.measure, self.epoch)
        self.losses.append(self._sum / max(self._count, 1))
        self.metrics.append(metric)
        self.log("metric", metric, rank_zero_only=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["curve"] = (self.losses, self.metrics)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.losses, self.metrics = (list(values) for values in checkpoint["curve"])

    def configure_optimizers(self) -> Any:
        optimiser, schedule = make_optimiser(self.network, self.steps, self.settings, falls=self.measure is None)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def train(
    network: nn.Module, batches: Batches, steps: int, measure: Measure | None, settings: Training, seed: int,
    folder: Path, label: str,
) -> Curve:  # fmt: skip
    """Train as ``training.train`` does; each of n devices takes every n-th batch."""
    silence_lightning()
    torch.manual_seed(seed * SEED_STEP)
    loop = _Loop(network, batches, steps, measure, settings, seed, label)
    options: dict[str, Any] = {"enable_version_counter": False, "save_on_train_epoch_end": True}
    best = ModelCheckpoint(folder, "best", monitor="metric", mode="max", **options)
    last = ModelCheckpoint(folder, "last", **options)  # written after best: a kill between them repeats an epoch
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
    losses, metrics = _read_curve(file)
    if not has_ended(metrics, settings):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # hints on workers and loggers
            trainer.fit(loop, ckpt_path=str(file) if file.exists() else None, weights_only=False)
        losses, metrics = _read_curve(file)  # with several devices the loop's own lists are in other processes
    weights = torch.load(folder / "best.ckpt", map_location="cpu", weights_only=False)["state_dict"]
    network.load_state_dict({name.removeprefix("network."): value for name, value in weights.items()})
    network.eval().cpu()
    return Curve(losses, metrics, int(np.argmax(metrics)))


def _read_curve(last: Path) -> tuple[list[float], list[float]]:
    """Read losses and metrics of the finished epochs from the last checkpoint."""
    if not last.exists():
        return [], []
    losses, metrics = torch.load(last, map_location="cpu", weights_only=False)["curve"]
    return list(losses), list(metrics)


def silence_lightning() -> None:
    """Silence Lightning's notes on devices and its tips, which would hide the progress bar."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
