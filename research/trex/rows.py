"""Define the rows of the benchmark, compute their lists and keep them, so that a killed run resumes."""

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from research.trex import masked, protocol
from research.trex.baselines import fill, score_global, score_personal
from research.trex.masked import Masked
from research.trex.protocol import DEPTH, Task
from retail import kept
from retail.log import Array
from stage1_candidates.engine.blocks import Training
from stage1_candidates.networks.base import training
from stage1_candidates.networks.trex import answers as trex_answers
from stage1_candidates.networks.trex import baskets
from stage1_candidates.networks.trex.baskets import Batch, Splits
from stage1_candidates.networks.trex.network import Shape, Trex, generate

P_TOP_HALF_LIVES = (15, 30, 60, 90, 180, 365, 730)  # days: grid of P-Top with decay; validation chooses
SALES_WEIGHTS = (
    1,
    3,
    10,
    30,
    100,
)  # grid: weight of the recent global shares added to the decayed count; validation chooses
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
SPLITS = 2  # maximum number of splits of a customer in an epoch
RECENCY = 1.0  # exponent: a customer's k-th latest split is drawn with the weight k^-RECENCY
BATCH = 128  # rows
OWN, PLAIN, MASKED = "T-REX + own + sales", "T-REX", "BERT4Rec-style"
MIX = "P-Top with decay + recent G-Top"


@dataclass(frozen=True)
class Row:
    """A network of the table: its settings and the seeds of its trainings."""

    changes: dict[str, Any]  # of PAPER
    seeds: tuple[int, ...]
    ablation: bool = False  # trained only with --ablations


NETWORKS = {
    PLAIN: Row({}, (1, 2, 3)),
    OWN: Row({"intra_basket": "none", "own": 32, "sales_half_lives": protocol.SALES_HALF_LIVES}, (1, 2, 3)),
    "T-REX + own": Row({"intra_basket": "none", "own": 32}, (1,), ablation=True),
    "T-REX, sinusoidal places": Row({"positions": "sinusoidal"}, (1,), ablation=True),
    "T-REX, learned places": Row({"positions": "learned"}, (1,), ablation=True),
    MASKED: Row({}, (1,)),
}


def rank_baselines(task: Task) -> tuple[dict[str, tuple[Array, Array]], str]:
    """Rank the categories of validation and test customers by each baseline; also describe the tuned settings."""
    parts = (task.validation, task.test)
    days = (task.validation_day, task.test_day)
    shared = [score_global(task.tokens, day, len(part.user)) for day, part in zip(days, parts, strict=True)]
    recent = [np.exp(task.tokens.trend[part.cutoff].astype(np.float64)) for part in parts]  # each (e, V, S)
    own = [score_personal(task.tokens, part, None) for part in parts]
    decayed = {life: [score_personal(task.tokens, part, life) for part in parts] for life in P_TOP_HALF_LIVES}
    best = max(P_TOP_HALF_LIVES, key=lambda life: _compute_recall10(fill(decayed[life][0], shared[0]), task.validation))

    def add_recent(choice: tuple[int, int, int]) -> list[Array]:
        half_life, weight, column = choice
        pairs = zip(decayed[half_life], recent, strict=True)
        return [own_score + weight * share[..., column] for own_score, share in pairs]

    choices = list(itertools.product(P_TOP_HALF_LIVES, SALES_WEIGHTS, range(recent[0].shape[2])))
    mix = max(choices, key=lambda choice: _compute_recall10(add_recent(choice)[0], task.validation))
    scores = {
        "G-Top": shared,
        "P-Top": own,
        "P-Top, then G-Top": [fill(*pair) for pair in zip(own, shared, strict=True)],
        "P-Top with decay": decayed[best],
        "P-Top with decay, then G-Top": [fill(*pair) for pair in zip(decayed[best], shared, strict=True)],
        MIX: add_recent(mix),
    }
    ranked = {
        name: (protocol.rank_top(pair[0], DEPTH), protocol.rank_top(pair[1], DEPTH)) for name, pair in scores.items()
    }
    sales = protocol.SALES_HALF_LIVES[mix[2]]
    return ranked, (
        f"half-life of P-Top with decay {best} days; of its mix {mix[0]} days, {mix[1]} times the shares of sales with "
        f"half-life {sales:.0f} days"
    )


def load_or_train(task: Task, data: str, name: str, seed: int, folder: Path) -> dict[str, Array]:
    """Load the lists of one training from ``folder``, or train first.

    Arrays: "validation", "test", "epochs", "seconds", "generated" (PLAIN only), "halves" (PLAIN and MASKED only).
    """
    shape = Shape(**{**PAPER, **NETWORKS[name].changes})
    settings = [data, name, seed, shape, TRAINING, SPLITS, RECENCY, BATCH, task.test_day]
    file = folder / f"{kept.fingerprint(settings)}.npz"
    return kept.keep(file, lambda checkpoints: _train(task, name, shape, seed, checkpoints))


def _train(task: Task, name: str, shape: Shape, seed: int, folder: Path) -> dict[str, Array]:
    """Train one network and rank the categories of validation and test customers."""
    started = time.perf_counter()
    torch.manual_seed(seed)
    tokens, train = task.tokens, task.train
    network = (Masked if name == MASKED else Trex)(tokens.categories, shape)
    network.initialise_output(np.bincount(train.target, minlength=tokens.categories))

    def make_batches(epoch: int) -> Iterator[Batch]:
        rng = np.random.default_rng([seed, epoch])
        splits = train.select(baskets.sample_splits(train, SPLITS, RECENCY, rng))
        return baskets.iterate_batches(tokens, splits, shape.tokens, BATCH, rng)

    steps = -(-int(np.minimum(np.bincount(train.user), SPLITS).sum()) // BATCH)

    def measure(_: nn.Module) -> float:
        return trex_answers.compute_recall(network, tokens, task.validation, 10)

    label = f"{name}, seed {seed}"
    curve = training.train(network, make_batches, steps, measure, TRAINING, seed, folder, label)
    out = {
        "validation": protocol.rank_top(trex_answers.tabulate(network, tokens, task.validation), DEPTH),
        "test": protocol.rank_top(trex_answers.tabulate(network, tokens, task.test), DEPTH),
        "epochs": np.array([len(curve.loss), curve.best + 1]),
    }
    if name == PLAIN:
        out["generated"] = _generate_lists(network, task)
    if name in (PLAIN, MASKED):
        out["halves"] = _measure_leak(network, task)
    return {**out, "seconds": np.array(time.perf_counter() - started)}


def _generate_lists(network: Trex, task: Task) -> Array:
    """Generate the categories (e, DEPTH) of the test customers one after another."""
    ranked = np.full((len(task.test.user), DEPTH), -1, np.int64)
    for rows, block in trex_answers.make_blocks(task.tokens, task.test, network.shape.tokens):
        ranked[rows] = generate(network, block, DEPTH)[: len(rows)].numpy()
    return ranked


def _measure_leak(network: Trex, task: Task) -> Array:
    """Measure (2,) recall@10 of the hidden half of the test baskets, with and without the visible half as input.

    Only baskets of at least two categories count.
    """
    splits = task.test
    visible, hidden = masked.split_baskets(splits.target, splits.ptr, torch.Generator().manual_seed(1))
    recalls = [[], []]  # type: list[list[Array]]
    for rows, block in trex_answers.make_blocks(task.tokens, splits, network.shape.tokens):
        padded = torch.from_numpy(np.concatenate([rows, np.repeat(rows[:1], len(block.token) - len(rows))]))
        given = visible[padded]
        with torch.no_grad():
            pair = masked.score_hidden(network, block, given), network(block)
        for scores, parts in zip(pair, recalls, strict=True):
            recall = masked.compute_hidden_recall(scores, given, hidden[padded], 10)
            parts.append(recall[: len(rows)][np.diff(splits.ptr)[rows] >= 2])
    return np.array([np.concatenate(parts).mean() for parts in recalls])


def _compute_recall10(scores: Array, splits: Splits) -> float:
    return float(protocol.compute_recall_precision(protocol.rank_top(scores, 10), splits)[0][:, 9].mean())
