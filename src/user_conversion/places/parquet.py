"""Parquet files, read by DuckDB for every engine: their columns, and their rows as JSON.

Spark reads a missing column as NULL, skips empty files, and needs a job to read many schemas.
DuckDB reads the footers of a thousand files in a tenth of a second.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from user_conversion.rules.datasets import Columns
from user_conversion.rules.errors import DatasetError, InputError

SETTINGS = {
    "TimeZone": "UTC",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}

ADVICE = "run events-split --full-refresh"
TYPES = {"TIMESTAMP WITH TIME ZONE": "timestamp", "VARCHAR": "string"}
SCHEMAS = """
    SELECT name, duckdb_type, min(file_name), count(*)
    FROM parquet_schema($1) WHERE duckdb_type IS NOT NULL GROUP BY ALL ORDER BY ALL
"""
ROWS = "SELECT file_name, num_rows FROM parquet_file_metadata($1)"


def require_columns(
    table: str,
    columns: Columns,
    files: Sequence[Path],
    session: duckdb.DuckDBPyConnection | None = None,
) -> None:
    """Raise `DatasetError` unless each file of a dataset has these columns."""
    found = _footers(SCHEMAS, files, f"of {table} ", session or duckdb.connect())
    right = dict.fromkeys(columns, 0)
    for name, kind, file, count in found:
        kind = TYPES.get(kind, kind.lower())
        if name in columns and kind != columns[name]:
            raise _wrong(table, name, columns[name], f"{kind} in '{file}'")
        if name in columns:
            right[name] = count
    for name, count in right.items():
        if count != len(files):
            raise _wrong(table, name, columns[name], f"none in {len(files) - count} files")


def row_counts(files: Sequence[Path]) -> dict[Path, int]:
    """The number of rows of each file. Raises `DatasetError` if one cannot be read."""
    if not files:
        return {}
    return {Path(name): rows for name, rows in _footers(ROWS, files, "", duckdb.connect())}


def _footers(
    sql: str, files: Sequence[Path], of_what: str, session: duckdb.DuckDBPyConnection
) -> list[tuple[Any, ...]]:
    paths = [glob.escape(str(file)) for file in files]
    try:
        return session.execute(sql, [paths]).fetchall()
    except duckdb.Error as error:
        reason = str(error).splitlines()[0].rstrip(". ")
        raise DatasetError(f"The Parquet {of_what}cannot be read ({reason}); {ADVICE}.") from None


def _wrong(table: str, name: str, wanted: str, there: str) -> DatasetError:
    return DatasetError(
        f"The Parquet of {table} must have a column {name} ({wanted}) but has {there}; {ADVICE}."
    )


def column_types(path: Path, source: str) -> dict[str, str]:
    """The columns of a file with their DuckDB types; `source` is its name in errors.

    Folders such as `day=2020-01-01` do not count as columns.
    """
    with _session(path.parent, source) as session:
        rows = session.execute(f"DESCRIBE FROM {_table(path)}").fetchall()
        return {name: kind for name, kind, *_ in rows}


def to_json(
    path: Path,
    target: Path,
    columns: Mapping[str, str],
    nested: Collection[str],
    source: str,
    limit: int | None = None,
) -> None:
    """Write some columns of each row as a JSON object, of the first rows if there is a limit.

    The texts in `nested` columns are JSON. Instants are written in UTC, dates as their midnight.
    """
    selected = ", ".join(_column(name, kind, name in nested) for name, kind in columns.items())
    with _session(target.parent, source) as session:
        session.execute(
            f"COPY (SELECT {selected} FROM {_table(path)} LIMIT {limit or 'ALL'}) "
            f"TO {_literal(str(target))} (FORMAT json)"
        )


@contextmanager
def _session(scratch: Path, source: str) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as session:
        for name, value in {**SETTINGS, "temp_directory": str(scratch / "duckdb")}.items():
            session.execute(f"SET {name} = {_literal(value)}")
        try:
            yield session
        except duckdb.Error as error:
            reason = str(error).splitlines()[0].rstrip(". ")
            raise InputError(
                f"'{source}' is corrupt or truncated ({reason}); replace it or exclude it."
            ) from None


def _table(path: Path) -> str:
    # The name of a file can have characters that DuckDB takes for a glob.
    name = re.sub(r"([*?\[])", r"[\1]", str(path))
    return f"read_parquet({_literal(name)}, hive_partitioning = false, binary_as_string = true)"


def _column(name: str, kind: str, is_nested: bool) -> str:
    quoted = '"' + name.replace('"', '""') + '"'
    if kind == "DATE":
        return f"CAST({quoted} AS TIMESTAMP) AS {quoted}"
    if is_nested and kind == "VARCHAR":
        return (
            f"CASE WHEN json_valid({quoted}) AND json_type({quoted}) IN ('OBJECT', 'ARRAY') "
            f"THEN CAST({quoted} AS JSON) ELSE to_json({quoted}) END AS {quoted}"
        )
    return quoted


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
