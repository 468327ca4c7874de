"""Articles about to run out: ``python -m insights.stock_alerts RESUPPLY.csv ALERTS.csv`` (Damian et al. 2019, Alg. 2).

Every customer's next basket is set down on its expected day; where the resupply of a day is less, the article alerts.
The paper's residual is that day's alone; with --cumulative what is left of earlier days counts too.

RESUPPLY.csv: article_id, date (YYYY-MM-DD), pieces; the articles in it are the ones that are watched.
ALERTS.csv:   article_id, name, date, resupplied, expected, missing.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from insights import models
from insights import project as projects
from insights.models import Model
from insights.project import Project
from retail import stage
from retail.errors import InputError
from retail.log import Array
from retail_input import csvs
from retail_input.csvs import Rule
from stage1_candidates.networks.lens import basket_sequences
from stage1_candidates.networks.lens.plugin import Expected

COLUMNS = ("article_id", "date", "pieces")
DAYS = 14  # after the log
GONE = 3.0  # a customer who is away for so many times its expected gap is taken to have left


@dataclass(frozen=True)
class Alerts:
    """What is expected of each watched article on each day, and where it is short."""

    item: Array  # (p,) int64 articles that are watched, ascending
    resupply: Array  # (p, days) float32 pieces that arrive
    expected: Array  # (p, days) float32 pieces that are bought
    left: Array  # (p, days) float32 R of the paper; an alert where it is below 0

    @property
    def short(self) -> Array:
        """(p, days) bool."""
        below: Array = self.left < 0
        return below


def demand(expected: Expected, due: Array, item: Array, days: int) -> Array:
    """(p, days) float32 pieces of the articles ``item`` (p,), ascending, that are bought on each of the next days.

    ``due`` (e,): days from the first of them to the customer's next basket; what is overdue (below 0) is taken to come
    on the first, NaN never comes. A basket of a later day than the last is left out.
    """
    out = np.zeros((len(item), days), np.float32)
    if not len(item):
        return out
    day = np.floor(np.maximum(due, 0))[expected.basket.key_of_rows()]
    place = np.minimum(np.searchsorted(item, expected.basket.target), len(item) - 1)
    inside = (item[place] == expected.basket.target) & (day < days)  # NaN is not below
    np.add.at(out, (place[inside], day[inside].astype(np.int64)), expected.basket.weight[inside])
    return out


def alerts(item: Array, resupply: Array, expected: Array, cumulative: bool) -> Alerts:
    """Algorithm 2: R = resupply - expected of each day, or, ``cumulative``, of all days until it."""
    left = resupply - expected
    return Alerts(item, resupply, expected, left.cumsum(axis=1, dtype=np.float32) if cumulative else left)


def of_model(project: Project, model: Model, item: Array, resupply: Array, cumulative: bool) -> Alerts:
    """The alerts of the days after the log: the figures of a page as well as those of the CSV file."""
    log = project.shop.log
    asked = basket_sequences.query_cutoff(model.sequences, np.flatnonzero(np.diff(model.sequences.start)), log.days)
    expected = model.expected(asked)
    since = log.days - 1 - model.sequences.day[asked.stop - 1]
    due = np.where(since > GONE * np.maximum(expected.days, 1), np.nan, expected.days - since - 1)
    return alerts(item, resupply, demand(expected, due, item, resupply.shape[1]), cumulative)


def read(file: Path, project: Project, days: int) -> tuple[Array, Array]:
    """(item, resupply (p, days)) of a CSV file; an InputError names what is wrong in which row."""
    csv = csvs.opened(file, COLUMNS)
    begin, end = project.date(project.shop.log.days), project.date(project.shop.log.days + days - 1)
    when = pl.col("date").str.to_date("%Y-%m-%d", strict=False)
    pieces = pl.col("pieces").cast(pl.Float32, strict=False)
    raw = csv.read(COLUMNS)
    csv.check_rules(raw, [
        Rule("article_id", ~pl.col("article_id").is_in(project.article_id.implode()), "an article of the shop",
             "mend the id or delete the row"),
        Rule("date", ~when.is_between(begin, end).fill_null(False), f"a date from {begin} to {end}",
             "mend the date, or ask for more --days"),
        Rule("pieces", ~((pieces >= 0) & pieces.is_finite()).fill_null(False), "a number of 0 or more",
             "mend the number"),
    ])  # fmt: skip
    codes = pl.DataFrame({"article_id": project.article_id}).with_row_index("item")
    rows = raw.join(codes, on="article_id", how="left", validate="m:1", maintain_order="left").with_columns(
        pieces, day=(when - begin).dt.total_days()
    )
    item, place = np.unique(rows["item"].to_numpy().astype(np.int64), return_inverse=True)
    resupply = np.zeros((len(item), days), np.float32)
    np.add.at(resupply, (place, rows["day"].to_numpy()), rows["pieces"].to_numpy())
    return item, resupply


def table(project: Project, found: Alerts) -> pl.DataFrame:
    """Row: an article on a day on which it is short, by day, then by what is missing, the most first, then by id."""
    row, day = np.nonzero(found.short)
    short = pl.DataFrame(
        {
            "article_id": project.article_id.gather(found.item[row]),
            "name": project.name.gather(found.item[row]),
            "date": pl.Series([project.date(project.shop.log.days + int(d)) for d in day], dtype=pl.Date),
            "resupplied": found.resupply[row, day],
            "expected": found.expected[row, day],
            "missing": -found.left[row, day],
        }
    )
    return short.sort(["date", "missing", "article_id"], descending=[False, True, False])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("resupply", type=Path)
    parser.add_argument("alerts", type=Path)
    parser.add_argument("--project", type=Path, default=Path(), help="folder with data/prepared (this one)")
    parser.add_argument("--days", type=int, default=DAYS, help="days after the log that are looked at (%(default)s)")
    parser.add_argument("--cumulative", action="store_true", help="what is left of a day is there on the next")
    parser.add_argument("--model", choices=("auto", "lens", "plain"), default="auto", help="auto: LENS if trained")
    asked = parser.parse_args()
    if asked.days < 1:
        raise InputError(f"--days is {asked.days}; expected 1 or more")
    project = projects.read(asked.project)
    item, resupply = read(asked.resupply, project, asked.days)
    model, _, _ = models.chosen(project, asked.model, project.shop.log.weeks)
    found = of_model(project, model, item, resupply, asked.cumulative)
    with stage.whole_file(asked.alerts) as part:
        table(project, found).write_csv(part, float_precision=2)
    articles = int(found.short.any(axis=1).sum())
    print(f"{articles} of {len(item)} articles are short on some of the next {asked.days} days: {asked.alerts}")


if __name__ == "__main__":
    stage.guarded(main, "stock_alerts")
