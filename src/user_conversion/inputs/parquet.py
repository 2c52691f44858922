"""Parquet files of the input as rows of JSON, written by DuckDB for every engine."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb

from user_conversion.rules.errors import InputError

SETTINGS = {
    "TimeZone": "UTC",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


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
