"""What two towers cost a shop on a CPU, piece by piece: ``python -m research.two_tower.budget``.

Runs where a shop has been prepared. A few batches, customers and queries are timed at the shop's own sizes, in seconds
of one core, and multiplied by as many as the pipeline would have: an estimate, whose arithmetic stands beside it. The
network is untrained, which changes no cost.
"""

import argparse
import contextlib
import itertools
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks import record
from retail import params as parameters
from retail import shop as shops
from retail import stage, weeks
from retail.errors import InputError
from retail.log import Array
from retail.params import Params
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine import source
from stage1_candidates.engine.refits import trainings
from stage1_candidates.networks.base import ann
from stage1_candidates.networks.base.ann import Search
from stage1_candidates.networks.two_tower.batches import Batch, Week, batches, label_week
from stage1_candidates.networks.two_tower.inputs import attribute_codes, trait_rows, with_common_traits
from stage1_candidates.networks.two_tower.network import TwoTower
from stage1_candidates.networks.two_tower.vectors import article_vectors, customer_vectors

KINDS = (Search(kind="flat", effort=1), Search(kind="ivf", effort=16), Search(kind="hnsw", effort=256))
WEEKS = 2  # label weeks that are made ready
WARM = 2  # batches before those that are timed
Timed = tuple[float, Any]


def timed(what: Callable[[], Any]) -> Timed:
    """Core-seconds, of all threads together, and what was made: other work on the machine hardly changes them."""
    began = time.process_time()
    made = what()
    return time.process_time() - began, made


def steps(shop: Shop, parts: list[Week], settings: Any, number: int) -> dict[str, float]:
    """Core-seconds of a training step, the mean of ``number``: making the batch, its gradient, moving the weights."""
    network = TwoTower(attribute_codes(shop), trait_rows(shop), settings.model).train()
    optimiser = torch.optim.AdamW(network.parameters(), settings.training.learning_rate)
    spent = {"making": 0.0, "gradient": 0.0, "weights": 0.0}
    epochs = (batches(parts, shop, settings.model.bag, settings.examples, [1, epoch]) for epoch in itertools.count())
    left = itertools.chain.from_iterable(epochs)

    def back(batch: Batch) -> None:
        network.loss(batch).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), settings.training.clip or torch.inf)

    for step in range(WARM + number):
        making, batch = timed(lambda: next(left))
        optimiser.zero_grad()
        gradient, _ = timed(partial(back, batch))
        moving, _ = timed(optimiser.step)
        if step >= WARM:
            for name, seconds in zip(spent, (making, gradient, moving), strict=True):
                spent[name] += seconds / number
    return {**spent, "all": sum(spent.values()), "millions of weights": _weights(network) / 1e6}


def _weights(network: TwoTower) -> int:
    return sum(part.numel() for part in network.parameters())


def answers(history: History, shop: Shop, settings: Any, queries: int) -> dict[str, Any]:
    """Core-seconds of the articles' vectors, of 1,000 customers' and of searching for 1,000, by kind of search."""
    network = TwoTower(attribute_codes(shop), trait_rows(shop), settings.model).double().eval()
    of_articles, vectors = timed(lambda: article_vectors(network, history))
    users = np.random.default_rng(1).choice(shop.log.users, min(queries, shop.log.users), replace=False)
    users = np.sort(users).astype(np.uint32)
    of_customers, mine = timed(lambda: customer_vectors(network, history, shop, users, settings.model.bag))
    sold = ann.sold_lately(history, settings.sold_days)
    return {
        "articles": of_articles,
        "1,000 customers": of_customers / len(users) * 1000,
        "queries": len(users),
        "sold lately": len(sold),
        "search": {of.kind: searched(vectors, sold, of, mine, settings.take) for of in KINDS},
    }


def searched(vectors: Array, sold: Array, kind: Search, mine: Array, take: int) -> dict[str, float]:
    """Core-seconds to build an index and to find ``take`` articles for 1,000 customers, a first chunk left out."""
    build, index = timed(lambda: ann.build(vectors, sold, kind))
    ann.search(index, mine[:100], take)
    seconds, _ = timed(lambda: ann.search(index, mine, take))
    return {"effort": kind.effort, "build": build, "1,000 customers": seconds / len(mine) * 1000}


def estimate(
    shop: Shop, params: Params, settings: Any, batch: int, step: float, week: float, of: dict[str, Any]
) -> dict[str, float]:
    """Core-minutes and counts of the whole: the trainings, and the answers of the submission.

    A training: its weeks made ready, and per epoch its batches and a look at the held weeks (the articles' vectors,
    the customers' and their searches). The submission: every customer's vector, once to propose and once to score, and
    a search.
    """
    plan = weeks.plan(shop.log, params.weeks)
    examples = settings.examples.model_copy(update={"batch": batch})
    buyers = np.array(weeks.buyers_per_week(shop.log))
    last = buyers[max(plan.submission - examples.weeks - examples.hold, 1) : plan.submission - examples.hold]
    customers = int(np.minimum(last, examples.customers).sum())
    batches_an_epoch = -(-min(customers, examples.most) // batch)
    one = (of["1,000 customers"] + of["search"][settings.search.kind]["1,000 customers"]) / 1000
    look = examples.hold * (of["articles"] + examples.customers * one)
    number = len(trainings(plan, settings.refit))
    ready = (examples.weeks + examples.hold) * week
    whole = number * (ready + settings.training.epochs * (batches_an_epoch * step + look))
    every = shop.log.users * (one + of["1,000 customers"] / 1000)
    return {
        "trainings": number,
        "customers of the label weeks": customers,
        "batches an epoch": batches_an_epoch,
        "minutes of a training's weeks": ready / 60,
        "minutes of an epoch's batches": batches_an_epoch * step / 60,
        "minutes of an epoch's look": look / 60,
        "minutes of all trainings, all epochs": whole / 60,
        "minutes of the submission": every / 60,
    }


def lines(found: dict[str, Any]) -> list[list[str]]:
    """The table: every piece in core-seconds, then what they come to by settings, in core-minutes."""
    rows = [["a label week made ready", f"{found['label week']:.2f} s"]]
    for name, of in found["steps"].items():
        parts = ", ".join(f"{part} {of[part]:.3f}" for part in ("making", "gradient", "weights"))
        rows.append(
            [f"a batch, {name} ({of['millions of weights']:.1f} million weights)", f"{of['all']:.3f} s ({parts})"]
        )
    of = found["answers"]
    rows.append(["vectors of all articles", f"{of['articles']:.1f} s"])
    rows.append(["vectors of 1,000 customers", f"{of['1,000 customers']:.2f} s"])
    for kind, one in of["search"].items():
        text = f"{one['1,000 customers']:.2f} s (built in {one['build']:.1f} s)"
        rows.append([f"search for 1,000 customers, {kind} of effort {one['effort']}", text])
    for name, sums in found["estimates"].items():
        rows += [[f"{name}: {what}", f"{value:,.1f}"] for what, value in sums.items()]
    return [*rows, ["peak memory", f"{found['peak MB']:,} MB"]]


def measured(params: Params, batch: list[int], traits: list[int], number: int, queries: int) -> dict[str, Any]:
    """All pieces of the shop in this folder, and the estimates."""
    shop = shops.read()
    _, settings = source.load("two_tower", params)
    history = weeks.history(shop.log, shop.log.weeks)
    ready, parts = timed(
        lambda: [label_week(shop.log, shop.log.weeks - 1 - k, settings.examples, params.seed) for k in range(WEEKS)]
    )
    found: dict[str, Any] = {"label week": ready / WEEKS, "steps": {}, "estimates": {}}
    found["answers"] = answers(history, with_common_traits(shop, traits[-1]), settings, queries)
    for least in traits:
        seen = with_common_traits(shop, least)
        for size in batch:
            examples = settings.examples.model_copy(update={"batch": size})
            name = f"batch {size}, traits of {least} customers"
            found["steps"][name] = one = steps(seen, parts, settings.model_copy(update={"examples": examples}), number)
            found["estimates"][name] = estimate(
                shop, params, settings, size, one["all"], found["label week"], found["answers"]
            )
    return {**found, "threads": torch.get_num_threads()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m research.two_tower.budget", description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path(), help="where a shop has been prepared (%(default)s)")
    parser.add_argument("--batch", type=int, nargs="+", default=[128, 512, 2048], help="customers of a batch")
    parser.add_argument("--traits", type=int, nargs="+", default=[0, 100], help="model.trait_customers")
    parser.add_argument("--steps", type=int, default=20, help="batches that are timed (%(default)s)")
    parser.add_argument("--queries", type=int, default=20_000, help="customers that are timed (%(default)s)")
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    asked = parser.parse_args()
    out, began = asked.out.resolve(), time.perf_counter()
    if not asked.folder.is_dir():
        raise InputError(f"{asked.folder}: no such folder; name one in which `python -m retail_input.prepare` has run")
    with contextlib.chdir(asked.folder):
        params = parameters.read()
        with stage.ProcessTree() as family:
            found = measured(params, asked.batch, asked.traits, asked.steps, asked.queries)
        found["peak MB"] = round(family.peak() / 2**20)
        files = [file.resolve() for file in sorted(params.data.folder.glob("*.csv"))]
    table = Table("what", "core-seconds, core-minutes")
    for line in lines(found):
        table.add_row(*line)
    Console(width=140).print(table)
    command = f"python -m research.two_tower.budget --folder {asked.folder}"
    made = record.made_from(files, [params.seed], command, time.perf_counter() - began)
    record.write_json("two_tower_budget", made, found, out)
    record.write_markdown(
        "two_tower_budget", made, record.markdown_table(["what", "core-seconds, core-minutes"], lines(found)), out
    )


if __name__ == "__main__":
    stage.guarded(main, "two_tower budget")
