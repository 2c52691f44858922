"""Reads newline-delimited JSON with DuckDB: a fast path for all lines, then the unclear ones.

`read_lines.sql` parses files into tables of one row per line. Rows whose `kind` is NULL are
unclear: `events.read_line` reads those lines again and decides. Clean logs have none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb

from user_conversion.engines.duckdb.read_sql import LARGEST_LINE, Kind, read_sql, typed_form
from user_conversion.engines.duckdb.session import memory_limit, move_to_disk
from user_conversion.engines.duckdb.unclear import LineScan
from user_conversion.engines.lines import NewTables, numbered_lines
from user_conversion.engines.progress import watched
from user_conversion.inputs.lines import LineFile, beginning, count_lines
from user_conversion.places.duckdb_text import first_line, is_disk_full
from user_conversion.rules.counts import EventCounts, Skipped
from user_conversion.rules.errors import EngineError, InputError
from user_conversion.rules.log_format import APP_LOADED, REGISTERED, LogFormat

# A line becomes a row of about a sixth of its size; decompressed logs are about ten times larger.
ROW_SIZE = 1 / 6
DECOMPRESSED = 10
# If the table needs more than this share of the memory limit, it is kept on disk, compressed.
SHARE_FOR_TABLES = 1 / 2
# Timestamps are parsed with the JSON unless more than this share of lines has another form.
OTHER_FORMS = 0.03


def make_room(
    session: duckdb.DuckDBPyConnection, files: Sequence[LineFile], scratch: Path | None
) -> None:
    """Keep new tables on disk if the lines of these files are too many for the memory."""
    size = sum(file.size * (1 if file.compression == "none" else DECOMPRESSED) for file in files)
    if scratch and size * ROW_SIZE > memory_limit(session) * SHARE_FOR_TABLES:
        move_to_disk(session, scratch)


class LineReader:
    """Reads lines into the tables of `Engine.read_events`."""

    def __init__(
        self, session: duckdb.DuckDBPyConnection, log_format: LogFormat, latest: datetime
    ) -> None:
        self._session = session
        self._format = log_format
        self._latest = latest
        # The tables of parsed lines, in the order of the files.
        self._tables: list[str] = []

    def read(self, files: Sequence[LineFile], new: NewTables) -> EventCounts:
        """Add the rows of all lines to the new tables, and count the lines."""
        # DuckDB makes no row of a file of one byte, so those are read in Python.
        tiny = [file for file in files if file.size <= 1]
        files = sorted((file for file in files if file.size > 1), key=_group)
        with ThreadPoolExecutor(1) as counting:
            counted = counting.submit(count_lines, files)
            try:
                for _, group in groupby(files, key=_group):
                    self._parse(list(group))
            except InputError:
                counted.result()  # raises an error with the name of a corrupt file
                raise
            lines = sum(counted.result())
        verdicts = self._add_parsed(new)
        verdicts += self._add_unclear(new, files, lines)
        verdicts += new.add_lines(numbered_lines(tiny), self._latest)
        return EventCounts.of(lines + sum(count_lines(tiny)), verdicts)

    def _parse(self, files: Sequence[LineFile]) -> None:
        """Parse the lines of files of one group into a new table."""
        table = f"parsed_{len(self._tables)}"
        self._tables.append(table)
        form = typed_form(beginning(files[0]), self._format)
        self._execute(table, files, form)
        if form and self._share_unclear(table) > OTHER_FORMS:
            self._execute(table, files, None)

    def _share_unclear(self, table: str) -> float:
        share = self._fetch(f"SELECT avg((kind IS NULL)::INTEGER) FROM {table}")[0][0]
        return float(share or 0)

    def _execute(self, table: str, files: Sequence[LineFile], form: str | None) -> None:
        query = read_sql(table, files, self._format, self._latest, form)
        size = sum(file.size for file in files)
        try:
            with watched("Reading events", size, self._session.query_progress):
                self._session.execute(query)
        except duckdb.Error as error:
            if isinstance(error, duckdb.OutOfMemoryException) or is_disk_full(error):
                raise
            reason = first_line(error)
            if "maximum_object_size" in reason:
                reason = f"a line is longer than {LARGEST_LINE >> 20} MiB ({reason})"
            raise InputError(f"The event logs cannot be read: {reason}.") from None

    def _add_parsed(self, new: NewTables) -> Counter[str]:
        verdicts: Counter[str] = Counter()
        for table in self._tables:
            for kind, lines in self._fetch(f"SELECT kind, count(*) FROM {table} GROUP BY kind"):
                if kind is not None:
                    verdicts[Kind(kind).counted_as] += lines
            for event, kind in ((REGISTERED, Kind.REGISTERED), (APP_LOADED, Kind.APP_LOADED)):
                # An ENUM, since a text would be hashed for every row when it is written.
                name = f"'{event}'::ENUM ('{event}')"
                new.add_parsed(event, name, f"{table} WHERE kind = {int(kind)}")
        return verdicts

    def _add_unclear(self, new: NewTables, files: Sequence[LineFile], lines: int) -> Counter[str]:
        """Read the unclear lines again, and count the blank ones.

        Raises `EngineError` if DuckDB skipped a line that is not blank.
        """
        positions: list[int] = []
        rows = 0
        for table in self._tables:
            unclear = self._fetch(f"SELECT rowid FROM {table} WHERE kind IS NULL ORDER BY rowid")
            positions += [rows + row for (row,) in unclear]
            rows += self._fetch(f"SELECT count(*) FROM {table}")[0][0]
        if not positions and rows == lines:
            return Counter()
        scan = LineScan(files)
        verdicts = new.add_lines(scan.lines_at(positions), self._latest)
        if scan.rows != rows:
            raise EngineError(
                f"DuckDB read {rows} of {scan.rows} lines that are not blank; please report this "
                "as a bug, and try --engine spark."
            )
        verdicts[Skipped.BLANK] += scan.blank
        return verdicts

    def _fetch(self, sql: str) -> list[tuple[Any, ...]]:
        return self._session.execute(sql).fetchall()


def _group(file: LineFile) -> tuple[str, str]:
    """Files of one group are read by one statement."""
    return file.compression, file.event or ""
