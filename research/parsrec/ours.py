"""PARSRec itself in the benchmark: its training and its scores."""

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
from stage1_candidates.networks.parsrec import sessions
from stage1_candidates.networks.parsrec.network import Parsrec, Shape
from stage1_candidates.networks.parsrec.sessions import Batch, Sessions

BATCH = 256
CHOOSE_AT = 10  # k of the validation metric, session precision


def trained(
    task: Task, shape: Shape, phases: Sequence[Training], seed: int, folder: Path, ended: Callable[[], None]
) -> tuple[Parsrec, list[Curve]]:
    """The network after its best epoch by session precision of the validation sessions; ``ended`` after each.

    Each of ``phases`` goes on from the best weights of the one before. A training leaves its network in evaluation
    mode, so that nothing is dropped in the first epoch of a later phase.
    """
    torch.manual_seed(seed)
    network = Parsrec(task.customers, task.articles, shape)
    pool = protocol.others(task.validation, task.articles, seed)

    def measure(_: nn.Module) -> float:
        walk = protocol.walked(scorer(network, task.validation), task.validation, pool, CHOOSE_AT)
        ended()
        return walk.figures()["Sess-Prec"]

    steps = -(-len(task.train.user) // BATCH)
    curves = []
    for phase, settings in enumerate(phases):
        before = sum(one.epochs for one in phases[:phase])

        def epoch_of(epoch: int, before: int = before) -> Iterator[Batch]:
            return sessions.batches(task.train, BATCH, np.random.default_rng([seed, before + epoch]))

        label = f"PARSRec, seed {seed}, phase {phase + 1}"
        part = folder / str(phase)
        curves.append(training.train(network, epoch_of, steps, measure, settings, seed, part, label))
    return network, curves


def scorer(network: Parsrec, of: Sessions) -> Scorer:
    """The network's logits for sessions of ``of``; the articles that they hold are not read."""

    @torch.no_grad()
    def scores(rows: Array, given: Array) -> Array:
        found: Array = network.after(sessions.batch(of.chosen(rows)), torch.from_numpy(given)).numpy()
        return found

    return scores
