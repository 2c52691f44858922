"""Parquet files, read by column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from user_conversion.inputs import duckdb_reader
from user_conversion.inputs.compression import require_no_bomb
from user_conversion.inputs.kinds.content import NotALogError, Sample, Wanted
from user_conversion.places.duckdb_text import literal, parquet_rows, path_literal, quoted
from user_conversion.rules.errors import InputError

MAGIC = b"PAR1"
# Bytes of an event as text. Constants take nothing in Parquet, however many rows there are.
SHORTEST_ROW = 40


@dataclass(frozen=True)
class Parquet:
    """A file of which each row is a record."""

    name: str = "Parquet"

    def write_lines(self, path: Path, target: Path, source: str, wanted: Wanted) -> None:
        """See `Kind`. Instants are written in UTC."""
        members = ", ".join(
            f"{literal(name)}, {value_of(name, kind, wanted.is_nested(name), wanted.is_time(name))}"
            for name, kind in require_columns(path, source, wanted).items()
            if wanted.is_wanted(name)
        )
        rows, limit = parquet_rows([path]), wanted.limit or "ALL"
        query = f"SELECT json_object({members}) FROM {rows} LIMIT {limit}"
        duckdb_reader.write_lines(query, target, source)


def recognise(sample: Sample, wanted: Wanted) -> Parquet | None:
    """Whether a file is Parquet."""
    return Parquet() if sample.data.startswith(MAGIC) else None


def require_columns(path: Path, source: str, wanted: Wanted) -> dict[str, str]:
    """The columns of a file and their types.

    Raises `NotALogError` if one that is needed is not there, `InputError` for a bomb.
    """
    columns = columns_of(path, source)
    if missing := wanted.missing(columns):
        raise NotALogError(source, f"Parquet without a column for {missing}")
    require_no_bomb(source, SHORTEST_ROW * row_count(path, source), path.stat().st_size)
    return columns


def columns_of(path: Path, source: str) -> dict[str, str]:
    """The columns of a file and their types. Raises `InputError` if it cannot be read."""
    rows = duckdb_reader.rows_of(f"DESCRIBE FROM {parquet_rows([path])}", source)
    columns = {name: kind for name, kind, *_ in rows}
    # Of two columns that differ only in case, DuckDB calls the second one NAME_1.
    if any(name.endswith("_1") for name in columns):
        schema = f"SELECT name FROM parquet_schema({path_literal(path)})"
        known = {name.lower() for name in columns}
        written = {name for (name,) in duckdb_reader.rows_of(schema, source)}
        lost = sorted(name for name in written - columns.keys() if name.lower() in known)
        if lost and columns.keys() - written:
            raise InputError(
                f"'{source}' has several columns {lost[0]!r} that differ only in upper and lower "
                "case; rename them."
            )
    return columns


def row_count(path: Path, source: str) -> int:
    """The number of rows of a file. Raises `InputError` if it cannot be read."""
    metadata = f"parquet_file_metadata({path_literal(path)})"
    return int(duckdb_reader.rows_of(f"SELECT sum(num_rows) FROM {metadata}", source)[0][0])


def texts_of(path: Path, source: str, columns: Iterable[str]) -> Iterator[bytes]:
    """The values of columns as JSON, each once; of columns that are not there, none."""
    kinds = columns_of(path, source)
    for name in {*columns} & {*kinds}:
        value = value_of(name, kinds[name], is_nested=False, is_time=False)
        query = f"SELECT DISTINCT CAST(to_json({value}) AS VARCHAR) FROM {parquet_rows([path])}"
        yield from (str(text).encode() for (text,) in duckdb_reader.rows_of(query, source))


def value_of(name: str, kind: str, is_nested: bool, is_time: bool) -> str:
    """The value of a column in a record, in SQL.

    Text may be JSON if a path leads into it. As a time, a date is its midnight.
    """
    column = quoted(name)
    if kind == "BLOB":
        column, kind = _text_of(column), "VARCHAR"
    if kind == "DATE" and is_time:
        return f"CAST({column} AS TIMESTAMP)"
    if kind == "VARCHAR" and is_nested:
        return (
            f"CASE WHEN json_valid({column}) AND json_type({column}) IN "
            f"('OBJECT', 'ARRAY') THEN CAST({column} AS JSON) ELSE to_json({column}) END"
        )
    return column


def _text_of(column: str) -> str:
    """Bytes as text, in SQL: some tools write text so. Others, such as a UUID, as their digits."""
    text = f"TRY(decode({column}))"
    is_text = f"NOT regexp_matches({text}, '[\\x00-\\x08]')"
    return f"coalesce(CASE WHEN {is_text} THEN {text} END, lower(hex({column})))"
