"""Find articles that their customers buy at regular intervals: ``python -m insights.cadence OUT.csv``.

A gap is the number of days between two successive purchases of an article by the same customer, on different days.
OUT.csv has one row per article with at least --least repeat buyers, the most regular first, ties by id. Columns:

article_id, name
buyers         customers who bought it
repeat_buyers  customers who bought it on two days or more
gaps           number of gaps of all customers
median_gap     days
steady         share of the gaps within 25% of the median; about 17% if purchases come at random
steady_low     lower end of the share's 95% interval (Wilson 1927)
due            repeat buyers whose next purchase is expected in the week after the log
late           repeat buyers whose next purchase was expected before, less than one gap ago

The rows are ordered by ``steady_low``, because few gaps prove little. A customer's next purchase is expected one median
gap (the customer's own) after the last.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from insights.project import Project, read_project
from retail import ragged, stage, weeks
from retail.errors import InputError
from retail.log import Array
from retail.weeks import History

MIN_REPEAT_BUYERS = 20  # of an article in the table
STEADY = 0.25  # a gap is steady if it differs from the median by at most this share of the median
STEADY_AT_RANDOM = 2 ** -(1 - STEADY) - 2 ** -(1 + STEADY)  # share of exponential gaps that are steady
Z = 1.96  # of a 95% interval


@dataclass(frozen=True)
class Pairs:
    """Each (article, customer) with a purchase, by article, then customer, and the gaps between its purchases."""

    item: Array  # (p,) int64
    user: Array  # (p,) int64
    last: Array  # (p,) int64 day of the last purchase
    ptr: Array  # (p + 1,) int64: gaps of pair k are gap[ptr[k]:ptr[k+1]], ascending
    gap: Array  # (g,) int64 days

    @property
    def repeated(self) -> Array:
        """(p,) bool: bought on two days or more."""
        more: Array = np.diff(self.ptr) > 0
        return more

    @property
    def median(self) -> Array:
        """(p,) float64 median gap of each pair, NaN where it bought once."""
        return compute_medians(self.ptr, self.gap)

    def split_by_due_date(self, day: int) -> tuple[Array, Array]:
        """Split the pairs by the expected purchase: (p,) bool, due in the week from ``day`` on, and (p,) bool, late.

        A purchase is late for one further median gap; after that the customer counts as gone.
        """
        expected = self.last + self.median  # NaN: neither due nor late
        late = (expected < day) & (day < self.last + 2 * self.median)
        return (expected >= day) & (expected < day + 7), late


def collect_pairs(history: History) -> Pairs:
    """Collect the pairs and their gaps from the purchases before the cutoff."""
    log, known = history.log, history.known
    # The log is in the order of customer and day, so a stable sort by article gives article, customer, day.
    order = known[np.argsort(log.item[known], kind="stable")]
    item, user, day = (column[order].astype(np.int64) for column in (log.item, log.user, log.day))
    new = np.ones(len(order), bool)
    new[1:] = (np.diff(item) != 0) | (np.diff(user) != 0)
    pair = (np.cumsum(new) - 1)[~new]  # pair of each gap
    gap = np.diff(day, prepend=0)[~new]
    last = np.append(new[1:], True)[: len(order)]
    ptr = ragged.offsets(np.bincount(pair, minlength=int(new.sum())))
    return Pairs(item[new], user[new], day[last], ptr, gap[np.lexsort((gap, pair))])


def compute_medians(ptr: Array, values: Array) -> Array:
    """Compute (k,) float64 the median of each ascending run ``values[ptr[k]:ptr[k+1]]``; NaN for an empty run."""
    count = np.diff(ptr)
    median = np.full(len(count), np.nan)
    filled = np.flatnonzero(count)
    low, high = (values[ptr[filled] + half] for half in ((count[filled] - 1) // 2, count[filled] // 2))
    median[filled] = (low + high) / 2
    return median


def count_by_article(pairs: Pairs, items: int, day: int, least: int) -> pl.DataFrame:
    """Count by article: a row per article with ``least`` repeat buyers, ``item`` and the counts of OUT.csv.

    ``items``: number of articles; ``day``: the first day after the log.
    """
    item_of_gap = np.repeat(pairs.item, np.diff(pairs.ptr))
    order = np.lexsort((pairs.gap, item_of_gap))
    ptr = np.searchsorted(item_of_gap, np.arange(items + 1)).astype(np.int64)
    median = compute_medians(ptr, pairs.gap[order])
    near = np.abs(pairs.gap - median[item_of_gap]) <= STEADY * median[item_of_gap]
    gaps, steady = np.diff(ptr), np.bincount(item_of_gap[near], minlength=items)
    due, late = pairs.split_by_due_date(day)
    repeat = np.bincount(pairs.item[pairs.repeated], minlength=items)
    item = np.flatnonzero(repeat >= max(least, 1))
    rows = pl.DataFrame(
        {
            "item": item,
            "buyers": np.bincount(pairs.item, minlength=items)[item],
            "repeat_buyers": repeat[item],
            "gaps": gaps[item],
            "median_gap": median[item],
            "steady": steady[item] / gaps[item],
            "steady_low": compute_wilson_lower_bound(steady[item], gaps[item]),
            "due": np.bincount(pairs.item[due], minlength=items)[item],
            "late": np.bincount(pairs.item[late], minlength=items)[item],
        }
    )
    return rows.sort(["steady_low", "item"], descending=[True, False])


def compute_wilson_lower_bound(hits: Array, tries: Array) -> Array:
    """Compute (k,) float64 the lower end of the 95% Wilson interval of a share.

    >>> compute_wilson_lower_bound(np.array([8]), np.array([10])).round(3)
    array([0.49])
    """
    share = hits / tries
    centre = share + Z**2 / (2 * tries)
    spread = Z * np.sqrt(share * (1 - share) / tries + Z**2 / (4 * tries**2))
    low: Array = (centre - spread) / (1 + Z**2 / tries)
    return low


@dataclass(frozen=True)
class Backtest:
    """How many of the purchases that were due in one week were made."""

    due: int  # pairs that were due
    share: float  # share of the due pairs that were bought in the week
    usual: float  # share of all pairs with a gap that were bought in the week


def backtest_due(history: History, least: int) -> Backtest:
    """Test which pairs that were due in the label week were bought in it; they are predicted from the days before.

    Only articles with ``least`` repeat buyers before that week count.
    """
    pairs, items = collect_pairs(history), history.log.items
    frequent = np.bincount(pairs.item[pairs.repeated], minlength=items) >= max(least, 1)
    candidate = pairs.repeated & frequent[pairs.item]
    user, item = weeks.truth(history.log, history.week)
    bought = np.isin(pairs.user * items + pairs.item, user.astype(np.int64) * items + item)
    due = candidate & pairs.split_by_due_date(history.cutoff)[0]
    share, usual = (float(bought[mask].sum() / max(mask.sum(), 1)) for mask in (due, candidate))
    return Backtest(int(due.sum()), share, usual)


def build_table(project: Project, least: int) -> pl.DataFrame:
    """Build the rows of OUT.csv; InputError where no article has ``least`` repeat buyers."""
    log = project.shop.log
    rows = count_by_article(collect_pairs(weeks.history(log, log.weeks)), log.items, log.days, least)
    if not rows.height:
        raise InputError(
            f"{project.folder / 'data/prepared/log.parquet'}: no article has {least} customers who bought it on two "
            "days; expected at least one; lower --least"
        )
    names = {"article_id": project.article_id, "name": project.name}
    named = [pl.Series(name, values.gather(rows["item"])) for name, values in names.items()]
    return pl.DataFrame(named).hstack(rows.drop("item"))


def main() -> None:
    """Write OUT.csv."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, help="CSV file to write")
    parser.add_argument("--project", type=Path, default=Path(), help="folder with data/prepared (default: this one)")
    parser.add_argument(
        "--least", type=int, default=MIN_REPEAT_BUYERS, help="least repeat buyers of an article (%(default)s)"
    )
    arguments = parser.parse_args()
    if arguments.least < 1:
        raise InputError(f"--least is {arguments.least}; expected 1 or more")
    rows = build_table(read_project(arguments.project), arguments.least)
    with stage.whole_file(arguments.out) as part:
        rows.write_csv(part, float_precision=3)
    print(f"{rows.height} articles, {int(rows['due'].sum())} purchases due in the coming week: {arguments.out}")


if __name__ == "__main__":
    stage.guarded(main, "cadence")
