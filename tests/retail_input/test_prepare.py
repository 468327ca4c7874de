"""Test prepare: a small shop by hand, random logs against a plain loop, and real data."""

import json
import tempfile
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import csv_shop
import numpy as np
import polars as pl
import pytest
from csv_shop import FILES, unsold_articles
from hypothesis import given, settings
from hypothesis import strategies as st

from retail import paths, schema, shop
from retail.errors import InputError
from retail_input import csvs, prepare, transactions

REAL = csv_shop.ROOT / "../shared/data/online_retail"
Rows = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_prepare(here: Path, changed: Mapping[str, str | bytes] | None = None, **data: str) -> dict[str, Rows]:
    """Prepare the small shop with the files ``changed``; return the rows of each table."""
    csv_shop.write(here, {**FILES, **(changed or {})}, **data)
    prepare.main()
    tables = {"log": paths.LOG, "customers": paths.CUSTOMERS, "articles": paths.ARTICLES, "wanted": paths.WANTED}
    return {name: pl.read_parquet(path).to_dicts() for name, path in tables.items()}


def read_calendar() -> dict[str, Any]:
    return json.loads(paths.CALENDAR.read_text())  # type: ignore[no-any-return]


def make_entry(user: int, item: int, day: int, price: float, channel: int, quantity: int) -> dict[str, Any]:
    price = float(np.float32(price))
    return {"user": user, "item": item, "day": day, "price": price, "channel": channel, "quantity": quantity}


# Users a, b, c = 0, 1, 2; items 0108775015, 0108775044, 0200000001 = 0, 1, 2, unsold ones 3 to 11; 2020-09-01 is day 0.
LOG = [
    make_entry(0, 2, 0, 0.03, 1, 1),
    make_entry(0, 0, 2, 0.02, 0, 1),  # empty channel
    make_entry(0, 0, 8, 0.02, 2, 1),
    make_entry(1, 1, 0, 0.04, 1, 2),  # two rows on one day: least price, least channel
    make_entry(1, 1, 2, 0.05, 2, 1),
]


def test_log_by_hand(here: Path) -> None:
    assert run_prepare(here)["log"] == LOG
    assert schema.check(pl.read_parquet(paths.LOG), schema.LOG, "test", key=("user", "item", "day")).height == 5


def test_customers_by_hand(here: Path) -> None:
    rows = run_prepare(here)["customers"]
    assert [row.pop("age") for row in rows[1:]] == [21.0, 49.0]
    assert np.isnan(rows[0].pop("age"))
    names = ("user", "customer_id", "FN", "Active", "club_member_status", "fashion_news_frequency", "postal_code")
    assert [tuple(row[name] for name in names) for row in rows] == [
        (0, "a", -1, -1, 1, 0, 0),  # NONE is 0, Regularly 1
        (1, "b", 0, -1, 0, 0, 1),  # None is NONE
        (2, "c", 0, 0, 0, 1, 1),
    ]
    table = pl.read_parquet(paths.CUSTOMERS)
    assert table.schema["age"] == pl.Float32
    assert all(table.schema[name] == pl.Int32 for name in shop.TRAITS)


def test_articles_by_hand(here: Path) -> None:
    rows = run_prepare(here)["articles"]
    codes = ("item", "article_id", "product_code", "product_type_no", "department_no", "colour_group_code")
    assert [tuple(row[name] for name in codes) for row in rows] == [
        (0, "0108775015", 0, 0, 1, 0),
        (1, "0108775044", 0, 0, 1, 1),  # colour 9 before colour 10: numbers ascend as numbers
        (2, "0200000001", 1, 1, 0, 0),
        *((2 + k, f"090000000{k}", 1 + k, -1, -1, -1) for k in range(1, 10)),
    ]
    texts = ("prod_name", "product_type_name", "detail_desc")
    assert [tuple(row[name] for name in texts) for row in rows[:3]] == [
        ("Strap top", "Vest top", ""),
        ("Strap top", "Vest top", "Narrow straps."),
        ("Jeans", "Trousers", "Five pockets."),
    ]
    assert pl.read_parquet(paths.ARTICLES).schema["product_type_no"] == pl.Int32


def test_calendar_and_summary_by_hand(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_prepare(here)
    left_out = ["graphical_appearance_no", "garment_group_no", "index_code", "section_no"]
    assert read_calendar() == {
        "first_day": "2020-09-01",
        "last_day": "2020-09-09",
        "days": 9,
        "weeks": 2,
        "rows_read": 6,
        "rows_dropped_unknown_article": 0,
        "rows_dropped_unknown_customer": 0,
        "repeat_rows_merged": 1,
        "missing_columns": {"articles.csv": left_out, "customers.csv": [], "transactions_train.csv": []},
    }
    printed = capsys.readouterr().out
    assert f"articles.csv has no {', '.join(left_out)}: features on them are left out" in printed
    assert "customers.csv has no" not in printed


def test_the_shop_reads_what_prepare_wrote(here: Path) -> None:
    run_prepare(here)
    read = shop.read()
    assert (read.log.users, read.log.items, read.log.days) == (3, 12, 9)
    assert read.category.tolist() == [0, 0, 1] + [-1] * 9
    assert read.age_bin is not None
    assert read.age_bin.tolist() == [-1, 1, 5]  # 21 in 20..24, 49 in 45..54


def test_wanted_lists_the_customers_in_file_order(here: Path) -> None:
    assert [row["user"] for row in run_prepare(here)["wanted"]] == [2, 0, 1]


def test_wanted_lists_the_sample_submission_in_its_order(here: Path) -> None:
    sample = "customer_id,prediction\nb,0108775015 0108775044\nc,0108775015\n"
    assert [row["user"] for row in run_prepare(here, {"sample_submission.csv": sample})["wanted"]] == [1, 2]


def test_unknown_rows_are_dropped_and_counted(here: Path) -> None:
    extra = (
        "2020-09-02,a,0999999999,0.05,1\n"
        "2020-09-02,nobody,0108775015,0.05,1\n"
        "2020-09-03,nobody,0999999999,0.05,1\n"  # counted once, under articles
        "2020-09-12,nobody,0200000001,0.05,1\n"  # the shop was open: this day still ends the calendar
    )
    tx = {"transactions_train.csv": FILES["transactions_train.csv"] + extra}
    assert run_prepare(here, tx, unknown_article="drop", unknown_customer="drop")["log"] == LOG
    facts = read_calendar()
    assert (facts["rows_read"], facts["repeat_rows_merged"]) == (10, 1)
    assert (facts["rows_dropped_unknown_article"], facts["rows_dropped_unknown_customer"]) == (2, 2)
    assert (facts["last_day"], facts["days"]) == ("2020-09-12", 12)


def test_missing_and_empty_optional_columns_are_left_out_and_named(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = {
        "articles.csv": "article_id,product_code\n0200000001,200000\n0108775044,108775\n0108775015,108775\n"
        + unsold_articles(empty=0),
        "customers.csv": "customer_id,FN,age,postal_code\nc,,,x\na,,,\nb,,,\n",
        "transactions_train.csv": "t_dat,customer_id,article_id,price\n2020-09-01,a,0200000001,0.03\n",
    }
    tables = run_prepare(here, bare)
    assert list(tables["articles"][0]) == ["item", "article_id", "product_code"]
    assert tables["customers"] == [
        {"user": 0, "customer_id": "a", "postal_code": -1},
        {"user": 1, "customer_id": "b", "postal_code": -1},
        {"user": 2, "customer_id": "c", "postal_code": 0},
    ]
    assert tables["log"] == [make_entry(0, 2, 0, 0.03, 0, 1)]
    missing = read_calendar()["missing_columns"]
    assert missing["customers.csv"] == ["age", "FN", "Active", "club_member_status", "fashion_news_frequency"]
    assert "product_type_no" in missing["articles.csv"]
    assert missing["transactions_train.csv"] == ["sales_channel_id"]
    printed = capsys.readouterr().out
    assert "transactions_train.csv has no sales_channel_id: features on it are left out" in printed
    assert shop.read().age is None


def test_a_column_of_names_replaces_a_missing_column_of_numbers(here: Path) -> None:
    articles = (
        "article_id,product_code,department_name,index_name,index_code\n"
        "0200000001,200000,Jersey,Kids,\n0108775044,108775,,Men,\n0108775015,108775,Blouse,Kids,\n"
    ) + unsold_articles(empty=3)
    rows = run_prepare(here, {"articles.csv": articles})["articles"]
    assert [(row["department_no"], row["index_code"]) for row in rows[:3]] == [(0, 0), (-1, 1), (1, 0)]


def test_bom_crlf_and_no_last_line_end_change_nothing(here: Path) -> None:
    plain = run_prepare(here)
    foreign = {name: b"\xef\xbb\xbf" + text.rstrip("\n").replace("\n", "\r\n").encode() for name, text in FILES.items()}
    assert str(run_prepare(here, foreign)) == str(plain)  # as text: NaN equals NaN


@pytest.mark.parametrize("name", ["date", "user", "item", "paid", "channel", "cut", "row", "fault"])
@pytest.mark.parametrize("value", ["x", ""])
def test_an_extra_last_column_may_have_any_name(here: Path, name: str, value: str) -> None:
    lines = FILES["transactions_train.csv"].splitlines()
    tx = "".join(f"{line},{name if n == 0 else value}\n" for n, line in enumerate(lines))
    unknown = f"2020-09-03,a,0999999999,0.05,1,{value}\n"
    assert run_prepare(here, {"transactions_train.csv": tx + unknown}, unknown_article="drop")["log"] == LOG
    with pytest.raises(InputError, match=r"column 'article_id', row 8: found '0999999999'"):
        run_prepare(here, {"transactions_train.csv": tx + unknown})


def test_quoted_fields_may_contain_commas_quotes_and_line_ends(here: Path) -> None:
    articles = FILES["articles.csv"].replace("Five pockets.", '"Five pockets,\none ""coin"" pocket.\r\nBlue: é."')
    quoted = FILES["transactions_train.csv"].replace("2020-09-01,b", '"2020-09-01","b"')
    tables = run_prepare(here, {"articles.csv": articles, "transactions_train.csv": quoted})
    assert tables["articles"][2]["detail_desc"] == 'Five pockets,\none "coin" pocket.\r\nBlue: é.'
    assert tables["log"] == LOG


def test_an_earlier_table_is_replaced_whole(here: Path) -> None:
    paths.PREPARED.mkdir(parents=True)
    (paths.PREPARED / "stale.parquet").touch()
    run_prepare(here)
    tables = ("articles.parquet", "customers.parquet", "log.parquet", "wanted.parquet")
    expected = sorted([*tables, "calendar.json", "settings.json"])
    assert sorted(path.name for path in paths.PREPARED.iterdir()) == expected
    assert [path.name for path in paths.DATA.iterdir()] == ["prepared"]


def test_quantity_is_capped_not_wrapped() -> None:
    n = 65_536
    rows = pl.DataFrame(
        {"date": [date(2020, 9, 1)] * n, "user": [0] * n, "item": [0] * n, "price": [1.0] * n, "channel": [None] * n},
        schema={"date": pl.Date, "user": pl.UInt32, "item": pl.UInt32, "price": pl.Float32, "channel": pl.UInt8},
    )
    assert transactions.merge_repeats(rows, date(2020, 9, 1)).rows() == [(0, 0, 0, 1.0, 0, 65_535)]


FIRST = date(2020, 1, 1)
row_of_csv = st.tuples(
    st.integers(0, 12), st.sampled_from("abc"), st.integers(0, 2), st.integers(0, 500), st.sampled_from(["", "1", "2"])
)


@settings(max_examples=40, deadline=None)
@given(st.lists(row_of_csv, min_size=1, max_size=60))
def test_log_equals_a_plain_loop(rows: list[tuple[int, str, int, int, str]]) -> None:
    items = ["0000000001", "0000000002", "0000000003"]
    text = "t_dat,customer_id,article_id,price,sales_channel_id\n" + "".join(
        f"{FIRST + timedelta(day)},{user},{items[item]},{price / 1000},{channel}\n"
        for day, user, item, price, channel in rows
    )
    start = min(row[0] for row in rows)
    runs: dict[tuple[int, int, int], list[tuple[float, int]]] = {}
    for day, user, item, price, channel in rows:
        key = ("abc".index(user), day - start, item)
        runs.setdefault(key, []).append((price / 1000, int(channel or 256)))
    expected = [
        make_entry(user, item, day, min(price for price, _ in run), min(channel for _, channel in run) % 256, len(run))
        for (user, day, item), run in sorted(runs.items())
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "transactions_train.csv"
        path.write_text(text)
        file = csvs.open_csv(path, transactions.REQUIRED)
        users = pl.Series(["a", "b", "c"])
        log, span = transactions.build_log(file, users, pl.Series(items), "error", "error")
    assert log.to_dicts() == expected
    assert schema.check(log, schema.LOG, "test").height == len(rows) - span.repeats_merged


@pytest.mark.skipif(not REAL.is_dir(), reason="real data absent: ../shared/data/online_retail")
def test_online_retail(here: Path) -> None:
    csv_shop.write(here, {}, folder=str(REAL))
    prepare.main()
    facts = read_calendar()
    assert (facts["rows_read"], facts["first_day"], facts["last_day"]) == (729_673, "2009-12-01", "2011-11-11")
    tx = schema.check(pl.read_parquet(paths.LOG), schema.LOG, "test", key=("user", "item", "day"))
    assert tx.height + facts["repeat_rows_merged"] == tx["quantity"].cast(pl.Int64).sum() == 729_673
    assert tx.equals(tx.sort("user", "day", "item"))
    read = shop.read()
    assert (read.log.users, read.log.items, read.log.weeks) == (5_852, 4_619, 102)
    assert sorted(read.traits) == ["postal_code"]
    assert facts["missing_columns"]["articles.csv"] == ["department_no", "garment_group_no", "index_code", "section_no"]
