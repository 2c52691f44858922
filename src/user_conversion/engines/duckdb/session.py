"""DuckDB sessions: settings, memory limit, spilling, and small helpers for SQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb

from user_conversion.engines.duckdb.read_sql import LARGEST_LINE
from user_conversion.places.duckdb_text import first_line, is_disk_full, literal
from user_conversion.rules.datasets import Columns
from user_conversion.rules.errors import REBUILD, EngineError, OutputError

SETTINGS = {
    "TimeZone": "UTC",
    "preserve_insertion_order": "true",
    # No extension is downloaded, for any file name or statement.
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
# DuckDB counts progress but does not print it: standard output is for results.
PROGRESS = {"enable_progress_bar": "true", "enable_progress_bar_print": "false"}

TYPES = {"string": "VARCHAR", "bigint": "BIGINT", "timestamp": "TIMESTAMP"}

# A quarter of the memory of the machine or container; DuckDB's own default is four fifths.
SHARE_OF_DEFAULT = 0.25 / 0.8


def open_session(limit: str | None, scratch: Path | None) -> duckdb.DuckDBPyConnection:
    """A session in memory, at most `limit` of it, that spills to the scratch folder."""
    session = duckdb.connect()
    for name, value in SETTINGS.items():
        session.execute(f"SET {name} = {literal(value)}")
    # In Jupyter without ipywidgets DuckDB refuses both settings, and shows no bar.
    with suppress(duckdb.InvalidInputException):
        for name, value in PROGRESS.items():
            session.execute(f"SET {name} = {literal(value)}")
    session.execute(f"SET memory_limit = {literal(limit or _default_limit(session))}")
    # Each thread that reads a log has buffers for lines of the largest size.
    (threads,) = session.execute("SELECT current_setting('threads')").fetchone() or (1,)
    most = memory_limit(session) // (4 * LARGEST_LINE)
    session.execute(f"SET threads = {max(1, min(threads, most))}")
    if scratch:
        session.execute(f"SET temp_directory = {literal(str(scratch))}")
    return session


def _default_limit(session: duckdb.DuckDBPyConnection) -> str:
    return f"{int(memory_limit(session) * SHARE_OF_DEFAULT)}B"


def memory_limit(session: duckdb.DuckDBPyConnection) -> int:
    """The bytes of memory that a session may use."""
    (limit,) = session.execute(
        "SELECT parse_formatted_bytes(current_setting('memory_limit'))"
    ).fetchone() or (0,)
    return int(limit)


def move_to_disk(session: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Keep new tables in a file, where DuckDB compresses them to a third.

    Tables that are in memory already stay there and are still found by their names. Does nothing if
    new tables are kept in the file already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    session.execute(f"ATTACH IF NOT EXISTS {literal(str(folder / 'tables.duckdb'))} AS on_disk")
    session.execute("SET search_path = 'on_disk.main,memory.main'")


def create_table(
    session: duckdb.DuckDBPyConnection,
    table: str,
    columns: Columns,
    rows: Iterable[Sequence[Any]] = (),
) -> None:
    """Create a small table from rows in memory."""
    types = {name: TYPES.get(kind, kind) for name, kind in columns.items()}
    typed = ", ".join(f'"{name}" {kind}' for name, kind in types.items())
    session.execute(f"CREATE OR REPLACE TABLE {table} ({typed})")
    if values := [list(column) for column in zip(*rows, strict=True)]:
        lists = ", ".join(f"unnest(?::{kind}[])" for kind in types.values())
        session.execute(f"INSERT INTO {table} SELECT {lists}", values)


def no_rows(columns: Columns) -> str:
    """A query without rows that has these columns."""
    typed = (f'CAST(NULL AS {TYPES.get(kind, kind)}) AS "{n}"' for n, kind in columns.items())
    return f"SELECT {', '.join(typed)} WHERE false"


@contextmanager
def duckdb_errors() -> Iterator[None]:
    """Turn DuckDB's errors into one sentence. A bug in a statement is raised as it is."""
    try:
        yield
    except RuntimeError as error:
        # So DuckDB answers Ctrl-C.
        if "interrupted" not in str(error):
            raise
        raise KeyboardInterrupt from None
    except duckdb.OutOfMemoryException as error:
        reason = first_line(error).removeprefix("Out of Memory Error: ")
        raise EngineError(
            f"Not enough memory ({reason}): raise --memory-limit, or free disk space beside the "
            "output, where DuckDB spills."
        ) from None
    except duckdb.IOException as error:
        advice = "; free some space" if is_disk_full(error) else ""
        raise OutputError(f"Reading or writing failed: {first_line(error)}{advice}.") from None
    except (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException):
        raise
    except duckdb.Error as error:
        raise EngineError(
            f"DuckDB failed ({first_line(error)}): if a published file is damaged, {REBUILD}, "
            "else please report this as a bug."
        ) from None
