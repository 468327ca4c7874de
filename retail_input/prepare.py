"""Convert the shop's CSV files to the tables of ``data/prepared``."""

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
    """Read the CSV files of ``data.folder``, write ``data/prepared`` whole or not at all, print a summary.

    Writes log.parquet (schema.LOG, by user, day, item), customers.parquet and articles.parquet (by code),
    wanted.parquet (user: the customers of the submission, in its order), calendar.json and settings.json (the seed and
    the plan of the weeks, so that every later stage depends on them). InputError names the file, column and row of the
    first fault.
    """
    whole = params.read()
    data = whole.data
    folder = data.folder
    files = _open_files(folder)  # check every header before reading gigabytes
    articles, no_article = dictionaries.build_articles(_read_articles(files[ARTICLES]))
    if articles.height < K:
        raise InputError(
            f"{folder / ARTICLES}: {articles.height} article(s), expected at least {K}, the number recommended to each "
            "customer; add articles"
        )
    raw = _read_customers(files[CUSTOMERS])
    customers, no_customer = dictionaries.build_customers(raw)
    users, items = customers["customer_id"], articles["article_id"]
    wanted_ids = _read_wanted(files[SUBMISSION], users) if SUBMISSION in files else raw["customer_id"]
    wanted = pl.DataFrame({"customer_id": wanted_ids}).select(user=dictionaries.encode_ids("customer_id", users))
    tx, calendar = transactions.build_log(
        files[TRANSACTIONS], users, items, data.unknown_article, data.unknown_customer
    )
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
        (part / paths.CALENDAR.name).write_text(json.dumps(to_json(calendar, missing), indent=2) + "\n")
        (part / paths.SETTINGS).write_text(whole.model_dump_json(include={"seed", "weeks"}, indent=2) + "\n")
    print_summary(
        folder, {"articles": articles, "customers": customers, "wanted": wanted, "log": tx}, calendar, missing
    )


def _open_files(folder: Path) -> dict[str, Csv]:
    """Open the shop's files by name; sample_submission.csv only where it exists."""
    required: dict[str, Sequence[str]] = {
        ARTICLES: ("article_id", "product_code"),
        CUSTOMERS: ("customer_id",),
        TRANSACTIONS: transactions.REQUIRED,
    }
    if (folder / SUBMISSION).exists():
        required[SUBMISSION] = ("customer_id",)
    return {name: csvs.open_csv(folder / name, columns) for name, columns in required.items()}


def _read_articles(file: Csv) -> pl.DataFrame:
    """Read the text columns of articles.csv that the project uses, and check their rules."""
    known = [name for name in ("article_id", *dictionaries.ARTICLE_COLUMNS) if name in file.columns]
    raw = file.read(known)
    file.check_rules(raw, dictionaries.build_article_rules())
    return raw


def _read_customers(file: Csv) -> pl.DataFrame:
    """Read the text columns of customers.csv that the project uses, in file order, and check their rules."""
    known = [name for name in ("customer_id", *dictionaries.CUSTOMER_COLUMNS) if name in file.columns]
    raw = file.read(known)
    file.check_rules(raw, dictionaries.build_customer_rules(known))
    return raw


def _read_wanted(file: Csv, users: pl.Series) -> pl.Series:
    """Read the customers of sample_submission.csv in file order."""
    raw = file.read(["customer_id"])
    file.check_rules(raw, dictionaries.build_wanted_rules(users))
    return raw["customer_id"]


def to_json(calendar: Calendar, missing: Mapping[str, list[str]]) -> dict[str, Any]:
    """Build calendar.json: first and last day of the data, its days and weeks, row counts and the columns left out."""
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


def print_summary(
    folder: Path, tables: Mapping[str, pl.DataFrame], calendar: Calendar, missing: Mapping[str, list[str]]
) -> None:
    """Print the row counts, and one line per file for the optional columns that it lacks."""
    summary = Table(
        "table", "rows", title=f"{folder}: {calendar.first_day} to {calendar.last_day}, {calendar.days} days"
    )
    summary.columns[1].justify = "right"
    for name, table in tables.items():
        summary.add_row(name, f"{table.height:,}")
    for name, rows in (
        ("transactions read", calendar.rows_read),
        ("dropped, unknown article", calendar.unknown_articles),
        ("dropped, unknown customer", calendar.unknown_customers),
        ("repeats merged", calendar.repeats_merged),
    ):
        summary.add_row(name, f"{rows:,}")
    Console().print(summary)
    for file, columns in missing.items():
        if columns:
            print(
                f"{file} has no {', '.join(columns)}: features on {'it' if len(columns) == 1 else 'them'} are left out"
            )


if __name__ == "__main__":
    stage.run(main, "prepare")
