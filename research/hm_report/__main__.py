"""Compare the H&M report's models, groups and restriction on the same label weeks: ``python -m research.hm_report``.

Each training is kept under data/bench/hm_report, so a killed run resumes.
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
from research.hm_report import figures, report, rows, shops, train
from research.hm_report.block import ERA, Block, load_label_week, load_members
from research.hm_report.figures import Row
from research.hm_report.train import Model, Rankings
from retail import paths, stage

FOLDER = paths.DATA / "bench/hm_report"
Runs = Sequence[tuple[Block, list[Rankings]]]  # per block: the rankings of each seed
NOTE = (
    "Each model is trained on the log before the first of its label weeks. Features and masks are as of the first day "
    "of each label week; in training, as of the first day of the purchase's era of four weeks. Each model recommends "
    "twelve of the articles sold in the last 31 days. If the repurchase restriction leaves a list short, the best "
    "sellers of the last week fill it. AUC is the share of pairs (bought, not bought) in the right order, among the "
    "articles that may be recommended. MAP@12 and AUC are means over the label weeks; seeds are averaged per customer. "
    "Intervals are 95% bootstrap intervals over customers; differences are paired. 'diversified, as published' "
    "computes its features once, training purchases included, as the author's code does. The published figures use the "
    "full competition's data (MAP@12 of the Kaggle week, precision of last baskets), so digits cannot be compared."
)


@dataclass(frozen=True)
class Protocol:
    """Hold the extent of a shop's benchmark."""

    reported: int  # number of blocks of label weeks
    seeds: Sequence[int]
    ablation_seeds: Sequence[int]  # seeds of the models without a feature


SHOPS = {
    "hm_sample": Protocol(reported=3, seeds=(1, 2), ablation_seeds=(1,)),
    "hm": Protocol(reported=1, seeds=(1, 2, 3), ablation_seeds=(1, 2)),
    "demo": Protocol(reported=1, seeds=(1,), ablation_seeds=(1,)),
}


def main() -> None:
    """Run the benchmark of each shop, write its JSON, Markdown and plot, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m research.hm_report", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--data", nargs="+", default=["hm_sample", "hm"], choices=SHOPS, help="shops to run (default: hm_sample hm)"
    )
    parser.add_argument(
        "--features", action="store_true", help="also train the diversified network without each feature"
    )
    arguments = parser.parse_args()
    trainings = FOLDER.resolve() / "trainings"
    command = " ".join(["python -m research.hm_report", *sys.argv[1:]])
    for name in arguments.data:
        store, csvs = shops.read(name, FOLDER.resolve() / name)
        protocol = SHOPS[name]
        results = run_shop(rows.list_blocks(store, protocol.reported), protocol, trainings, arguments.features)
        seconds = sum(row["seconds"] for row in results["rows"].values())
        origin = record.describe_origin(csvs, protocol.seeds, command, seconds)
        print(report.write(name, origin, {"note": NOTE, "settings": collect_settings(), "shops": {name: results}}))


def collect_settings() -> dict[str, Any]:
    """Collect the settings of the trainings for the JSON file."""
    return {
        "era": ERA,
        "batch": train.BATCH,
        "steps": train.STEPS,
        "customers": train.CUSTOMERS,
        "customer_steps": train.CUSTOMER_STEPS,
        "fewest": train.MIN_STEPS,
        "held": train.HELD_OUT,
        "training": train.TRAINING.model_dump(),
    }


def run_shop(blocks: Sequence[Block], protocol: Protocol, folder: Path, ablate: bool) -> dict[str, Any]:
    """Compute all figures of one shop. On the first of ``blocks`` the groups choose their models."""
    reported = blocks[1:]
    table = {name: run_model(reported, model, protocol.seeds, folder) for name, model in rows.MODELS.items()}
    table |= run_personalised(blocks, protocol.seeds, folder)
    for name in rows.MODELS:
        if name in rows.RESTRICTED:
            table |= run_restricted(name, reported, rows.MODELS[name], protocol.seeds, folder)
    table |= run_baselines(reported)
    label_weeks = [load_label_week(block.store, week) for block in reported for week in block.weeks]
    members = load_members(blocks[-1].store, blocks[-1].cut)
    return {
        "about": f"{len(label_weeks)} label weeks, {sum(len(each.users) for each in label_weeks)} buyers, "
        f"{np.mean([len(each.recent) for each in label_weeks]):,.0f} articles that sell",
        "weeks": [each.past.week for each in label_weeks],
        "rows": figures.build_table(table, "base"),
        "chain": figures.compare_neighbours(table, rows.ORDER),
        "folds": compute_ratios(table),
        "features": run_ablations(reported, protocol.ablation_seeds, folder) if ablate else {},
        "groups": ", ".join(f"{name} {int(member.sum())}" for name, member in members.items()),
    }


def run_model(blocks: Sequence[Block], model: Model, seeds: Sequence[int], folder: Path) -> Row:
    """Compute a model's row: its lists of all recently sold articles."""
    return _build_row(_train_blocks(blocks, model, seeds, folder), "recent")


def _train_blocks(blocks: Sequence[Block], model: Model, seeds: Sequence[int], folder: Path) -> Runs:
    return [(block, [train.load_or_train(block, model, seed, folder) for seed in seeds]) for block in blocks]


def _build_row(runs: Runs, kind: str, fill: bool = True) -> Row:
    return figures.join_blocks(build_block_row(by_seed, block, kind, fill) for block, by_seed in runs)


def build_block_row(by_seed: Sequence[Rankings], block: Block, kind: str, fill: bool = True) -> Row:
    """Build the row of one block from the rankings of each seed.

    ``kind``: kind of list, see ranking.rank_articles; only "recent" has AUC, seconds and losses. ``fill``: fill short
    lists with best sellers.
    """
    label_weeks = [load_label_week(block.store, week) for week in block.weeks]
    ap = []
    for rankings in by_seed:
        lists = {week: rankings[f"{week}/{kind}"] for week in block.weeks}
        if fill:
            lists = {each.past.week: rows.fill_lists(lists[each.past.week], each) for each in label_weeks}
        ap.append(figures.score_lists(label_weeks, lists))
    if kind != "recent":
        return Row(ap)
    return Row(
        ap,
        [
            figures.tabulate_values(label_weeks, {week: rankings[f"{week}/auc"] for week in block.weeks})
            for rankings in by_seed
        ],
        sum(float(rankings["seconds"]) for rankings in by_seed),
        [float(rankings["held"].min()) for rankings in by_seed if "held" in rankings],
        [float(rankings["loss"][-1]) for rankings in by_seed if "loss" in rankings],
    )


def run_restricted(
    name: str, blocks: Sequence[Block], model: Model, seeds: Sequence[int], folder: Path
) -> dict[str, Row]:
    """Compute a model's rows under the repurchase restriction."""
    return _build_restricted(name, _train_blocks(blocks, model, seeds, folder))


def _build_restricted(name: str, runs: Runs) -> dict[str, Row]:
    return {
        f"{name}, bought before": _build_row(runs, "bought"),
        f"{name}, bought in the last month": _build_row(runs, "month"),
        f"{name}, bought before, unfilled": _build_row(runs, "bought", fill=False),
    }


def run_personalised(blocks: Sequence[Block], seeds: Sequence[int], folder: Path) -> dict[str, Row]:
    """Compute the rows of one model per group, with and without the restriction."""
    runs: Runs = [
        (block, [rows.rank_personalised(before, block, seed, folder)[0] for seed in seeds])
        for before, block in pairwise(blocks)
    ]
    return {rows.PERSONALISED: _build_row(runs, "recent"), **_build_restricted(rows.PERSONALISED, runs)}


def run_baselines(blocks: Sequence[Block]) -> dict[str, Row]:
    """Compute the rows without a network."""
    label_weeks = [load_label_week(block.store, week) for block in blocks for week in block.weeks]
    lists = {each.past.week: rows.rank_baselines(each) for each in label_weeks}
    names = list(next(iter(lists.values())))
    return {
        name: Row([figures.score_lists(label_weeks, {week: by_name[name] for week, by_name in lists.items()})])
        for name in names
    }


def compute_ratios(table: Mapping[str, Row]) -> dict[str, Any]:
    """Divide the MAP@12 of each restricted row by that of the same model without restriction."""
    return {
        name: figures.compute_ratio(table[name], table[model])
        for model in rows.RESTRICTED
        for name in table
        if name.startswith(f"{model}, bought")
    }


def run_ablations(blocks: Sequence[Block], seeds: Sequence[int], folder: Path) -> dict[str, Any]:
    """Subtract the diversified network's MAP@12 and AUC from those of each ablation, trained with the same seeds."""
    whole = run_model(blocks, rows.MODELS["diversified"], seeds, folder)
    differences: dict[str, Any] = {}
    for name, model in rows.list_ablations():
        pair = {"whole": whole, name: run_model(blocks, model, seeds, folder)}
        ap = {row: figures.average_seeds(values.ap) for row, values in pair.items()}
        auc = {row: figures.average_seeds(values.auc) for row, values in pair.items()}
        differences[name] = {
            "map12": paired.compare_variants(ap, "whole")[name]["minus"],
            "auc": paired.compare_variants(auc, "whole")[name]["minus"],
        }
    adjusted = paired.adjust_holm({name: row["auc"]["p"] for name, row in differences.items()})
    return {name: {**row, "auc": {**row["auc"], "holm": adjusted[name]}} for name, row in differences.items()}


if __name__ == "__main__":
    stage.guarded(main, "bench-hm-report")
