"""Plug T-REX-style into the pipeline: score articles by the category's probability times their share of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import Field, field_validator
from torch import nn

from retail.log import Array
from retail.params import Block, Days, Positive
from retail.ragged import offsets
from retail.shop import Attribute, Shop
from retail.weeks import History
from stage1_candidates.engine import lists
from stage1_candidates.engine.blocks import Network
from stage1_candidates.engine.lists import Lists
from stage1_candidates.networks.base import weights as stored
from stage1_candidates.networks.trex import answers as trex_answers
from stage1_candidates.networks.trex import articles as trex_articles
from stage1_candidates.networks.trex import baskets
from stage1_candidates.networks.trex.articles import Shelf
from stage1_candidates.networks.trex.baskets import Batch, Splits, Tokens
from stage1_candidates.networks.trex.network import Shape, Trex

K = 10  # cutoff of the validation metric, recall of categories


class Examples(Block):
    category: Attribute  # predicted attribute; product_code if the shop lacks it
    most: Positive  # (customer, label week) pairs at most, the latest
    hold: Positive  # held-out label weeks for early stopping
    splits: Positive  # label weeks of a customer per epoch at most, drawn at random
    recency: Annotated[float, Field(ge=0)]  # a customer's k-th latest label week has the weight k^-recency
    batch: Positive  # pairs per batch


class Answer(Block):
    sales_half_life: Days  # of the sales that define an article's share of its category
    own_half_life: Days  # of the customer's own purchases within a category
    smoothing: Days  # number of own purchases with the same weight as the category's sales


class Params(Network):
    model: Shape
    examples: Examples
    answer: Answer

    @field_validator("model")
    @classmethod
    def _fits(cls, model: Shape) -> Shape:
        if model.width % model.heads:
            raise ValueError("width must be a multiple of heads")
        return model


def train(history: History, shop: Shop, params: Params, seed: int, folder: Path) -> dict[str, Array]:
    """Train to predict the categories bought in a label week from the history before its own cutoff.

    Returns no weights if there are no examples.
    """
    from stage1_candidates.networks.base import (
        training,  # here, because importing Lightning takes seconds and only training needs it
    )

    tokens = _tokens(history, shop, params)
    train, held = _examples(tokens, history.cutoff, params)
    torch.manual_seed(seed)
    network = Trex(tokens.categories, params.model)
    if len(train.user) == 0 or len(held.user) == 0:
        return {}
    network.initialise_output(np.bincount(train.target, minlength=tokens.categories))
    examples, shape = params.examples, params.model

    def epoch_of(epoch: int) -> Iterator[Batch]:
        rng = np.random.default_rng([seed, epoch])
        selection = train.select(baskets.sample_splits(train, examples.splits, examples.recency, rng))
        return baskets.iterate_batches(tokens, selection, shape.tokens, examples.batch, rng)

    def measure(_: nn.Module) -> float:
        return trex_answers.compute_recall(network, tokens, held, K)

    each = np.minimum(np.bincount(train.user), examples.splits).sum()
    steps = -(-int(each) // examples.batch)
    label = f"trex, week {history.week}"
    training.train(network, epoch_of, steps, measure, params.training, seed, folder, label)
    return stored.arrays(network)


def fit(history: History, shop: Shop, params: Params, weights: dict[str, Array]) -> dict[str, Array]:
    """Return the weights and the articles' shares of their category's sales at the cutoff."""
    log, known = history.log, history.known
    worth = history.decay(params.answer.sales_half_life)
    sales = np.bincount(log.item[known], weights=worth, minlength=log.items)
    category, categories = _category(shop, params)
    shelf = trex_articles.build_shelf(category, sales, categories)
    kept = {"share": shelf.share, "order": shelf.order, "ptr": shelf.ptr}
    return {**kept, **stored.to_state(weights)}


def propose(history: History, shop: Shop, state: dict[str, Array], users: Array, params: Params) -> Lists:
    """Propose for each customer the articles of highest score; a customer without a past gets none."""
    tokens, at, network, shelf, own = _prepare_query(history, shop, state, users, params)
    target, weight = np.zeros((len(users), params.take), np.uint32), np.zeros((len(users), params.take), np.float32)
    count = np.zeros(len(users), np.int64)
    for rows, p in trex_answers.predict_blocks(network, tokens, at):
        target[rows], weight[rows], count[rows] = trex_articles.select_best(
            rows, p, shelf, own, params.answer.smoothing, params.take
        )
    filled = np.arange(params.take) < count[:, None]
    return Lists(offsets(count), target[filled], weight[filled])


def score(
    history: History, shop: Shop, state: dict[str, Array], users: Array, ptr: Array, items: Array, params: Params
) -> Array:
    """Score (n,) float32 pairs by p(category | customer) p(article | category, customer), 0 without a past."""
    tokens, at, network, shelf, own = _prepare_query(history, shop, state, users, params)
    out = np.zeros(len(items), np.float32)
    for rows, p in trex_answers.predict_blocks(network, tokens, at):
        trex_articles.score_into(out, rows, p, shelf, own, params.answer.smoothing, ptr, items)
    return out


def _category(shop: Shop, params: Params) -> tuple[Array, int]:
    """Return the category (items,) of each article and the number of categories."""
    category = shop.attributes.get(params.examples.category, shop.attributes["product_code"])
    return category, int(category.max(initial=0)) + 1


def _tokens(history: History, shop: Shop, params: Params) -> Tokens:
    def build_tokens() -> Tokens:
        shape = params.model
        return baskets.build_tokens(history, *_category(shop, params), shape.half_lives, shape.sales_half_lives)

    tokens: Tokens = history.once(("trex", params.examples.category, str(params.model)), build_tokens)
    return tokens


def _examples(tokens: Tokens, cutoff: int, params: Params) -> tuple[Splits, Splits]:
    """Split the latest (customer, label week) pairs before ``cutoff`` into training pairs and held-out last weeks."""
    back = -(-(cutoff - tokens.day) // 7)  # 1: the week before the cutoff
    every = baskets.build_splits(tokens, -back, cutoff - 7 * back)
    latest = every.select(np.sort(np.argsort(every.cutoff, kind="stable")[-params.examples.most :]))
    held = np.isin(latest.cutoff, np.unique(latest.cutoff)[-params.examples.hold :])
    return latest.select(~held), latest.select(held)


def _prepare_query(
    history: History, shop: Shop, state: dict[str, Array], users: Array, params: Params
) -> tuple[Tokens, Splits, Trex, Shelf, Lists]:
    """Prepare the tokens, splits, network, articles by category and own counts that score ``users``."""
    category, categories = _category(shop, params)
    weights = stored.of_state(state)
    network = Trex(categories, params.model)
    stored.with_arrays(network, weights)
    tokens = _tokens(history, shop, params)
    at = baskets.query_cutoff(tokens, users, history.cutoff)
    shelf = Shelf(category, state["share"], state["order"], state["ptr"])
    return tokens, at, network, shelf, lists.own(history, users, params.answer.own_half_life)
