"""CASE as in the paper on its Ta-Feng split, its ablations, and PIETSP out of the same parts.

Each row: ``scores(train, validate, test, seed, folder) -> (validate scores, test scores, info)``. Trained on the
training users, the epoch chosen by the validation users' precision at 10.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from research.case.tafeng import Split, evaluate
from retail.log import Array
from stage1_candidates.engine.blocks import Training
from stage1_candidates.networks.base.training import train
from stage1_candidates.networks.base.weights import device
from stage1_candidates.networks.case import batches as case_batches
from stage1_candidates.networks.case.batches import Candidates
from stage1_candidates.networks.case.network import Case, Settings

Row = Callable[[Split, Split, Split, int, Path], tuple[Array, Array, dict[str, Any]]]
BATCH = 64  # users
MOST = 1024  # candidates of a user, the most recently bought
EVERY = 256  # users scored at once
PAPER = Settings(
    horizon=364,
    windows=(7, 14, 28, 91, 182),
    calendar="conv",
    calendar_width=128,
    item_width=128,
    item_dropout=0,
    prior=0,
    encoder="isab",
    layers=2,
    width=256,
    points=32,
    heads=4,
    dropout=0.1,
    scorer_width=128,
    fusion=False,
    residual=False,
    loss="bce",
    hard=10,  # of the margin loss, which the paper does not name; 10 is the published code's
)
TRAINING = Training(
    epochs=30,
    patience=5,
    learning_rate=1e-3,
    weight_decay=1e-5,
    decoupled=False,
    warmup=0,
    clip=1.0,
    precision="32-true",
    devices=1,
)


def candidates(split: Split) -> Candidates:
    """The split without prior features."""
    prior = np.zeros((len(split.item), 0), np.float32)
    return Candidates(split.ptr, split.item, split.day_ptr, split.day, prior, split.label)


def answers(network: nn.Module, history: Candidates) -> Array:
    """(n,) float32 score of every candidate."""
    users = np.arange(len(history.ptr) - 1)
    at = device()
    network.eval().to(at)
    with torch.no_grad():
        parts = [
            network(case_batches.on(case_batches.batch(history, users[begin : begin + EVERY]), at)).cpu().numpy()
            for begin in range(0, len(users), EVERY)
        ]
    return np.concatenate(parts)


def row(settings: Settings, training: Training) -> Row:
    """A row of the table: the network of these settings, trained so."""

    def scores(
        learn: Split, validate: Split, test: Split, seed: int, folder: Path
    ) -> tuple[Array, Array, dict[str, Any]]:  # fmt: skip
        torch.manual_seed(seed)
        network = Case(learn.items, settings)
        history, known = case_batches.recent(candidates(learn), MOST), candidates(validate)
        users = np.arange(learn.users)
        curve = train(
            network,
            lambda epoch: case_batches.shuffled(history, users, BATCH, [seed, epoch]),
            -(-len(users) // BATCH),
            lambda one: evaluate(validate, answers(one, known)).mean[10]["P"],
            training,
            seed,
            folder,
            f"CASE, seed {seed}",
        )
        info = {"loss": curve.loss, "validation P@10": curve.metric, "best epoch": curve.best + 1}
        return answers(network, known), answers(network, candidates(test)), info

    return scores


def _but(**changes: object) -> Settings:
    """The paper's settings but for ``changes``."""
    return Settings.model_validate({**PAPER.model_dump(), **changes})


ROWS: dict[str, Row] = {
    "CASE": row(PAPER, TRAINING),
    "CASE without calendar": row(_but(calendar="none"), TRAINING),
    "CASE without set encoder": row(_but(encoder="none"), TRAINING),
    "CASE without item embedding": row(_but(item_width=0), TRAINING),
    "CASE with PermEqMean": row(_but(encoder="perm_eq_mean"), TRAINING),
    "CASE with fusion": row(_but(fusion=True), TRAINING),
    "CASE with margin loss": row(_but(loss="margin"), TRAINING),
    "PIETSP": row(_but(calendar="raw", encoder="perm_eq_mean", width=128, fusion=True), TRAINING),
}
