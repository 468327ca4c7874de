"""Plug CASE into the pipeline: score articles by the probability that a customer buys them again in the label week."""

from pathlib import Path
from typing import Self

import numpy as np
import torch
from pydantic import model_validator
from torch import nn

from retail import weeks
from retail.log import Array, Log
from retail.params import Block, Days, Positive
from retail.ragged import pair_codes, place_in_row, row_of
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine import lists
from stage1_candidates.engine.blocks import Network
from stage1_candidates.engine.lists import Lists
from stage1_candidates.networks.base import weights as stored
from stage1_candidates.networks.case import calendars
from stage1_candidates.networks.case.answers import WIDTHS, predict_probabilities
from stage1_candidates.networks.case.batches import Candidates, iterate_shuffled
from stage1_candidates.networks.case.network import Case, Settings

K = 12  # cutoff of the validation metric


class Examples(Block):
    weeks: Positive  # label weeks at most, including the last ``hold`` ones
    hold: Positive  # held-out label weeks for early stopping
    customers: Positive  # buyers used of a label week at most
    rate_weeks: Positive  # label weeks that count for an article's repurchase rate
    smoothing: Days  # weight of the mean repurchase rate, in buyers
    batch: Positive  # customers per batch


class Params(Network):
    model: Settings
    examples: Examples

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.model.prior != calendars.PRIORS:
            raise ValueError(f"model.prior must be {calendars.PRIORS}, the columns that are given with each candidate")
        return self


def train(history: History, shop: Shop, params: Params, seed: int, folder: Path) -> dict[str, Array]:
    """Train on the buyers of the label weeks before ``history.week``, each with the history before its own cutoff.

    Returns no weights if no buyer buys an article again.
    """
    from stage1_candidates.networks.base import (
        training,  # here, because importing Lightning takes seconds and only training needs it
    )

    log = history.log
    torch.manual_seed(seed)
    network = Case(log.items, params.model)
    first = max(1, history.week - params.examples.weeks)
    counts = {
        week: _counts(log, week, params) for week in range(max(0, first - params.examples.rate_weeks), history.week)
    }
    parts = [_examples(log, week, counts, params) for week in range(first, history.week)]
    parts = [part for part in parts if len(part.label)]  # a week without sales has no examples
    train, held = (
        calendars.join(part) if part else None
        for part in (parts[: -params.examples.hold], parts[-params.examples.hold :])
    )
    if train is None or held is None or not train.label.any() or not held.label.any():
        return {}
    customers = np.arange(len(train.ptr) - 1)

    def measure(trained: nn.Module) -> float:
        return ndcg(held.ptr, predict_probabilities(trained, held), held.label)

    training.train(
        network,
        lambda epoch: iterate_shuffled(train, customers, params.examples.batch, [seed, epoch]),
        -(-len(customers) // params.examples.batch),
        measure,
        params.training,
        seed,
        folder,
        f"case, week {history.week}",
    )
    return stored.arrays(network)


def fit(history: History, shop: Shop, params: Params, weights: dict[str, Array]) -> dict[str, Array]:
    """Return the weights and the articles' repurchase rates of the last label weeks before the cutoff."""
    counts = [_counts(history.log, week, params) for week in _rate_weeks(history.week, params)]
    rate = calendars.compute_rebuy_rates(counts, params.examples.smoothing, history.log.items)
    return {"rate": rate, **stored.to_state(weights)}


def propose(history: History, shop: Shop, state: dict[str, Array], users: Array, params: Params) -> Lists:
    """Propose for each customer the past articles with the highest probability of a repurchase."""
    whole, chance = _predict(history, state, users, params)
    run = row_of(whole.ptr)
    return lists.gather(run, whole.item - 1, chance, len(users), params.take)


def score(
    history: History, shop: Shop, state: dict[str, Array], users: Array, ptr: Array, items: Array, params: Params
) -> Array:
    """Score (n,) float32 pairs by the repurchase probability, 0 for an article that the customer never bought."""
    whole, chance = _predict(history, state, users, params)
    run = row_of(whole.ptr)
    code = pair_codes(run, whole.item - 1)  # ascending
    wanted_code = pair_codes(row_of(ptr), items)
    place = np.minimum(np.searchsorted(code, wanted_code), max(len(code) - 1, 0))
    if not len(code):
        return np.zeros(len(wanted_code), np.float32)
    return np.where(code[place] == wanted_code, chance[place], np.float32(0))


def ndcg(ptr: Array, score: Array, label: Array) -> float:
    """Compute NDCG@12 of the rows ranked by ``score``, mean over the customers with a positive row."""
    run = row_of(ptr)
    order = np.lexsort((-score, run))
    rank = place_in_row(ptr)
    gain = 1 / np.log2(2 + np.arange(K))
    gains = np.bincount(run, weights=label[order] * np.where(rank < K, gain[np.minimum(rank, K - 1)], 0))
    positives = np.bincount(run, weights=label).astype(np.int64)
    ideal = np.concatenate([[0.0], np.cumsum(gain)])[np.minimum(positives, K)]
    return float((gains[positives > 0] / ideal[positives > 0]).mean())


def _predict(history: History, state: dict[str, Array], users: Array, params: Params) -> tuple[Candidates, Array]:
    """Build the calendars of ``users`` and compute the probability of each row."""
    weights = stored.of_state(state)
    network = stored.with_arrays(Case(history.log.items, params.model), weights)
    whole = calendars.build_calendars(history, users, state["rate"], params.model.horizon, WIDTHS[-1])
    return whole, predict_probabilities(network, whole)


def _rate_weeks(week: int, params: Params) -> range:
    return range(max(0, week - params.examples.rate_weeks), week)


def _counts(log: Log, week: int, params: Params) -> Array:
    return calendars.count_rebuys(log, week, params.examples.customers, 0)


def _examples(log: Log, week: int, counts: dict[int, Array], params: Params) -> Candidates:
    """Build the calendars of the buyers of ``week`` before its cutoff, labelled by the purchases in the week."""
    before = [counts[earlier] for earlier in _rate_weeks(week, params) if earlier in counts]
    rate = calendars.compute_rebuy_rates(before, params.examples.smoothing, log.items)
    users = calendars.sample_known_buyers(log, week, params.examples.customers, 0)
    return calendars.build_labelled(weeks.history(log, week), users, rate, params.model.horizon, WIDTHS[-1])
