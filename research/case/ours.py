"""Train this project's own CASE, with prior features, a listwise loss, and the mean of several members.

A member is one training. Each member counts its item rates on other folds of users. A member's scores are standardised
within each user before the mean is taken, so that the members have equal weight.
"""

from pathlib import Path

import numpy as np
import torch

from research.case import prior
from research.case.case_rows import BATCH, MAX_CANDIDATES, PAPER, score_candidates
from research.case.tafeng import Result, Row, Split, evaluate
from retail.log import Array
from stage1_candidates.engine.blocks import Training
from stage1_candidates.networks.base.training import train as train_network
from stage1_candidates.networks.case import batches
from stage1_candidates.networks.case.batches import Candidates
from stage1_candidates.networks.case.network import Case, Settings

MEMBERS = 5
FOLDS = 10  # of users, for counting the item rates
CLIP = 4.0  # standard deviations: limit of a standardised feature
SEED_STEP = 100  # difference between the member seeds of two runs
FEATURES = 35
OURS = Settings.model_validate(
    {
        **PAPER.model_dump(),
        "calendar_width": 64,
        "item_width": 0,  # with 16 columns the network overfits the training users after 3 epochs
        "prior": FEATURES,
        "encoder": "perm_eq_mean",
        "layers": 1,
        "width": 64,
        "scorer_width": 64,
        "residual": True,
        "loss": "listwise",
    }
)
TRAINING = Training(
    epochs=15,
    patience=5,
    learning_rate=1e-3,
    weight_decay=1e-2,
    decoupled=True,
    warmup=0.08,
    clip=1.0,
    precision="32-true",
    devices=1,
)


def train_member(train: Split, validate: Split, test: Split, seed: int, folder: Path) -> Result:
    """Train one network and score the users; the validation users choose the epoch by the mean of N@5 and N@10."""
    torch.manual_seed(seed)
    network = Case(train.items, OURS)
    features, rates = prior.build_features_by_fold(train, FOLDS, seed)
    mean, spread = features.mean(0), features.std(0) + 1e-6

    def build_candidates(split: Split, columns: Array) -> Candidates:
        standardised = np.clip((columns - mean) / spread, -CLIP, CLIP).astype(np.float32)
        return Candidates(split.ptr, split.item, split.day_ptr, split.day, standardised, split.label)

    training = batches.keep_recent(build_candidates(train, features), MAX_CANDIDATES)
    validation, final = (
        build_candidates(split, prior.build_features(split, rates[split.item])) for split in (validate, test)
    )

    def measure(trained: torch.nn.Module) -> float:
        figures = evaluate(validate, score_candidates(trained, validation)).mean
        return (figures[5]["N"] + figures[10]["N"]) / 2

    users = np.arange(train.users)
    curve = train_network(
        network,
        lambda epoch: batches.iterate_shuffled(training, users, BATCH, [seed, epoch]),
        -(-len(users) // BATCH),
        measure,
        TRAINING,
        seed,
        folder,
        f"own CASE, seed {seed}",
    )
    info = {"loss": curve.loss, "validation N@5, N@10": curve.metric, "best epoch": curve.best + 1}
    return score_candidates(network, validation), score_candidates(network, final), info


def average_members(train: Split, validate: Split, test: Split, seed: int, folder: Path) -> Result:
    """Train ``MEMBERS`` members and average their standardised scores."""
    members = [
        train_member(train, validate, test, seed * SEED_STEP + number, folder / str(number))
        for number in range(MEMBERS)
    ]
    validation_scores = np.mean([standardise(validate, member[0]) for member in members], 0)
    test_scores = np.mean([standardise(test, member[1]) for member in members], 0)
    return validation_scores, test_scores, {"members": [member[2] for member in members]}


def standardise(split: Split, score: Array) -> Array:
    """Standardise ``score`` to mean 0 and standard deviation 1 within each user."""
    user, size = split.user, np.maximum(np.diff(split.ptr), 1)
    centred = score - (np.bincount(user, score, minlength=split.users) / size)[user]
    spread = np.sqrt(np.bincount(user, centred**2, minlength=split.users) / size)
    return np.asarray(centred / (spread[user] + 1e-6))


ROWS: dict[str, Row] = {"CASE, ours": average_members, "CASE, ours, one member": train_member}
