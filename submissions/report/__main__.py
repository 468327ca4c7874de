"""Stage ``report``: outputs/report.html, one file that says how good the lists are and what they are made of.

``python -m submissions.report``. Needs no network to be read: plotly.js, every figure and every text lie in the file.
"""

import json
from datetime import date, timedelta
from typing import Any

import optuna
import polars as pl

from retail import params as parameters
from retail import paths, schema, stage, weeks
from retail.params import Params
from stage2_ranker.model.recipe import BEST, Best
from stage2_ranker.search import trials
from submissions.cost import COST
from submissions.report.candidates import recall
from submissions.report.document import html
from submissions.report.figure import PLAIN, Figure, Section, bars
from submissions.report.gain import gain
from submissions.report.people import people
from submissions.report.quality import calibration, headline, recency
from submissions.report.shop import shop
from submissions.report.tuning import tuning
from submissions.report.variety import variety

PAGE = paths.OUTPUTS / "report.html"
EXPLANATIONS = paths.OUTPUTS / "explanations.parquet"
TEXT = {"name": pl.String}  # of intervals.csv: weeks, whose numbers alone would make it a number, then segments
EXPLAINED = {"customer_id": pl.String, "article_id": pl.String}


def sections(params: Params) -> list[Section]:
    """Every section of the page, from the stages' tables."""
    metrics = json.loads(paths.METRICS.read_text())
    calendar = json.loads(paths.CALENDAR.read_text())
    begin, days = date.fromisoformat(calendar["first_day"]), calendar["days"]
    first_days = [first_day(begin, days, week) for week in range(calendar["weeks"])]
    table = {file.stem: pl.read_csv(file, schema_overrides=TEXT) for file in sorted(paths.EVALUATION.glob("*.csv"))}
    log = pl.read_parquet(paths.LOG, columns=["user", "item", "day"])
    customer_id = pl.read_parquet(paths.CUSTOMERS, columns=["customer_id"])["customer_id"]
    days_of = {week: first_days[int(week)] for week in metrics["by_week"]}
    return [
        headline(metrics, table["intervals"], days_of, params.evaluate.bootstrap),
        recency(table["intervals"]),
        people(explanations(), log, days, begin, customer_id, pl.read_parquet(paths.ARTICLES)),
        variety(table["variety"]),
        recall(metrics["recall"]),
        calibration(table["by_score"], table["by_place"]),
        gain(pl.read_csv(paths.MODEL / "gain.csv"), list(params.features)),
        *searched(),
        shop(log, days, first_days, len(customer_id)),
        cost(json.loads(COST.read_text())),
    ]


def searched() -> list[Section]:
    """The search for the ranker's parameters, nothing where none was made."""
    found = trials.read() if trials.TUNING.exists() else []
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return [tuning(trials.study_of(found), Best.model_validate_json(BEST.read_bytes()))] if found else []


def explanations() -> pl.DataFrame | None:
    """The reasons of the recommended articles, None where they were not computed."""
    if not EXPLANATIONS.exists():
        return None
    return schema.check(pl.read_parquet(EXPLANATIONS), EXPLAINED, "explanations", more=True)


def cost(spent: dict[str, Any]) -> Section:
    """Show what the run cost; ``spent``: stage -> seconds and peak_mb, in the graph's order."""
    names = list(spent)
    seconds = [row["seconds"] for row in spent.values()]
    memory = [row["peak_mb"] for row in spent.values()]
    how = "Each stage's last run that was not taken from the cache, on the machine that ran it"
    figures = [
        Figure(
            "seconds", "Seconds of each stage", bars(names, seconds, PLAIN, "seconds", [f"{s:,.1f}" for s in seconds]),
            f"Wall time. {how}; other work on it counts in.", half=True,
        ),
        Figure(
            "memory", "Peak memory of each stage", bars(names, memory, PLAIN, "MB", [f"{mb:,}" for mb in memory]),
            f"Most resident memory of the stage's process and its children, in MiB. {how}.", half=True,
        ),
    ]  # fmt: skip
    text = f"{sum(seconds) / 60:,.1f} minutes of stages in all; the largest held {max(memory, default=0):,} MiB."
    return Section("cost", "What it cost", text, figures=figures)


def first_day(begin: date, days: int, week: int) -> str:
    """ISO date of the first day of ``week`` in data of ``days`` days from ``begin``."""
    return (begin + timedelta(weeks.first_day(days, week))).isoformat()


def facts(params: Params) -> dict[str, str]:
    """What the page is about, in a line each."""
    metrics, calendar = json.loads(paths.METRICS.read_text()), json.loads(paths.CALENDAR.read_text())
    labels = [int(week) for week in metrics["by_week"]]
    begin, days = date.fromisoformat(calendar["first_day"]), calendar["days"]
    models = json.loads((paths.MODEL / "blend.json").read_text())["models"]
    count = {name: pl.scan_parquet(file).select(pl.len()).collect().item() for name, file in _COUNTED.items()}
    span = f"{first_day(begin, days, labels[0])} to {calendar['last_day']}"
    return {
        "data": params.data.folder.as_posix(),
        "days": f"{calendar['first_day']} to {calendar['last_day']}",
        **{name: f"{n:,}" for name, n in count.items()},
        "label weeks": f"{len(labels)}, {span}",
        "answered": f"the week from {first_day(begin, days, calendar['weeks'])}",
        "ranker": ", ".join(f"{name} ({one['rounds']} rounds)" for name, one in models.items()),
    }


_COUNTED = {"customers": paths.CUSTOMERS, "articles": paths.ARTICLES, "entries": paths.LOG}


def lead(metrics: dict[str, Any]) -> str:
    """The page in two sentences."""
    mean = {name: row["mean"] for name, row in metrics["map12"].items()}
    return (
        "Twelve articles for every customer, those most likely bought in the coming week. Mean MAP@12 over "
        f"{len(metrics['by_week'])} held-out weeks: {mean['twelve']:.4f}. What the customer bought before, then the "
        f"best sellers: {mean['repurchase_popular']:.4f}. The best sellers alone: {mean['popular']:.4f}."
    )


def main() -> None:
    params = parameters.read()
    page = html("Twelve: report", sections(params), facts(params), lead(json.loads(paths.METRICS.read_text())))
    with stage.whole_file(PAGE) as part:
        part.write_text(page, encoding="utf-8")
    print(f"report: {PAGE}")


if __name__ == "__main__":
    stage.run(main, "report")
