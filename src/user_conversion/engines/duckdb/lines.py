"""Reads newline-delimited JSON with DuckDB: a fast path for all lines, then the unclear ones.

`read_lines.sql` parses files into tables of one row per line. Rows whose `kind` is NULL are
unclear: `events.read_line` reads those lines again and decides. Clean logs have none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from itertools import accumulate, groupby
from pathlib import Path
from types import MappingProxyType
from typing import Any

import duckdb

from user_conversion.engines.duckdb.forms import FILE_NUMBER, Forms, forms_of, forms_of_rows
from user_conversion.engines.duckdb.read_sql import LARGEST_LINE, Kind, read_sql
from user_conversion.engines.duckdb.session import memory_limit, move_to_disk
from user_conversion.engines.duckdb.unclear import LineScan
from user_conversion.engines.lines import Key, NewTables, line_counts
from user_conversion.inputs.compression import PARQUET
from user_conversion.inputs.lines import LineFile, beginning
from user_conversion.places.duckdb_text import first_line, is_disk_full, parquet_rows
from user_conversion.places.progress import READING, watched
from user_conversion.rules.counts import LineCount, Skipped
from user_conversion.rules.errors import EngineError, InputError
from user_conversion.rules.log_format import LogFormat

# A line becomes a row of about a sixth of its size; decompressed logs are about ten times larger.
ROW_SIZE = 1 / 6
DECOMPRESSED = 10
# Tables above this size, or above this share of the memory limit, are kept on disk, compressed.
LARGEST_IN_MEMORY = 1 << 30
SHARE_FOR_TABLES = 1 / 2
# Lines are parsed by the forms of the first one unless more than this share has others.
OTHER_FORMS = 0.03


def make_room(
    session: duckdb.DuckDBPyConnection, files: Sequence[LineFile], scratch: Path | None
) -> None:
    """Keep new tables on disk if the lines of these files are too many for the memory."""
    size = sum(file.size * (1 if file.compression == "none" else DECOMPRESSED) for file in files)
    most = min(LARGEST_IN_MEMORY, memory_limit(session) * SHARE_FOR_TABLES)
    if scratch and size * ROW_SIZE > most:
        move_to_disk(session, scratch)


class LineReader:
    """Reads lines into the tables of `Engine.read_events`."""

    def __init__(
        self, session: duckdb.DuckDBPyConnection, log_format: LogFormat, latest: datetime
    ) -> None:
        self._session = session
        self._format = log_format
        self._latest = latest
        self._tables = 0

    def read(self, files: Sequence[LineFile], new: NewTables) -> list[LineCount]:
        """Add the rows of all lines to the new tables, and count the lines."""
        counts: Counter[Key] = Counter()
        again: list[LineScan] = []
        numbered = sorted(enumerate(files), key=lambda each: self._group(each[1]))
        for _, group in groupby(numbered, key=lambda each: self._group(each[1])):
            members = dict(group)
            # DuckDB makes no row of a file of one byte, so those are read in Python.
            large = {place: file for place, file in members.items() if file.size > 1}
            rows, unclear = self._read_group(large, new, counts) if large else (Counter(), {})
            again += (
                LineScan(place, file, unclear.get(place, []), rows[place])
                for place, file in members.items()
                if place in unclear or rows[place] != file.lines
            )
        if any(scan.file.compression == PARQUET for scan in again):
            raise EngineError(PARQUET)  # so that they are made lines and read again
        # Unclear lines, and those of which DuckDB made no row: blank ones, it is to be hoped.
        with watched("Reading unusual lines one by one"):
            lines = (line for scan in again for line in scan.lines())
            counts += new.add_lines(lines, self._latest)
        for scan in again:
            self._require_all(scan)
            counts[scan.place, Skipped.BLANK, None] += scan.blank
        return line_counts(counts)

    def _read_group(
        self, files: Mapping[int, LineFile], new: NewTables, counts: Counter[Key]
    ) -> tuple[Counter[int], dict[int, list[int]]]:
        """Parse files of one group, by their places, and count what is clear.

        Returns the number of rows of each file, and the positions of the unclear ones among them.
        """
        table, places = self._parse(list(files.values()), new.name), list(files)
        rows: Counter[int] = Counter()
        for number, kind, day, lines in self._counts(table):
            rows[places[number]] += lines
            if kind is not None:
                counts[places[number], Kind(kind).counted_as, day] += lines
        for event in new.events:
            # An ENUM, since a text would be hashed for every row when it is written.
            name = f"'{event}'::ENUM ('{event}')"
            new.add_parsed(event, name, f"{table} WHERE kind = {int(Kind[event.upper()])}")
        firsts = dict(zip(places, accumulate((rows[n] for n in places), initial=0), strict=False))
        unclear: dict[int, list[int]] = {}
        for number, row in self._fetch(
            f"SELECT file, rowid FROM {table} WHERE kind IS NULL ORDER BY rowid"
        ):
            unclear.setdefault(places[number], []).append(row - firsts[places[number]])
        return rows, unclear

    def _counts(self, table: str) -> list[tuple[int, int | None, date | None, int]]:
        """The number of rows by number of the file in its group, kind, and day of an event."""
        kinds = ", ".join(str(int(Kind[event.upper()])) for event in self._format.kinds)
        is_event = f"kind IN ({kinds})"
        return self._fetch(
            f"SELECT file, kind, CASE WHEN {is_event} THEN CAST(time AS DATE) END, "
            f"count(*) FROM {table} GROUP BY ALL"
        )

    def _require_all(self, scan: LineScan) -> None:
        """Raise `EngineError` if DuckDB skipped a line that is not blank."""
        if scan.file.size > 1 and scan.rows != scan.rows_read:
            raise EngineError(
                f"DuckDB read {scan.rows_read} of {scan.rows} lines of '{scan.file.source}' that "
                "are not blank; please report this as a bug, and try --engine spark."
            )

    def _parse(self, files: Sequence[LineFile], name: str) -> str:
        """Parse the lines of files of one group into a new table, whose name is returned."""
        table = f"{name}_parsed_{self._tables}"
        self._tables += 1
        columns = self._columns(files[0])
        if columns:
            self._execute(table, files, forms_of_rows(columns, self._format), columns)
            return table
        forms = forms_of(beginning(files[0]), self._format)
        self._execute(table, files, forms)
        if forms != Forms() and self._share_unclear(table) > OTHER_FORMS:
            self._execute(table, files, Forms())
        return table

    def _share_unclear(self, table: str) -> float:
        share = self._fetch(f"SELECT avg((kind IS NULL)::INTEGER) FROM {table}")[0][0]
        return float(share or 0)

    def _columns(self, file: LineFile) -> dict[str, str]:
        """The columns of a file of rows, and their types; none of a file of lines."""
        if file.compression != PARQUET:
            return {}
        described = self._fetch(f"DESCRIBE FROM {parquet_rows([file.path])}")
        if any(name.lower() == FILE_NUMBER for name, *_ in described):
            raise EngineError(PARQUET)  # so that they are made lines: it would hide the number
        return {name: kind for name, kind, *_ in described}

    def _group(self, file: LineFile) -> tuple[str, ...]:
        """Files of one group are read by one statement."""
        columns = (f"{name} {kind}" for name, kind in self._columns(file).items())
        return file.compression, file.event or "", *columns

    def _execute(
        self,
        table: str,
        files: Sequence[LineFile],
        forms: Forms,
        columns: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        query = read_sql(table, files, self._format, self._latest, forms, columns)
        size = sum(file.size for file in files)
        try:
            with watched(READING, size, self._session.query_progress):
                self._session.execute(query)
        except duckdb.Error as error:
            if isinstance(error, duckdb.OutOfMemoryException) or is_disk_full(error):
                raise
            reason = first_line(error)
            if "maximum_object_size" in reason:
                reason = f"a line is longer than {LARGEST_LINE >> 20} MiB ({reason})"
            raise InputError(f"The event logs cannot be read: {reason}.") from None

    def _fetch(self, sql: str) -> list[tuple[Any, ...]]:
        return self._session.execute(sql).fetchall()
