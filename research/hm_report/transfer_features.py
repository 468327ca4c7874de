"""Test the report's features in the project's own two towers: ``python -m research.hm_report.transfer_features``.

The figure is recall@100 on label weeks 86..93 of Online Retail, the weeks for choosing settings. Training ends before
the first of them. Two kinds of features are left out: those that the network has already (mean prices, traits, ages,
recency), and those that this shop lacks (channels, ages, index and garment groups). Each difference has two intervals:
over customers, and over trainings.
"""

import argparse
import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from scipy import stats

from research.hm_report import features, shops
from research.hm_report.features import Feature
from research.hm_report.shops import Store
from research.two_tower import lists_of_week
from research.two_tower.__main__ import DATA, read
from research.two_tower.recall import CUTOFFS, Hits, compute_recalls, count_hits
from retail import kept, paths, stage, weeks
from retail.log import Array
from retail.metrics import interval
from retail.weeks import History
from retail_input.prepare import ARTICLES, CUSTOMERS, TRANSACTIONS
from stage1_candidates.engine import source
from stage1_candidates.networks.two_tower import batches, inputs, network, vectors
from stage1_candidates.networks.two_tower.inputs import Customers

FOLDER = paths.DATA / "bench/hm_report/transfer_features"
WEEKS = range(86, 94)
UNCHANGED = "as it is"
METHOD = "two_tower"  # key of the lists in ``Hits``


def encode_favourite_colour(past: shops.Past) -> Array:
    """Encode the favourite colour of the season one-hot, (users, colours) float32; zeros where missing."""
    colour = features.find_favourite_colour(past)
    columns = np.arange(int(past.store.colour.max(initial=0)) + 1)
    one_hot: Array = (colour[:, None] == columns).astype(np.float32)
    return one_hot


ARTICLE_FEATURES: Mapping[str, Feature] = {
    "seasonal sales": features.compute_seasonal_shares,
    "seasonal best seller": lambda past: 1 - features.compute_seasonal_ranks(past),
}
CUSTOMER_FEATURES: Mapping[str, Feature] = {
    "recent purchases": features.count_recent,
    "favourite colour": encode_favourite_colour,
}
VARIANTS = {  # name -> added features
    UNCHANGED: (), "both of articles": tuple(ARTICLE_FEATURES), "both of customers": tuple(CUSTOMER_FEATURES),
    "seasonal sales, recent purchases": ("seasonal sales", "recent purchases"),
} | {name: (name,) for name in (*ARTICLE_FEATURES, *CUSTOMER_FEATURES)}  # fmt: skip


@contextlib.contextmanager
def add_features(store: Store, names: tuple[str, ...]) -> Iterator[None]:
    """Append the features ``names`` to the inputs of the project's two towers within a ``with`` block."""
    article_columns, customer_columns = (
        _build_columns(store, known, names) for known in (ARTICLE_FEATURES, CUSTOMER_FEATURES)
    )
    numbers, customers = inputs.compute_article_numbers, inputs.build_customers

    def add_article_numbers(history: History) -> Array:
        columns: Array = np.column_stack([numbers(history), article_columns(history)]).astype(np.float32)
        return columns

    def add_customer_numbers(history: History, shop: Any, users: Array, bag: Any, entry: Array) -> Customers:
        known = customers(history, shop, users, bag, entry)
        added = torch.from_numpy(customer_columns(history)[users])
        return known._replace(numbers=torch.cat([known.numbers, added], 1))

    start = weeks.history(store.shop.log, 1)
    with contextlib.ExitStack() as stack:
        for module in (batches, vectors):
            stack.enter_context(mock.patch.object(module, "compute_article_numbers", add_article_numbers))
            stack.enter_context(mock.patch.object(module, "build_customers", add_customer_numbers))
        article, customer = article_columns(start).shape[1], customer_columns(start).shape[1]
        stack.enter_context(mock.patch.object(network, "ARTICLE_NUMBERS", inputs.ARTICLE_NUMBERS + article))
        stack.enter_context(mock.patch.object(network, "CUSTOMER_NUMBERS", inputs.CUSTOMER_NUMBERS + customer))
        yield


def _build_columns(store: Store, known: Mapping[str, Feature], names: tuple[str, ...]) -> Callable[[History], Array]:
    """Return a function that computes the ``known`` ones of ``names``, (n, c) float32, once for each history."""
    log = store.shop.log
    n = log.items if known is ARTICLE_FEATURES else log.users

    def compute(history: History) -> Array:
        past = shops.read_past(store, history.week)
        parts = [known[name](past) for name in names if name in known]
        return np.column_stack([np.zeros((n, 0)), *parts]).astype(np.float32)

    def columns(history: History) -> Array:
        values: Array = history.once(("transfer_features", n, names), lambda: compute(history))
        return values

    return columns


def main() -> None:
    """Train each variant with each seed, and print its recall and its difference from the unchanged network."""
    parser = argparse.ArgumentParser(
        prog="python -m research.hm_report.transfer_features", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument(
        "--variants", nargs="+", default=list(VARIANTS), choices=VARIANTS, help="variants to train (default: all)"
    )
    parser.add_argument(
        "--seeds", nargs="+", type=int, default=[1, 2, 3, 4, 5], help="seeds of the trainings (%(default)s)"
    )
    arguments = parser.parse_args()
    folder = FOLDER.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    whole, params = read(DATA, folder)
    files = [DATA / name for name in (ARTICLES, CUSTOMERS, TRANSACTIONS)]
    store = shops.build_store(whole, json.loads((folder / paths.CALENDAR).read_text()), files)
    store = Store(whole, store.first_day, whole.attributes["colour_group_code"], store.section, store.digest)
    hits_by_seed = {
        name: [load_or_train(store, params, name, seed, folder) for seed in arguments.seeds]
        for name in VARIANTS
        if name in (UNCHANGED, *arguments.variants)
    }
    base = [compute_recall(parts) for parts in hits_by_seed[UNCHANGED]]
    for name, by_seed in hits_by_seed.items():
        recall = [compute_recall(parts) for parts in by_seed]
        difference = np.array(recall) - np.array(base)  # (seeds, 1 + draws)
        low, high = interval(difference.mean(0)[1:])
        each = " ".join(f"{value[0]:.4f}" for value in recall)
        print(
            f"{name}: recall@100 {np.mean(recall, axis=0)[0]:.4f} ({each}), {difference[:, 0].mean():+.4f}; "
            f"over customers [{low:+.4f}, {high:+.4f}], over trainings +- {compute_half_width(difference[:, 0]):.4f}"
        )


def compute_half_width(difference: Array) -> float:
    """Compute half of Student's 95% interval of the mean difference (seeds,) between paired trainings; NaN for one."""
    seeds = len(difference)
    if seeds < 2:
        return float("nan")
    return float(stats.t.ppf(0.975, seeds - 1) * difference.std(ddof=1) / np.sqrt(seeds))


def compute_recall(parts: list[Hits]) -> Array:
    """Compute the pooled recall@100 and its bootstrap draws (1 + draws,); equal draws take the same customers."""
    recall: Array = compute_recalls(parts, METHOD, 1)["pooled"][:, CUTOFFS.index(100)]
    return recall


def load_or_train(store: Store, params: Any, name: str, seed: int, folder: Path) -> list[Hits]:
    """Load the hits of a training in WEEKS from ``folder``; train the network first if they are missing."""
    code = [*Path(network.__file__).parent.glob("*.py"), Path(__file__), Path(features.__file__), Path(shops.__file__)]
    about = [store.digest, name, seed, params.networks["two_tower"]]

    def train(checkpoints: Path) -> dict[str, Array]:
        module, settings = source.load_network("two_tower", params)
        log = store.shop.log
        out: dict[str, Array] = {}
        with add_features(store, VARIANTS[name]):
            weights = module.train(weeks.history(log, WEEKS[0]), store.shop, settings, seed, checkpoints)
            for week in WEEKS:
                history, users = weeks.history(log, week), weeks.buyers(log, week)
                ranked = lists_of_week.rank_two_tower(module, history, store.shop, users, settings, weights)
                counted = count_hits(log, week, {METHOD: ranked})
                out |= {
                    f"{week}/user": counted.user,
                    f"{week}/bought": counted.bought,
                    f"{week}/found": counted.counts[METHOD],
                }
        return out

    stored = kept.keep(folder / f"{kept.fingerprint(about, sorted(code))}.npz", train)
    return [Hits(stored[f"{w}/user"], stored[f"{w}/bought"], {METHOD: stored[f"{w}/found"]}) for w in WEEKS]


if __name__ == "__main__":
    stage.guarded(main, "research.hm_report.transfer_features")
