"""LENS in the pipeline: the decoded next basket of each customer, its pieces, and the days until it."""

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

BASKET, CLOCK, VOCABULARY = "basket.", "clock.", "vocabulary"  # of the weights: those of each twin, and the articles


class Examples(Block):
    articles: Positive  # of the vocabulary, the most sold ones
    least: Positive  # baskets before one that is asked for
    hold: Positive  # label weeks before the cutoff that are kept for early stopping
    held: Positive  # of their baskets, the latest
    per_customer: Positive  # baskets of a customer in an epoch, drawn again for each epoch
    batch: Positive


class Params(Network):
    model: Shape
    examples: Examples


class Expected(NamedTuple):
    """The next basket of each of e customers; nothing for one without a past."""

    basket: Lists  # articles in decoded order, weight the expected pieces
    days: Array  # (e,) float32 from the last basket to it
    vector: Array  # (e, F) float32 the funnel vector


@dataclass(frozen=True)
class Twins:
    """Both trained networks and the funnels that they read."""

    sequences: BasketSequences
    vocabulary: Array  # (V,) int64 article of each token less 1
    basket: Lens
    clock: Clock

    def expected(self, asked: Query) -> Expected:
        """What follows the baskets of ``asked``."""
        found = answers.decode_baskets(self.basket, self.sequences, asked)
        named = found.token > 0
        ptr = offsets(named.sum(axis=1))
        item = self.vocabulary[found.token[named] - 1].astype(np.uint32)
        return Expected(
            Lists(ptr, item, found.pieces[named]),
            answers.forecast_days(self.clock, self.sequences, asked),
            found.vector,
        )


def train(history: History, shop: Shop, params: Params, seed: int, folder: Path) -> dict[str, Array]:
    """Weights of both twins, and the vocabulary; trained on baskets before ``history.week``, those of the last ``hold``
    weeks with any held out. Nothing without examples."""
    vocabulary = basket_sequences.choose_vocabulary(history, params.examples.articles)
    of = basket_sequences.read_sequences(history, vocabulary, params.model.sales_half_life)
    every = basket_sequences.list_examples(of, params.examples.least)
    back = (history.cutoff - 1 - every.day) // 7  # 0: the week before the cutoff
    late = np.isin(back, np.unique(back)[: params.examples.hold])
    train, held = every.select(~late), every.select(late)
    held = held.select(np.sort(np.argsort(held.day, kind="stable")[-params.examples.held :]))
    torch.manual_seed(seed)
    if not len(train.user) or not len(held.user):
        return {}
    twins = Lens(of.articles, of.users, params.model), Clock(of.articles, of.users, params.model)
    _train(*twins, of, train, held, params, seed, folder, history.week)
    basket, clock = (stored.arrays(network) for network in twins)
    return {
        VOCABULARY: vocabulary,
        **{BASKET + name: value for name, value in basket.items()},
        **{CLOCK + name: value for name, value in clock.items()},
    }


def _train(
    basket: Lens, clock: Clock, of: BasketSequences, train: Query, held: Query, params: Params, seed: int, folder: Path,
    week: int,
) -> None:  # fmt: skip
    from stage1_candidates.networks.base import (
        training,  # brings Lightning, which takes seconds; asking needs none of it
    )

    first = of.keep_articles(of.day < held.day.min())
    users = np.unique(train.user)
    vectors = torch.from_numpy(warm.compute_vectors(first, params.model.item_width))
    basket.begin(vectors, users, np.bincount(first.token, minlength=of.articles + 1)[1:])
    gap = of.day[train.stop] - of.day[train.stop - 1]
    clock.begin(vectors, torch.from_numpy(users), float(gap.mean()))
    true = of.day[held.stop] - of.day[held.stop - 1]

    def epoch_of(epoch: int) -> Iterator[Batch]:
        rng = np.random.default_rng([seed, epoch])
        some = train.select(basket_sequences.sample_rows(train, params.examples.per_customer, rng))
        drawn = params.model.order == "drawn"
        return rows.iterate_batches(of, some, params.model.reading, params.examples.batch, drawn, rng)

    steps = -(-int(np.minimum(np.bincount(train.user), params.examples.per_customer).sum()) // params.examples.batch)
    measures: dict[str, tuple[nn.Module, Callable[[nn.Module], float]]] = {
        "basket": (basket, lambda _: f1(of, held, answers.decode_baskets(basket, of, held).token)),
        "clock": (clock, lambda _: -float(np.abs(answers.forecast_days(clock, of, held) - true).mean())),
    }
    for name, (network, measure) in measures.items():
        label = f"lens {name}, week {week}"
        training.train(network, epoch_of, steps, measure, params.training, seed, folder / name, label)


def fit(history: History, shop: Shop, params: Params, weights: dict[str, Array]) -> dict[str, Array]:
    """Return the weights; everything else is read from the log."""
    return stored.to_state(weights)


def propose(history: History, shop: Shop, state: dict[str, Array], users: Array, params: Params) -> Lists:
    """Customer -> the articles of its decoded basket, then those that are likeliest to be named first."""
    ready, asked = _asked(history, state, users, params)
    vocabulary = ready.vocabulary
    key, item, weight = [], [], []
    for some, score in answers.score_articles(ready.basket, ready.sequences, asked):
        place = np.lexsort((np.broadcast_to(vocabulary, score.shape), -score))[:, : params.take]
        key.append(np.repeat(some, place.shape[1]))
        item.append(vocabulary[place].reshape(-1))
        weight.append(np.take_along_axis(score, place, axis=1).reshape(-1))
    if not key:
        return Lists(np.zeros(len(users) + 1, np.int64), np.zeros(0, np.uint32), np.zeros(0, np.float32))
    every = [np.concatenate(part) for part in (key, item, weight)]
    return lists.gather(every[0], every[1], every[2], len(users), params.take)


def score(
    history: History, shop: Shop, state: dict[str, Array], users: Array, ptr: Array, items: Array, params: Params
) -> Array:
    """(n,) float32: 1 + 1 / (1 + k) for the k-th decoded article, else the probability to be named first."""
    ready, asked = _asked(history, state, users, params)
    token = basket_sequences.assign_tokens(ready.vocabulary, history.log.items)
    column = token[items] - 1  # (n,) -1: outside the vocabulary
    run = row_of(ptr)
    out = np.zeros(len(items), np.float32)
    for some, value in answers.score_articles(ready.basket, ready.sequences, asked):
        here = np.full(len(users), -1, np.int64)
        here[some] = np.arange(len(some))
        wanted = (here[run] >= 0) & (column >= 0)
        out[wanted] = value[here[run[wanted]], column[wanted]]
    return out


USER_COLUMNS = ("days_left", "overdue")


def describe_users(
    history: History, shop: Shop, state: dict[str, Array], users: Array, params: Params
) -> dict[str, Array]:
    """Forecast the days from the cutoff to the next basket, 0 where it is overdue, and the days by which it is.

    NaN for a customer without a past.
    """
    ready, asked = _asked(history, state, users, params)
    of = ready.sequences
    past = asked.stop > of.start[asked.user]
    last = of.day[np.maximum(asked.stop - 1, 0)] if len(of.day) else np.zeros(len(users), np.int64)
    left = last + answers.forecast_days(ready.clock, of, asked) - history.cutoff
    known = np.where(past, left, np.nan).astype(np.float32)
    return {"days_left": np.maximum(known, 0), "overdue": np.maximum(-known, 0)}


def f1(of: BasketSequences, asked: Query, named: Array) -> float:
    """Mean over customers of 2 |named and bought| / (|named| + |bought|); ``named`` (e, T), 0 is nothing."""
    size = np.diff(of.ptr)[asked.stop]
    row, place = row_of(offsets(size)), positions(of.ptr[asked.stop], size)
    cell = np.arange(len(named))[:, None] * (of.articles + 1) + named
    hit = np.isin(cell, row * (of.articles + 1) + of.token[place]) & (named > 0)
    return float((2 * hit.sum(axis=1) / np.maximum(size + (named > 0).sum(axis=1), 1)).mean())


def twins(history: History, weights: dict[str, Array], params: Params) -> Twins:
    """The networks of ``weights`` and what they read of ``history``."""
    vocabulary = weights[VOCABULARY]

    def twin(kind: Any, prefix: str) -> Any:
        own = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
        return stored.with_arrays(kind(len(vocabulary), history.log.users, params.model), own)

    made = ("lens", vocabulary.tobytes(), params.model.sales_half_life)
    of = history.once(made, lambda: basket_sequences.read_sequences(history, vocabulary, params.model.sales_half_life))
    return Twins(of, vocabulary, twin(Lens, BASKET), twin(Clock, CLOCK))


def _asked(history: History, state: dict[str, Array], users: Array, params: Params) -> tuple[Twins, Query]:
    ready = twins(history, stored.of_state(state), params)
    return ready, basket_sequences.query_cutoff(ready.sequences, users, history.cutoff)
