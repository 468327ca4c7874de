"""PARSRec itself in the benchmark: its training and its scores."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.parsrec import protocol
from benchmarks.parsrec.protocol import Scorer, Task
from retail.log import Array
from stage1_candidates.networks import training
from stage1_candidates.networks.parsrec import sessions
from stage1_candidates.networks.parsrec.network import Parsrec, Shape
from stage1_candidates.networks.parsrec.sessions import Batch, Sessions
from stage1_candidates.networks.training import Curve
from stage1_candidates.source import Training

BATCH = 256
CHOOSE_AT = 10  # k of the validation metric, session precision


def trained(
    task: Task, shape: Shape, settings: Training, seed: int, folder: Path, ended: Callable[[], None]
) -> tuple[Parsrec, Curve]:
    """The network after its best epoch by session precision of the validation sessions; ``ended`` after each."""
    torch.manual_seed(seed)
    network = Parsrec(task.customers, task.articles, shape)
    pool = protocol.others(task.validation, task.articles, seed)

    def epoch_of(epoch: int) -> Iterator[Batch]:
        return sessions.batches(task.train, BATCH, np.random.default_rng([seed, epoch]))

    def measure(_: nn.Module) -> float:
        walk = protocol.walked(scorer(network, task.validation), task.validation, pool, CHOOSE_AT)
        ended()
        return walk.figures()["Sess-Prec"]

    steps = -(-len(task.train.user) // BATCH)
    curve = training.train(network, epoch_of, steps, measure, settings, seed, folder, f"PARSRec, seed {seed}")
    return network, curve


def scorer(network: Parsrec, of: Sessions) -> Scorer:
    """The network's logits for sessions of ``of``; the articles that they hold are not read."""

    @torch.no_grad()
    def scores(rows: Array, given: Array) -> Array:
        found: Array = network.after(sessions.batch(of.chosen(rows)), torch.from_numpy(given)).numpy()
        return found

    return scores
