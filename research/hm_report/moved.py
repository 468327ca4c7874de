"""Which of the report's features help the project's own two towers: ``python -m research.hm_report.moved``.

Recall@100 on label weeks 86..93 of Online Retail, the weeks on which choices are made, trained before the first. What
the network has already (mean prices, traits, ages, recency) and what this shop lacks (channels, ages, index and garment
groups) is left out. Two intervals of each difference: another set of customers, and another set of trainings.
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
from research.two_tower.recall import AT, Hits, hits, recalls
from retail import kept, paths, stage, weeks
from retail.log import Array
from retail.metrics import interval
from retail.weeks import History
from retail_input.prepare import ARTICLES, CUSTOMERS, TRANSACTIONS
from stage1_candidates.engine import source
from stage1_candidates.networks.two_tower import batches, inputs, network, vectors
from stage1_candidates.networks.two_tower.inputs import Customers

ROOT = Path(__file__).parents[2]
FOLDER = paths.DATA / "bench/hm_report/moved"
WEEKS = range(86, 94)
NONE = "as it is"


def favourite_match(past: shops.Past) -> Array:
    """(users, colours) 1 at the favourite colour of the season."""
    colour = features.favourite_colour(past)
    columns = np.arange(int(past.store.colour.max(initial=0)) + 1)
    found: Array = (colour[:, None] == columns).astype(np.float32)
    return found


ARTICLE: Mapping[str, Feature] = {
    "seasonal sales": features.seasonal_shares,
    "seasonal best seller": lambda past: 1 - features.seasonal_ranks(past),
}
CUSTOMER: Mapping[str, Feature] = {"recent purchases": features.recent, "favourite colour": favourite_match}
VARIANTS = {
    NONE: (), "both of articles": tuple(ARTICLE), "both of customers": tuple(CUSTOMER),
    "seasonal sales, recent purchases": ("seasonal sales", "recent purchases"),
} | {name: (name,) for name in (*ARTICLE, *CUSTOMER)}  # fmt: skip


@contextlib.contextmanager
def reading(store: Store, names: tuple[str, ...]) -> Iterator[None]:
    """Within it the project's two towers read the features ``names`` beside their own numbers."""
    of_articles, of_customers = (_columns(store, known, names) for known in (ARTICLE, CUSTOMER))
    numbers, customers = inputs.article_numbers, inputs.customers

    def more_numbers(history: History) -> Array:
        found: Array = np.column_stack([numbers(history), of_articles(history)]).astype(np.float32)
        return found

    def more_customers(history: History, shop: Any, users: Array, bag: Any, entry: Array) -> Customers:
        of = customers(history, shop, users, bag, entry)
        return of._replace(numbers=torch.cat([of.numbers, torch.from_numpy(of_customers(history)[users])], 1))

    start = weeks.history(store.shop.log, 1)
    with contextlib.ExitStack() as stack:
        for module in (batches, vectors):
            stack.enter_context(mock.patch.object(module, "article_numbers", more_numbers))
            stack.enter_context(mock.patch.object(module, "customers", more_customers))
        article, customer = of_articles(start).shape[1], of_customers(start).shape[1]
        stack.enter_context(mock.patch.object(network, "ARTICLE_NUMBERS", inputs.ARTICLE_NUMBERS + article))
        stack.enter_context(mock.patch.object(network, "CUSTOMER_NUMBERS", inputs.CUSTOMER_NUMBERS + customer))
        yield


def _columns(store: Store, known: Mapping[str, Feature], names: tuple[str, ...]) -> Callable[[History], Array]:
    """(n, c) float32 of those of ``names`` that are ``known``, made once for each history."""
    log = store.shop.log
    n = log.items if known is ARTICLE else log.users

    def made(history: History) -> Array:
        past = shops.past(store, history.week)
        parts = [known[name](past) for name in names if name in known]
        return np.column_stack([np.zeros((n, 0)), *parts]).astype(np.float32)

    def columns(history: History) -> Array:
        found: Array = history.once(("moved", n, names), lambda: made(history))
        return found

    return columns


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m research.hm_report.moved", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=VARIANTS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3, 4, 5])
    asked = parser.parse_args()
    folder = FOLDER.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    whole, params = read(DATA, folder)
    files = [DATA / name for name in (ARTICLES, CUSTOMERS, TRANSACTIONS)]
    store = shops.of_files(whole, json.loads((folder / paths.CALENDAR).read_text()), files)
    store = Store(whole, store.first_day, whole.attributes["colour_group_code"], store.section, store.mark)
    found = {
        name: [weeks_of(store, params, name, seed, folder) for seed in asked.seeds] for name in {NONE: (), **VARIANTS}
        if name in (NONE, *asked.variants)
    }  # fmt: skip
    base = [pooled(parts) for parts in found[NONE]]
    for name, of_seed in found.items():
        values = [pooled(parts) for parts in of_seed]
        gap = np.array(values) - np.array(base)  # (seeds, 1 + draws)
        low, high = interval(gap.mean(0)[1:])
        each = " ".join(f"{value[0]:.4f}" for value in values)
        print(
            f"{name}: recall@100 {np.mean(values, axis=0)[0]:.4f} ({each}), {gap[:, 0].mean():+.4f}; "
            f"of customers [{low:+.4f}, {high:+.4f}], of trainings +- {over_trainings(gap[:, 0]):.4f}"
        )


def over_trainings(gap: Array) -> float:
    """Half of Student's 95% interval of the mean difference between trainings of the same seeds; NaN for one."""
    if len(gap) < 2:
        return float("nan")
    return float(stats.t.ppf(0.975, len(gap) - 1) * gap.std(ddof=1) / np.sqrt(len(gap)))


def pooled(parts: list[Hits]) -> Array:
    """(1 + draws,) share of bought pairs found at 100, then that of customers drawn again, the same for all."""
    found: Array = recalls(parts, "it", 1)["pooled"][:, AT.index(100)]
    return found


def weeks_of(store: Store, params: Any, name: str, seed: int, folder: Path) -> list[Hits]:
    """Hits of one training in WEEKS, kept in ``folder``."""
    code = [*Path(network.__file__).parent.glob("*.py"), Path(__file__), Path(features.__file__), Path(shops.__file__)]
    about = [store.mark, name, seed, params.networks["two_tower"]]

    def made(checkpoints: Path) -> dict[str, Array]:
        module, settings = source.load_network("two_tower", params)
        log = store.shop.log
        out: dict[str, Array] = {}
        with reading(store, VARIANTS[name]):
            learned = module.train(weeks.history(log, WEEKS[0]), store.shop, settings, seed, checkpoints)
            for week in WEEKS:
                history, users = weeks.history(log, week), weeks.buyers(log, week)
                ranked = lists_of_week.of_towers(module, history, store.shop, users, settings, learned)
                of = hits(log, week, {"it": ranked})
                out |= {f"{week}/user": of.user, f"{week}/bought": of.bought, f"{week}/found": of.found["it"]}
        return out

    stored = kept.keep(folder / f"{kept.fingerprint(about, sorted(code))}.npz", made)
    return [Hits(stored[f"{w}/user"], stored[f"{w}/bought"], {"it": stored[f"{w}/found"]}) for w in WEEKS]


if __name__ == "__main__":
    stage.guarded(main, "research.hm_report.moved")
