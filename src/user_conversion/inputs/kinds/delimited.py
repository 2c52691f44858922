"""Tables of text (CSV, TSV) as JSON records."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any

from user_conversion.inputs.compression import read_text, utf_8_file
from user_conversion.inputs.kinds.content import Sample, Wanted
from user_conversion.inputs.kinds.json_files import DECODER, one_line
from user_conversion.rules.errors import InputError
from user_conversion.rules.log_format import LogFormat

TAB = "\t"
DELIMITERS = (TAB, ",", ";", "|")
ROWS_TO_LOOK_AT = 20
# More is a quotation mark that is never closed.
LARGEST_CELL = 1 << 24
PREAMBLE = re.compile(r"#|\ufeff?sep=.\s*$|\s*$", re.IGNORECASE)

encoded = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True)
class Table:
    """A file of which each row is a record."""

    delimiter: str
    name: str = "table"

    def write_lines(self, path: Path, target: Path, source: str, wanted: Wanted) -> None:
        """See `Kind`. Raises `InputError` if a cell has no end or a name is given twice."""
        with read_text(path, source, newline="") as text, utf_8_file(target) as lines:
            records = _records(_rows(text, self.delimiter, wanted.log_format), wanted)
            try:
                for record in islice(records, wanted.limit):
                    lines.write(record + "\n")
            except csv.Error as error:
                raise InputError(
                    f"'{source}' is not a table {error}; repair it or exclude it."
                ) from None


def recognise(sample: Sample, wanted: Wanted) -> Table | None:
    """Whether a file is a table with the columns that are wanted."""
    if sample.is_binary:
        return None
    for delimiter in DELIMITERS:
        rows = _first_rows(sample.text, delimiter, wanted.log_format)
        if columns := wanted.log_format.input.columns:
            is_table = any(len(row) == len(columns) for row in rows)
        elif wanted.paths:
            is_table = bool(rows) and not wanted.missing(rows[0])
        else:
            is_table = _is_table(rows)
        if is_table:
            return Table(delimiter)
    return None


def why_not(text: str, wanted: Wanted) -> str:
    """Why a text is no table with the columns that are wanted."""
    if columns := wanted.log_format.input.columns:
        return f"no row of a table with {len(columns)} columns"
    for delimiter in reversed(DELIMITERS):
        rows = _first_rows(text, delimiter, wanted.log_format)
        if _is_table(rows):
            return f"a table without a column for {wanted.missing(rows[0])}"
    return "neither JSON nor a table"


def _is_table(rows: list[list[str]]) -> bool:
    """Whether the first two rows have the same number of cells, more than one."""
    return len({len(row) for row in rows[:2]}) == 1 and len(rows) > 1 and len(rows[0]) > 1


def _rows(
    text: Iterable[str], delimiter: str, log_format: LogFormat
) -> Iterator[tuple[int, list[str]]]:
    """The rows of a text, each with the number of the line where it begins.

    Lines before the header that begin with `#` or say what separates the cells are left out. Raises
    `csv.Error` that names the line; a quotation mark that is never closed is an error.
    """
    csv.field_size_limit(LARGEST_CELL)
    lines, left_out = iter(text), 0
    if not log_format.input.columns:
        for line in lines:
            if not PREAMBLE.match(line):
                lines = chain([line], lines)
                break
            left_out += 1
    # Tools that write tabs and no header write quotation marks as they are.
    is_raw = delimiter == TAB and log_format.input.columns
    quoting: Any = csv.QUOTE_NONE if is_raw else csv.QUOTE_MINIMAL
    reader = csv.reader(lines, delimiter=delimiter, quoting=quoting, strict=True)
    while True:
        begins_at = left_out + reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise csv.Error(f"from line {begins_at:,} on ({error})") from None
        if row is None:
            return
        yield begins_at, row


def _first_rows(text: str, delimiter: str, log_format: LogFormat) -> list[list[str]]:
    rows: list[list[str]] = []
    with suppress(csv.Error):  # the sample may end inside a cell
        for _, row in _rows(io.StringIO(text, newline=""), delimiter, log_format):
            rows += [row] if row else []
            if len(rows) == ROWS_TO_LOOK_AT:
                break
    return rows


def _records(rows: Iterable[tuple[int, list[str]]], wanted: Wanted) -> Iterator[str]:
    """Each row as an object of the texts that are wanted, with null for empty cells.

    A row with more or fewer cells than there are columns comes as an array of its cells, a blank
    one as an empty text.
    """
    columns: Sequence[str] | None = wanted.log_format.input.columns
    members = _members(columns or (), wanted)
    for line, row in rows:
        if columns and len(row) == len(columns):
            yield (
                "{" + ",".join([name + encode(row[place]) for place, name, encode in members]) + "}"
            )
        elif columns:
            yield encoded(row) if row else ""
        elif row:
            columns, members = row, _members(row, wanted)
            if twice := [name for name in row if row.count(name) > 1]:
                raise csv.Error(f"from line {line:,} on (two columns are called '{twice[0]}')")


def _members(columns: Sequence[str], wanted: Wanted) -> list[tuple[int, str, Callable[[str], str]]]:
    """The place of each cell that is wanted, its name in JSON, and what makes JSON of it."""
    return [
        (place, f"{encoded(name)}:", _nested_cell if wanted.is_nested(name) else _cell)
        for place, name in enumerate(columns)
        if wanted.is_wanted(name)
    ]


def _cell(cell: str) -> str:
    return encode_basestring(cell) if cell else "null"


def _nested_cell(cell: str) -> str:
    return one_line(cell) if _is_json(cell) else _cell(cell)


def _is_json(cell: str) -> bool:
    """Whether a cell is the text of a JSON object or array."""
    if cell.lstrip()[:1] not in ("{", "["):
        return False
    try:
        return isinstance(DECODER.decode(cell), dict | list)
    except (ValueError, RecursionError):
        return False
