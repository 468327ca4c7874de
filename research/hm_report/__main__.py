"""The H&M report's models, groups and restriction on the same label weeks: ``python -m research.hm_report``.

Each training is kept under data/bench/hm_report; what was killed goes on from there.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import paired, record
from research.hm_report import figures, report, rows, shops, trained
from research.hm_report.block import ERA, Block, asked_of, members_of
from research.hm_report.figures import Told
from research.hm_report.trained import Answers, Model
from retail import paths, stage

FOLDER = paths.DATA / "bench/hm_report"
NOTE = (
    "Every model learns from the log cut at the first of the label weeks it answers; features and masks are as of each "
    "label week's own first day, and in training as of the first day of the purchase's four weeks. Each names twelve "
    "of the articles sold in the last 31 days; a list that the repurchase restriction leaves short is filled with the "
    "best sellers of the last week. MAP@12 and AUC (share of pairs of a bought and another article that are in order, "
    "among the articles that may be named) are means over the label weeks; seeds are averaged per customer; intervals "
    "are 95% bootstrap over customers, differences paired. 'diversified, as published' computes its features once, the "
    "training purchases included, as the author's code does. The published figures are of the full competition's data "
    "(MAP@12 of the Kaggle week, precision of last baskets) and cannot be compared digit by digit."
)


@dataclass(frozen=True)
class Protocol:
    reported: int  # blocks of label weeks
    seeds: Sequence[int]
    ablated: Sequence[int]  # seeds of the models without a feature


SHOPS = {
    "hm_sample": Protocol(reported=3, seeds=(1, 2), ablated=(1,)),
    "hm": Protocol(reported=1, seeds=(1, 2, 3), ablated=(1, 2)),
    "demo": Protocol(reported=1, seeds=(1,), ablated=(1,)),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m research.hm_report", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", nargs="+", default=["hm_sample", "hm"], choices=SHOPS)
    parser.add_argument("--features", action="store_true", help="train the diversified towers without each feature too")
    asked = parser.parse_args()
    command = " ".join(["python -m research.hm_report", *sys.argv[1:]])
    for name in asked.data:
        store, csvs = shops.read(name, FOLDER.resolve() / name)
        protocol = SHOPS[name]
        found = of_shop(rows.blocks(store, protocol.reported), protocol, FOLDER.resolve() / "trainings", asked.features)
        seconds = sum(row["seconds"] for row in found["rows"].values())
        made = record.made_from(csvs, protocol.seeds, command, seconds)
        print(report.write(name, made, {"note": NOTE, "settings": settings(), "shops": {name: found}}))


def settings() -> dict[str, Any]:
    kept = ("BATCH", "STEPS", "CUSTOMERS", "CUSTOMER_STEPS", "FEWEST", "HELD")
    return {
        "era": ERA,
        **{name.lower(): getattr(trained, name) for name in kept},
        "training": trained.TRAINING.model_dump(),
    }


def of_shop(blocks: Sequence[Block], protocol: Protocol, folder: Path, ablated: bool) -> dict[str, Any]:
    """All figures of one shop; the first of ``blocks`` only serves the groups' choices."""
    told = {name: of_model(blocks[1:], model, protocol.seeds, folder) for name, model in rows.MODELS.items()}
    told |= of_personalised(blocks, protocol.seeds, folder)
    for name in rows.MODELS:
        if name in rows.RESTRICTED:
            told |= restricted(name, blocks[1:], rows.MODELS[name], protocol.seeds, folder)
    told |= of_baselines(blocks[1:])
    asked = [asked_of(block.store, week) for block in blocks[1:] for week in block.weeks]
    member = members_of(blocks[-1].store, blocks[-1].cut)
    return {
        "about": f"{len(asked)} label weeks, {sum(len(of.users) for of in asked)} buyers, "
        f"{np.mean([len(of.recent) for of in asked]):,.0f} articles that sell",
        "weeks": [of.past.week for of in asked],
        "rows": figures.table(told, "base"),
        "chain": figures.chain(told, rows.ORDER),
        "folds": folds(told),
        "features": of_features(blocks[1:], protocol.ablated, folder) if ablated else {},
        "groups": ", ".join(f"{name} {int(who.sum())}" for name, who in member.items()),
    }


def of_model(blocks: Sequence[Block], model: Model, seeds: Sequence[int], folder: Path) -> Told:
    """A model's row: the articles that sell, by its scores."""
    return figures.joined(
        told([trained.answers(block, model, seed, folder) for seed in seeds], block, "recent") for block in blocks
    )


def told(found: Sequence[Answers], block: Block, what: str, fill: bool = True) -> Told:
    """The row of one block's answers, one for each seed; ``what`` as in answers.answered."""
    asked = [asked_of(block.store, week) for week in block.weeks]
    ap = []
    for made in found:
        lists = {of.past.week: made[f"{of.past.week}/{what}"] for of in asked}
        ap.append(
            figures.of_lists(
                asked, {of.past.week: rows.filled(lists[of.past.week], of) for of in asked} if fill else lists
            )
        )
    ranked = [figures.of_values(asked, {week: made[f"{week}/auc"] for week in block.weeks}) for made in found]
    return Told(
        ap,
        ranked if what == "recent" else [],
        sum(float(made["seconds"]) for made in found) if what == "recent" else 0.0,
        [float(made["held"].min()) for made in found if "held" in made and what == "recent"],
        [float(made["loss"][-1]) for made in found if "loss" in made and what == "recent"],
    )


def restricted(name: str, blocks: Sequence[Block], model: Model, seeds: Sequence[int], folder: Path) -> dict[str, Told]:
    """The rows of a model among what the customer bought before: of articles that sell, of the last month, unfilled."""
    made = [(block, [trained.answers(block, model, seed, folder) for seed in seeds]) for block in blocks]
    return _restricted(name, made)


def _restricted(name: str, made: Sequence[tuple[Block, list[Answers]]]) -> dict[str, Told]:
    return {
        f"{name}, bought before": figures.joined(told(found, block, "bought") for block, found in made),
        f"{name}, bought in the last month": figures.joined(told(found, block, "month") for block, found in made),
        f"{name}, bought before, unfilled": figures.joined(
            told(found, block, "bought", False) for block, found in made
        ),
    }


def of_personalised(blocks: Sequence[Block], seeds: Sequence[int], folder: Path) -> dict[str, Told]:
    """The rows of the groups' models, laid over each other."""
    made: list[tuple[Block, list[Answers]]] = []
    for before, block in pairwise(blocks):
        made.append((block, [rows.personalised(before, block, seed, folder)[0] for seed in seeds]))
    whole = figures.joined(told(found, block, "recent") for block, found in made)
    return {rows.PERSONALISED: whole, **_restricted(rows.PERSONALISED, made)}


def of_baselines(blocks: Sequence[Block]) -> dict[str, Told]:
    """The rows without a network."""
    asked = [asked_of(block.store, week) for block in blocks for week in block.weeks]
    lists = {of.past.week: rows.baseline_rows(of) for of in asked}
    names = list(next(iter(lists.values())))
    return {name: Told([figures.of_lists(asked, {week: of[name] for week, of in lists.items()})]) for name in names}


def folds(told: Mapping[str, Told]) -> dict[str, Any]:
    """How many times the MAP@12 of each restricted row that of the open one is."""
    return {
        name: figures.fold(told[row], told[name])
        for row in rows.RESTRICTED
        for name in told
        if name.startswith(f"{row}, bought")
    }


def of_features(blocks: Sequence[Block], seeds: Sequence[int], folder: Path) -> dict[str, Any]:
    """Each ablation's MAP@12 and AUC minus those of the diversified network under the same seeds."""
    whole = of_model(blocks, rows.MODELS["diversified"], seeds, folder)
    out: dict[str, Any] = {}
    for name, model in rows.ablations():
        less = of_model(blocks, model, seeds, folder)
        both = {"whole": whole, name: less}
        out[name] = {
            "map12": paired.compared({row: figures.mean(of.ap) for row, of in both.items()}, "whole")[name]["minus"],
            "auc": paired.compared({row: figures.mean(of.auc) for row, of in both.items()}, "whole")[name]["minus"],
        }
    raised = paired.holm({name: of["auc"]["p"] for name, of in out.items()})
    return {name: {**of, "auc": {**of["auc"], "holm": raised[name]}} for name, of in out.items()}


if __name__ == "__main__":
    stage.guarded(main, "bench-hm-report")
