"""Estimate what two towers cost a shop on a CPU, piece by piece: ``python -m research.two_tower.budget``.

Run it in a folder where a shop has been prepared. Batches, customers and queries are timed on a small sample, at the
true sizes of the shop and in seconds of one core. The estimate multiplies these times by the counts of the whole
pipeline. The network is untrained, which does not change the cost.
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
from stage1_candidates.networks.base import ann
from stage1_candidates.networks.base.ann import Search
from stage1_candidates.networks.two_tower.batches import Batch, Week, iterate_batches, prepare_week
from stage1_candidates.networks.two_tower.inputs import count_trait_rows, drop_rare_traits, encode_attributes
from stage1_candidates.networks.two_tower.network import TwoTower
from stage1_candidates.networks.two_tower.vectors import compute_article_vectors, compute_customer_vectors

KINDS = (Search(kind="flat", effort=1), Search(kind="ivf", effort=16), Search(kind="hnsw", effort=256))
WEEKS = 2  # label weeks prepared for training
WARM = 2  # untimed batches before the timed ones
Timed = tuple[float, Any]


def measure_time(function: Callable[[], Any]) -> Timed:
    """Measure the core-seconds of all threads, which other processes hardly change; also return the result."""
    started = time.process_time()
    result = function()
    return time.process_time() - started, result


def time_steps(shop: Shop, parts: list[Week], settings: Any, steps: int) -> dict[str, float]:
    """Time a training step in core-seconds, mean of ``steps`` steps: batch, gradient, update of the weights."""
    network = TwoTower(encode_attributes(shop), count_trait_rows(shop), settings.model).train()
    optimiser = torch.optim.AdamW(network.parameters(), settings.training.learning_rate)
    spent = {"making": 0.0, "gradient": 0.0, "weights": 0.0}
    epochs = (
        iterate_batches(parts, shop, settings.model.bag, settings.examples, [1, epoch]) for epoch in itertools.count()
    )
    stream = itertools.chain.from_iterable(epochs)

    def backpropagate(batch: Batch) -> None:
        network.loss(batch).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), settings.training.clip or torch.inf)

    for step in range(WARM + steps):
        making, batch = measure_time(lambda: next(stream))
        optimiser.zero_grad()
        gradient, _ = measure_time(partial(backpropagate, batch))
        updating, _ = measure_time(optimiser.step)
        if step >= WARM:
            for name, seconds in zip(spent, (making, gradient, updating), strict=True):
                spent[name] += seconds / steps
    return {**spent, "all": sum(spent.values()), "millions of weights": _count_weights(network) / 1e6}


def _count_weights(network: TwoTower) -> int:
    return sum(part.numel() for part in network.parameters())


def time_answers(history: History, shop: Shop, settings: Any, queries: int) -> dict[str, Any]:
    """Time in core-seconds all article vectors, 1,000 customer vectors, and each kind of search for 1,000 customers."""
    network = TwoTower(encode_attributes(shop), count_trait_rows(shop), settings.model).double().eval()
    article_seconds, vectors = measure_time(lambda: compute_article_vectors(network, history))
    users = np.random.default_rng(1).choice(shop.log.users, min(queries, shop.log.users), replace=False)
    users = np.sort(users).astype(np.uint32)
    customer_seconds, customers = measure_time(
        lambda: compute_customer_vectors(network, history, shop, users, settings.model.bag)
    )
    sold = ann.sold_lately(history, settings.answer.sold_days)
    return {
        "articles": article_seconds,
        "1,000 customers": customer_seconds / len(users) * 1000,
        "queries": len(users),
        "sold lately": len(sold),
        "search": {kind.kind: time_search(vectors, sold, kind, customers, settings.take) for kind in KINDS},
    }


def time_search(vectors: Array, sold: Array, kind: Search, customers: Array, take: int) -> dict[str, float]:
    """Time in core-seconds the build of an index, and the search for 1,000 customers after an untimed first chunk."""
    build, index = measure_time(lambda: ann.build(vectors, sold, kind))
    ann.search(index, customers[:100], take)
    seconds, _ = measure_time(lambda: ann.search(index, customers, take))
    return {"effort": kind.effort, "build": build, "1,000 customers": seconds / len(customers) * 1000}


def estimate(
    shop: Shop, params: Params, settings: Any, batch: int, step: float, week: float, answers: dict[str, Any]
) -> dict[str, float]:
    """Estimate the core-minutes and counts of all trainings and of the submission.

    ``step``, ``week`` and ``answers``: core-seconds of a batch, of preparing a label week, and ``time_answers``.

    A training prepares its weeks. Each epoch runs its batches and validates on the held-out weeks, which needs all
    article vectors, the customer vectors and their searches. The submission computes each customer vector twice, to
    propose and to score, and searches once.
    """
    plan = weeks.plan(shop.log, params.weeks)
    examples = settings.examples.model_copy(update={"batch": batch})
    buyers = np.array(weeks.count_buyers(shop.log))
    last = buyers[max(plan.submission - examples.weeks - examples.hold, 1) : plan.submission - examples.hold]
    customers = int(np.minimum(last, examples.customers).sum())
    batches_per_epoch = -(-min(customers, examples.most) // batch)
    customer = (answers["1,000 customers"] + answers["search"][settings.answer.search.kind]["1,000 customers"]) / 1000
    validation = examples.hold * (answers["articles"] + examples.customers * customer)
    trainings = len(settings.training_weeks(plan))
    preparation = (examples.weeks + examples.hold) * week
    total = trainings * (preparation + settings.training.epochs * (batches_per_epoch * step + validation))
    submission = shop.log.users * (customer + answers["1,000 customers"] / 1000)
    return {
        "trainings": trainings,
        "customers of the label weeks": customers,
        "batches per epoch": batches_per_epoch,
        "minutes of preparing a training's weeks": preparation / 60,
        "minutes of an epoch's batches": batches_per_epoch * step / 60,
        "minutes of an epoch's validation": validation / 60,
        "minutes of all trainings, all epochs": total / 60,
        "minutes of the submission": submission / 60,
    }


def format_lines(figures: dict[str, Any]) -> list[list[str]]:
    """Format the table: every piece in core-seconds, then the estimates by settings in core-minutes."""
    rows = [["preparing a label week", f"{figures['label week']:.2f} s"]]
    for name, step in figures["steps"].items():
        parts = ", ".join(f"{part} {step[part]:.3f}" for part in ("making", "gradient", "weights"))
        rows.append(
            [f"a batch, {name} ({step['millions of weights']:.1f} million weights)", f"{step['all']:.3f} s ({parts})"]
        )
    answers = figures["answers"]
    rows.append(["vectors of all articles", f"{answers['articles']:.1f} s"])
    rows.append(["vectors of 1,000 customers", f"{answers['1,000 customers']:.2f} s"])
    for kind, search in answers["search"].items():
        text = f"{search['1,000 customers']:.2f} s (index built in {search['build']:.1f} s)"
        rows.append([f"search for 1,000 customers, {kind} with effort {search['effort']}", text])
    for name, values in figures["estimates"].items():
        rows += [[f"{name}: {label}", f"{value:,.1f}"] for label, value in values.items()]
    return [*rows, ["peak memory", f"{figures['peak MB']:,} MB"]]


def measure(params: Params, batch: list[int], traits: list[int], steps: int, queries: int) -> dict[str, Any]:
    """Measure all pieces on the shop in this folder and estimate the whole."""
    shop = shops.read()
    _, settings = source.load("two_tower", params)
    history = weeks.history(shop.log, shop.log.weeks)
    preparation, parts = measure_time(
        lambda: [prepare_week(shop.log, shop.log.weeks - 1 - k, settings.examples, params.seed) for k in range(WEEKS)]
    )
    figures: dict[str, Any] = {"label week": preparation / WEEKS, "steps": {}, "estimates": {}}
    figures["answers"] = time_answers(history, drop_rare_traits(shop, traits[-1]), settings, queries)
    for least in traits:
        reduced = drop_rare_traits(shop, least)
        for size in batch:
            examples = settings.examples.model_copy(update={"batch": size})
            name = f"batch {size}, traits of {least} customers"
            figures["steps"][name] = step = time_steps(
                reduced, parts, settings.model_copy(update={"examples": examples}), steps
            )
            figures["estimates"][name] = estimate(
                shop, params, settings, size, step["all"], figures["label week"], figures["answers"]
            )
    return {**figures, "threads": torch.get_num_threads()}


def main() -> None:
    """Measure, print the table and write two_tower_budget.json and .md."""
    parser = argparse.ArgumentParser(prog="python -m research.two_tower.budget", description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path(), help="folder of a prepared shop (%(default)s)")
    parser.add_argument(
        "--batch", type=int, nargs="+", default=[128, 512, 2048], help="customers per batch, one estimate for each"
    )
    parser.add_argument(
        "--traits", type=int, nargs="+", default=[0, 100], help="model.trait_customers, one estimate for each"
    )
    parser.add_argument("--steps", type=int, default=20, help="number of timed batches (%(default)s)")
    parser.add_argument("--queries", type=int, default=20_000, help="number of timed customers (%(default)s)")
    parser.add_argument("--out", type=Path, default=record.RESULTS, help="folder for the results (%(default)s)")
    arguments = parser.parse_args()
    out, started = arguments.out.resolve(), time.perf_counter()
    if not arguments.folder.is_dir():
        raise InputError(
            f"{arguments.folder}: no such folder; name one in which `python -m retail_input.prepare` has run"
        )
    with contextlib.chdir(arguments.folder):
        params = parameters.read()
        with stage.ProcessTree() as processes:
            figures = measure(params, arguments.batch, arguments.traits, arguments.steps, arguments.queries)
        figures["peak MB"] = round(processes.peak() / 2**20)
        files = [file.resolve() for file in sorted(params.data.folder.glob("*.csv"))]
    table = Table("piece", "core-seconds, core-minutes")
    for line in format_lines(figures):
        table.add_row(*line)
    Console(width=140).print(table)
    command = f"python -m research.two_tower.budget --folder {arguments.folder}"
    origin = record.describe_origin(files, [params.seed], command, time.perf_counter() - started)
    record.write_json("two_tower_budget", origin, figures, out)
    record.write_markdown(
        "two_tower_budget",
        origin,
        record.markdown_table(["piece", "core-seconds, core-minutes"], format_lines(figures)),
        out,
    )


if __name__ == "__main__":
    stage.guarded(main, "two_tower budget")
