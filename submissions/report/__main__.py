"""Stage ``report``: write outputs/report.html, which shows how good the lists are and what they contain.

``python -m submissions.report``. The file contains plotly.js and every figure, so it opens without an internet
connection.
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
from submissions.report.candidates import build_recall_section
from submissions.report.cost import build_cost_section
from submissions.report.document import render_html
from submissions.report.figure import Section
from submissions.report.gain import build_gain_section
from submissions.report.people import build_customers_section
from submissions.report.quality import build_calibration_section, build_recency_section, build_score_section
from submissions.report.shop import build_data_section
from submissions.report.tuning import build_tuning_section
from submissions.report.variety import build_variety_section

PAGE = paths.OUTPUTS / "report.html"
EXPLANATIONS = paths.OUTPUTS / "explanations.parquet"
NAME_AS_TEXT = {
    "name": pl.String
}  # of intervals.csv, whose first names are week numbers, so polars would infer integers
COUNTED_FILES = {"customers": paths.CUSTOMERS, "articles": paths.ARTICLES, "purchases": paths.LOG}
EXPLANATION_KEYS = {"customer_id": pl.String, "article_id": pl.String}


def build_sections(params: Params) -> list[Section]:
    """Build every section of the report from the stages' tables."""
    metrics = json.loads(paths.METRICS.read_text())
    calendar = json.loads(paths.CALENDAR.read_text())
    begin, days = date.fromisoformat(calendar["first_day"]), calendar["days"]
    first_days = [find_first_day(begin, days, week) for week in range(calendar["weeks"])]
    tables = {
        file.stem: pl.read_csv(file, schema_overrides=NAME_AS_TEXT) for file in sorted(paths.EVALUATION.glob("*.csv"))
    }
    log = pl.read_parquet(paths.LOG, columns=["user", "item", "day"])
    customer_id = pl.read_parquet(paths.CUSTOMERS, columns=["customer_id"])["customer_id"]
    label_weeks = {week: first_days[int(week)] for week in metrics["by_week"]}
    return [
        build_score_section(metrics, tables["intervals"], label_weeks, params.evaluate.bootstrap),
        build_recency_section(tables["intervals"]),
        build_customers_section(read_explanations(), log, days, begin, customer_id, pl.read_parquet(paths.ARTICLES)),
        build_variety_section(tables["variety"]),
        build_recall_section(metrics["recall"]),
        build_calibration_section(tables["by_score"], tables["by_place"]),
        build_gain_section(pl.read_csv(paths.MODEL / "gain.csv"), list(params.features)),
        *build_search_sections(),
        build_data_section(log, days, first_days, len(customer_id)),
        build_cost_section(json.loads(COST.read_text())),
    ]


def build_search_sections() -> list[Section]:
    """Build the section about the parameter search; an empty list if no search was run."""
    records = trials.read() if trials.TUNING.exists() else []
    if not records:
        return []
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return [build_tuning_section(trials.make_study(records), Best.model_validate_json(BEST.read_bytes()))]


def read_explanations() -> pl.DataFrame | None:
    """Read the table of reasons; None if it was not computed."""
    if not EXPLANATIONS.exists():
        return None
    return schema.check(pl.read_parquet(EXPLANATIONS), EXPLANATION_KEYS, "explanations", more=True)


def find_first_day(begin: date, days: int, week: int) -> str:
    """Find the ISO date of the first day of ``week`` in data of ``days`` days from ``begin``."""
    return (begin + timedelta(weeks.first_day(days, week))).isoformat()


def list_facts(params: Params) -> dict[str, str]:
    """List the facts at the top of the report: name -> text."""
    metrics, calendar = json.loads(paths.METRICS.read_text()), json.loads(paths.CALENDAR.read_text())
    label_weeks = [int(week) for week in metrics["by_week"]]
    begin, days = date.fromisoformat(calendar["first_day"]), calendar["days"]
    models = json.loads((paths.MODEL / "blend.json").read_text())["models"]
    count = {name: pl.scan_parquet(file).select(pl.len()).collect().item() for name, file in COUNTED_FILES.items()}
    span = f"{find_first_day(begin, days, label_weeks[0])} to {calendar['last_day']}"
    return {
        "data folder": params.data.folder.as_posix(),
        "period": f"{calendar['first_day']} to {calendar['last_day']}",
        **{name: f"{n:,}" for name, n in count.items()},
        "held-out weeks": f"{len(label_weeks)}, {span}",
        "forecast week": f"7 days from {find_first_day(begin, days, calendar['weeks'])}",
        "ranker models": ", ".join(f"{name} ({model['rounds']} rounds)" for name, model in models.items()),
    }


def write_lead(metrics: dict[str, Any]) -> str:
    """Write the first paragraph of the report: the result compared with the baselines."""
    mean = {name: row["mean"] for name, row in metrics["map12"].items()}
    return (
        "Twelve recommends to every customer the 12 articles most likely to be bought in the coming week. "
        f"Over {len(metrics['by_week'])} held-out weeks its mean MAP@12 is {mean['twelve']:.4f}; higher is better. "
        f"Recommending the customer's past purchases, then best sellers, reaches {mean['repurchase_popular']:.4f}. "
        f"Recommending best sellers to everyone reaches {mean['popular']:.4f}."
    )


def main() -> None:
    """Write outputs/report.html."""
    params = parameters.read()
    lead = write_lead(json.loads(paths.METRICS.read_text()))
    page = render_html("Twelve: report", build_sections(params), list_facts(params), lead)
    with stage.whole_file(PAGE) as part:
        part.write_text(page, encoding="utf-8")
    print(f"report: {PAGE}")


if __name__ == "__main__":
    stage.run(main, "report")
