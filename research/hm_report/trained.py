"""One training of the benchmark and its answers, kept under a fingerprint of settings, data and code.

What was killed goes on from its last epoch. Every model takes as many steps as every other: in the report it is ten
epochs, which on a shop of a hundredth of the customers would be too few.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from research.hm_report import inputs, mlp
from research.hm_report.answers import Asked, answered
from research.hm_report.block import ERA, Block, asked_of, members_of, past_of, tables
from research.hm_report.groups import REST
from research.hm_report.inputs import Wanted
from research.hm_report.mlp import Mlp
from research.hm_report.sample import Sample, total
from research.hm_report.towers import Pairs, Shape, TwoTower
from retail import kept
from retail.log import Array
from stage1_candidates.engine.blocks import Training
from stage1_candidates.networks.base import training

BATCH, STEPS = 512, 60  # pairs of a batch, batches of an epoch
CUSTOMERS, CUSTOMER_STEPS = 32, 20  # the same of the perceptron, whose output is as wide as the assortment
FEWEST = 10  # batches of an epoch of a small group
HELD = 0.1  # of the customers, whose pairs say which epoch is kept
JUDGED, JUDGED_CUSTOMERS = 20_000, 500  # of their pairs, and of them for the perceptron, at most
TRAINING = Training(  # as published, but for the rate: .001 is too low for so few steps
    epochs=10, patience=10, learning_rate=3e-3, weight_decay=0.0, decoupled=False, warmup=0.0, clip=0.0,
    precision="32-true", devices=1,
)  # fmt: skip
ROOT = Path(__file__).parents[2]
AFTER = ("__main__", "report", "figures", "rows", "moved")  # modules that change no training
CODE = sorted(
    [
        *(file for file in Path(__file__).parent.glob("*.py") if file.stem not in AFTER),
        *(ROOT / "retail" / name for name in ("log.py", "weeks.py", "shop.py", "metrics.py")),
        ROOT / "stage1_candidates/networks/base/training.py",
    ]
)
NOTHING = Wanted()


@dataclass(frozen=True)
class Towers:
    """A two-tower network."""

    shape: Shape
    wanted: Wanted = NOTHING
    as_published: bool = False  # features as of the cut, the training purchases among them
    group: str = ""  # of the customers that it learns from; all where empty


@dataclass(frozen=True)
class Perceptron:
    hidden: tuple[int, ...]
    published: bool  # with the second sigmoid


Model = Towers | Perceptron
Answers = Mapping[str, Array]  # "<week>/<what>", see answers.answered; loss (epochs,), seconds, best


def answers(block: Block, model: Model, seed: int, folder: Path) -> Answers:
    """The answers of one training, made unless ``folder`` keeps them."""
    kind, numbers = (
        type(model).__name__,
        [ERA, BATCH, STEPS, FEWEST, HELD, CUSTOMERS, CUSTOMER_STEPS, TRAINING.model_dump()],
    )
    about = [block.store.mark, block.weeks, kind, model, seed, numbers]

    def trained(checkpoints: Path) -> dict[str, Array]:
        begun = time.perf_counter()
        torch.manual_seed(seed)
        if isinstance(model, Towers):
            found = of_towers(block, model, seed, checkpoints)
        else:
            found = of_perceptron(block, model, seed, checkpoints)
        return {**found, "seconds": np.array(time.perf_counter() - begun)}

    return kept.keep(folder / f"{kept.fingerprint(about, CODE)}.npz", trained)


def of_towers(block: Block, model: Towers, seed: int, folder: Path) -> dict[str, Array]:
    """Train two towers on the pairs before the cut and answer the block's weeks, each from its own past."""
    users, items = tables(block, model.wanted, model.as_published)
    network = TwoTower(model.shape, users, items)
    member = members_of(block.store, block.cut)[model.group] if model.group else None
    sample = Sample.drawn(block, member, seed)
    held = np.random.default_rng(42).random(block.store.shop.log.users) < HELD
    learned, judged = (np.flatnonzero(side[sample.user]) for side in (~held, held))
    judged = judged[:JUDGED]
    steps = STEPS if member is None else max(FEWEST, round(STEPS * len(learned) / max(total(block), 1)))

    def pairs(rows: Array) -> Pairs:
        era, user, item = sample.era[rows], sample.user[rows], sample.item[rows]
        return Pairs(*users.at(era, user), *items.at(era, item), torch.from_numpy(sample.bought[rows]))

    def batches(epoch: int) -> Iterator[Pairs]:
        rng = np.random.default_rng([seed, epoch])
        for _ in range(steps):
            yield pairs(learned[rng.integers(len(learned), size=BATCH)])

    def measure(trained: nn.Module) -> float:
        return -float(trained.loss(pairs(judged))) if len(judged) else 0.0  # type: ignore[operator]

    curve = training.train(network, batches, steps, measure, TRAINING, seed, folder, f"{model.shape}, seed {seed}")
    found = _losses(curve)
    for week in block.weeks:
        of = asked_of(block.store, week)
        found |= _named(week, answered(scores(network, of, model.wanted), of, model.group or REST))
    return found


def of_perceptron(block: Block, model: Perceptron, seed: int, folder: Path) -> dict[str, Array]:
    """Train the perceptron on last baskets before the cut; it knows the articles sold until then."""
    past = past_of(block.store, block.cut)
    known = np.unique(past.item)
    column = np.full(block.store.shop.log.items, -1)
    column[known] = np.arange(len(known))
    of = mlp.examples(past, column)
    network = Mlp(len(known), model.hidden, model.published)
    held = np.random.default_rng(42).random(len(of.ptr) - 1) < HELD
    learned, judged = np.flatnonzero(~held), of.of(np.flatnonzero(held)[:JUDGED_CUSTOMERS])

    def batches(epoch: int) -> Iterator[mlp.Baskets]:
        rng = np.random.default_rng([seed, epoch])
        for _ in range(CUSTOMER_STEPS):
            yield of.of(learned[rng.integers(len(learned), size=CUSTOMERS)])

    def measure(trained: nn.Module) -> float:
        return -float(trained.loss(judged))  # type: ignore[operator]

    label = f"MLP {model.hidden}, seed {seed}"
    curve = training.train(network, batches, CUSTOMER_STEPS, measure, TRAINING, seed, folder, label)
    found = _losses(curve)
    for week in block.weeks:
        of_week = asked_of(block.store, week)
        with torch.no_grad():
            every = network(mlp.inputs(of_week.past, column, of_week.users)).numpy()  # (b, N)
        at = column[of_week.recent]
        score = np.where(at >= 0, every[:, at.clip(min=0)], every.min() - 1)  # what is new since the cut comes last
        found |= _named(week, answered(score, of_week, REST))
    return found


def scores(network: TwoTower, of: Asked, wanted: Wanted) -> Array:
    """(b, r) log-odds of the label week's buyers and its recent articles, from features as of the week's first day."""
    users, items = inputs.customers([of.past], wanted.customer), inputs.articles([of.past], wanted.article)
    with torch.no_grad():
        mine = network.customer(*users.at(np.zeros(len(of.users), np.int64), of.users))  # (b, d)
        theirs = network.article(*items.at(np.zeros(len(of.recent), np.int64), of.recent))  # (r, d)
    found: Array = (mine @ theirs.T).numpy()
    return found


def _named(week: int, found: Mapping[str, Array]) -> dict[str, Array]:
    return {f"{week}/{what}": values for what, values in found.items()}


def _losses(curve: training.Curve) -> dict[str, Array]:
    return {"loss": np.array(curve.loss), "held": -np.array(curve.metric)}
