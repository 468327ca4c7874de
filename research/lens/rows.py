"""Everything the benchmark measures, task by task; each function gives what goes into lens.json."""

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
from stage1_candidates.networks.lens import answers, funnels

OWN = "LENS1000, ours"
PERSONAL = ("personal top, best length", "personal top, own length")  # what free running is to be above
SEEDS = (1, 2, 3)  # of the row that is compared with personal lists; the others are far below them
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
HEART_CUSTOMERS, HEART_LONGEST, HEART_EPOCHS = 50, 10, 240  # baskets of up to ten articles, the paper's longest list
HEART: dict[str, Any] = {"dropout": 0.0, "start": "cold", "reading": {**trainings.READING, "baskets": 4}}
HEART_ROWS = {"LENS1000": {**LENS1000, **HEART}, "LENS2000": {**LENS2000, **HEART}}
BY_HEART = TRAINING.model_copy(update={"epochs": HEART_EPOCHS, "patience": 40, "learning_rate": 3e-3})
SMALL: dict[str, Any] = {**OURS, "item_width": 32, "sce": [32], "fbe": [64], "nsd": [128]}  # of the planted shop


def learn(shop: Task, tafeng: Task, planted: Task, names: Sequence[str], folder: Path) -> None:
    """Every training, so that a run that was killed meets no evaluation before all are done."""
    for shape in HEART_ROWS.values():
        trainings.basket(_few(shop), shape, 1, folder, BY_HEART)
    for task, shape in ((shop, OURS), (planted, SMALL)):  # what the uses are made with
        trainings.basket(task, shape, 1, folder)
        trainings.clock(task, shape, 1, folder)
    for name in reversed(names):
        for task in (shop, tafeng):
            for train, of in ((trainings.basket, BASKETS[task.name]), (trainings.clock, CLOCKS)):
                shape, seeds = of.get(name, (OURS, ()))
                for seed in seeds:
                    train(task, shape, seed, folder)


def baskets(task: Task, names: Sequence[str], folder: Path) -> dict[str, Any]:
    """Free-running and teacher-forced baskets of the rows ``names`` beside personal lists."""
    asked = {name: row for name, row in BASKETS[task.name].items() if name in names}
    personal, chosen = figures.personal_rows(task)
    each = {name: figures.measured(named, task, task.test) for name, named in personal.items()}
    rows: dict[str, Any] = {
        name: {"free": figures.summary(each[name]), "lists": figures.averaged_lists(named, task, task.test)}
        for name, named in personal.items()
    }
    for name, (shape, seeds) in asked.items():
        runs = [trainings.basket(task, shape, seed, folder) for seed in seeds]
        free = [answers.baskets(run.network, task.funnels, task.test).token for run in runs]  # type: ignore[arg-type]
        forced = [answers.forced(run.network, task.funnels, task.test) for run in runs]  # type: ignore[arg-type]
        each[name] = np.mean([figures.measured(one, task, task.test) for one in free], axis=0)
        told = np.mean([figures.measured(one, task, task.test) for one in forced], axis=0)
        rows[name] = {
            "free": figures.summary(each[name]),
            "lists": _mean([figures.averaged_lists(one, task, task.test) for one in free]),
            "forced": figures.summary(told),
            "length": float(np.mean([(one > 0).sum(axis=1).mean() for one in free])),
            "by seed": [figures.summary(figures.measured(one, task, task.test))["f1"] for one in free],
            **_cost(runs, seeds),
        }
    user = task.test.user
    minus = {
        name: {theirs: figures.difference(each[name][:, 2], each[theirs][:, 2], user) for theirs in personal}
        for name in asked
    }
    size = np.diff(task.funnels.ptr)[task.test.stop]
    about = {"about": task.about, "mean length": float(size.mean()), "chosen": chosen}
    return {**about, "rows": rows, "F1 minus": minus}


def times(task: Task, names: Sequence[str], folder: Path) -> dict[str, Any]:
    """Mean absolute error of the time heads of the rows ``names``, beside each customer's mean gap and its median."""
    true, mean, median = figures.gaps(task, task.test)
    known, user = ~np.isnan(mean), task.test.user
    rivals = {"the customer's mean gap": np.abs(mean - true), "the customer's median gap": np.abs(median - true)}
    rows: dict[str, Any] = {name: {"days": float(wrong[known].mean())} for name, wrong in rivals.items()}
    for name, (shape, seeds) in CLOCKS.items():
        if name not in names:
            continue
        runs = [trainings.clock(task, shape, seed, folder) for seed in seeds]
        said = [answers.days(run.network, task.funnels, task.test) for run in runs]  # type: ignore[arg-type]
        wrong = np.mean([np.abs(days - true) for days in said], axis=0)
        rows[f"time head of {name}"] = {
            "days": float(wrong[known].mean()),
            "minus": {
                theirs: figures.difference(wrong[known], value[known], user[known]) for theirs, value in rivals.items()
            },
            **_cost(runs, seeds),
        }
    return {"customers": int(known.sum()), "rows": rows}


def by_heart(task: Task, folder: Path) -> dict[str, Any]:
    """F1 of the free-running baskets of customers who were learned by heart: can the network do it at all?"""
    small = _few(task)
    out = {}
    for name, shape in HEART_ROWS.items():
        run = trainings.basket(small, shape, 1, folder, BY_HEART)
        free = answers.baskets(run.network, small.funnels, small.test).token  # type: ignore[arg-type]
        out[name] = {**figures.summary(figures.measured(free, small, small.test)), **_cost([run], (1,))}
    return out


def insights(task: Task, shop: Shop, shape: dict[str, Any], folder: Path, groups: Planted | None) -> dict[str, Any]:
    """Injected changes, alerts and, where groups were planted, purity: by LENS and by counts of the past.

    Both learned from what lies before the validation's first day; changes are injected into the test's last baskets,
    alerts are those of the days from the test's first one on.
    """
    out: dict[str, Any] = {}
    for name, model in _models(task, shop, shape, folder).items():
        asked = anomalies.select_last_baskets(model, shop.log.days - TEST_DAYS)
        out[name] = {
            "anomalies": uses.injected(model, asked, 1),
            "alerts": uses.stock(model, shop.log.days - TEST_DAYS),
        }
        if groups is not None:
            out[name]["purity"] = uses.purities(model, shop.log.days, groups.of_item, groups.of_user, 1)
    return out


def _few(task: Task) -> Task:
    return uses.by_heart(task, HEART_CUSTOMERS, HEART_LONGEST, trainings.PER_CUSTOMER)


def _models(task: Task, shop: Shop, shape: dict[str, Any], folder: Path) -> dict[str, Model]:
    log = shop.log
    vocabulary = _vocabulary(shop)
    of = funnels.funnels(weeks.history(log, log.weeks), vocabulary, SALES_HALF_LIFE)
    basket = trainings.basket(task, shape, 1, folder).network
    clock = trainings.clock(task, shape, 1, folder).network
    return {
        "LENS": LensModel(of, vocabulary, basket, clock),  # type: ignore[arg-type]
        "counts of the past": PlainModel(of, vocabulary, log.days - TEST_DAYS - VALIDATION_DAYS),
    }


def _vocabulary(shop: Shop) -> Array:
    """As in ``tasks.of_shop``."""
    log = shop.log
    learned = weeks.history(log, log.weeks - -(-(TEST_DAYS + VALIDATION_DAYS) // 7))
    return funnels.vocabulary(learned, log.items)


def _cost(runs: list[Trained], seeds: tuple[int, ...]) -> dict[str, Any]:
    return {
        "seeds": list(seeds),
        "seconds": round(sum(run.seconds for run in runs), 1),
        "epochs": [run.epochs for run in runs],
    }


def _mean(each: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([one[name] for one in each])) for name in each[0]}
