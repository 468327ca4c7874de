"""Train a model and rank the label weeks of its block; keep the result under a fingerprint of settings, data and code.

A killed training resumes after its last epoch. The steps of an epoch do not depend on the size of the shop: the report
trains for ten passes over its data, which would be too few steps on a shop with a hundredth of the customers.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from research.hm_report import mlp, tower_inputs
from research.hm_report.block import ERA, Block, build_tables, load_label_week, load_members, load_past
from research.hm_report.groups import REST
from research.hm_report.mlp import Mlp
from research.hm_report.ranking import LabelWeek, rank_articles
from research.hm_report.sample import count_pairs, draw_sample
from research.hm_report.tower_inputs import FeatureNames
from research.hm_report.towers import Pairs, Shape, TwoTower
from retail import kept
from retail.log import Array
from stage1_candidates.engine.blocks import Training
from stage1_candidates.networks.base import training

BATCH, STEPS = 512, 60  # towers: pairs per batch, batches per epoch
CUSTOMERS, CUSTOMER_STEPS = 32, 20  # perceptron: customers per batch, batches per epoch
MIN_STEPS = 10  # batches per epoch of a small group, at least
HELD_OUT = 0.1  # share of the customers for validation, which chooses the epoch to keep
MAX_HELD_OUT_PAIRS, MAX_HELD_OUT_CUSTOMERS = 20_000, 500  # validation pairs of towers, customers of the perceptron
TRAINING = Training(  # as published, except for the learning rate: .001 is too low for so few steps
    epochs=10, patience=10, learning_rate=3e-3, weight_decay=0.0, decoupled=False, warmup=0.0, clip=0.0,
    precision="32-true", devices=1,
)  # fmt: skip
ROOT = Path(__file__).parents[2]
OTHER_MODULES = ("__main__", "report", "figures", "rows", "transfer_features")  # they do not change a training
CODE = sorted(  # files of the fingerprint
    [
        *(file for file in Path(__file__).parent.glob("*.py") if file.stem not in OTHER_MODULES),
        *(ROOT / "retail" / name for name in ("log.py", "weeks.py", "shop.py", "metrics.py", "ragged.py")),
        ROOT / "stage1_candidates/networks/base/training.py",
    ]
)
NO_FEATURES = FeatureNames()


@dataclass(frozen=True)
class Towers:
    """Describe a two-tower network."""

    shape: Shape
    features: FeatureNames = NO_FEATURES
    as_published: bool = False  # compute features once, as of the cut, with the training purchases
    group: str = ""  # group of customers to train on; all customers if empty


@dataclass(frozen=True)
class Perceptron:
    """Describe a multi-layer perceptron."""

    hidden: tuple[int, ...]
    published: bool  # apply the second sigmoid


Model = Towers | Perceptron
Rankings = Mapping[str, Array]  # "<week>/<kind>" with the kinds of rank_articles; loss and held (epochs,); seconds


def load_or_train(block: Block, model: Model, seed: int, folder: Path) -> Rankings:
    """Load the rankings of a training from ``folder``; train the model first if they are missing."""
    settings = [ERA, BATCH, STEPS, MIN_STEPS, HELD_OUT, CUSTOMERS, CUSTOMER_STEPS, TRAINING.model_dump()]
    about = [block.store.digest, block.weeks, type(model).__name__, model, seed, settings]

    def train(checkpoints: Path) -> dict[str, Array]:
        start = time.perf_counter()
        torch.manual_seed(seed)
        if isinstance(model, Towers):
            rankings = train_towers(block, model, seed, checkpoints)
        else:
            rankings = train_perceptron(block, model, seed, checkpoints)
        return {**rankings, "seconds": np.array(time.perf_counter() - start)}

    return kept.keep(folder / f"{kept.fingerprint(about, CODE)}.npz", train)


def train_towers(block: Block, model: Towers, seed: int, folder: Path) -> dict[str, Array]:
    """Train two towers on the pairs before the cut and rank each label week from its own past."""
    users, items = build_tables(block, model.features, model.as_published)
    network = TwoTower(model.shape, users, items)
    member = load_members(block.store, block.cut)[model.group] if model.group else None
    sample = draw_sample(block, member, seed)
    is_held_out = np.random.default_rng(42).random(block.store.shop.log.users) < HELD_OUT
    train_rows, held_out_rows = (np.flatnonzero(part[sample.user]) for part in (~is_held_out, is_held_out))
    held_out_rows = held_out_rows[:MAX_HELD_OUT_PAIRS]
    steps = STEPS if member is None else max(MIN_STEPS, round(STEPS * len(train_rows) / max(count_pairs(block), 1)))

    def select_pairs(rows: Array) -> Pairs:
        era, user, item = sample.era[rows], sample.user[rows], sample.item[rows]
        return Pairs(*users.lookup(era, user), *items.lookup(era, item), torch.from_numpy(sample.bought[rows]))

    def draw_batches(epoch: int) -> Iterator[Pairs]:
        rng = np.random.default_rng([seed, epoch])
        for _ in range(steps):
            yield select_pairs(train_rows[rng.integers(len(train_rows), size=BATCH)])

    def measure(module: nn.Module) -> float:
        return -float(module.loss(select_pairs(held_out_rows))) if len(held_out_rows) else 0.0  # type: ignore[operator]

    label = f"{model.shape}, seed {seed}"
    curve = training.train(network, draw_batches, steps, measure, TRAINING, seed, folder, label)
    rankings = _collect_losses(curve)
    for week in block.weeks:
        label_week = load_label_week(block.store, week)
        score = compute_scores(network, label_week, model.features)
        rankings |= _add_prefix(week, rank_articles(score, label_week, model.group or REST))
    return rankings


def train_perceptron(block: Block, model: Perceptron, seed: int, folder: Path) -> dict[str, Array]:
    """Train the perceptron on last baskets before the cut and rank each label week from its own past.

    Its vocabulary is the articles sold before the cut.
    """
    past = load_past(block.store, block.cut)
    vocabulary = np.unique(past.item)
    column = np.full(block.store.shop.log.items, -1)
    column[vocabulary] = np.arange(len(vocabulary))
    examples = mlp.build_examples(past, column)
    network = Mlp(len(vocabulary), model.hidden, model.published)
    is_held_out = np.random.default_rng(42).random(len(examples.ptr) - 1) < HELD_OUT
    train_rows = np.flatnonzero(~is_held_out)
    held_out = examples.select(np.flatnonzero(is_held_out)[:MAX_HELD_OUT_CUSTOMERS])

    def draw_batches(epoch: int) -> Iterator[mlp.Baskets]:
        rng = np.random.default_rng([seed, epoch])
        for _ in range(CUSTOMER_STEPS):
            yield examples.select(train_rows[rng.integers(len(train_rows), size=CUSTOMERS)])

    def measure(module: nn.Module) -> float:
        return -float(module.loss(held_out))  # type: ignore[operator]

    label = f"MLP {model.hidden}, seed {seed}"
    curve = training.train(network, draw_batches, CUSTOMER_STEPS, measure, TRAINING, seed, folder, label)
    rankings = _collect_losses(curve)
    for week in block.weeks:
        label_week = load_label_week(block.store, week)
        with torch.no_grad():
            logits = network(mlp.build_inputs(label_week.past, column, label_week.users)).numpy()  # (b, N)
        columns = column[label_week.recent]
        lowest = logits.min() - 1  # for articles outside the vocabulary
        score = np.where(columns >= 0, logits[:, columns.clip(min=0)], lowest)  # (b, r)
        rankings |= _add_prefix(week, rank_articles(score, label_week, REST))
    return rankings


def compute_scores(network: TwoTower, label_week: LabelWeek, names: FeatureNames) -> Array:
    """Compute the log-odds (b, r) of buyers and recent articles, from features as of the label week's first day."""
    users, recent, past = label_week.users, label_week.recent, [label_week.past]
    customers = tower_inputs.encode_customers(past, names.customer)
    articles = tower_inputs.encode_articles(past, names.article)
    with torch.no_grad():
        customer = network.customer(*customers.lookup(np.zeros(len(users), np.int64), users))  # (b, d)
        article = network.article(*articles.lookup(np.zeros(len(recent), np.int64), recent))  # (r, d)
    scores: Array = (customer @ article.T).numpy()
    return scores


def _add_prefix(week: int, ranked: Mapping[str, Array]) -> dict[str, Array]:
    return {f"{week}/{kind}": values for kind, values in ranked.items()}


def _collect_losses(curve: training.Curve) -> dict[str, Array]:
    return {"loss": np.array(curve.loss), "held": -np.array(curve.metric)}
