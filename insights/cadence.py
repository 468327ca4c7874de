"""Articles that their customers buy at a steady pace: ``python -m insights.cadence OUT.csv``.

A gap is the time between two purchases of one article by one customer on different days. OUT.csv, a row per article
with --least customers who came back for it, the steadiest first, ties by id:

article_id, name
buyers         customers who bought it
repeat_buyers  those of them who bought it on two days or more
gaps           of all customers
median_gap     days
steady         share of the gaps within 25% of the median; purchases at random moments have about 17%
steady_low     lower end of its 95% interval (Wilson 1927), by which the rows are ordered: few gaps prove little
due            repeat buyers whose own median gap since their last purchase ends in the week after the log
late           those for whom it ended before that week, by less than once again as long
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from insights import project as projects
from insights.project import Project
from retail import stage, weeks
from retail.errors import InputError
from retail.log import Array
from retail.weeks import History

LEAST = 20  # repeat buyers of an article that is looked at
AROUND = 0.25  # of the median gap: a gap within it is steady
AT_RANDOM = 2 ** -(1 - AROUND) - 2 ** -(1 + AROUND)  # share of exponential gaps within it
Z = 1.96


@dataclass(frozen=True)
class Pairs:
    """Each (article, customer) that bought, by article, then by customer, and the gaps between its purchases."""

    item: Array  # (p,) int64
    user: Array  # (p,) int64
    last: Array  # (p,) int64 day of the last purchase
    ptr: Array  # (p + 1,) int64: gaps of pair k are gap[ptr[k]:ptr[k+1]], ascending
    gap: Array  # (g,) int64 days

    @property
    def median(self) -> Array:
        """(p,) float64 median gap of each pair, NaN where it bought once."""
        return middle(self.ptr, self.gap)

    def due(self, day: int) -> tuple[Array, Array]:
        """(p,) bool twice: whose next purchase falls in the week from ``day`` on; who is late for it.

        It is expected one median gap of the pair after its last purchase; it is late until that time has passed twice.
        """
        expected = self.last + self.median  # NaN is neither
        late = (expected < day) & (day < self.last + 2 * self.median)
        return (expected >= day) & (expected < day + 7), late


def pairs(history: History) -> Pairs:
    """All pairs of what is known before the cutoff."""
    log, known = history.log, history.known
    order = known[np.argsort(log.item[known], kind="stable")]  # by article, customer, day: the log goes by the last two
    item, user, day = (column[order].astype(np.int64) for column in (log.item, log.user, log.day))
    new = np.ones(len(order), bool)
    new[1:] = (np.diff(item) != 0) | (np.diff(user) != 0)
    of = np.cumsum(new) - 1  # pair of each purchase
    pair, gap = of[~new], np.diff(day, prepend=0)[~new]
    ends = np.append(new[1:], True)[: len(order)]
    count = np.bincount(pair, minlength=int(new.sum()))
    ptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(count)])
    return Pairs(item[new], user[new], day[ends], ptr, gap[np.lexsort((gap, pair))])


def middle(ptr: Array, values: Array) -> Array:
    """(k,) float64 median of each ``values[ptr[k]:ptr[k+1]]``, ascending; NaN of none."""
    count = np.diff(ptr)
    out = np.full(len(count), np.nan)
    some = np.flatnonzero(count)
    out[some] = (values[ptr[some] + (count[some] - 1) // 2] + values[ptr[some] + count[some] // 2]) / 2
    return out


def articles(found: Pairs, items: int, day: int, least: int) -> pl.DataFrame:
    """Row: ``item`` (of ``items``) and the columns of the CSV file but the names; ``day``: the first after the log."""
    again = np.diff(found.ptr) > 0
    of_gap = np.repeat(found.item, np.diff(found.ptr))
    order = np.lexsort((found.gap, of_gap))
    ptr = np.searchsorted(of_gap, np.arange(items + 1)).astype(np.int64)
    median = middle(ptr, found.gap[order])
    near = np.abs(found.gap - median[of_gap]) <= AROUND * median[of_gap]
    gaps, steady = np.diff(ptr), np.bincount(of_gap[near], minlength=items)
    due, late = found.due(day)
    repeat = np.bincount(found.item[again], minlength=items)
    some = np.flatnonzero(repeat >= max(least, 1))
    rows = pl.DataFrame(
        {
            "item": some,
            "buyers": np.bincount(found.item, minlength=items)[some],
            "repeat_buyers": repeat[some],
            "gaps": gaps[some],
            "median_gap": median[some],
            "steady": steady[some] / gaps[some],
            "steady_low": wilson(steady[some], gaps[some]),
            "due": np.bincount(found.item[due], minlength=items)[some],
            "late": np.bincount(found.item[late], minlength=items)[some],
        }
    )
    return rows.sort(["steady_low", "item"], descending=[True, False])


def wilson(hits: Array, tries: Array) -> Array:
    """(k,) float64 lower end of the 95% interval of a share.

    >>> wilson(np.array([8]), np.array([10])).round(3)
    array([0.49])
    """
    share = hits / tries
    centre = share + Z**2 / (2 * tries)
    spread = Z * np.sqrt(share * (1 - share) / tries + Z**2 / (4 * tries**2))
    low: Array = (centre - spread) / (1 + Z**2 / tries)
    return low


@dataclass(frozen=True)
class Kept:
    """What being due was worth in one week."""

    due: int  # pairs that were due
    share: float  # of them that bought
    usual: float  # of all pairs that bought before on two days


def kept(history: History, least: int) -> Kept:
    """Of the label week, known by what lies before it; articles with ``least`` repeat buyers until then."""
    found, items = pairs(history), history.log.items
    again = np.diff(found.ptr) > 0
    many = np.bincount(found.item[again], minlength=items) >= max(least, 1)
    asked = again & many[found.item]
    user, item = weeks.truth(history.log, history.week)
    bought = np.isin(found.user * items + found.item, user.astype(np.int64) * items + item)
    due = asked & found.due(history.cutoff)[0]
    share, usual = (float(bought[some].sum() / max(some.sum(), 1)) for some in (due, asked))
    return Kept(int(due.sum()), share, usual)


def of_project(project: Project, least: int) -> pl.DataFrame:
    """Rows of the CSV file."""
    log = project.shop.log
    rows = articles(pairs(weeks.history(log, log.weeks)), log.items, log.days, least)
    if not rows.height:
        raise InputError(
            f"{project.folder / 'data/prepared/log.parquet'}: no article has {least} customers who bought it on two "
            "days; expected at least one; ask for fewer by --least"
        )
    names = {"article_id": project.article_id, "name": project.name}
    named = [pl.Series(name, values.gather(rows["item"])) for name, values in names.items()]
    return pl.DataFrame(named).hstack(rows.drop("item"))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--project", type=Path, default=Path(), help="folder with data/prepared (this one)")
    parser.add_argument(
        "--least", type=int, default=LEAST, help="repeat buyers that an article must have (%(default)s)"
    )
    asked = parser.parse_args()
    if asked.least < 1:
        raise InputError(f"--least is {asked.least}; expected 1 or more")
    rows = of_project(projects.read(asked.project), asked.least)
    with stage.whole_file(asked.out) as part:
        rows.write_csv(part, float_precision=3)
    print(f"{rows.height} articles, {int(rows['due'].sum())} purchases due in the coming week: {asked.out}")


if __name__ == "__main__":
    stage.guarded(main, "cadence")
