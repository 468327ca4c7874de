"""This project's own CASE: prior features beside the calendar, a loss over each user's list, a mean of several members.

A member is one training; its item rates come from other folds of users than another member's. Scores are standardised
within each user before their mean is taken, so that no member rules by its scale.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from research.case import prior
from research.case.case_rows import BATCH, MOST, PAPER, answers
from research.case.tafeng import Row, Split, evaluate
from retail.log import Array
from stage1_candidates.engine.blocks import Training
from stage1_candidates.networks.base.training import train
from stage1_candidates.networks.case import batches
from stage1_candidates.networks.case.batches import Candidates
from stage1_candidates.networks.case.network import Case, Settings

MEMBERS = 5
FOLDS = 10  # of users, for the item rates
CLIP = 4.0  # standard deviations
APART = 100  # between the seeds of two runs' members
FEATURES = 35
OURS = Settings.model_validate(
    {
        **PAPER.model_dump(),
        "calendar_width": 64,
        "item_width": 0,  # with 16 columns the training users are learnt by heart after 3 epochs
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


def member(learn: Split, validate: Split, test: Split, seed: int, folder: Path) -> tuple[Array, Array, dict[str, Any]]:
    """One network's scores, the epoch chosen by the validation users' mean of NDCG at 5 and at 10."""
    torch.manual_seed(seed)
    network = Case(learn.items, OURS)
    features, rates = prior.by_fold(learn, FOLDS, seed)
    mean, spread = features.mean(0), features.std(0) + 1e-6

    def history(split: Split, columns: Array) -> Candidates:
        standard = np.clip((columns - mean) / spread, -CLIP, CLIP).astype(np.float32)
        return Candidates(split.ptr, split.item, split.day_ptr, split.day, standard, split.label)

    known = batches.recent(history(learn, features), MOST)
    held, asked = (history(split, prior.columns(split, rates[split.item])) for split in (validate, test))

    def measure(one: torch.nn.Module) -> float:
        figures = evaluate(validate, answers(one, held)).mean
        return (figures[5]["N"] + figures[10]["N"]) / 2

    users = np.arange(learn.users)
    curve = train(
        network,
        lambda epoch: batches.shuffled(known, users, BATCH, [seed, epoch]),
        -(-len(users) // BATCH),
        measure,
        TRAINING,
        seed,
        folder,
        f"own CASE, seed {seed}",
    )
    info = {"loss": curve.loss, "validation N@5, N@10": curve.metric, "best epoch": curve.best + 1}
    return answers(network, held), answers(network, asked), info


def scores(learn: Split, validate: Split, test: Split, seed: int, folder: Path) -> tuple[Array, Array, dict[str, Any]]:
    """The mean of ``MEMBERS`` members."""
    parts = [
        member(learn, validate, test, seed * APART + number, folder / str(number)) for number in range(MEMBERS)
    ]  # fmt: skip
    of_validate = np.mean([standardised(validate, part[0]) for part in parts], 0)
    of_test = np.mean([standardised(test, part[1]) for part in parts], 0)
    return of_validate, of_test, {"members": [part[2] for part in parts]}


def standardised(split: Split, score: Array) -> Array:
    """``score`` with mean 0 and spread 1 within each user."""
    user, size = split.user, np.maximum(np.diff(split.ptr), 1)
    apart = score - (np.bincount(user, score, minlength=split.users) / size)[user]
    spread = np.sqrt(np.bincount(user, apart**2, minlength=split.users) / size)
    return np.asarray(apart / (spread[user] + 1e-6))


ROWS: dict[str, Row] = {"CASE, ours": scores, "CASE, ours, one member": member}
