"""Reads newline-delimited JSON with DuckDB: a fast path for all lines, then the unclear ones.

`read_lines.sql` parses files into tables of one row per line. Rows whose `kind` is NULL are
unclear: `events.read_line` reads those lines again and decides. Clean logs have none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import duckdb

from user_conversion.engines.duckdb.read_sql import Kind, parsed_columns, read_sql, typed_form
from user_conversion.engines.duckdb.session import (
    create_table,
    insert,
    memory_limit,
    move_to_disk,
)
from user_conversion.engines.duckdb.unclear import LineScan
from user_conversion.engines.progress import watched
from user_conversion.inputs.lines import (
    LineFile,
    beginning,
    count_lines,
    lines_before,
    longest_line,
)
from user_conversion.places.duckdb_text import first_line, is_disk_full
from user_conversion.rules import events
from user_conversion.rules.counts import EventCounts, Skipped
from user_conversion.rules.datasets import REJECTED_EVENTS
from user_conversion.rules.errors import EngineError, InputError
from user_conversion.rules.events import Event
from user_conversion.rules.log_format import APP_LOADED, REGISTERED, LogFormat
from user_conversion.rules.rejected import Rejected, kept_text

LARGEST_LINE = 16 << 20
ROWS_AT_ONCE = 50_000
# A line becomes a row of about a sixth of its size; decompressed logs are about ten times larger.
ROW_SIZE = 1 / 6
DECOMPRESSED = 10
# If the table needs more than this share of the memory limit, it is kept on disk, compressed.
SHARE_FOR_TABLES = 1 / 2
# Timestamps are parsed with the JSON unless more than this share of lines has another form.
OTHER_FORMS = 0.03

NumberedLine = tuple[LineFile, int, bytes]


class LineReader:
    """Reads lines into the tables of `Engine.read_events`."""

    def __init__(
        self,
        session: duckdb.DuckDBPyConnection,
        log_format: LogFormat,
        latest: datetime,
        scratch: Path | None,
    ) -> None:
        self._session = session
        self._format = log_format
        self._latest = latest
        self._scratch = scratch
        self._columns = parsed_columns(log_format)
        # The tables of parsed lines, in the order of the files.
        self._tables: list[str] = []

    def read(self, files: Sequence[LineFile]) -> EventCounts:
        """See `Engine.read_events`."""
        self._make_room(files)
        create_table(self._session, "read_again", self._columns)
        create_table(self._session, "new_rejected_events", REJECTED_EVENTS.columns)
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
        verdicts = self._parsed_verdicts()
        verdicts += self._read_unclear(files, lines)
        tiny_scan = LineScan(tiny)
        verdicts += self._decide(tiny_scan.lines_at(range(len(tiny))))
        verdicts[Skipped.BLANK] += tiny_scan.blank
        self._name_new_tables()
        return EventCounts.of(lines + sum(count_lines(tiny)), verdicts)

    def _make_room(self, files: Sequence[LineFile]) -> None:
        size = sum(
            file.size * (1 if file.compression == "none" else DECOMPRESSED) for file in files
        )
        if self._scratch and size * ROW_SIZE > memory_limit(self._session) * SHARE_FOR_TABLES:
            move_to_disk(self._session, self._scratch)

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
        largest_line = LARGEST_LINE
        while True:
            query = read_sql(table, files, self._format, self._latest, form, largest_line)
            try:
                self._run(query, sum(file.size for file in files))
            except duckdb.OutOfMemoryException:
                raise
            except duckdb.Error as error:
                if is_disk_full(error):
                    raise
                if largest_line > LARGEST_LINE or "maximum_object_size" not in str(error):
                    raise InputError(
                        f"The event logs cannot be read: {first_line(error)}."
                    ) from None
                largest_line = 2 + max(longest_line(file) for file in files)
            else:
                return

    def _run(self, query: str, size: int) -> None:
        with watched("Reading events", size, self._session.query_progress):
            self._session.execute(query)

    def _parsed_verdicts(self) -> Counter[str]:
        verdicts: Counter[str] = Counter()
        for table in self._tables:
            for kind, lines in self._fetch(f"SELECT kind, count(*) FROM {table} GROUP BY kind"):
                if kind is not None:
                    verdicts[Kind(kind).counted_as] += lines
        return verdicts

    def _read_unclear(self, files: Sequence[LineFile], lines: int) -> Counter[str]:
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
        verdicts = self._decide(scan.lines_at(positions))
        if scan.rows != rows:
            raise EngineError(
                f"DuckDB read {rows} of {scan.rows} lines that are not blank; please report this "
                "as a bug, and try --engine spark."
            )
        verdicts[Skipped.BLANK] += scan.blank
        return verdicts

    def _decide(self, lines: Iterable[NumberedLine]) -> Counter[str]:
        """Read lines in Python: events go to `read_again`, rejected lines to their table."""
        verdicts: Counter[str] = Counter()
        left = iter(lines)
        while batch := list(islice(left, ROWS_AT_ONCE)):
            parsed, rejected = [], []
            for file, number, line in batch:
                try:
                    event = events.read_line(line, self._format, self._latest, file.event)
                except Rejected as error:
                    text = kept_text(line)
                    number += lines_before(file)
                    rejected.append((file.source, number, str(error.reason), text))
                    verdicts[error.reason] += 1
                else:
                    if isinstance(event, Event):
                        parsed.append(self._row(event))
                    verdicts[event.event if isinstance(event, Event) else event] += 1
            insert(self._session, "read_again", self._columns, parsed)
            insert(self._session, "new_rejected_events", REJECTED_EVENTS.columns, rejected)
        return verdicts

    def _row(self, event: Event) -> tuple[Any, ...]:
        registered = event.event == REGISTERED
        return (
            int(Kind.REGISTERED if registered else Kind.APP_LOADED),
            event.time.replace(tzinfo=None),
            event.initiator_id,
            None if registered else event.fields["device_type"],
            *(event.fields[name] if registered else None for name in self._format.attributes),
        )

    def _name_new_tables(self) -> None:
        tables = " UNION ALL ".join(f"FROM {table}" for table in [*self._tables, "read_again"])
        self._session.execute(f"CREATE OR REPLACE VIEW parsed AS {tables}")
        attributes = ", ".join(
            f'attribute_{number} AS "{name}"' for number, name in enumerate(self._format.attributes)
        )
        for event, kind, table, columns in (
            (REGISTERED, Kind.REGISTERED, "new_user_registration", attributes),
            (APP_LOADED, Kind.APP_LOADED, "new_app_loaded", "device_type"),
        ):
            # An ENUM, since a text would be hashed for every row when it is written.
            name = f"'{event}'::ENUM ('{event}')"
            self._session.execute(
                f"CREATE OR REPLACE VIEW {table} AS SELECT {name} AS event, time, "
                f"initiator_id, {columns} FROM parsed WHERE kind = {int(kind)}"
            )

    def _fetch(self, sql: str) -> list[tuple[Any, ...]]:
        return self._session.execute(sql).fetchall()


def _group(file: LineFile) -> tuple[str, str]:
    """Files of one group are read by one statement."""
    return file.compression, file.event or ""
