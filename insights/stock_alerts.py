"""Find articles about to run out: ``python -m insights.stock_alerts RESUPPLY.csv ALERTS.csv``.

Every customer's next basket is expected on one day (Damian et al. 2019, algorithm 2). An article has an alert on a day
whose resupply is below the expected sales. The paper compares each day alone. With --cumulative, a day's surplus is
carried over to the next day.

RESUPPLY.csv: article_id, date (YYYY-MM-DD), pieces; only the articles in it are watched.
ALERTS.csv:   article_id, name, date, resupplied, expected, missing.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from insights import models
from insights.models import Model
from insights.project import Project, read_project
from retail import stage
from retail.errors import InputError
from retail.log import Array
from retail_input import csvs
from retail_input.csvs import Rule
from stage1_candidates.networks.lens import basket_sequences
from stage1_candidates.networks.lens.plugin import Expected

COLUMNS = ("article_id", "date", "pieces")
DAYS = 14  # days after the log that are forecast
GONE = 3.0  # a customer without a purchase for so many expected gaps counts as gone


@dataclass(frozen=True)
class Alerts:
    """The expected sales of each watched article on each day, and where the resupply is too low."""

    item: Array  # (p,) int64 watched articles, ascending
    resupply: Array  # (p, days) float32 pieces that arrive
    expected: Array  # (p, days) float32 pieces expected to be bought
    left: Array  # (p, days) float32 pieces left, R of the paper; an alert if negative

    @property
    def short(self) -> Array:
        """(p, days) bool: there is an alert."""
        below: Array = self.left < 0
        return below


def sum_demand(expected: Expected, due: Array, item: Array, days: int) -> Array:
    """Sum the pieces of each article ``item`` (p,), ascending, expected on each of the next days: (p, days) float32.

    ``due`` (e,): days from the first of these days to the customer's next basket. An overdue basket (negative) counts
    on the first day. A basket after the last day, or with ``due`` NaN, is left out.
    """
    demand = np.zeros((len(item), days), np.float32)
    if not len(item):
        return demand
    day = np.floor(np.maximum(due, 0))[expected.basket.key_of_rows()]
    place = np.minimum(np.searchsorted(item, expected.basket.target), len(item) - 1)
    inside = (item[place] == expected.basket.target) & (day < days)  # false for NaN
    np.add.at(demand, (place[inside], day[inside].astype(np.int64)), expected.basket.weight[inside])
    return demand


def compute_alerts(item: Array, resupply: Array, expected: Array, cumulative: bool) -> Alerts:
    """Compute R = resupply - expected (algorithm 2) of each day; if ``cumulative``, R is summed up to each day."""
    left = resupply - expected
    return Alerts(item, resupply, expected, left.cumsum(axis=1, dtype=np.float32) if cumulative else left)


def forecast_alerts(project: Project, model: Model, item: Array, resupply: Array, cumulative: bool) -> Alerts:
    """Forecast the alerts of the days after the log, one per column of ``resupply`` (p, days)."""
    log = project.shop.log
    queries = basket_sequences.query_cutoff(model.sequences, np.flatnonzero(np.diff(model.sequences.start)), log.days)
    expected = model.expected(queries)
    since = log.days - 1 - model.sequences.day[queries.stop - 1]
    due = np.where(since > GONE * np.maximum(expected.days, 1), np.nan, expected.days - since - 1)
    return compute_alerts(item, resupply, sum_demand(expected, due, item, resupply.shape[1]), cumulative)


def read_resupply(file: Path, project: Project, days: int) -> tuple[Array, Array]:
    """Read (item (p,) ascending, resupply (p, days)) from RESUPPLY.csv; raise InputError for the first faulty row."""
    csv = csvs.open_csv(file, COLUMNS)
    begin, end = project.date(project.shop.log.days), project.date(project.shop.log.days + days - 1)
    when = pl.col("date").str.to_date("%Y-%m-%d", strict=False)
    pieces = pl.col("pieces").cast(pl.Float32, strict=False)
    raw = csv.read(COLUMNS)
    csv.check_rules(raw, [
        Rule("article_id", ~pl.col("article_id").is_in(project.article_id.implode()), "an article of the shop",
             "fix the id or delete the row"),
        Rule("date", ~when.is_between(begin, end).fill_null(False), f"a date from {begin} to {end}",
             "fix the date, or increase --days"),
        Rule("pieces", ~((pieces >= 0) & pieces.is_finite()).fill_null(False), "a number of 0 or more",
             "fix the number"),
    ])  # fmt: skip
    codes = pl.DataFrame({"article_id": project.article_id}).with_row_index("item")
    rows = raw.join(codes, on="article_id", how="left", validate="m:1", maintain_order="left").with_columns(
        pieces, day=(when - begin).dt.total_days()
    )
    item, place = np.unique(rows["item"].to_numpy().astype(np.int64), return_inverse=True)
    resupply = np.zeros((len(item), days), np.float32)
    np.add.at(resupply, (place, rows["day"].to_numpy()), rows["pieces"].to_numpy())
    return item, resupply


def build_table(project: Project, alerts: Alerts) -> pl.DataFrame:
    """Build the rows of ALERTS.csv: one per alert, by day, then most missing pieces first, then by id."""
    row, day = np.nonzero(alerts.short)
    rows = pl.DataFrame(
        {
            "article_id": project.article_id.gather(alerts.item[row]),
            "name": project.name.gather(alerts.item[row]),
            "date": pl.Series([project.date(project.shop.log.days + int(d)) for d in day], dtype=pl.Date),
            "resupplied": alerts.resupply[row, day],
            "expected": alerts.expected[row, day],
            "missing": -alerts.left[row, day],
        }
    )
    return rows.sort(["date", "missing", "article_id"], descending=[False, True, False])


def main() -> None:
    """Write ALERTS.csv."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("resupply", type=Path, help="CSV file to read: article_id, date, pieces")
    parser.add_argument("alerts", type=Path, help="CSV file to write")
    parser.add_argument("--project", type=Path, default=Path(), help="folder with data/prepared (default: this one)")
    parser.add_argument("--days", type=int, default=DAYS, help="days after the log (%(default)s)")
    parser.add_argument("--cumulative", action="store_true", help="carry each day's surplus over to the next")
    parser.add_argument("--model", choices=("auto", "lens", "plain"), default="auto", help="auto: LENS if trained")
    arguments = parser.parse_args()
    if arguments.days < 1:
        raise InputError(f"--days is {arguments.days}; expected 1 or more")
    project = read_project(arguments.project)
    item, resupply = read_resupply(arguments.resupply, project, arguments.days)
    model, _, _ = models.choose_model(project, arguments.model, project.shop.log.weeks)
    alerts = forecast_alerts(project, model, item, resupply, arguments.cumulative)
    with stage.whole_file(arguments.alerts) as part:
        build_table(project, alerts).write_csv(part, float_precision=2)
    articles = int(alerts.short.any(axis=1).sum())
    print(
        f"{articles} of {len(item)} articles run short on at least one of the next {arguments.days} days: "
        f"{arguments.alerts}"
    )


if __name__ == "__main__":
    stage.guarded(main, "stock_alerts")
