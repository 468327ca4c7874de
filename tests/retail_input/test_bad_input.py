"""Bad input of every kind ends with one error line (place and fix), exit code 2 and no half-written table."""

import errno
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import polars as pl
import pytest
import torch
from csv_shop import FILES, params, write

from retail import log, paths, stage, weeks
from retail.errors import InputError
from retail.params import Weeks
from retail_input import prepare

TX, CUSTOMERS, ARTICLES = "transactions_train.csv", "customers.csv", "articles.csv"
SAMPLE = "sample_submission.csv"
FULL = Path("/dev/full")  # Linux's full device: it raises the writer's real error
Content = str | bytes
Break = Callable[[dict[str, Content]], None]


def replace_file(name: str, content: Content) -> Break:
    """Replace the file's content."""
    return lambda files: files.update({name: content})


def replace_text(name: str, old: str, new: str) -> Break:
    """Replace the first ``old`` in the file by ``new``."""
    assert old in FILES[name]
    return replace_file(name, FILES[name].replace(old, new, 1))


def append_line(name: str, line: str) -> Break:
    """Append a line: row 5 of the customers, 14 of the articles, 8 of the transactions."""
    return replace_file(name, FILES[name] + line)


def encode_file(name: str, text: str, encoding: str) -> Break:
    return replace_file(name, text.encode(encoding))


def delete_file(name: str) -> Break:
    return lambda files: files.__delitem__(name)


FAULTS: dict[str, tuple[Break, str]] = {
    "articles missing": (
        delete_file(ARTICLES),
        r"shop/articles\.csv: no such file; .* set data\.folder in params\.yaml",
    ),
    "customers missing": (delete_file(CUSTOMERS), r"shop/customers\.csv: no such file"),
    "transactions missing": (delete_file(TX), r"shop/transactions_train\.csv: no such file"),
    "column missing": (
        replace_text(TX, "price", "cost"),
        r"transactions_train\.csv, column 'price', row 1: the column is missing, expected t_dat, .* found t_dat, "
        r"customer_id, article_id, cost, .*; add or rename it",
    ),
    "column of articles missing": (
        replace_text(ARTICLES, "product_code", "product"),
        r"articles\.csv, column 'product_code', row 1: the column is missing",
    ),
    "column of customers missing": (
        replace_text(CUSTOMERS, "customer_id", "id"),
        r"customers\.csv, column 'customer_id', row 1: the column is missing",
    ),
    "column twice": (replace_text(TX, "sales_channel_id", "price"), r"column 'price', row 1: the column appears twice"),
    "no byte": (replace_file(TX, ""), r"transactions_train\.csv, column 't_dat', row 1: the file is empty"),
    "no byte of articles": (replace_file(ARTICLES, b"\xef\xbb\xbf\r\n"), r"articles\.csv, .* row 1: the file is empty"),
    "header only": (
        replace_file(TX, FILES[TX].splitlines()[0] + "\n"),
        r"transactions_train\.csv, .* row 2: the file is empty after its header; expected at least one row",
    ),
    "header only of customers": (
        replace_file(CUSTOMERS, FILES[CUSTOMERS].splitlines()[0]),
        r"customers\.csv, .* row 2: the file is empty after its header",
    ),
    "last line cut in the price": (
        append_line(TX, "2020-09-09,a,0108775015,0.0"),  # a sound price, but no channel field
        r"transactions_train\.csv, column 'sales_channel_id', row 8: found 4 fields, expected 5; the line is cut short",
    ),
    "last line cut in the article": (
        append_line(TX, "2020-09-09,a,01087"),
        r"transactions_train\.csv, column 'price', row 8: found 3 fields, expected 5; .* copy the file again",
    ),
    "last line of articles cut": (
        append_line(ARTICLES, "0300000001,300000,Sock"),
        r"articles\.csv, column 'product_type_no', row 14: found 3 fields, expected 8",
    ),
    "cut inside a quote": (
        append_line(ARTICLES, '0300000001,300000,Sock,302,Socks,1001,9,"Soft, wa'),
        r"articles\.csv, .* row 14: .*unexpected end of data.* fix the quotes",
    ),
    "line in the middle cut": (
        replace_text(CUSTOMERS, "a,,,PRE-CREATE,NONE,,p1", "a,,,PRE-CREATE"),
        r"customers\.csv, column 'fashion_news_frequency', row 3: found 4 fields, expected 7",
    ),
    "comma without quotes": (
        replace_text(ARTICLES, "Five pockets.", "Five pockets, blue."),
        r"articles\.csv, column 'detail_desc', row 2: found 9 fields, expected 8; .* in double quotes",
    ),
    "blank line": (
        append_line(TX, "\n"),
        r"transactions_train\.csv, .* row 8: found 0 fields, expected 5; delete the blank",
    ),
    "semicolons": (
        replace_file(TX, FILES[TX].replace(",", ";")),
        r"transactions_train\.csv, column 't_dat', row 1: fields are separated by ';', expected ','",
    ),
    "tabs": (
        replace_file(CUSTOMERS, FILES[CUSTOMERS].replace(",", "\t")),
        r"customers\.csv, column 'customer_id', row 1: fields are separated by a tab, expected ','",
    ),
    "CR line ends": (
        replace_file(TX, FILES[TX].replace("\n", "\r")),
        r"transactions_train\.csv, row 1: lines end in CR alone",
    ),
    "UTF-16": (
        encode_file(TX, FILES[TX], "utf-16"),
        r"transactions_train\.csv, row 1: the file is UTF-16, expected UTF-8; save it again",
    ),
    "UTF-16 without mark": (encode_file(CUSTOMERS, FILES[CUSTOMERS], "utf-16-le"), r"customers\.csv, row 1: .* UTF-16"),
    "Latin-1": (
        encode_file(ARTICLES, FILES[ARTICLES].replace("Narrow", "Étroit"), "latin-1"),
        r"articles\.csv, row 3: byte 0xc9 is not UTF-8 .* save the file again as UTF-8",
    ),
    "Latin-1 header": (
        encode_file(ARTICLES, FILES[ARTICLES].replace("prod_name", "prodüct"), "latin-1"),
        r"articles\.csv, row 1: byte 0xfc is not UTF-8",
    ),
    "Latin-1 transactions": (
        encode_file(TX, FILES[TX].replace("09-03,a", "09-03,ä"), "latin-1"),
        r"transactions_train\.csv, row 6: byte 0xe4 is not UTF-8",
    ),
    "month 13": (
        replace_text(TX, "2020-09-03,b", "2020-13-45,b"),
        r"transactions_train\.csv, column 't_dat', row 5: found '2020-13-45', expected a date .* YYYY-MM-DD; fix",
    ),
    "other date format": (
        replace_text(TX, "2020-09-03,b", "22/09/2020,b"),
        r"'t_dat', row 5: found '22/09/2020', expected",
    ),
    "30 February": (replace_text(TX, "2020-09-03,b", "2020-02-30,b"), r"'t_dat', row 5: found '2020-02-30', expected"),
    "date and time": (
        replace_text(TX, "2020-09-03,b", "2020-09-03 00:00:00,b"),
        r"'t_dat', row 5: found '2020-09-03 00",
    ),
    "no date": (replace_text(TX, "2020-09-03,b", ",b"), r"'t_dat', row 5: found nothing, expected a date"),
    "year 0": (
        replace_text(TX, "2020-09-03,b", "0000-01-01,b"),
        r"'t_dat', row 5: found '0000-01-01', expected a date from 1000-01-01 on as YYYY-MM-DD; fix the date",
    ),
    "year before 0": (
        replace_text(TX, "2020-09-03,b", "-020-01-01,b"),
        r"'t_dat', row 5: found '-020-01-01', expected a date",
    ),
    "blank in a date": (
        replace_text(TX, "2020-09-03,b", "2020- 9-03,b"),
        r"'t_dat', row 5: found '2020- 9-03', expected",
    ),
    "date far away": (
        replace_text(TX, "2020-09-03,b", "1202-09-03,b"),
        r"column 't_dat': dates run from 1202-09-03 to 2020-09-09, expected at most 32767 days",
    ),
    "negative price": (
        replace_text(TX, "0.04", "-0.04"),
        r"transactions_train\.csv, column 'price', row 4: found '-0\.04', expected a price of 0 or more; fix",
    ),
    "no price": (replace_text(TX, "0.04", ""), r"column 'price', row 4: found nothing, expected a price"),
    "price in words": (replace_text(TX, "0.04", "cheap"), r"column 'price', row 4: found 'cheap', expected a price"),
    "price is not a number": (replace_text(TX, "0.04", "NaN"), r"column 'price', row 4: found 'NaN', expected a price"),
    "price without end": (replace_text(TX, "0.04", "inf"), r"column 'price', row 4: found 'inf', expected a price"),
    "odd channel": (
        replace_text(TX, "0.04,1", "0.04,web"),
        r"column 'sales_channel_id', row 4: found 'web', expected a whole",
    ),
    "unknown article": (
        append_line(TX, "2020-09-09,a,0999999999,0.02,1\n"),
        r"column 'article_id', row 8: found '0999999999', expected an article of articles\.csv; .* "
        r"data\.unknown_article to drop",
    ),
    "unknown customer": (
        append_line(TX, "2020-09-09,nobody,0108775015,0.02,1\n"),
        r"column 'customer_id', row 8: found 'nobody', expected a customer of customers\.csv; .* "
        r"data\.unknown_customer to drop",
    ),
    "the first of two faults": (
        replace_file(TX, FILES[TX].replace("0.04", "-1").replace("09-03,b", "09-33,b")),
        r"column 'price', row 4",
    ),
    "no customer in a row": (
        replace_text(TX, "01,b", "01,"),
        r"transactions_train\.csv, column 'customer_id', row 2: found no",
    ),
    "no article in a row": (
        replace_text(TX, "0200000001", ""),
        r"transactions_train\.csv, column 'article_id', row 3: found no",
    ),
    "no id of a customer": (
        replace_text(CUSTOMERS, "\na,", "\n,"),
        r"customers\.csv, column 'customer_id', row 3: found nothing, expected a customer id",
    ),
    "no id of an article": (
        replace_text(ARTICLES, "0108775044,", ","),
        r"articles\.csv, column 'article_id', row 3: found nothing, expected an article id",
    ),
    "no product code": (
        replace_text(ARTICLES, "0108775044,108775", "0108775044,"),
        r"'product_code', row 3: found nothing",
    ),
    "customer twice": (
        append_line(CUSTOMERS, "a,,,ACTIVE,NONE,30,p1\n"),
        r"customers\.csv, column 'customer_id', row 5: found 'a', expected each customer once; delete the repeat",
    ),
    "article twice": (
        append_line(ARTICLES, "0108775015,108775,Strap top,253,Vest top,1676,9,\n"),
        r"articles\.csv, column 'article_id', row 14: found '0108775015', expected each article once",
    ),
    "leading zero lost in a transaction": (
        replace_text(TX, "0200000001", "200000001"),
        r"transactions_train\.csv, column 'article_id', row 3: found '200000001', expected exactly 10 characters; "
        r"the id lost its leading zero; read and write the column as text",
    ),
    "leading zero lost in articles": (
        replace_file(ARTICLES, FILES[ARTICLES].replace("\n0", "\n")),
        r"articles\.csv, column 'article_id', row 2: found '200000001', expected exactly 10 .* lost its leading zero",
    ),
    "article id as a fraction": (
        replace_text(ARTICLES, "0108775044,", "108775044.0,"),
        r"articles\.csv, column 'article_id', row 3: found '108775044\.0', expected exactly 10 .* as text",
    ),
    "blank in an article id": (
        replace_file(ARTICLES, FILES[ARTICLES].replace("0108775044", "0108 75044")),
        r"articles\.csv, column 'article_id', row 3: found '0108 75044', expected an article id without a blank; "
        r"fix the id: a submission separates ids by blanks",
    ),
    "eleven articles": (
        replace_text(ARTICLES, "0900000009,900009,,,,,,\n", ""),
        r"shop/articles\.csv: 11 article\(s\), expected at least 12, the number recommended .*; add articles",
    ),
    "age in words": (
        replace_text(CUSTOMERS, "49", "old"),
        r"customers\.csv, column 'age', row 2: found 'old', expected years",
    ),
    "sample with unknown customer": (
        replace_file(SAMPLE, "customer_id,prediction\na,\nnobody,\n"),
        r"sample_submission\.csv, column 'customer_id', row 3: found 'nobody', expected a customer of customers\.csv",
    ),
    "sample with a customer twice": (
        replace_file(SAMPLE, "customer_id,prediction\na,x\nb,x\na,x\n"),
        r"sample_submission\.csv, column 'customer_id', row 4: found 'a', expected each customer once",
    ),
    "sample without customers": (
        replace_file(SAMPLE, "customer_id,prediction\n"),
        r"sample_submission\.csv, .* is empty after",
    ),
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(params=["first run", "earlier tables"])
def check_tables(request: pytest.FixtureRequest, here: Path) -> Callable[[], None]:
    """Return the check that data/prepared is unchanged: absent, or the tables of an earlier run."""
    kept = paths.PREPARED / "log.parquet"
    earlier = request.param == "earlier tables"
    if earlier:
        kept.parent.mkdir(parents=True)
        kept.write_text("earlier")

    def check() -> None:
        files = sorted(path.name for path in here.glob("data/**/*") if path.is_file())
        assert files == (["log.parquet"] if earlier else [])
        assert not earlier or kept.read_text() == "earlier"
        assert sorted(path.name for path in here.glob("data/*")) == (["prepared"] if earlier else [])

    return check


@pytest.fixture
def read_error(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return a function that runs a main as a stage, checks exit code 2, and returns the one line on stderr."""

    def run_stage(main: Callable[[], Any] = prepare.main) -> str:
        with pytest.raises(SystemExit) as end:
            stage.run(main, "prepare")
        assert end.value.code == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert re.fullmatch(r"prepare: .+\n", printed.err)  # one line: no traceback
        return printed.err

    return run_stage


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_with_a_fault(
    fault: str, here: Path, read_error: Callable[..., str], check_tables: Callable[[], None]
) -> None:
    break_files, message = FAULTS[fault]
    files: dict[str, Content] = dict(FILES)
    break_files(files)
    write(here, files)
    assert re.search(message, read_error())
    check_tables()


def test_every_row_dropped(here: Path, read_error: Callable[..., str], check_tables: Callable[[], None]) -> None:
    files = {**FILES, TX: FILES[TX].replace(",0", ",1")}  # a leading one: no article is known
    write(here, files, unknown_article="drop", unknown_customer="drop")
    assert re.search(r"transactions_train\.csv, .*: every row names an unknown article or customer", read_error())
    check_tables()


def test_drop_ignores_only_unknown_ids(here: Path, read_error: Callable[..., str]) -> None:
    unknown = "2020-09-09,nobody,0108775015,0.02,1\n"
    write(here, {**FILES, TX: FILES[TX] + unknown + "2020-09-09,a,108775015,0.02,1\n"}, unknown_customer="drop")
    assert re.search(r"column 'article_id', row 9: found '108775015', .* lost its leading zero", read_error())
    write(here, {**FILES, TX: FILES[TX] + unknown + "2020-09-09,a,0999999999,0.02,1\n"}, unknown_customer="drop")
    assert re.search(r"column 'article_id', row 9: found '0999999999', expected an article", read_error())


def test_rows_are_records_where_a_field_contains_line_ends(here: Path, read_error: Callable[..., str]) -> None:
    spread = FILES[ARTICLES].replace("Five pockets.", '"Five\npockets,\n\nall deep."')
    write(here, {**FILES, ARTICLES: spread.replace("0108775015", "108775015")})
    assert re.search(r"articles\.csv, column 'article_id', row 4: found '108775015'", read_error())
    write(here, {**FILES, ARTICLES: spread + "0300000001,300000\n"})
    assert re.search(r"articles\.csv, column 'prod_name', row 14: found 2 fields", read_error())


PARAMS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "unknown key": (lambda raw: raw["data"].update(foldr="x"), r"unknown key 'data\.foldr'; expected one of: folder, "),
    "unknown block": (lambda raw: raw.update(dta={}), r"unknown key 'dta'; expected one of: data, demo"),
    "missing key": (lambda raw: raw["data"].pop("folder"), r"key 'data\.folder' is missing; add it"),
    "missing block": (lambda raw: raw.pop("weeks"), r"key 'weeks' is missing; add it"),
    "out of range": (lambda raw: raw["weeks"].update(validation=0), r"'weeks\.validation' is 0; .* greater than 0"),
    "wrong type": (lambda raw: raw["pool"].update(take="many"), r"'pool\.take' is 'many'; .* valid integer"),
    "wrong word": (
        lambda raw: raw["data"].update(unknown_article="skip"),
        r"'data\.unknown_article' is 'skip'; .*drop",
    ),
    "no block": (lambda raw: raw.update(data=3), r"'data' is 3;"),
}


@pytest.mark.parametrize("fault", PARAMS)
def test_a_typo_in_params(
    fault: str, here: Path, read_error: Callable[..., str], check_tables: Callable[[], None]
) -> None:
    break_files, message = PARAMS[fault]
    raw = params()
    break_files(raw)
    write(here, FILES)
    (here / "params.yaml").write_text(json.dumps(raw))
    assert re.search(r"params\.yaml: " + message, read_error())
    check_tables()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data: {folder: shop\nweeks: [", r"params\.yaml: not valid YAML .*line 2"),
        ("data:\n\tfolder: shop\n", r"params\.yaml: not valid YAML .*line 2"),
        ("", r"params\.yaml: expected blocks"),
        ("- data\n", r"params\.yaml: expected blocks such as 'data:' and 'weeks:', found list"),
        (b"seed: 1\ndata: {folder: B\xfccher}\n", r"params\.yaml: byte 0xfc in line 2 is not UTF-8, .* save the file"),
        (None, r"params\.yaml: no such file; run from the project's root"),
    ],
)
def test_params_that_are_not_yaml_blocks(
    text: Content | None, message: str, here: Path, read_error: Callable[..., str]
) -> None:
    if text is not None:
        (here / "params.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
    assert re.search(message, read_error())


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full: not Linux")
def test_full_disk_in_a_table(
    here: Path, read_error: Callable[..., str], check_tables: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(here, FILES)
    real = pl.DataFrame.write_parquet

    def fail_at_last_table(frame: pl.DataFrame, file: Path) -> None:
        real(frame, FULL if file.name == "wanted.parquet" else file)

    monkeypatch.setattr(pl.DataFrame, "write_parquet", fail_at_last_table)
    assert re.search(r"the disk is full; free some space .* run `dvc repro` again", read_error())
    check_tables()


def write_arrays(folder: Path) -> None:
    with (folder / "scores.npy").open("wb") as file:
        np.save(file, np.zeros(100_000))


def write_checkpoint(folder: Path) -> None:
    torch.save({"weights": torch.zeros(100_000)}, folder / "last.ckpt")


def write_trees(folder: Path) -> None:
    rng = np.random.default_rng(1)
    rows = lgb.Dataset(rng.random((500, 2)), rng.random(500))
    lgb.train({"verbose": -1, "min_data_in_leaf": 1}, rows, 50).save_model(folder / "lambdarank.txt")


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full: not Linux")
@pytest.mark.parametrize("write_out", [write_arrays, write_checkpoint, write_trees])
def test_full_disk_as_each_library_reports_it(
    write_out: Callable[[Path], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("scores.npy", "last.ckpt", "lambdarank.txt"):
        (tmp_path / name).symlink_to(FULL)
    with pytest.raises(SystemExit) as ended:
        stage.guarded(lambda: write_out(tmp_path), "stage")
    assert ended.value.code == 2
    assert "the disk is full; free some space" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("message", "full"),
    [
        ("200000 requested and 32752 written", True),  # numpy
        ("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534", True),  # torch
        ("Cannot write binary data to lambdarank.txt, wrote 172032 of 1034952 bytes", True),  # LightGBM
        ("database or disk is full", True),  # SQLite
        ("Error while serializing: I/O error: No space left on device (os error 28)", True),  # safetensors, polars
        ("12 columns were expected and 11 written down", False),
    ],
)
def test_a_full_disk_is_recognised_by_the_message(message: str, full: bool) -> None:
    assert ("the disk is full" in (stage.describe_os_error(RuntimeError(message)) or "")) is full


def test_full_disk_in_the_calendar(
    here: Path, read_error: Callable[..., str], check_tables: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(here, FILES)
    real = Path.write_text

    def fail_at_calendar(path: Path, text: str) -> int:
        if path.name == "calendar.json":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return real(path, text)

    monkeypatch.setattr(Path, "write_text", fail_at_calendar)
    assert re.search(r"calendar\.json: the disk is full; free some space", read_error())
    check_tables()


def test_folder_that_cannot_be_written(
    here: Path, read_error: Callable[..., str], check_tables: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(here, FILES)

    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)  # not chmod: root may write anyway
    assert re.search(r"data: cannot be written; give yourself write permission", read_error())
    check_tables()


def test_a_file_in_the_place_of_the_folder(here: Path, read_error: Callable[..., str]) -> None:
    write(here, FILES)
    (here / "data").write_text("a file")
    assert re.search(r"data: a file lies where a folder is needed; move it away", read_error())


def test_a_folder_in_the_place_of_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out.csv").mkdir()

    def write_whole() -> None:
        with stage.whole_file(tmp_path / "out.csv") as part:
            part.write_text("a file")

    def write_directly() -> None:
        (tmp_path / "out.csv").write_text("a file")

    for write_out in (write_whole, write_directly):
        with pytest.raises(SystemExit) as ended:
            stage.guarded(write_out, "insight")
        error = capsys.readouterr().err
        assert ended.value.code == 2
        assert (
            error == f"insight: {tmp_path}/out.csv: a folder lies where a file is needed; move it away or name "
            "another file\n"
        )
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_a_programming_error_keeps_its_traceback() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        stage.run(fail, "prepare")


def build_small_log(days: list[int], length: int) -> log.Log:
    """Build the log of one customer who buys one article on these days."""
    n = len(days)
    tx = pl.DataFrame(
        {
            "user": np.zeros(n, np.uint32),
            "item": np.zeros(n, np.uint32),
            "day": np.array(days, np.int16),
            "price": np.ones(n, np.float32),
            "channel": np.ones(n, np.uint8),
            "quantity": np.ones(n, np.uint16),
        }
    )
    return log.build(tx, users=1, items=1, days=length)


SETTINGS = {"validation": 1, "stop": 1, "stop_customers": 1, "train": {"most": 1, "least": 1, "customers": 1}}


def test_a_single_week_of_history(read_error: Callable[..., str]) -> None:
    week = build_small_log([0, 6], length=7)
    message = read_error(lambda: weeks.plan(week, Weeks.model_validate(SETTINGS)))
    assert re.search(r"1 week\(s\) of history, expected at least 4 for 1 validation weeks; bring more weeks", message)


def test_the_shortest_history_with_a_plan() -> None:
    settings = Weeks.model_validate(SETTINGS)
    plan = weeks.plan(build_small_log([0, 7, 14, 27], length=28), settings)
    assert plan.train == [1] and plan.stop == [2]
    with pytest.raises(InputError, match="no customer bought in any two weeks before the validation weeks"):
        weeks.plan(build_small_log([0, 7, 27], length=28), settings)
    with pytest.raises(InputError, match=r"3 week\(s\) of history, expected at least 4"):
        weeks.plan(build_small_log([0, 20], length=21), settings)


def test_no_buyer_in_a_label_week(read_error: Callable[..., str]) -> None:
    gap = build_small_log([0, 13, 21], length=28)  # nothing in week 2, days 14..20
    assert weeks.buyers(gap, 1).tolist() == weeks.buyers(gap, 3).tolist() == [0]
    message = read_error(lambda: weeks.buyers(gap, 2))
    assert re.search(r"no customer bought in label week 2 \(days 14\.\.20 of the data\); expected at least", message)
