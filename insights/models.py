"""Predict what a customer buys next, how many pieces and when: by LENS where it is trained, else by counts.

Every insight works with either model. A model has the shop's basket sequences and predicts from any place in them.
"""

from typing import Any, Literal, Protocol

import numpy as np

from insights.project import Project, describe_untrained, read_settings, read_weights, suggest_training
from retail import ragged, weeks
from retail.errors import InputError
from retail.log import Array
from stage1_candidates.engine import lists
from stage1_candidates.engine.lists import Lists
from stage1_candidates.networks.lens import basket_sequences, warm
from stage1_candidates.networks.lens import plugin as lens
from stage1_candidates.networks.lens.basket_sequences import BasketSequences, Query
from stage1_candidates.networks.lens.plugin import Expected, Twins

LENS, COUNTS = "lens", "counts of past purchases"
Choice = Literal["auto", "lens", "plain"]
HALF_LIFE = 180.0  # days after which a purchase weighs half in the plain model
WIDTH = 32  # length of the plain model's vectors
VECTORS = 5000  # best sellers that get a vector: article pairs grow with the square of their number


class Model(Protocol):
    """Predict what customers buy next; a query is a place in ``sequences``, the basket sequences of all customers."""

    @property
    def sequences(self) -> BasketSequences: ...

    @property
    def vocabulary(self) -> Array: ...

    def expected(self, queries: Query) -> Expected:
        """Predict the basket that follows each query, and the days until it."""
        ...

    def articles(self) -> Array:
        """Return (V, d) float32 a vector of each article of the vocabulary."""
        ...


class LensModel(Twins):
    """LENS, as the graph trained it; its article vectors are the trained embedding."""

    def articles(self) -> Array:
        vectors: Array = self.basket.encoder.embed.weight[1:].detach().cpu().numpy()
        return vectors


class PlainModel:
    """Predict the articles that the customer bought most often; recent purchases weigh more.

    The basket has as many articles as the customer's mean basket. It comes after the customer's median gap. The vector
    is that of ``compute_customer_vectors``.
    """

    def __init__(self, sequences: BasketSequences, vocabulary: Array, day: int) -> None:
        """``day``: the article vectors are computed from the days before it."""
        self.sequences, self.vocabulary = sequences, vocabulary
        known = np.repeat(sequences.day < day, np.diff(sequences.ptr))
        self._vectors = warm.compute_vectors(sequences.keep_entries(known & (sequences.token <= VECTORS)), WIDTH)

    def articles(self) -> Array:
        return self._vectors

    def expected(self, queries: Query) -> Expected:
        sequences, rows = self.sequences, len(queries.user)
        first = sequences.start[queries.user]
        row, place, age = _find_past_entries(sequences, queries)
        item = self.vocabulary[sequences.token[place] - 1]
        own = lists.gather(row, item, np.exp2(-age / HALF_LIFE), rows)
        times = lists.gather(row, item, np.ones(len(row)), rows)
        pieces = lists.gather(row, item, sequences.pieces[place], rows)
        baskets = np.maximum(queries.stop - first, 1)
        size = np.maximum(np.rint((sequences.ptr[queries.stop] - sequences.ptr[first]) / baskets), 1).astype(np.int64)
        order = np.lexsort((own.target, -own.weight, own.key_of_rows()))
        kept = order[ragged.place_in_row(own.ptr) < np.repeat(size, np.diff(own.ptr))]
        ptr = ragged.offsets(np.minimum(size, np.diff(own.ptr)))
        mean = (pieces.weight / times.weight)[kept]
        basket = Lists(ptr, own.target[kept], mean.astype(np.float32))
        return Expected(basket, compute_median_gaps(sequences, queries), compute_customer_vectors(self, queries))


def compute_customer_vectors(model: Model, queries: Query) -> Array:
    """Compute (e, d) float32 of length 1: the decayed mean vector of the articles that each customer bought."""
    row, place, age = _find_past_entries(model.sequences, queries)
    vectors = model.articles()[model.sequences.token[place] - 1]
    total = np.zeros((len(queries.user), vectors.shape[1]), np.float32)
    np.add.at(total, row, vectors * np.exp2(-age / HALF_LIFE)[:, None].astype(np.float32))
    length = np.linalg.norm(total, axis=1, keepdims=True)
    unit: Array = total / np.where(length > 0, length, np.float32(1))
    return unit


def compute_median_gaps(sequences: BasketSequences, queries: Query) -> Array:
    """Compute (e,) float32 the median of each customer's gaps so far, in days.

    A customer with fewer than two baskets gets the median of all gaps before the earliest query.
    """
    first = sequences.start[queries.user]
    count = np.maximum(queries.stop - first - 1, 0)
    row = np.repeat(np.arange(len(count)), count)
    gap = sequences.gap[ragged.positions(first + 1, count)]
    gap = gap[np.lexsort((gap, row))].astype(np.float32)
    known = sequences.gap[(sequences.gap > 0) & (sequences.day < queries.day.min(initial=2**31))]
    usual = np.float32(np.median(known)) if len(known) else np.float32(7)
    if not len(gap):
        return np.full(len(count), usual)
    begin = ragged.offsets(count)[:-1]
    low, high = (np.minimum(begin + half, len(gap) - 1) for half in (np.maximum(count - 1, 0) // 2, count // 2))
    return np.where(count > 0, (gap[low] + gap[high]) / 2, usual).astype(np.float32)


def choose_model(project: Project, choice: Choice, week: int) -> tuple[Model, str, int]:
    """Choose the model; return it, its description, and the label week before which it was trained.

    The model is trained on weeks before ``week`` only; it reads every customer's baskets as input. Raises InputError if
    ``choice`` is "lens" and LENS is not trained.
    """
    trained = None if choice == "plain" else read_weights(project, LENS, week)
    if choice == "lens" and trained is None:
        raise InputError(f"{describe_untrained(project, LENS, week)}, or omit --model")
    log = project.shop.log
    history = weeks.history(log, log.weeks)
    if trained is None:
        vocabulary = basket_sequences.choose_vocabulary(history, log.items)
        sequences = basket_sequences.read_sequences(history, vocabulary, None)
        print(f"model: {COUNTS}")
        return PlainModel(sequences, vocabulary, weeks.first_day(log.days, week)), COUNTS, week
    trained_week, weights = trained
    twins: Any = lens.twins(history, weights, read_settings(project, LENS))
    model = LensModel(twins.sequences, twins.vocabulary, twins.basket, twins.clock)
    description = f"LENS, trained on the weeks before week {trained_week}"
    print(f"model: {description}")
    return model, description, trained_week


def suggest_lens(description: str) -> str:
    """Say how to switch LENS on if the predictions come from counts; else return an empty text."""
    return "" if description != COUNTS else f" To use LENS instead, {suggest_training(LENS)}."


def _find_past_entries(sequences: BasketSequences, queries: Query) -> tuple[Array, Array, Array]:
    """Find every earlier purchase: (row of ``queries``, position in ``token``, days before ``queries.day``)."""
    low, high = sequences.ptr[sequences.start[queries.user]], sequences.ptr[queries.stop]
    row = np.repeat(np.arange(len(low)), high - low)
    place = ragged.positions(low, high - low)
    basket = np.searchsorted(sequences.ptr, place, side="right") - 1
    return row, place, (queries.day[row] - sequences.day[basket]).astype(np.float64)
