"""Train CASE as in the paper on its Ta-Feng split, the ablations of CASE, and PIETSP from the same layers.

The networks are trained on the training users. The validation users choose the epoch by precision at 10.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from research.case.tafeng import Result, Row, Split, evaluate
from retail.log import Array
from stage1_candidates.engine.blocks import Training
from stage1_candidates.networks.base.training import train as train_network
from stage1_candidates.networks.base.weights import device
from stage1_candidates.networks.case import batches as case_batches
from stage1_candidates.networks.case.batches import Candidates
from stage1_candidates.networks.case.network import Case, Settings

BATCH = 64  # users
MAX_CANDIDATES = 1024  # of a user in training; the latest bought are kept
SCORED_USERS = 256  # users scored at a time
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
    hard=10,  # used by the margin loss only, which the paper does not name; 10 is from the published code
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


def build_candidates(split: Split) -> Candidates:
    """Convert the split to candidates without prior features."""
    prior = np.zeros((len(split.item), 0), np.float32)
    return Candidates(split.ptr, split.item, split.day_ptr, split.day, prior, split.label)


def score_candidates(network: nn.Module, history: Candidates) -> Array:
    """Score (n,) float32 every candidate."""
    users = np.arange(len(history.ptr) - 1)
    target_device = device()
    network.eval().to(target_device)
    with torch.no_grad():
        blocks = (users[begin : begin + SCORED_USERS] for begin in range(0, len(users), SCORED_USERS))
        batches = (case_batches.make_batch(history, block) for block in blocks)
        parts = [network(case_batches.move_to(batch, target_device)).cpu().numpy() for batch in batches]
    return np.concatenate(parts)


def make_row(settings: Settings, training: Training) -> Row:
    """Make a row of the table: a function that trains the network of ``settings`` and scores the users."""

    def run(train: Split, validate: Split, test: Split, seed: int, folder: Path) -> Result:
        torch.manual_seed(seed)
        network = Case(train.items, settings)
        history = case_batches.keep_recent(build_candidates(train), MAX_CANDIDATES)
        validation = build_candidates(validate)
        users = np.arange(train.users)
        curve = train_network(
            network,
            lambda epoch: case_batches.iterate_shuffled(history, users, BATCH, [seed, epoch]),
            -(-len(users) // BATCH),
            lambda trained: evaluate(validate, score_candidates(trained, validation)).mean[10]["P"],
            training,
            seed,
            folder,
            f"CASE, seed {seed}",
        )
        info = {"loss": curve.loss, "validation P@10": curve.metric, "best epoch": curve.best + 1}
        return score_candidates(network, validation), score_candidates(network, build_candidates(test)), info

    return run


def _change_paper(**changes: object) -> Settings:
    """Return the paper's settings with ``changes``."""
    return Settings.model_validate({**PAPER.model_dump(), **changes})


ROWS: dict[str, Row] = {
    "CASE": make_row(PAPER, TRAINING),
    "CASE without calendar": make_row(_change_paper(calendar="none"), TRAINING),
    "CASE without set encoder": make_row(_change_paper(encoder="none"), TRAINING),
    "CASE without item embedding": make_row(_change_paper(item_width=0), TRAINING),
    "CASE with PermEqMean": make_row(_change_paper(encoder="perm_eq_mean"), TRAINING),
    "CASE with fusion": make_row(_change_paper(fusion=True), TRAINING),
    "CASE with margin loss": make_row(_change_paper(loss="margin"), TRAINING),
    "PIETSP": make_row(_change_paper(calendar="raw", encoder="perm_eq_mean", width=128, fusion=True), TRAINING),
}
