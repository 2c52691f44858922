"""The footers of the output's Parquet files: columns and numbers of rows.

DuckDB reads them for every engine: a thousand in a tenth of a second. Spark reads a missing column
as NULL, and needs a job to read many schemas.
"""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from user_conversion.places.duckdb_text import first_line
from user_conversion.places.layout import parquet_files
from user_conversion.rules.datasets import Columns
from user_conversion.rules.errors import REBUILD, DatasetError

# The number of rows by the name of the dataset and the value of the partition column, which is ""
# in a dataset without partitions.
Rows = Mapping[str, Mapping[str, int]]
# The folders of partitions, likewise.
Partitions = Mapping[str, Mapping[str, Path]]

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


def count_rows(partitions: Partitions) -> dict[str, dict[str, int]]:
    """The rows of datasets, from the files in the folders of their partitions.

    Partitions without files are left out. Raises `DatasetError` if a file cannot be read.
    """
    files = {
        name: {value: parquet_files(folder) for value, folder in folders.items()}
        for name, folders in partitions.items()
    }
    rows = row_counts(
        [file for by_value in files.values() for part in by_value.values() for file in part]
    )
    return {
        name: {value: sum(rows[file] for file in part) for value, part in by_value.items() if part}
        for name, by_value in files.items()
    }


def _footers(
    sql: str, files: Sequence[Path], of_what: str, session: duckdb.DuckDBPyConnection
) -> list[tuple[Any, ...]]:
    paths = [glob.escape(str(file)) for file in files]
    try:
        return session.execute(sql, [paths]).fetchall()
    except duckdb.Error as error:
        reason = first_line(error)
        raise DatasetError(f"The Parquet {of_what}cannot be read ({reason}); {REBUILD}.") from None


def _wrong(table: str, name: str, wanted: str, there: str) -> DatasetError:
    return DatasetError(
        f"The Parquet of {table} must have a column {name} ({wanted}) but has {there}; {REBUILD}."
    )
