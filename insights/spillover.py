"""Estimate the sales of the other categories if one is removed: ``python -m insights.spillover CATEGORY OUT.csv``.

A visit is what a customer bought in one week, each article counted once. Two estimates answer the question of Gholami
et al. (KDD 2022, 5.5.2). One compares the visits without the category with all visits. The other is what PARSRec
predicts in such visits, if the graph trained it. Trust the comparison: ``make bench-parsrec`` plants the truth. The
comparison misses the sales of related categories by 7%, and PARSRec misses them by 47% (mean of five seeds). Neither
knows why customers came: a visit without the category today is not a visit after its removal.

OUT.csv has a row per other category, the most sold first, ties by name. Columns:

category
sold       articles in the visits of the last 52 weeks
together   share of them bought in a visit with the removed category
change     articles per visit without the removed category, over articles per visit, minus 1
low, high  95% interval of ``change`` (delta method, customers being independent)
network    the change that PARSRec predicts; empty if PARSRec is not trained

``change`` applies if customers still come. ``together`` is the loss if the visits with the category no longer happen.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from insights import parsrec
from insights.categories import COLUMN, Categories, read_categories
from insights.parsrec import Trained
from insights.project import Project, describe_untrained, read_project
from insights.seeds import parse_seed
from insights.visits import Visits, collect_visits
from insights.without import Comparison, compare_without
from retail import stage, weeks
from retail.log import Array
from retail.weeks import History

COUNTED_WEEKS = 52  # last weeks whose visits are compared
CHECK_WEEKS = 8  # last weeks on which the estimates are checked
CHECK_VISITS = 5000  # visits, at most, in which PARSRec predicts


@dataclass(frozen=True)
class Check:
    """The error of each estimate in the last weeks' visits without the category, whose content is known."""

    visits: int
    missed: dict[str, float]  # estimate -> sum of absolute errors over the number of articles
    network: Array | None  # (C,) float64 change that PARSRec predicts


def check_estimates(
    history: History, categories: Categories, removed: int, network: Trained | None, seed: int
) -> Check:
    """Check the estimates on the visits of the last CHECK_WEEKS weeks without category ``removed``.

    Each estimate multiplies the sales of all visits of these weeks by 1 + change. It then scales them to the known
    number of articles. "counted" takes the change of the COUNTED_WEEKS weeks before. "blind" assumes no change.
    "network" takes the change that PARSRec predicts, trained on earlier weeks.
    """
    count, first = len(categories.names), history.week - CHECK_WEEKS
    late = collect_visits(history, categories.item_category, count, first, history.week)
    late = late.select(history.log.start[late.user] < late.first)  # PARSRec needs an earlier purchase
    left = late.select(~late.contains(removed))
    before = collect_visits(history, categories.item_category, count, first - COUNTED_WEEKS, first)
    changes = {"counted": compare_without(before, removed).change, "blind": np.zeros(count)}
    if network is not None:
        changes["network"] = predict_change(network, categories, late, removed, seed)
    missed = {}
    for name, change in changes.items():
        sales = late.sold * (1 + np.nan_to_num(change))
        sales[removed] = 0
        scaled = len(left.visit) * sales / max(sales.sum(), 1)
        missed[name] = float(np.abs(scaled - left.sold).sum()) / max(len(left.visit), 1)
    return Check(len(left.user), missed, changes.get("network"))


def predict_change(network: Trained, categories: Categories, late: Visits, removed: int, seed: int) -> Array:
    """Predict (C,) float64: PARSRec's articles per visit without ``removed``, over its articles per visit, minus 1.

    Both are predictions for a sample of the visits ``late``, so a general bias of the network cancels.
    """
    mask = np.isin(network.visits.until, late.first)
    if int(mask.sum()) > CHECK_VISITS:
        sample = np.random.default_rng(seed).choice(np.flatnonzero(mask), CHECK_VISITS, replace=False)
        mask = np.isin(np.arange(len(mask)), sample)
    visits = network.visits.select(mask)
    place = np.searchsorted(late.first, visits.until)
    length, free = late.length[place, None], ~late.contains(removed)[place]

    def average_articles(chosen: Array, excluded: int) -> Array:
        chance = parsrec.predict_categories(
            network, visits.select(chosen), categories.item_category, len(categories.names), excluded, seed
        )  # (s, C)
        mean: Array = (length[chosen] * chance).mean(0)
        return mean

    everywhere, without = average_articles(np.ones(len(free), bool), -1), average_articles(free, removed)
    with np.errstate(divide="ignore", invalid="ignore"):
        change: Array = without / everywhere - 1
    return change


@dataclass(frozen=True)
class Spillover:
    """All estimates for one removed category."""

    categories: Categories
    removed: int
    counted: Comparison
    check: Check
    trained: int | None  # the label week before which PARSRec was trained; None: not trained

    @property
    def others(self) -> Array:
        """(k,) codes of the other categories that were sold: the most sold first, ties by name."""
        order = np.lexsort((np.arange(len(self.categories.names)), -self.counted.sold))
        others: Array = order[(order != self.removed) & (self.counted.sold[order] > 0)]
        return others

    @property
    def total_change(self) -> float:
        """Change of all other categories together: visits without a given category are generally shorter or longer."""
        sold, left = (int(column[self.others].sum()) for column in (self.counted.sold, self.counted.left))
        return left / max(self.counted.without, 1) / (sold / self.counted.visits) - 1 if sold else 0.0


def estimate(project: Project, categories: Categories, removed: int, network: Trained | None, seed: int) -> Spillover:
    """Estimate the changes if category ``removed`` is removed; ``network`` as ``read_network`` returns it."""
    log = project.shop.log
    history = weeks.history(log, log.weeks)
    year = collect_visits(
        history, categories.item_category, len(categories.names), log.weeks - COUNTED_WEEKS, log.weeks
    )
    check = check_estimates(history, categories, removed, network, seed)
    week = None if network is None else network.week
    return Spillover(categories, removed, compare_without(year, removed), check, week)


def read_network(project: Project, seed: int) -> Trained | None:
    """Read PARSRec as trained before the weeks of the check, and the visits; None if there is no such training."""
    last = project.shop.log.weeks
    return parsrec.read_trained(project, last - CHECK_WEEKS, max(last - COUNTED_WEEKS, 0), seed)


def build_table(spillover: Spillover) -> pl.DataFrame:
    """Build the rows of OUT.csv."""
    others, counts, network = spillover.others, spillover.counted, spillover.check.network
    return pl.DataFrame(
        {
            "category": [spillover.categories.names[k] for k in others],
            "sold": counts.sold[others],
            "together": counts.together[others],
            "change": counts.change[others],
            "low": counts.low[others],
            "high": counts.high[others],
            "network": np.full(len(others), np.nan) if network is None else network[others],
        }
    ).fill_nan(None)


def main() -> None:
    """Write OUT.csv and print the errors of the estimates."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("category", help="the category to remove")
    parser.add_argument("out", type=Path, help="CSV file to write")
    parser.add_argument("--project", type=Path, default=Path(), help="folder with data/prepared (default: this one)")
    parser.add_argument("--column", default=COLUMN, help="column of articles.csv with the categories (%(default)s)")
    parser.add_argument("--seed", type=parse_seed, default=1, help="of the sampled visits (%(default)s)")
    arguments = parser.parse_args()
    project = read_project(arguments.project)
    categories = read_categories(project, arguments.column)
    removed = categories.encode(arguments.category)
    spillover = estimate(project, categories, removed, read_network(project, arguments.seed), arguments.seed)
    with stage.whole_file(arguments.out) as part:
        build_table(spillover).write_csv(part, float_precision=4)
    counts, missed = spillover.counted, spillover.check.missed
    print(f"{counts.visits - counts.without} of {counts.visits} visits contain {arguments.category}")
    print(f"change of all other categories in visits without it: {spillover.total_change:+.1%}")
    print("error in the last weeks: " + ", ".join(f"{name} {share:.1%}" for name, share in missed.items()))
    if spillover.trained is None:
        print(describe_untrained(project, parsrec.PARSREC, project.shop.log.weeks - CHECK_WEEKS))


if __name__ == "__main__":
    stage.guarded(main, "spillover")
