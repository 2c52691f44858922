"""Tables of text (CSV, TSV) as JSON records."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Any

from user_conversion.inputs.compression import LogStream
from user_conversion.inputs.content import Content, Kind
from user_conversion.inputs.json_text import DECODER, one_line
from user_conversion.rules.errors import InputError
from user_conversion.rules.log_format import LogFormat, needed_fields

TAB = "\t"
DELIMITERS = (TAB, ",", ";", "|")
ROWS_TO_LOOK_AT = 20
# More is a quotation mark that is never closed.
LARGEST_CELL = 1 << 24
CHUNK = 1 << 18

encoded = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def recognise(text: str, log_format: LogFormat, event: str | None) -> Content:
    """Whether a text is a table with the columns that the log format needs.

    A table with other columns is of unknown kind and has a delimiter.
    """
    reason, other_delimiter = "neither JSON nor a table", ""
    for delimiter in DELIMITERS:
        rows = _first_rows(text, delimiter, log_format)
        if log_format.columns:
            if any(len(row) == len(log_format.columns) for row in rows):
                return Content(Kind.TABLE, delimiter=delimiter)
            continue
        header, *others = rows or [[]]
        missing = missing_field(header, log_format, event)
        if not missing:
            return Content(Kind.TABLE, delimiter=delimiter)
        if len(header) > 1 and others and len(others[0]) == len(header):
            reason, other_delimiter = f"a table without a column for {missing}", delimiter
    if log_format.columns:
        reason = f"no row of a table with {len(log_format.columns)} columns"
    return Content(Kind.UNKNOWN, reason=reason, delimiter=other_delimiter)


def _first_rows(text: str, delimiter: str, log_format: LogFormat) -> list[list[str]]:
    csv.field_size_limit(LARGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), **_dialect(delimiter, log_format))
    try:
        return list(islice((row for row in reader if row), ROWS_TO_LOOK_AT))
    except csv.Error:
        return []


def _dialect(delimiter: str, log_format: LogFormat) -> dict[str, Any]:
    # Tools that write tabs and no header write quotation marks as they are.
    is_raw = delimiter == TAB and log_format.columns
    return {"delimiter": delimiter, "quoting": csv.QUOTE_NONE if is_raw else csv.QUOTE_MINIMAL}


def missing_field(columns: Collection[str], log_format: LogFormat, event: str | None) -> str | None:
    """A field that is needed and has none of its columns, with their names."""
    for name in needed_fields(log_format, event):
        wanted = [str(path[0]) for path in log_format.fields[name]]
        if not any(column in columns for column in wanted):
            return name if wanted == [name] else f"{name} ({' or '.join(wanted)})"
    return None


def nested_columns(log_format: LogFormat) -> frozenset[str]:
    """The columns that hold JSON text in which the log format looks for fields."""
    return frozenset(str(path[0]) for path in log_format.paths if len(path) > 1)


def records(stream: LogStream, log_format: LogFormat, delimiter: str) -> Iterator[str]:
    """Each row as an object of texts, with null for empty cells.

    A row with more or fewer cells than there are columns comes as an array of its cells, a blank
    one as an empty text. Raises `InputError` if a cell has no end.
    """
    csv.field_size_limit(LARGEST_CELL)
    buffered = io.BufferedReader(stream, CHUNK)
    text = io.TextIOWrapper(buffered, "utf-8-sig", "surrogateescape", newline="")
    reader = csv.reader(text, **_dialect(delimiter, log_format))
    nested = nested_columns(log_format)
    columns: Sequence[str] | None = log_format.columns
    try:
        for row in reader:
            if columns and row:
                yield _record(row, columns, nested)
            elif columns:
                yield ""
            elif row:
                columns = row
    except csv.Error as error:
        raise InputError(
            stream.sentence(f"is not a table at line {reader.line_num:,} ({error})")
        ) from None


def _record(row: list[str], columns: Sequence[str], nested: Collection[str]) -> str:
    if len(row) != len(columns):
        return encoded(row)
    cells = {name: cell or None for name, cell in zip(columns, row, strict=True)}
    parsed = [name for name in nested if is_nested(cells.get(name))]
    members = [f"{encoded(name)}:{one_line(cells.pop(name) or '')}" for name in parsed]
    if not members:
        return encoded(cells)
    flat = encoded(cells)[1:-1]
    return "{" + ",".join([*members, *([flat] if flat else [])]) + "}"


def is_nested(cell: str | None) -> bool:
    """Whether a cell is the text of a JSON object or array."""
    if not cell or cell.lstrip()[:1] not in ("{", "["):
        return False
    try:
        return isinstance(DECODER.decode(cell), dict | list)
    except (ValueError, RecursionError):
        return False
