"""The rows of the benchmark: what each is, and how its lists are made and kept, so that a killed run goes on."""

import hashlib
import itertools
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from research.trex import masked, protocol
from research.trex.baselines import everyone, filled, personal
from research.trex.masked import Masked
from research.trex.protocol import DEPTH, Task
from retail import stage
from retail.log import Array
from stage1_candidates.engine.blocks import Training
from stage1_candidates.networks.base import training
from stage1_candidates.networks.trex import answers as trex_answers
from stage1_candidates.networks.trex import baskets
from stage1_candidates.networks.trex.baskets import Batch, Splits
from stage1_candidates.networks.trex.network import Shape, Trex, generate

HALF_LIVES = (15, 30, 60, 90, 180, 365, 730)  # of P-Top with decay, days; validation chooses
WEIGHTS = (1, 3, 10, 30, 100)  # of everyone's recent shares beside the decayed count
PAPER: dict[str, Any] = {
    "width": 64,
    "layers": 2,
    "heads": 4,
    "dropout": 0.1,
    "tokens": 128,
    "positions": "adaptive",
    "intra_basket": "causal",
    "objective": "ce",
    "baskets": 64,
    "own": None,
    "half_lives": protocol.HALF_LIVES,
    "sales_half_lives": [],
}
TRAINING = Training(
    epochs=20,
    patience=6,
    learning_rate=1e-3,
    weight_decay=0.01,
    decoupled=True,
    warmup=0.05,
    clip=1.0,
    precision="32-true",
    devices=1,
)
SPLITS, RECENCY, BATCH = 2, 1.0, 128  # splits of a customer per epoch, the weight of late ones, rows of a batch
OWN, PLAIN, MASKED = "T-REX + own + sales", "T-REX", "BERT4Rec-style"
MIX = "P-Top with decay + recent G-Top"


@dataclass(frozen=True)
class Row:
    """A network of the table and its trainings."""

    changes: dict[str, Any]  # against PAPER
    seeds: tuple[int, ...]
    ablation: bool = False  # only trained where asked for


NETWORKS = {
    PLAIN: Row({}, (1, 2, 3)),
    OWN: Row({"intra_basket": "none", "own": 32, "sales_half_lives": protocol.SALES_HALF_LIVES}, (1, 2, 3)),
    "T-REX + own": Row({"intra_basket": "none", "own": 32}, (1,), ablation=True),
    "T-REX, sinusoidal places": Row({"positions": "sinusoidal"}, (1,), ablation=True),
    "T-REX, learned places": Row({"positions": "learned"}, (1,), ablation=True),
    MASKED: Row({}, (1,)),
}


def closed_forms(task: Task) -> tuple[dict[str, tuple[Array, Array]], str]:
    """Row -> ranked categories of validation and test customers; and what validation chose, in words."""
    parts = (task.validation, task.test)
    days = (task.validation_day, task.test_day)
    shared = [everyone(task.tokens, day, len(at.user)) for day, at in zip(days, parts, strict=True)]
    recent = [np.exp(task.tokens.trend[at.cutoff].astype(np.float64)) for at in parts]  # each (e, V, S)
    own = [personal(task.tokens, at, None) for at in parts]
    decayed = {days: [personal(task.tokens, at, days) for at in parts] for days in HALF_LIVES}
    best = max(HALF_LIVES, key=lambda days: _recall10(filled(decayed[days][0], shared[0]), task.validation))

    def mixed(choice: tuple[int, int, int]) -> list[Array]:
        half_life, weight, column = choice
        return [mine + weight * all_[..., column] for mine, all_ in zip(decayed[half_life], recent, strict=True)]

    choices = list(itertools.product(HALF_LIVES, WEIGHTS, range(recent[0].shape[2])))
    mix = max(choices, key=lambda choice: _recall10(mixed(choice)[0], task.validation))
    scores = {
        "G-Top": shared,
        "P-Top": own,
        "P-Top, then G-Top": [filled(*pair) for pair in zip(own, shared, strict=True)],
        "P-Top with decay": decayed[best],
        "P-Top with decay, then G-Top": [filled(*pair) for pair in zip(decayed[best], shared, strict=True)],
        MIX: mixed(mix),
    }
    ranked = {name: (protocol.top(pair[0], DEPTH), protocol.top(pair[1], DEPTH)) for name, pair in scores.items()}
    sales = protocol.SALES_HALF_LIVES[mix[2]]
    return ranked, (
        f"half-life of P-Top with decay {best} days; of its mix {mix[0]} days, {mix[1]} times the shares of sales with "
        f"half-life {sales:.0f} days"
    )


def trained(task: Task, data: str, name: str, seed: int, folder: Path) -> dict[str, Array]:
    """Lists of one training, kept in ``folder``: validation, test, generated (PLAIN), halves (PLAIN, MASKED), cost."""
    shape = Shape(**{**PAPER, **NETWORKS[name].changes})
    settings = [data, name, seed, shape.model_dump(), TRAINING.model_dump(), SPLITS, RECENCY, BATCH, task.test_day]
    key = hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:16]
    file = folder / f"{key}.npz"
    if not file.exists():
        out = _learned(task, name, shape, seed, folder / f"{key}.checkpoint")
        with stage.whole_file(file) as part, part.open("wb") as opened:
            np.savez(opened, **out)  # type: ignore[arg-type]
        shutil.rmtree(folder / f"{key}.checkpoint", ignore_errors=True)
    with np.load(file) as kept:
        return dict(kept)


def _learned(task: Task, name: str, shape: Shape, seed: int, folder: Path) -> dict[str, Array]:
    begun = time.perf_counter()
    torch.manual_seed(seed)
    of, train = task.tokens, task.train
    network = (Masked if name == MASKED else Trex)(of.categories, shape)
    network.expect(np.bincount(train.target, minlength=of.categories))

    def batches(epoch: int) -> Iterator[Batch]:
        rng = np.random.default_rng([seed, epoch])
        some = train.chosen(baskets.drawn(train, SPLITS, RECENCY, rng))
        return baskets.batches(of, some, shape.tokens, BATCH, rng)

    steps = -(-int(np.minimum(np.bincount(train.user), SPLITS).sum()) // BATCH)
    curve = training.train(
        network, batches, steps, lambda _: trex_answers.recall(network, of, task.validation, 10), TRAINING, seed,
        folder, f"{name}, seed {seed}",
    )  # fmt: skip
    out = {
        "validation": protocol.top(trex_answers.table(network, of, task.validation), DEPTH),
        "test": protocol.top(trex_answers.table(network, of, task.test), DEPTH),
        "epochs": np.array([len(curve.loss), curve.best + 1]),
    }
    if name == PLAIN:
        out["generated"] = _generated(network, task)
    if name in (PLAIN, MASKED):
        out["halves"] = _halves(network, task)
    return {**out, "seconds": np.array(time.perf_counter() - begun)}


def _generated(network: Trex, task: Task) -> Array:
    """(e, DEPTH) the test customers' categories, generated one after another."""
    ranked = np.full((len(task.test.user), DEPTH), -1, np.int64)
    for rows, block in trex_answers.blocks(task.tokens, task.test, network.shape.tokens):
        ranked[rows] = generate(network, block, DEPTH)[: len(rows)].numpy()
    return ranked


def _halves(network: Trex, task: Task) -> Array:
    """(2,) recall@10 of the hidden half of the test baskets of two categories or more: the other half given, or not."""
    of, at = task.tokens, task.test
    visible, hidden = masked.halves(at.target, at.ptr, torch.Generator().manual_seed(1))
    found = [[], []]  # type: list[list[Array]]
    for rows, block in trex_answers.blocks(of, at, network.shape.tokens):
        some = torch.from_numpy(np.concatenate([rows, np.repeat(rows[:1], len(block.token) - len(rows))]))
        shown = visible[some]
        with torch.no_grad():
            pair = masked.seen(network, block, shown), network(block)
        for scores, kept in zip(pair, found, strict=True):
            recall = masked.recall_of_hidden(scores, shown, hidden[some], 10)
            kept.append(recall[: len(rows)][np.diff(at.ptr)[rows] >= 2])
    return np.array([np.concatenate(kept).mean() for kept in found])


def _recall10(scores: Array, of: Splits) -> float:
    return float(protocol.recall_precision(protocol.top(scores, 10), of)[0][:, 9].mean())
