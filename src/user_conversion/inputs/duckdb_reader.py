"""DuckDB as the reader of JSON values and Parquet for every engine: it writes them as lines."""

from __future__ import annotations

import re
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from user_conversion.inputs.compression import damaged
from user_conversion.places.duckdb_text import first_line, is_disk_full, literal
from user_conversion.rules.errors import InputError, OutputError

if TYPE_CHECKING:
    import duckdb

SETTINGS = {
    "TimeZone": "UTC",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    # Two threads read a JSON array no faster, and hold all of it in memory.
    "threads": "1",
    # Nothing is written but the lines.
    "temp_directory": "",
}
# The most memory that reading may take, if that was said.
MEMORY_LIMIT: ContextVar[str | None] = ContextVar("memory_limit", default=None)
# JSON text has no control characters, so none has to be quoted.
AS_THEY_ARE = "(FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\1')"


def write_lines(query: str, target: Path, source: str) -> None:
    """Write the one column of a query, JSON text, as lines; `source` is the file that it reads."""
    rows_of(f"COPY ({query}) TO {literal(str(target))} {AS_THEY_ARE}", source)


def rows_of(statement: str, source: str) -> list[tuple[Any, ...]]:
    """The rows of a statement that reads a file.

    Raises `InputError` with the name `source` if the file cannot be read.
    """
    import duckdb  # a tenth of a second, which not all that look at files need

    try:
        return _session(MEMORY_LIMIT.get()).execute(statement).fetchall()
    except duckdb.OutOfMemoryException as error:
        raise InputError(
            f"'{source}' does not fit into memory ({first_line(error)}); split it or exclude it."
        ) from None
    except duckdb.Error as error:
        if is_disk_full(error):
            raise OutputError(
                f"Cannot write the lines of '{source}': {first_line(error)}."
            ) from None
        reason = re.sub(r'^[\w ]+ Error: | in file ".*?"(?=,)', "", first_line(error))
        raise damaged(source, reason) from None


@cache
def _session(memory_limit: str | None) -> duckdb.DuckDBPyConnection:
    """One session for all files: opening one takes longer than reading a small file."""
    import duckdb

    session = duckdb.connect()
    if memory_limit:
        session.execute(f"SET memory_limit = {literal(memory_limit)}")
    for name, value in SETTINGS.items():
        session.execute(f"SET {name} = {literal(value)}")
    return session
