"""The shop's CSV files as text columns, and the one line that says which row of which column to mend.

Rows count records from 1, the header being row 1, as a spreadsheet shows them. Files are UTF-8 (a byte order mark is
fine), comma-separated, LF or CRLF, fields quoted with '"' where they hold commas or line ends.
"""

import codecs
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from retail.errors import InputError

HEADER_BYTES = 1 << 20  # a first line longer than this is no header
PARSE_ERRORS = (pl.exceptions.ComputeError, pl.exceptions.NoDataError, pl.exceptions.SchemaError)


@dataclass(frozen=True)
class Rule:
    """What every row must keep: ``broken`` is true where the row breaks it; the rest is the line for its reader."""

    column: str
    broken: pl.Expr
    expected: str
    mend: str


@dataclass(frozen=True)
class Csv:
    """One CSV file whose header was read: its columns in file order."""

    path: Path
    columns: tuple[str, ...]

    def scan(self) -> pl.LazyFrame:
        """Every column as String, an empty field as "" and a field cut off with its line as "" too."""
        # No globbing: a folder named "shop[1]" is a folder, not a pattern.
        return pl.scan_csv(self.path, infer_schema=False, empty_string_is_null=False, glob=False)

    def collect(self, lazy: pl.LazyFrame) -> pl.DataFrame:
        """``lazy``, a query on ``scan()``, in one streaming pass; InputError where the file is no sound CSV."""
        try:
            return lazy.collect(engine="streaming")
        except PARSE_ERRORS as error:
            self.check_records(strict=True)
            reason = str(error).splitlines()[0]
            raise InputError(f"{self.path}: not readable as CSV ({reason}); save it again as UTF-8 CSV") from error

    def read(self, columns: Sequence[str]) -> pl.DataFrame:
        """``columns`` as String and ``row`` (UInt32); InputError where there is no row or a row lacks fields."""
        last = pl.col(self.columns[-1])
        wanted = self.scan().select(*columns, last.eq("").alias("cut")).with_row_index("row", offset=2)
        frame = self.collect(wanted)
        self.check_height(frame.height)
        if frame["cut"].any():
            self.check_records(strict=False)
        return frame.drop("cut")

    def check_height(self, rows: int) -> None:
        if rows == 0:
            raise InputError(
                f"{self.path}, column '{self.columns[0]}', row 2: the file is empty after its header; "
                "expected at least one row; copy the whole file again"
            )

    def check_rules(self, frame: pl.DataFrame | pl.LazyFrame, rules: Sequence[Rule]) -> None:
        """InputError for the first row of ``frame`` (text columns and ``row``) that breaks a rule."""
        broken = frame.lazy().with_columns(fault=first_broken(rules)).filter(pl.col("fault") > 0)
        # Not every engine keeps the file's order, so the first row is the least row, not the head.
        found = self.collect(broken.bottom_k(1, by="row"))
        if found.height == 0:
            return
        first = found.row(0, named=True)
        rule = rules[first["fault"] - 1]
        raise InputError(
            f"{self.path}, column '{rule.column}', row {first['row']}: found {short(first[rule.column])}, "
            f"expected {rule.expected}; {rule.mend}"
        )

    def check_records(self, strict: bool) -> None:
        """InputError for the first record that is not UTF-8 or has too few or too many fields.

        Slow (a million rows a second at best): called only where a row is known or suspected to be bad. ``strict``
        also objects to a quote that is never closed.
        """
        row = 1
        try:
            for record in csv.reader(_lines(self.path), strict=strict):
                if len(record) != len(self.columns):
                    raise InputError(self._cut(row, record))
                row += 1
        except UnicodeDecodeError as error:
            raise InputError(_not_utf8(self.path, row, error)) from error
        except csv.Error as error:
            raise InputError(
                f"{self.path}, column '{self.columns[0]}' and on, row {row}: {error}; expected fields split by commas, "
                "each quote closed; mend the quotes of that row"
            ) from error

    def _cut(self, row: int, record: list[str]) -> str:
        n, found = len(self.columns), len(record)
        column = self.columns[min(found, n - 1)]
        if found > n:
            mend = "put fields that hold a comma in double quotes"
        elif found == 0:
            mend = "delete the blank line"
        else:
            mend = "the line is cut short: copy the file again or delete the row"
        return f"{self.path}, column '{column}', row {row}: found {found} fields, expected {n}; {mend}"


def opened(path: Path, required: Sequence[str]) -> Csv:
    """The file at ``path``, its header checked; InputError where it is missing, empty, no UTF-8 or lacks a column."""
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; expected a CSV file with {', '.join(required)}; "
            "put it there or set data.folder in params.yaml"
        )
    try:
        with path.open("rb") as file:
            line = file.readline(HEADER_BYTES)
    except PermissionError as error:
        raise InputError(f"{path}: cannot be read, expected read permission; give yourself it") from error
    if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in line:
        raise InputError(f"{path}, row 1: the file is UTF-16, expected UTF-8; save it again as UTF-8 CSV")
    try:
        text = line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise InputError(_not_utf8(path, 1, error)) from error
    if not text.strip():
        raise InputError(
            f"{path}, column '{required[0]}', row 1: the file is empty, expected a header with "
            f"{', '.join(required)}; copy the whole file again"
        )
    return Csv(path, _columns(path, text, required))


def _columns(path: Path, text: str, required: Sequence[str]) -> tuple[str, ...]:
    """The header's columns; InputError where they are split by something else, repeated, or one is missing."""
    if "\r" in text:
        raise InputError(f"{path}, row 1: lines end in CR alone, expected LF or CRLF; save the file again with LF")
    columns = tuple(next(csv.reader([text])))
    missing = [name for name in required if name not in columns]
    for name, sign in (("';'", ";"), ("a tab", "\t"), ("'|'", "|")):
        if missing and len(columns) == 1 and sign in text:
            raise InputError(
                f"{path}, column '{missing[0]}', row 1: fields are split by {name}, expected ','; save it with commas"
            )
    if missing:
        raise InputError(
            f"{path}, column '{missing[0]}', row 1: the column is missing, expected {', '.join(required)}, "
            f"found {', '.join(columns)}; add or rename it"
        )
    repeated = [name for k, name in enumerate(columns) if name in columns[:k]]
    if repeated:
        raise InputError(
            f"{path}, column '{repeated[0]}', row 1: the column stands twice, expected once; delete or rename one"
        )
    return columns


def first_broken(rules: Sequence[Rule]) -> pl.Expr:
    """UInt8: the number (from 1) of the first rule that the row breaks, 0 where it keeps them all."""
    fault = pl.lit(0, pl.UInt8)
    for number, rule in reversed(list(enumerate(rules, 1))):
        fault = pl.when(rule.broken).then(pl.lit(number, pl.UInt8)).otherwise(fault)
    return fault


def short(value: str | None) -> str:
    """The value as a person would recognise it, at most 80 characters; "nothing" for an empty field."""
    if not value:
        return "nothing"
    return f"'{value[:80]}...'" if len(value) > 80 else f"'{value}'"


def _lines(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        for line in file:
            yield line.decode("utf-8-sig")


def _not_utf8(path: Path, row: int, error: UnicodeDecodeError) -> str:
    byte = error.object[error.start]
    return (
        f"{path}, row {row}: byte 0x{byte:02x} is not UTF-8 (Latin-1 or Windows-1252?), expected UTF-8; "
        "save the file again as UTF-8 CSV"
    )
