"""What becomes of the other categories if one leaves: ``python -m insights.spillover CATEGORY OUT.csv``.

A visit is what a customer bought in one week, an article counted once. Two answers to the what-if of Gholami et al.
(KDD 2022, 5.5.2) stand side by side: the visits without the category, counted, and PARSRec, where the graph trained it,
asked what it expects in such visits. Trust the counted one: where the truth is planted (``make bench-parsrec``, mean of
five seeds) it misses the sales of what went with the leaving one by 7%, the network by 47%. Neither knows why
customers came: a visit without the category is not a visit after it has left.

OUT.csv, a row per other category, the most sold first, ties by name:

category
sold       articles in the visits of the last 52 weeks
together   share of them bought in a visit that holds the leaving category too: lost if such visits stay away
change     articles per visit without the leaving category, over those per visit, minus 1: if customers still come
low, high  its 95% interval (delta method, customers being independent)
network    the change that PARSRec expects; empty where it is not trained
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from insights import categories as columns
from insights import parsrec, seeds
from insights import project as projects
from insights import visits as baskets
from insights.categories import Categories
from insights.parsrec import Trained
from insights.project import Project
from insights.visits import Visits
from insights.without import Counted, counted
from retail import stage, weeks
from retail.log import Array
from retail.weeks import History

COUNTED, CHECKED = 52, 8  # weeks that are counted; the last ones, on which the answers are checked
ASKED = 5000  # visits that are checked, at most


@dataclass(frozen=True)
class Checked:
    """How far each answer is off in the last weeks' visits without the category, which are there to be counted."""

    visits: int
    missed: dict[str, float]  # answer -> sum of absolute errors over all articles
    network: Array | None  # (C,) float64 change as PARSRec expects it


def checked(history: History, of: Categories, gone: int, network: Trained | None, seed: int) -> Checked:
    """The answers to what visits of the last CHECKED weeks hold without ``gone``, their articles in all being given.

    Each is the sales of these weeks' visits times one more than a change: "counted" that of the COUNTED weeks before,
    "blind" none, "network" that of PARSRec, which learned before them.
    """
    count, first = len(of.names), history.week - CHECKED
    late = baskets.visits(history, of.of_item, count, first, history.week)
    late = late.chosen(history.log.start[late.user] < late.first)  # of the others PARSRec knows nothing
    left = late.chosen(~late.holding(gone))
    before = baskets.visits(history, of.of_item, count, first - COUNTED, first)
    change = {"counted": counted(before, gone).change, "blind": np.zeros(count)}
    if network is not None:
        change["network"] = expected(network, of, late, gone, seed)
    missed = {}
    for name, found in change.items():
        worth = late.sold * (1 + np.nan_to_num(found))
        worth[gone] = 0
        dealt = len(left.visit) * worth / max(worth.sum(), 1)
        missed[name] = float(np.abs(dealt - left.sold).sum()) / max(len(left.visit), 1)
    return Checked(len(left.user), missed, change.get("network"))


def expected(network: Trained, of: Categories, late: Visits, gone: int, seed: int) -> Array:
    """(C,) float64: articles per visit without ``gone`` that PARSRec expects, over those per visit, minus 1.

    Both are its own, of a sample of the visits ``late``: what it expects too much of everywhere is no change.
    """
    some = np.isin(network.visits.until, late.first)
    if int(some.sum()) > ASKED:
        chosen = np.random.default_rng(seed).choice(np.flatnonzero(some), ASKED, replace=False)
        some = np.isin(np.arange(len(some)), chosen)
    asked = network.visits.select(some)
    place = np.searchsorted(late.first, asked.until)
    length, free = late.length[place, None], ~late.holding(gone)[place]
    per_visit = [
        (length[which] * parsrec.by_category(network, asked.select(which), of.of_item, len(of.names), out, seed)).mean(
            0
        )
        for which, out in ((np.ones(len(free), bool), -1), (free, gone))
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        change: Array = per_visit[1] / per_visit[0] - 1
    return change


@dataclass(frozen=True)
class Found:
    of: Categories
    gone: int
    counted: Counted
    checked: Checked
    trained: int | None  # the label week before which PARSRec learned

    @property
    def others(self) -> Array:
        """Categories that were sold, but the leaving one: the most sold first, ties by name."""
        order = np.lexsort((np.arange(len(self.of.names)), -self.counted.sold))
        some: Array = order[(order != self.gone) & (self.counted.sold[order] > 0)]
        return some

    @property
    def all_others(self) -> float:
        """The change of all others together: visits without a category are smaller, whatever it is."""
        sold, left = (int(column[self.others].sum()) for column in (self.counted.sold, self.counted.left))
        return left / max(self.counted.without, 1) / (sold / self.counted.visits) - 1 if sold else 0.0


def of_project(project: Project, of: Categories, gone: int, network: Trained | None, seed: int) -> Found:
    """Both answers for category ``gone``; ``network`` as ``trained`` gives it."""
    log = project.shop.log
    history = weeks.history(log, log.weeks)
    year = baskets.visits(history, of.of_item, len(of.names), log.weeks - COUNTED, log.weeks)
    check = checked(history, of, gone, network, seed)
    return Found(of, gone, counted(year, gone), check, None if network is None else network.week)


def trained(project: Project, seed: int) -> Trained | None:
    """PARSRec, where a training of it knows nothing of the weeks that are checked, and the visits that are counted."""
    last = project.shop.log.weeks
    return parsrec.trained(project, last - CHECKED, max(last - COUNTED, 0), seed)


def table(found: Found) -> pl.DataFrame:
    """Rows of the CSV file."""
    other, counts, network = found.others, found.counted, found.checked.network
    return pl.DataFrame(
        {
            "category": [found.of.names[k] for k in other],
            "sold": counts.sold[other],
            "together": counts.together[other],
            "change": counts.change[other],
            "low": counts.low[other],
            "high": counts.high[other],
            "network": np.full(len(other), np.nan) if network is None else network[other],
        }
    ).fill_nan(None)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("category")
    parser.add_argument("out", type=Path)
    parser.add_argument("--project", type=Path, default=Path(), help="folder with data/prepared (this one)")
    parser.add_argument(
        "--column", default=columns.COLUMN, help="of articles.csv that holds the category (%(default)s)"
    )
    parser.add_argument("--seed", type=seeds.seed, default=1, help="of the visits that are checked (%(default)s)")
    asked = parser.parse_args()
    project = projects.read(asked.project)
    of = columns.of_project(project, asked.column)
    found = of_project(project, of, of.code(asked.category), trained(project, asked.seed), asked.seed)
    with stage.whole_file(asked.out) as part:
        table(found).write_csv(part, float_precision=4)
    counts, missed = found.counted, found.checked.missed
    print(f"{counts.visits - counts.without} of {counts.visits} visits hold it; all others: {found.all_others:+.1%}")
    print("missed in the last weeks: " + ", ".join(f"{name} {share:.1%}" for name, share in missed.items()))
    if found.trained is None:
        print(projects.untrained(project, parsrec.PARSREC, project.shop.log.weeks - CHECKED))


if __name__ == "__main__":
    stage.guarded(main, "spillover")
