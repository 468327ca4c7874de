"""Train and measure the rows of the benchmark, task by task; each result is a part of lens.json."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from insights import anomalies
from insights.models import LensModel, Model, PlainModel
from research.lens import figures, trainings, uses
from research.lens.planted import Planted
from research.lens.tasks import SALES_HALF_LIFE, TEST_DAYS, VALIDATION_DAYS, Task
from research.lens.trainings import LENS1000, LENS2000, OURS, TRAINING, Trained
from retail import weeks
from retail.log import Array
from retail.shop import Shop
from stage1_candidates.networks.lens import answers, basket_sequences

OWN = "LENS1000, ours"
PERSONAL = ("personal top, best length", "personal top, own length")  # baselines of the free-running F1
SEEDS = (1, 2, 3)  # of the row that is close to the personal lists; the other networks are far below them
Rows = dict[str, tuple[dict[str, Any], tuple[int, ...]]]
BASKETS: dict[str, Rows] = {  # task -> row -> shape and seeds
    "online_retail": {"LENS1000": (LENS1000, (1,)), OWN: (OURS, SEEDS)},
    "Ta-Feng": {
        "LENS1000, cold": ({**LENS1000, "start": "cold"}, (1,)),
        "LENS1000": (LENS1000, (1,)),
        "LENS2000": (LENS2000, (1,)),
        OWN: (OURS, SEEDS),
    },
}
CLOCKS: Rows = {"LENS1000": (LENS1000, (1,)), OWN: (OURS, SEEDS)}
NAMES = list(BASKETS["Ta-Feng"])
# The memory task: customers, most articles of a basket (the paper's longest list), epochs
MEMORY_CUSTOMERS, MEMORY_LONGEST, MEMORY_EPOCHS = 50, 10, 240
MEMORY: dict[str, Any] = {"dropout": 0.0, "start": "cold", "reading": {**trainings.READING, "baskets": 4}}
MEMORY_ROWS = {"LENS1000": {**LENS1000, **MEMORY}, "LENS2000": {**LENS2000, **MEMORY}}
MEMORY_TRAINING = TRAINING.model_copy(update={"epochs": MEMORY_EPOCHS, "patience": 40, "learning_rate": 3e-3})
SMALL: dict[str, Any] = {**OURS, "item_width": 32, "sce": [32], "fbe": [64], "nsd": [128]}  # for the planted shop


def train_all(shop: Task, tafeng: Task, planted: Task, names: Sequence[str], folder: Path) -> None:
    """Run all trainings before any evaluation, so that a resumed run repeats no evaluation."""
    for shape in MEMORY_ROWS.values():
        trainings.train_basket(_select_few(shop), shape, 1, folder, MEMORY_TRAINING)
    for task, shape in ((shop, OURS), (planted, SMALL)):  # the models behind the insights
        trainings.train_basket(task, shape, 1, folder)
        trainings.train_clock(task, shape, 1, folder)
    for name in reversed(names):
        for task in (shop, tafeng):
            for train, rows in ((trainings.train_basket, BASKETS[task.name]), (trainings.train_clock, CLOCKS)):
                shape, seeds = rows.get(name, (OURS, ()))
                for seed in seeds:
                    train(task, shape, seed, folder)


def compare_baskets(task: Task, names: Sequence[str], folder: Path) -> dict[str, Any]:
    """Measure free-running and teacher-forced baskets of the rows ``names``, compared with personal lists."""
    trained = {name: row for name, row in BASKETS[task.name].items() if name in names}
    personal, chosen = figures.predict_personal(task)
    measures = {name: figures.measure_baskets(lists, task, task.test) for name, lists in personal.items()}
    rows: dict[str, Any] = {
        name: {"free": figures.summarise(measures[name]), "lists": figures.average_lists(lists, task, task.test)}
        for name, lists in personal.items()
    }
    sequences = task.sequences
    for name, (shape, seeds) in trained.items():
        runs = [trainings.train_basket(task, shape, seed, folder) for seed in seeds]
        free = [answers.decode_baskets(run.network, sequences, task.test).token for run in runs]  # type: ignore[arg-type]
        forced = [answers.force_baskets(run.network, sequences, task.test) for run in runs]  # type: ignore[arg-type]
        by_seed = [figures.measure_baskets(lists, task, task.test) for lists in free]
        measures[name] = np.mean(by_seed, axis=0)
        forced_measures = np.mean([figures.measure_baskets(lists, task, task.test) for lists in forced], axis=0)
        rows[name] = {
            "free": figures.summarise(measures[name]),
            "lists": _average([figures.average_lists(lists, task, task.test) for lists in free]),
            "forced": figures.summarise(forced_measures),
            "length": float(np.mean([(lists > 0).sum(axis=1).mean() for lists in free])),
            "by seed": [figures.summarise(measure)["f1"] for measure in by_seed],
            **_describe_cost(runs, seeds),
        }
    user = task.test.user
    minus = {
        name: {baseline: figures.compare(measures[name][:, 2], measures[baseline][:, 2], user) for baseline in personal}
        for name in trained
    }
    size = np.diff(sequences.ptr)[task.test.stop]
    about = {"about": task.about, "mean length": float(size.mean()), "chosen": chosen}
    return {**about, "rows": rows, "F1 minus": minus}


def compare_days(task: Task, names: Sequence[str], folder: Path) -> dict[str, Any]:
    """Measure the mean absolute error (days) of the time heads of the rows ``names``.

    The baselines are each customer's mean and median gap; customers without a gap are left out.
    """
    true, mean, median = figures.compute_gaps(task, task.test)
    known, user = ~np.isnan(mean), task.test.user
    baselines = {"the customer's mean gap": np.abs(mean - true), "the customer's median gap": np.abs(median - true)}
    rows: dict[str, Any] = {name: {"days": float(error[known].mean())} for name, error in baselines.items()}
    for name, (shape, seeds) in CLOCKS.items():
        if name not in names:
            continue
        runs = [trainings.train_clock(task, shape, seed, folder) for seed in seeds]
        sequences = task.sequences
        forecasts = [answers.forecast_days(run.network, sequences, task.test) for run in runs]  # type: ignore[arg-type]
        error = np.mean([np.abs(days - true) for days in forecasts], axis=0)
        rows[f"time head of {name}"] = {
            "days": float(error[known].mean()),
            "minus": {
                baseline: figures.compare(error[known], theirs[known], user[known])
                for baseline, theirs in baselines.items()
            },
            **_describe_cost(runs, seeds),
        }
    return {"customers": int(known.sum()), "rows": rows}


def memorise(task: Task, folder: Path) -> dict[str, Any]:
    """Measure the free-running baskets of memorised customers, as a check that the network can fit few customers."""
    small = _select_few(task)
    out = {}
    for name, shape in MEMORY_ROWS.items():
        run = trainings.train_basket(small, shape, 1, folder, MEMORY_TRAINING)
        free = answers.decode_baskets(run.network, small.sequences, small.test).token  # type: ignore[arg-type]
        measures = figures.measure_baskets(free, small, small.test)
        out[name] = {**figures.summarise(measures), **_describe_cost([run], (1,))}
    return out


def measure_insights(
    task: Task, shop: Shop, shape: dict[str, Any], folder: Path, groups: Planted | None
) -> dict[str, Any]:
    """Measure injected changes, alerts and, with planted ``groups``, purity: for LENS and for counts of the past.

    Both models are trained on the days before validation. Changes are injected into the test's last baskets; alerts
    start on the first test day.
    """
    out: dict[str, Any] = {}
    for name, model in _make_models(task, shop, shape, folder).items():
        query = anomalies.select_last_baskets(model, shop.log.days - TEST_DAYS)
        out[name] = {
            "anomalies": uses.inject_changes(model, query, 1),
            "alerts": uses.measure_alerts(model, shop.log.days - TEST_DAYS),
        }
        if groups is not None:
            purity = uses.measure_purity(model, shop.log.days, groups.item_group, groups.user_group, 1)
            out[name]["purity"] = purity
    return out


def _select_few(task: Task) -> Task:
    return uses.make_memory_task(task, MEMORY_CUSTOMERS, MEMORY_LONGEST, trainings.PER_CUSTOMER)


def _make_models(task: Task, shop: Shop, shape: dict[str, Any], folder: Path) -> dict[str, Model]:
    """Make LENS, trained on ``task``, and its baseline, counts of the past."""
    log = shop.log
    vocabulary = _choose_vocabulary(shop)
    sequences = basket_sequences.read_sequences(weeks.history(log, log.weeks), vocabulary, SALES_HALF_LIFE)
    basket = trainings.train_basket(task, shape, 1, folder).network
    clock = trainings.train_clock(task, shape, 1, folder).network
    return {
        "LENS": LensModel(sequences, vocabulary, basket, clock),  # type: ignore[arg-type]
        "counts of the past": PlainModel(sequences, vocabulary, log.days - TEST_DAYS - VALIDATION_DAYS),
    }


def _choose_vocabulary(shop: Shop) -> Array:
    """Choose the vocabulary of ``tasks.make_shop_task``."""
    log = shop.log
    history = weeks.history(log, log.weeks - -(-(TEST_DAYS + VALIDATION_DAYS) // 7))
    return basket_sequences.choose_vocabulary(history, log.items)


def _describe_cost(runs: list[Trained], seeds: tuple[int, ...]) -> dict[str, Any]:
    return {
        "seeds": list(seeds),
        "seconds": round(sum(run.seconds for run in runs), 1),
        "epochs": [run.epochs for run in runs],
    }


def _average(summaries: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([summary[name] for summary in summaries])) for name in summaries[0]}
