"""Who says what a customer buys next, how much of it and when: LENS where it is trained, else counts of the past.

All insights work with either: a model has the funnels of the shop and answers any place in them.
"""

from typing import Any, Literal, Protocol

import numpy as np

from insights import project as projects
from insights.project import Project
from retail import weeks
from retail.errors import InputError
from retail.log import Array
from stage1_candidates.engine import lists
from stage1_candidates.engine.lists import Lists
from stage1_candidates.networks.lens import basket_sequences, warm
from stage1_candidates.networks.lens import plugin as lens
from stage1_candidates.networks.lens.basket_sequences import BasketSequences, Query
from stage1_candidates.networks.lens.plugin import Expected, Twins

LENS, COUNTS = "lens", "counts of the past"
Wanted = Literal["auto", "lens", "plain"]
HALF_LIFE = 180.0  # days, of a purchase in the plain model's baskets
WIDTH = 32  # of the plain model's vectors
VECTORS = 5000  # articles that have one, the most sold: pairs of articles grow with the square of their number


class Model(Protocol):
    """``expected`` answers what follows the baskets of ``asked``, places in ``sequences``."""

    @property
    def sequences(self) -> BasketSequences: ...

    @property
    def vocabulary(self) -> Array: ...

    def expected(self, asked: Query) -> Expected: ...

    def articles(self) -> Array:
        """(V, d) float32 a vector of each article of the vocabulary."""
        ...


class Learned(Twins):
    """LENS: the decoded basket, the clock's days, the funnel vector and the learned vectors of articles."""

    def articles(self) -> Array:
        found: Array = self.basket.encoder.embed.weight[1:].detach().cpu().numpy()
        return found


class Plain:
    """The customer's own past: the most frequent articles of late, as many as its mean basket holds, after its median
    gap; its vector is that of ``customers``."""

    def __init__(self, of: BasketSequences, vocabulary: Array, day: int) -> None:
        """``day``: the first one that the articles' vectors may not know of."""
        self.sequences, self.vocabulary = of, vocabulary
        known = np.repeat(of.day < day, np.diff(of.ptr))
        self._vectors = warm.compute_vectors(of.keep_entries(known & (of.token <= VECTORS)), WIDTH)

    def articles(self) -> Array:
        return self._vectors

    def expected(self, asked: Query) -> Expected:
        of, rows = self.sequences, len(asked.user)
        first = of.start[asked.user]
        row, place, age = _past(of, asked)
        worth = np.exp2(-age / HALF_LIFE)
        own = lists.gather(row, self.vocabulary[of.token[place] - 1], worth, rows)
        bought = lists.gather(row, self.vocabulary[of.token[place] - 1], np.ones(len(row)), rows)
        pieces = lists.gather(row, self.vocabulary[of.token[place] - 1], of.pieces[place], rows)
        baskets = np.maximum(asked.stop - first, 1)
        size = np.maximum(np.rint((of.ptr[asked.stop] - of.ptr[first]) / baskets), 1).astype(np.int64)
        order = np.lexsort((own.target, -own.weight, own.key_of_rows()))
        rank = np.arange(len(order)) - np.repeat(own.ptr[:-1], np.diff(own.ptr))
        kept = order[rank < np.repeat(size, np.diff(own.ptr))]
        ptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.minimum(size, np.diff(own.ptr)))])
        mean = (pieces.weight / bought.weight)[kept]
        basket = Lists(ptr, own.target[kept], mean.astype(np.float32))
        return Expected(basket, median_gaps(of, asked), customers(self, asked))


def customers(model: Model, asked: Query) -> Array:
    """(e, d) float32 of length 1: the mean vector of the articles a customer bought, those of late weighing more."""
    row, place, age = _past(model.sequences, asked)
    vectors = model.articles()[model.sequences.token[place] - 1]
    mean = np.zeros((len(asked.user), vectors.shape[1]), np.float32)
    np.add.at(mean, row, vectors * np.exp2(-age / HALF_LIFE)[:, None].astype(np.float32))
    length = np.linalg.norm(mean, axis=1, keepdims=True)
    found: Array = mean / np.where(length > 0, length, np.float32(1))
    return found


def median_gaps(of: BasketSequences, asked: Query) -> Array:
    """(e,) float32 median of each customer's gaps so far; with fewer than two baskets that of all gaps until then."""
    first = of.start[asked.user]
    count = np.maximum(asked.stop - first - 1, 0)
    row = np.repeat(np.arange(len(count)), count)
    gap = of.gap[np.arange(len(row)) + np.repeat(first + 1 - np.cumsum(count) + count, count)]
    gap = gap[np.lexsort((gap, row))].astype(np.float32)
    every = of.gap[(of.gap > 0) & (of.day < asked.day.min(initial=2**31))]
    usual = np.float32(np.median(every)) if len(every) else np.float32(7)
    if not len(gap):
        return np.full(len(count), usual)
    begin = np.cumsum(count) - count
    low, high = (np.minimum(begin + half, len(gap) - 1) for half in (np.maximum(count - 1, 0) // 2, count // 2))
    return np.where(count > 0, (gap[low] + gap[high]) / 2, usual).astype(np.float32)


def chosen(project: Project, wanted: Wanted, week: int) -> tuple[Model, str, int]:
    """The model to ask, what it is in words, and the label week before which it learned.

    ``week``: it may know what lies before this label week and nothing later, apart from the customer's own baskets.
    InputError where LENS is asked for and not trained.
    """
    found = None if wanted == "plain" else projects.weights(project, LENS, week)
    if wanted == "lens" and found is None:
        raise InputError(f"{projects.untrained(project, LENS, week)}, or leave --model away")
    log = project.shop.log
    history = weeks.history(log, log.weeks)
    if found is None:
        vocabulary = basket_sequences.choose_vocabulary(history, log.items)
        of = basket_sequences.read_sequences(history, vocabulary, None)
        print(f"by {COUNTS}")
        return Plain(of, vocabulary, weeks.first_day(log.days, week)), COUNTS, week
    trained, weights = found
    ready: Any = lens.twins(history, weights, projects.settings(project, LENS))
    model = Learned(ready.sequences, ready.vocabulary, ready.basket, ready.clock)
    print(f"by LENS, trained on what lies before week {trained}")
    return model, f"LENS, trained on what lies before week {trained}", trained


def hint(by: str) -> str:
    """What a reader may do where counts of the past answered; nothing where LENS did."""
    return "" if by != COUNTS else f" To hear LENS instead, {projects.switch(LENS)}."


def _past(of: BasketSequences, asked: Query) -> tuple[Array, Array, Array]:
    """(row of ``asked``, place in ``token``, days before ``asked.day``) of every article before."""
    low, high = of.ptr[of.start[asked.user]], of.ptr[asked.stop]
    size = high - low
    row = np.repeat(np.arange(len(size)), size)
    place = np.arange(len(row)) + np.repeat(low - np.cumsum(size) + size, size)
    basket = np.searchsorted(of.ptr, place, side="right") - 1
    return row, place, (asked.day[row] - of.day[basket]).astype(np.float64)
