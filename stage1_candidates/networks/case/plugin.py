"""CASE in the pipeline: the chance that a customer buys an article of the past again in the label week."""

from pathlib import Path
from typing import Self

import numpy as np
import torch
from pydantic import model_validator
from torch import nn

from retail import weeks
from retail.log import Array, Log
from retail.params import Block, Days, Positive
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine import lists
from stage1_candidates.engine.blocks import Network
from stage1_candidates.engine.lists import Lists
from stage1_candidates.networks.base import weights as stored
from stage1_candidates.networks.case import calendars
from stage1_candidates.networks.case.answers import WIDTHS, chances
from stage1_candidates.networks.case.batches import Candidates, shuffled
from stage1_candidates.networks.case.network import Case, Settings

K = 12  # of the validation metric


class Examples(Block):
    weeks: Positive  # label weeks it is trained on, the last ``hold`` of them for early stopping
    hold: Positive
    customers: Positive  # buyers of a label week that are looked at
    rate_weeks: Positive  # label weeks that an article's rebuy rate is counted over
    smoothing: Days  # buyers
    batch: Positive  # customers


class Params(Network):
    model: Settings
    examples: Examples

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.model.prior != calendars.PRIORS:
            raise ValueError(f"model.prior must be {calendars.PRIORS}, the columns that are given with each candidate")
        return self


def train(history: History, shop: Shop, params: Params, seed: int, folder: Path) -> dict[str, Array]:
    """Weights trained on the buyers of the label weeks before ``history.week``, each seen from its own cutoff.

    Nothing where none of them buys again.
    """
    from stage1_candidates.networks.base import (
        training,  # brings Lightning, which takes seconds; asking needs none of it
    )

    log = history.log
    torch.manual_seed(seed)
    network = Case(log.items, params.model)
    first = max(1, history.week - params.examples.weeks)
    counts = {
        week: _counts(log, week, params) for week in range(max(0, first - params.examples.rate_weeks), history.week)
    }
    parts = [_examples(log, week, counts, params) for week in range(first, history.week)]
    parts = [part for part in parts if len(part.label)]  # a shop closes over Christmas
    train, held = (
        calendars.joined(some) if some else None
        for some in (parts[: -params.examples.hold], parts[-params.examples.hold :])
    )
    if train is None or held is None or not train.label.any() or not held.label.any():
        return {}
    customers = np.arange(len(train.ptr) - 1)

    def measure(trained: nn.Module) -> float:
        return ndcg(held.ptr, chances(trained, held), held.label)

    training.train(
        network,
        lambda epoch: shuffled(train, customers, params.examples.batch, [seed, epoch]),
        -(-len(customers) // params.examples.batch),
        measure,
        params.training,
        seed,
        folder,
        f"case, week {history.week}",
    )
    return stored.arrays(network)


def fit(history: History, shop: Shop, params: Params, weights: dict[str, Array]) -> dict[str, Array]:
    """The weights, and the articles' rebuy rates of the last label weeks before the cutoff."""
    counts = [_counts(history.log, week, params) for week in _rate_weeks(history.week, params)]
    rate = calendars.rebuy_rates(counts, params.examples.smoothing, history.log.items)
    return {"rate": rate, **stored.to_state(weights)}


def propose(history: History, shop: Shop, state: dict[str, Array], users: Array, params: Params) -> Lists:
    """Customer -> the articles of its past that it most likely buys again."""
    whole, chance = _asked(history, state, users, params)
    run = np.repeat(np.arange(len(users)), np.diff(whole.ptr))
    return lists.gather(run, whole.item - 1, chance, len(users), params.take)


def score(
    history: History, shop: Shop, state: dict[str, Array], users: Array, ptr: Array, items: Array, params: Params
) -> Array:
    """(n,) float32: the chance of each pair, 0 for an article that the customer never bought."""
    whole, chance = _asked(history, state, users, params)
    run = np.repeat(np.arange(len(users)), np.diff(whole.ptr))
    code = (run << 32) | (whole.item - 1)  # ascending
    wanted = (np.repeat(np.arange(len(users)), np.diff(ptr)) << 32) | items.astype(np.int64)
    place = np.minimum(np.searchsorted(code, wanted), max(len(code) - 1, 0))
    if not len(code):
        return np.zeros(len(wanted), np.float32)
    return np.where(code[place] == wanted, chance[place], np.float32(0))


def ndcg(ptr: Array, score: Array, label: Array) -> float:
    """NDCG@12 of each customer's rows by ``score``, mean over the customers with a positive row."""
    run = np.repeat(np.arange(len(ptr) - 1), np.diff(ptr))
    order = np.lexsort((-score, run))
    rank = np.arange(len(run)) - ptr[run]
    gain = 1 / np.log2(2 + np.arange(K))
    found = np.bincount(run, weights=label[order] * np.where(rank < K, gain[np.minimum(rank, K - 1)], 0))
    positives = np.bincount(run, weights=label).astype(np.int64)
    ideal = np.concatenate([[0.0], np.cumsum(gain)])[np.minimum(positives, K)]
    return float((found[positives > 0] / ideal[positives > 0]).mean())


def _asked(history: History, state: dict[str, Array], users: Array, params: Params) -> tuple[Candidates, Array]:
    """The calendars of ``users`` and the chance of each of their rows."""
    weights = stored.of_state(state)
    network = stored.with_arrays(Case(history.log.items, params.model), weights)
    whole = calendars.calendars(history, users, state["rate"], params.model.horizon, WIDTHS[-1])
    return whole, chances(network, whole)


def _rate_weeks(week: int, params: Params) -> range:
    return range(max(0, week - params.examples.rate_weeks), week)


def _counts(log: Log, week: int, params: Params) -> Array:
    return calendars.rebuy_counts(log, week, params.examples.customers, 0)


def _examples(log: Log, week: int, counts: dict[int, Array], params: Params) -> Candidates:
    """The buyers of ``week`` as its cutoff saw them, labelled by what they bought in it."""
    before = [counts[earlier] for earlier in _rate_weeks(week, params) if earlier in counts]
    rate = calendars.rebuy_rates(before, params.examples.smoothing, log.items)
    users = calendars.buyers_with_a_past(log, week, params.examples.customers, 0)
    return calendars.labelled(weeks.history(log, week), users, rate, params.model.horizon, WIDTHS[-1])
