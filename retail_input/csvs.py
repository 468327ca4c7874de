"""Read the shop's CSV files as text columns, and report a fault in one line: file, column, row and fix.

Row numbers count records as a spreadsheet does; the header is row 1. Files are UTF-8 (a byte order mark is allowed),
comma-separated, with LF or CRLF line ends. A field with a comma or a line end is in double quotes.
"""

import codecs
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from retail.errors import InputError

HEADER_BYTES = 1 << 20  # longest header line
PARSE_ERRORS = (pl.exceptions.ComputeError, pl.exceptions.NoDataError, pl.exceptions.SchemaError)


@dataclass(frozen=True)
class Rule:
    """A condition that every row must satisfy, and the texts of its error message."""

    column: str
    broken: pl.Expr  # true where the row violates the rule
    expected: str  # "expected ..."
    fix: str  # how to fix the row


@dataclass(frozen=True)
class Csv:
    """A CSV file whose header has been checked."""

    path: Path
    columns: tuple[str, ...]  # in file order

    def scan(self) -> pl.LazyFrame:
        """Scan every column as String; an empty field and a field missing from a cut line are ""."""
        # No globbing: a folder named "shop[1]" is not a pattern.
        return pl.scan_csv(self.path, infer_schema=False, empty_string_is_null=False, glob=False)

    def collect(self, lazy: pl.LazyFrame) -> pl.DataFrame:
        """Run ``lazy``, a query on ``scan()``, in one streaming pass; InputError where the file is no valid CSV."""
        try:
            return lazy.collect(engine="streaming")
        except PARSE_ERRORS as error:
            self.check_records(strict=True)
            reason = str(error).splitlines()[0]
            raise InputError(f"{self.path}: not readable as CSV ({reason}); save it again as UTF-8 CSV") from error

    def read(self, columns: Sequence[str]) -> pl.DataFrame:
        """Read ``columns`` as String and ``row`` (UInt32); InputError where there is no row or a row lacks fields."""
        last = pl.col(self.columns[-1])
        query = self.scan().select(*columns, last.eq("").alias("cut")).with_row_index("row", offset=2)
        frame = self.collect(query)
        self.check_height(frame.height)
        if frame["cut"].any():
            self.check_records(strict=False)
        return frame.drop("cut")

    def check_height(self, rows: int) -> None:
        """Raise InputError where there are no rows after the header."""
        if rows == 0:
            raise InputError(
                f"{self.path}, column '{self.columns[0]}', row 2: the file is empty after its header; "
                "expected at least one row; copy the whole file again"
            )

    def check_rules(self, frame: pl.DataFrame | pl.LazyFrame, rules: Sequence[Rule]) -> None:
        """Raise InputError for the first row of ``frame`` (text columns and ``row``) that violates a rule."""
        broken = frame.lazy().with_columns(fault=find_broken_rule(rules)).filter(pl.col("fault") > 0)
        # Not every engine keeps the file's order: take the row with the least number, not the head.
        faults = self.collect(broken.bottom_k(1, by="row"))
        if faults.height == 0:
            return
        first = faults.row(0, named=True)
        rule = rules[first["fault"] - 1]
        raise InputError(
            f"{self.path}, column '{rule.column}', row {first['row']}: found {quote_value(first[rule.column])}, "
            f"expected {rule.expected}; {rule.fix}"
        )

    def check_records(self, strict: bool) -> None:
        """Raise InputError for the first record that is not UTF-8 or has too few or too many fields.

        At most a million rows a second: call it only where a fault is known or likely. ``strict`` also rejects a quote
        that is never closed.
        """
        row = 1
        try:
            for record in csv.reader(_read_lines(self.path), strict=strict):
                if len(record) != len(self.columns):
                    raise InputError(self._describe_field_count(row, record))
                row += 1
        except UnicodeDecodeError as error:
            raise InputError(_describe_bad_byte(self.path, row, error)) from error
        except csv.Error as error:
            raise InputError(
                f"{self.path}, column '{self.columns[0]}' and on, row {row}: {error}; expected fields separated by "
                "commas, each quote closed; fix the quotes of that row"
            ) from error

    def _describe_field_count(self, row: int, record: list[str]) -> str:
        """Say in one line that the record has too few or too many fields."""
        expected, count = len(self.columns), len(record)
        column = self.columns[min(count, expected - 1)]
        if count > expected:
            fix = "put fields that contain a comma in double quotes"
        elif count == 0:
            fix = "delete the blank line"
        else:
            fix = "the line is cut short: copy the file again or delete the row"
        return f"{self.path}, column '{column}', row {row}: found {count} fields, expected {expected}; {fix}"


def open_csv(path: Path, required: Sequence[str]) -> Csv:
    """Open the file at ``path`` and check its header.

    InputError where the file is missing, empty or not UTF-8, or where it lacks a ``required`` column.
    """
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; expected a CSV file with {', '.join(required)}; "
            "add the file or set data.folder in params.yaml"
        )
    try:
        with path.open("rb") as file:
            line = file.readline(HEADER_BYTES)
    except PermissionError as error:
        raise InputError(f"{path}: cannot be read, expected read permission; give yourself that permission") from error
    if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in line:
        raise InputError(f"{path}, row 1: the file is UTF-16, expected UTF-8; save it again as UTF-8 CSV")
    try:
        text = line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise InputError(_describe_bad_byte(path, 1, error)) from error
    if not text.strip():
        raise InputError(
            f"{path}, column '{required[0]}', row 1: the file is empty, expected a header with "
            f"{', '.join(required)}; copy the whole file again"
        )
    return Csv(path, _parse_header(path, text, required))


def _parse_header(path: Path, text: str, required: Sequence[str]) -> tuple[str, ...]:
    """Parse the header's columns; InputError where the separator is wrong or a column is repeated or missing."""
    if "\r" in text:
        raise InputError(f"{path}, row 1: lines end in CR alone, expected LF or CRLF; save the file again with LF")
    columns = tuple(next(csv.reader([text])))
    missing = [name for name in required if name not in columns]
    for name, sign in (("';'", ";"), ("a tab", "\t"), ("'|'", "|")):
        if missing and len(columns) == 1 and sign in text:
            raise InputError(
                f"{path}, column '{missing[0]}', row 1: fields are separated by {name}, expected ','; "
                "save the file again with commas"
            )
    if missing:
        raise InputError(
            f"{path}, column '{missing[0]}', row 1: the column is missing, expected {', '.join(required)}, "
            f"found {', '.join(columns)}; add or rename it"
        )
    repeated = [name for k, name in enumerate(columns) if name in columns[:k]]
    if repeated:
        raise InputError(
            f"{path}, column '{repeated[0]}', row 1: the column appears twice, expected once; delete or rename one"
        )
    return columns


def find_broken_rule(rules: Sequence[Rule]) -> pl.Expr:
    """Return a UInt8 expression: the number (from 1) of the first rule that the row violates, 0 for none."""
    fault = pl.lit(0, pl.UInt8)
    for number, rule in reversed(list(enumerate(rules, 1))):
        fault = pl.when(rule.broken).then(pl.lit(number, pl.UInt8)).otherwise(fault)
    return fault


def quote_value(value: str | None) -> str:
    """Quote the value, cut to 80 characters; "nothing" for an empty field."""
    if not value:
        return "nothing"
    return f"'{value[:80]}...'" if len(value) > 80 else f"'{value}'"


def _read_lines(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        for line in file:
            yield line.decode("utf-8-sig")


def _describe_bad_byte(path: Path, row: int, error: UnicodeDecodeError) -> str:
    byte = error.object[error.start]
    return (
        f"{path}, row {row}: byte 0x{byte:02x} is not UTF-8 (Latin-1 or Windows-1252?), expected UTF-8; "
        "save the file again as UTF-8 CSV"
    )
