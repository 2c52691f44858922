"""DuckDB sessions: how much memory they may take, and where the rest goes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb

from user_conversion.datasets import Columns
from user_conversion.errors import EngineError
from user_conversion.settings import EngineSettings

SETTINGS = {
    "TimeZone": "UTC",
    "preserve_insertion_order": "true",
    # Nothing is fetched, whatever a file name or a statement says.
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
# Progress is asked for, never printed: standard output is for results.
PROGRESS = {"enable_progress_bar": "true", "enable_progress_bar_print": "false"}

TYPES = {"string": "VARCHAR", "bigint": "BIGINT", "timestamp": "TIMESTAMP"}

FEW_TEXTS, LONG_TEXT = 1_000, 200
GIBIBYTE = 1 << 30
# DuckDB itself would take four fifths of what the machine or the container has.
SHARE_OF_DUCKDBS = 1 / 13


def open_session(settings: EngineSettings) -> duckdb.DuckDBPyConnection:
    """A session in memory that spills to the scratch folder."""
    session = duckdb.connect()
    for name, value in SETTINGS.items():
        session.execute(f"SET {name} = {literal(value)}")
    # In Jupyter without ipywidgets DuckDB refuses both settings, and shows no bar.
    with suppress(duckdb.InvalidInputException):
        for name, value in PROGRESS.items():
            session.execute(f"SET {name} = {literal(value)}")
    session.execute(f"SET memory_limit = {literal(_memory_limit(session, settings.memory_limit))}")
    if settings.scratch:
        session.execute(f"SET temp_directory = {literal(str(settings.scratch))}")
    return session


def _memory_limit(session: duckdb.DuckDBPyConnection, wanted: str | None) -> str:
    if wanted:
        return wanted
    available = memory_limit(session)
    return f"{min(available, max(GIBIBYTE, int(available * SHARE_OF_DUCKDBS)))}B"


def memory_limit(session: duckdb.DuckDBPyConnection) -> int:
    """The bytes of memory that a session may take."""
    (limit,) = session.execute(
        "SELECT parse_formatted_bytes(current_setting('memory_limit'))"
    ).fetchone() or (0,)
    return int(limit)


def move_to_disk(session: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Keep tables from now on in a file, where DuckDB compresses them to a third."""
    folder.mkdir(parents=True, exist_ok=True)
    session.execute(f"ATTACH {literal(str(folder / 'tables.duckdb'))} AS on_disk")
    session.execute("USE on_disk")


def create_table(
    session: duckdb.DuckDBPyConnection,
    table: str,
    columns: Columns,
    rows: Iterable[Sequence[Any]] = (),
) -> None:
    """Create a small table from rows at hand."""
    typed = ", ".join(f'"{name}" {TYPES.get(kind, kind)}' for name, kind in columns.items())
    session.execute(f"CREATE OR REPLACE TABLE {table} ({typed})")
    insert(session, table, columns, list(rows))


def text_type(texts: Collection[str]) -> str:
    """The type for a column of these texts: numbers in alphabetical order, if they are few.

    All that follows moves, sorts and compares numbers faster. One text of `LONG_TEXT` characters
    or more, which may be the beginning of a longer one, is enough for a column of plain text.
    """
    if not 0 < len(texts) <= FEW_TEXTS or any(len(text) >= LONG_TEXT for text in texts):
        return "VARCHAR"
    return f"ENUM ({', '.join(map(literal, sorted(texts)))})"


def insert(
    session: duckdb.DuckDBPyConnection, table: str, columns: Columns, rows: Sequence[Sequence[Any]]
) -> None:
    """Add rows to a table."""
    if rows:
        values = ", ".join(f"unnest(?::{TYPES.get(kind, kind)}[])" for kind in columns.values())
        lists = [list(column) for column in zip(*rows, strict=True)]
        session.execute(f"INSERT INTO {table} SELECT {values}", lists)


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def first_line(error: duckdb.Error) -> str:
    """What an error says, in short."""
    return str(error).splitlines()[0].rstrip(". ")


def out_of_memory(error: duckdb.OutOfMemoryException) -> EngineError:
    """What to do where memory, or the disk behind it, is too small."""
    reason = first_line(error).removeprefix("Out of Memory Error: ")
    return EngineError(
        f"Not enough memory ({reason}): give more with --memory-limit, and see that "
        "the output's disk has room for what does not fit."
    )
