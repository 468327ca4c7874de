"""Plug LENS into the pipeline: decode each customer's next basket, and forecast its pieces and date."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from retail.log import Array
from retail.params import Block, Positive
from retail.ragged import offsets, positions, row_of
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine import lists
from stage1_candidates.engine.blocks import Network
from stage1_candidates.engine.lists import Lists
from stage1_candidates.networks.base import weights as stored
from stage1_candidates.networks.lens import answers, basket_sequences, rows, warm
from stage1_candidates.networks.lens.basket_sequences import BasketSequences, Query
from stage1_candidates.networks.lens.clock import Clock
from stage1_candidates.networks.lens.decoder import Lens
from stage1_candidates.networks.lens.encoder import Shape
from stage1_candidates.networks.lens.rows import Batch

BASKET, CLOCK, VOCABULARY = (
    "basket.",
    "clock.",
    "vocabulary",
)  # names in the weights


class Examples(Block):
    articles: Positive  # best sellers in the vocabulary
    least: Positive  # smallest number of baskets before a predicted one
    hold: Positive  # held-out label weeks for early stopping
    held: Positive  # latest baskets of the held-out weeks
    per_customer: Positive  # baskets of a customer per epoch at most, drawn at random
    batch: Positive


class Params(Network):
    model: Shape
    examples: Examples


class Expected(NamedTuple):
    """Hold the forecast next basket of e customers; it is empty without a past."""

    basket: Lists  # articles in decoded order, weight the expected pieces
    days: Array  # (e,) float32 from the last basket to it
    vector: Array  # (e, F) float32 vector of the basket sequence


@dataclass(frozen=True)
class Twins:
    """Hold both trained networks and their basket sequences."""

    sequences: BasketSequences
    vocabulary: Array  # (V,) int64; token t is article vocabulary[t - 1]
    basket: Lens
    clock: Clock

    def expected(self, query: Query) -> Expected:
        """Forecast the baskets that follow those of ``query``."""
        decoded = answers.decode_baskets(self.basket, self.sequences, query)
        named = decoded.token > 0
        ptr = offsets(named.sum(axis=1))
        item = self.vocabulary[decoded.token[named] - 1].astype(np.uint32)
        return Expected(
            Lists(ptr, item, decoded.pieces[named]),
            answers.forecast_days(self.clock, self.sequences, query),
            decoded.vector,
        )


def train(history: History, shop: Shop, params: Params, seed: int, folder: Path) -> dict[str, Array]:
    """Train both networks on the baskets before ``history.week``; return their weights and the vocabulary.

    The last ``hold`` weeks with baskets are held out for early stopping. Returns no weights if there are no examples.
    """
    vocabulary = basket_sequences.choose_vocabulary(history, params.examples.articles)
    sequences = basket_sequences.read_sequences(history, vocabulary, params.model.sales_half_life)
    every = basket_sequences.list_examples(sequences, params.examples.least)
    back = (history.cutoff - 1 - every.day) // 7  # 0: the week before the cutoff
    late = np.isin(back, np.unique(back)[: params.examples.hold])
    train, held = every.select(~late), every.select(late)
    held = held.select(np.sort(np.argsort(held.day, kind="stable")[-params.examples.held :]))
    torch.manual_seed(seed)
    if not len(train.user) or not len(held.user):
        return {}
    twins = (
        Lens(sequences.articles, sequences.users, params.model),
        Clock(sequences.articles, sequences.users, params.model),
    )
    _train(*twins, sequences, train, held, params, seed, folder, history.week)
    basket, clock = (stored.arrays(network) for network in twins)
    return {
        VOCABULARY: vocabulary,
        **{BASKET + name: value for name, value in basket.items()},
        **{CLOCK + name: value for name, value in clock.items()},
    }


def _train(
    basket: Lens, clock: Clock, sequences: BasketSequences, train: Query, held: Query, params: Params, seed: int,
    folder: Path, week: int,
) -> None:  # fmt: skip
    from stage1_candidates.networks.base import (
        training,  # here, because importing Lightning takes seconds and only training needs it
    )

    first = sequences.keep_articles(sequences.day < held.day.min())
    users = np.unique(train.user)
    vectors = torch.from_numpy(warm.compute_vectors(first, params.model.item_width))
    basket.initialise(vectors, users, np.bincount(first.token, minlength=sequences.articles + 1)[1:])
    gap = sequences.day[train.stop] - sequences.day[train.stop - 1]
    clock.initialise(vectors, torch.from_numpy(users), float(gap.mean()))
    true = sequences.day[held.stop] - sequences.day[held.stop - 1]

    def epoch_of(epoch: int) -> Iterator[Batch]:
        rng = np.random.default_rng([seed, epoch])
        selection = train.select(basket_sequences.sample_rows(train, params.examples.per_customer, rng))
        drawn = params.model.order == "drawn"
        return rows.iterate_batches(sequences, selection, params.model.reading, params.examples.batch, drawn, rng)

    steps = -(-int(np.minimum(np.bincount(train.user), params.examples.per_customer).sum()) // params.examples.batch)
    measures: dict[str, tuple[nn.Module, Callable[[nn.Module], float]]] = {
        "basket": (basket, lambda _: f1(sequences, held, answers.decode_baskets(basket, sequences, held).token)),
        "clock": (clock, lambda _: -float(np.abs(answers.forecast_days(clock, sequences, held) - true).mean())),
    }
    for name, (network, measure) in measures.items():
        label = f"lens {name}, week {week}"
        training.train(network, epoch_of, steps, measure, params.training, seed, folder / name, label)


def fit(history: History, shop: Shop, params: Params, weights: dict[str, Array]) -> dict[str, Array]:
    """Return the weights; the other inputs come from the log."""
    return stored.to_state(weights)


def propose(history: History, shop: Shop, state: dict[str, Array], users: Array, params: Params) -> Lists:
    """Propose the articles of each customer's decoded basket, then the most probable first articles."""
    ready, query = _prepare_query(history, state, users, params)
    vocabulary = ready.vocabulary
    key, item, weight = [], [], []
    for users_part, score in answers.score_articles(ready.basket, ready.sequences, query):
        place = np.lexsort((np.broadcast_to(vocabulary, score.shape), -score))[:, : params.take]
        key.append(np.repeat(users_part, place.shape[1]))
        item.append(vocabulary[place].reshape(-1))
        weight.append(np.take_along_axis(score, place, axis=1).reshape(-1))
    if not key:
        return Lists(np.zeros(len(users) + 1, np.int64), np.zeros(0, np.uint32), np.zeros(0, np.float32))
    every = [np.concatenate(part) for part in (key, item, weight)]
    return lists.gather(every[0], every[1], every[2], len(users), params.take)


def score(
    history: History, shop: Shop, state: dict[str, Array], users: Array, ptr: Array, items: Array, params: Params
) -> Array:
    """Score (n,) float32 pairs by 1 + 1 / (1 + k) for the k-th decoded article, else P(first article)."""
    ready, query = _prepare_query(history, state, users, params)
    token = basket_sequences.assign_tokens(ready.vocabulary, history.log.items)
    column = token[items] - 1  # (n,) -1: outside the vocabulary
    run = row_of(ptr)
    out = np.zeros(len(items), np.float32)
    for users_part, value in answers.score_articles(ready.basket, ready.sequences, query):
        here = np.full(len(users), -1, np.int64)
        here[users_part] = np.arange(len(users_part))
        wanted = (here[run] >= 0) & (column >= 0)
        out[wanted] = value[here[run[wanted]], column[wanted]]
    return out


USER_COLUMNS = ("days_left", "overdue")


def describe_users(
    history: History, shop: Shop, state: dict[str, Array], users: Array, params: Params
) -> dict[str, Array]:
    """Forecast the days from the cutoff to the next basket, 0 if overdue, and the days overdue.

    NaN for a customer without a past.
    """
    ready, query = _prepare_query(history, state, users, params)
    sequences = ready.sequences
    past = query.stop > sequences.start[query.user]
    last = sequences.day[np.maximum(query.stop - 1, 0)] if len(sequences.day) else np.zeros(len(users), np.int64)
    left = last + answers.forecast_days(ready.clock, sequences, query) - history.cutoff
    known = np.where(past, left, np.nan).astype(np.float32)
    return {"days_left": np.maximum(known, 0), "overdue": np.maximum(-known, 0)}


def f1(sequences: BasketSequences, query: Query, named: Array) -> float:
    """Average 2 |predicted and bought| / (|predicted| + |bought|) over customers; ``named`` is (e, T), 0 for none."""
    size = np.diff(sequences.ptr)[query.stop]
    row, place = row_of(offsets(size)), positions(sequences.ptr[query.stop], size)
    cell = np.arange(len(named))[:, None] * (sequences.articles + 1) + named
    hit = np.isin(cell, row * (sequences.articles + 1) + sequences.token[place]) & (named > 0)
    return float((2 * hit.sum(axis=1) / np.maximum(size + (named > 0).sum(axis=1), 1)).mean())


def twins(history: History, weights: dict[str, Array], params: Params) -> Twins:
    """Build the networks of ``weights`` and the basket sequences of ``history``."""
    vocabulary = weights[VOCABULARY]

    def twin(kind: Any, prefix: str) -> Any:
        own = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
        return stored.with_arrays(kind(len(vocabulary), history.log.users, params.model), own)

    key = ("lens", vocabulary.tobytes(), params.model.sales_half_life)
    sequences = history.once(
        key, lambda: basket_sequences.read_sequences(history, vocabulary, params.model.sales_half_life)
    )
    return Twins(sequences, vocabulary, twin(Lens, BASKET), twin(Clock, CLOCK))


def _prepare_query(history: History, state: dict[str, Array], users: Array, params: Params) -> tuple[Twins, Query]:
    ready = twins(history, stored.of_state(state), params)
    return ready, basket_sequences.query_cutoff(ready.sequences, users, history.cutoff)
