"""The shop's CSV files to ``data/prepared``: log, customers, articles, whom to answer, and the calendar."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

from retail import params, paths, schema, stage
from retail.errors import InputError
from retail.metrics import K
from retail_input import csvs, dictionaries, transactions
from retail_input.csvs import Csv
from retail_input.transactions import Calendar

ARTICLES = "articles.csv"
CUSTOMERS = "customers.csv"
TRANSACTIONS = "transactions_train.csv"
SUBMISSION = "sample_submission.csv"


def main() -> None:
    """Read the CSV files of ``data.folder``, write ``data/prepared`` whole or not at all, print what was read.

    log.parquet (schema.LOG, by user, day, item), customers.parquet and articles.parquet (in the order of their codes),
    wanted.parquet (user, in the order to answer), calendar.json, and settings.json: the seed and the plan of the weeks,
    so that every later stage depends on them. InputError names file, column and row to mend.
    """
    whole = params.read()
    data = whole.data
    folder = data.folder
    files = _opened(folder)  # every header first: a misnamed column is known before gigabytes are read
    articles, no_article = dictionaries.articles(_articles(files[ARTICLES]))
    if articles.height < K:
        raise InputError(
            f"{folder / ARTICLES}: {articles.height} article(s), expected at least {K}, as many as a customer is "
            "offered; add articles"
        )
    raw = _customers(files[CUSTOMERS])
    customers, no_customer = dictionaries.customers(raw)
    users, items = customers["customer_id"], articles["article_id"]
    asked = _asked(files[SUBMISSION], users) if SUBMISSION in files else raw["customer_id"]
    wanted = pl.DataFrame({"customer_id": asked}).select(user=dictionaries.code_of("customer_id", users))
    tx, calendar = transactions.log(files[TRANSACTIONS], users, items, data.unknown_article, data.unknown_customer)
    no_channel = [name for name in (transactions.CHANNEL,) if tx["channel"].max() == 0]
    missing = {ARTICLES: no_article, CUSTOMERS: no_customer, TRANSACTIONS: no_channel}
    with stage.whole_folder(paths.PREPARED) as part:
        for path, table, columns, more in (
            (paths.LOG, tx, schema.LOG, False),
            (paths.CUSTOMERS, customers, schema.CUSTOMERS, True),
            (paths.ARTICLES, articles, schema.ARTICLES, True),
            (paths.WANTED, wanted, schema.WANTED, False),
        ):
            schema.check(table, columns, f"prepare {path.stem}", more=more)  # unique by construction
            table.write_parquet(part / path.name)
        (part / paths.CALENDAR.name).write_text(json.dumps(as_json(calendar, missing), indent=2) + "\n")
        (part / paths.SETTINGS).write_text(whole.model_dump_json(include={"seed", "weeks"}, indent=2) + "\n")
    report(folder, {"articles": articles, "customers": customers, "wanted": wanted, "log": tx}, calendar, missing)


def _opened(folder: Path) -> dict[str, Csv]:
    """The files of the shop by name; sample_submission.csv only where there is one."""
    required: dict[str, Sequence[str]] = {
        ARTICLES: ("article_id", "product_code"),
        CUSTOMERS: ("customer_id",),
        TRANSACTIONS: transactions.REQUIRED,
    }
    if (folder / SUBMISSION).exists():
        required[SUBMISSION] = ("customer_id",)
    return {name: csvs.opened(folder / name, columns) for name, columns in required.items()}


def _articles(file: Csv) -> pl.DataFrame:
    """The text columns of articles.csv that the project reads, its rules kept."""
    known = [name for name in ("article_id", *dictionaries.ARTICLE_COLUMNS) if name in file.columns]
    raw = file.read(known)
    file.check_rules(raw, dictionaries.article_rules())
    return raw


def _customers(file: Csv) -> pl.DataFrame:
    """The text columns of customers.csv that the project reads, in file order, its rules kept."""
    known = [name for name in ("customer_id", *dictionaries.CUSTOMER_COLUMNS) if name in file.columns]
    raw = file.read(known)
    file.check_rules(raw, dictionaries.customer_rules(known))
    return raw


def _asked(file: Csv, users: pl.Series) -> pl.Series:
    """The customers of sample_submission.csv in file order."""
    raw = file.read(["customer_id"])
    file.check_rules(raw, dictionaries.wanted_rules(users))
    return raw["customer_id"]


def as_json(calendar: Calendar, missing: Mapping[str, list[str]]) -> dict[str, Any]:
    """calendar.json: the span of the data (days and weeks inclusive), its row counts and the columns left out."""
    return {
        "first_day": calendar.first_day.isoformat(),
        "last_day": calendar.last_day.isoformat(),
        "days": calendar.days,
        "weeks": -(-calendar.days // 7),
        "rows_read": calendar.rows_read,
        "rows_dropped_unknown_article": calendar.unknown_articles,
        "rows_dropped_unknown_customer": calendar.unknown_customers,
        "repeat_rows_merged": calendar.repeats_merged,
        "missing_columns": dict(missing),
    }


def report(
    folder: Path, tables: Mapping[str, pl.DataFrame], calendar: Calendar, missing: Mapping[str, list[str]]
) -> None:
    """Print what was read, and one line per file for the optional columns that it lacks."""
    shown = Table("table", "rows", title=f"{folder}: {calendar.first_day} to {calendar.last_day}, {calendar.days} days")
    shown.columns[1].justify = "right"
    for name, table in tables.items():
        shown.add_row(name, f"{table.height:,}")
    for name, rows in (
        ("transactions read", calendar.rows_read),
        ("dropped, unknown article", calendar.unknown_articles),
        ("dropped, unknown customer", calendar.unknown_customers),
        ("repeats merged", calendar.repeats_merged),
    ):
        shown.add_row(name, f"{rows:,}")
    Console().print(shown)
    for file, columns in missing.items():
        if columns:
            print(
                f"{file} has no {', '.join(columns)}: features on {'it' if len(columns) == 1 else 'them'} are left out"
            )


if __name__ == "__main__":
    stage.run(main, "prepare")
