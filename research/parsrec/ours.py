"""Train and score with PARSRec in the benchmark."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from research.parsrec import protocol
from research.parsrec.protocol import Scorer, Task
from retail.log import Array
from stage1_candidates.engine.blocks import Training
from stage1_candidates.networks.base import training
from stage1_candidates.networks.base.training import Curve
from stage1_candidates.networks.parsrec.network import Parsrec, Shape
from stage1_candidates.networks.parsrec.sessions import Batch, Sessions, iterate_batches, make_batch

BATCH = 256
CHOOSE_AT = 10  # k of the validation metric, session precision


def train(
    task: Task, shape: Shape, phases: Sequence[Training], seed: int, folder: Path, end_epoch: Callable[[], None]
) -> tuple[Parsrec, list[Curve]]:
    """Train the network; the epoch with the best session precision on the validation sessions is kept.

    Each of ``phases`` starts from the best weights of the phase before. ``end_epoch`` is called after every epoch. A
    phase leaves its network in evaluation mode, so that the first epoch of a later phase is without dropout.
    """
    torch.manual_seed(seed)
    network = Parsrec(task.customers, task.articles, shape)
    pool = protocol.sample_pools(task.validation, task.articles, seed)

    def measure(_: nn.Module) -> float:
        replayed = protocol.replay(make_scorer(network, task.validation), task.validation, pool, CHOOSE_AT)
        end_epoch()
        return replayed.summarise()["Sess-Prec"]

    steps = -(-len(task.train.user) // BATCH)
    curves = []
    for phase, settings in enumerate(phases):
        before = sum(earlier.epochs for earlier in phases[:phase])

        def make_batches(epoch: int, before: int = before) -> Iterator[Batch]:
            return iterate_batches(task.train, BATCH, np.random.default_rng([seed, before + epoch]))

        label = f"PARSRec, seed {seed}, phase {phase + 1}"
        part = folder / str(phase)
        curves.append(training.train(network, make_batches, steps, measure, settings, seed, part, label))
    return network, curves


def make_scorer(network: Parsrec, sessions: Sessions) -> Scorer:
    """Make a scorer by the network's logits; it does not read the articles that ``sessions`` hold."""

    @torch.no_grad()
    def score(rows: Array, given: Array) -> Array:
        logits: Array = network.score_next(make_batch(sessions.select(rows)), torch.from_numpy(given)).numpy()
        return logits

    return score
