"""Plug PARSRec into the pipeline: propose the most probable first articles of the label week's session.

The purchases of a label week form a session. The weights contain one vector per customer: (users, width) float32.
Training needs three times their memory.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from pydantic import field_validator
from torch import nn

from retail.log import Array
from retail.params import Block, Positive
from retail.ragged import offsets, positions, row_of
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine.blocks import Network
from stage1_candidates.engine.lists import Lists
from stage1_candidates.networks.base import ann
from stage1_candidates.networks.base import weights as stored
from stage1_candidates.networks.parsrec import answers, label_weeks, sessions
from stage1_candidates.networks.parsrec.label_weeks import Examples
from stage1_candidates.networks.parsrec.network import Parsrec, Shape
from stage1_candidates.networks.parsrec.sessions import Batch

TOP = 12  # cutoff of the validation metric, recall


class Answer(Block):
    sold_days: Positive  # only articles sold in the last so many days before the cutoff are proposed


class Params(Network):
    answer: Answer
    model: Shape
    examples: Examples

    @field_validator("model")
    @classmethod
    def _fits(cls, model: Shape) -> Shape:
        if 2 * model.width % model.heads:  # the attention reads a customer's vector and a state
            raise ValueError("twice the width must be a multiple of heads")
        return model


def train(history: History, shop: Shop, params: Params, seed: int, folder: Path) -> dict[str, Array]:
    """Train to predict the articles of a label week from earlier purchases; return {} if there are no examples."""
    from stage1_candidates.networks.base import (
        training,  # here, because importing Lightning takes seconds and only training needs it
    )

    torch.manual_seed(seed)
    network = Parsrec(history.log.users, history.log.items, params.model)
    train, held = label_weeks.split_sessions(history, params.examples, seed)
    if len(train.user) == 0 or len(held.user) == 0:
        return {}
    all_items = np.ones(history.log.items, np.float32)

    def epoch_of(epoch: int) -> Iterator[Batch]:
        return sessions.iterate_batches(train, params.examples.batch, np.random.default_rng([seed, epoch]))

    def measure(_: nn.Module) -> float:
        return answers.measure_recall(network, held, all_items, TOP)

    steps = -(-len(train.user) // params.examples.batch)
    training.train(network, epoch_of, steps, measure, params.training, seed, folder, f"parsrec, week {history.week}")
    return stored.arrays(network)


def fit(history: History, shop: Shop, params: Params, weights: dict[str, Array]) -> dict[str, Array]:
    """Return the weights and the articles that may be proposed."""
    return {**stored.to_state(weights), "sold": ann.sold_lately(history, params.answer.sold_days)}


def propose(history: History, shop: Shop, state: dict[str, Array], users: Array, params: Params) -> Lists:
    """Propose the most probable articles among those sold recently; none without a past."""
    allowed = np.zeros(history.log.items, np.float32)
    allowed[state["sold"]] = 1
    take = min(params.take, history.log.items)
    target, weight = np.zeros((len(users), take), np.uint32), np.zeros((len(users), take), np.float32)
    for rows, chance in answers.predict_first(
        _network(history, state, params), _query_sessions(history, users, params)
    ):
        best = answers.pick_best(chance * allowed, take)
        target[rows], weight[rows] = best, np.take_along_axis(chance * allowed, best, axis=1)
    filled = weight > 0
    return Lists(offsets(filled.sum(1)), target[filled], weight[filled])


def score(
    history: History, shop: Shop, state: dict[str, Array], users: Array, ptr: Array, items: Array, params: Params
) -> Array:
    """Score (n,) float32 pairs by the probability of the first article in the session, 0 without a past."""
    out = np.zeros(len(items), np.float32)
    for rows, chance in answers.predict_first(
        _network(history, state, params), _query_sessions(history, users, params)
    ):
        length = ptr[rows + 1] - ptr[rows]
        place = positions(ptr[rows], length)
        out[place] = chance[row_of(offsets(length)), items[place]]
    return out


def _network(history: History, state: dict[str, Array], params: Params) -> Parsrec:
    network = Parsrec(history.log.users, history.log.items, params.model)
    stored.with_arrays(network, stored.of_state(state))
    return network


def _query_sessions(history: History, users: Array, params: Params) -> sessions.Sessions:
    return label_weeks.query_cutoff(history, users, params.examples)
