"""Reads lines in Python, one by one, by `events.read_line`: right by construction, and slow.

This is how an engine reads event logs unless it has a faster way.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from itertools import chain, islice
from typing import Any

from user_conversion.engines.tables import Tables
from user_conversion.inputs.lines import LineFile, line_batches, lines_before
from user_conversion.rules.counts import LineCount
from user_conversion.rules.datasets import REJECTED_EVENTS, Dataset, event_datasets
from user_conversion.rules.events import Event, read_line
from user_conversion.rules.log_format import LogFormat
from user_conversion.rules.paths import folder_values
from user_conversion.rules.rejected import Rejected, kept_text

LINES_AT_ONCE = 50_000

# The place of a file among those that are read, the file, the number of a line in it, the line.
NumberedLine = tuple[int, LineFile, int, bytes]
# The place of a file, a verdict, and the UTC day of an event.
Key = tuple[int, str, date | None]


def read_files(
    tables: Tables, files: Sequence[LineFile], log_format: LogFormat, latest: datetime, name: str
) -> list[LineCount]:
    """See `Engine.read_events`."""
    new = NewTables(tables, log_format, name)
    counts = new.add_lines(_numbered_lines(files), latest)
    new.publish()
    return line_counts(counts)


def _numbered_lines(files: Iterable[LineFile]) -> Iterator[NumberedLine]:
    """All lines of files, numbered from 1 in each."""
    for place, file in enumerate(files):
        for number, line in enumerate(chain.from_iterable(line_batches(file)), 1):
            yield place, file, number, line


def line_counts(counts: Mapping[Key, int]) -> list[LineCount]:
    """Counted lines as what `Engine.read_events` returns."""
    return [LineCount(*key, lines) for key, lines in counts.items() if lines]


class NewTables:
    """The tables of `Engine.read_events`, each the union of parts.

    `events` has the dataset of each kind of event; names of tables begin with `name`.
    """

    def __init__(self, tables: Tables, log_format: LogFormat, name: str) -> None:
        self.name = name
        self._tables = tables
        self._format = log_format
        kinds = log_format.kinds
        datasets = event_datasets(log_format.attributes, log_format.id_type, kinds)
        self.events = dict(zip(kinds, datasets, strict=True))
        self._parts: dict[str, list[str]] = defaultdict(list)
        self._folders = lru_cache(lambda source: folder_values(source, log_format.paths))

    def add(self, dataset: Dataset, query: str) -> None:
        """Add the rows of a query with the columns of the dataset."""
        self._parts[dataset.name].append(query)

    def add_parsed(self, kind: str, event: str, lines: str) -> None:
        """Add the events of a kind from parsed lines.

        `event` is an expression for the event, `lines` is a FROM clause. The attributes are in
        the columns attribute_0, attribute_1, …, because their names may be those of other columns.
        """
        columns = {name: f"attribute_{n}" for n, name in enumerate(self._format.attributes)}
        columns["event"] = event
        selected = (
            f"{columns.get(name, name)} AS {self._tables.quoted(name)}"
            for name in self.events[kind].columns
        )
        self.add(self.events[kind], f"SELECT {', '.join(selected)} FROM {lines}")

    def add_lines(self, lines: Iterable[NumberedLine], latest: datetime) -> Counter[Key]:
        """Parse lines and add their rows; count them by file, verdict and day."""
        counts: Counter[Key] = Counter()
        left = iter(lines)
        while batch := list(islice(left, LINES_AT_ONCE)):
            rows = defaultdict(list)
            for line in batch:
                verdict, row = self._parse(line, latest)
                day = row[1].date() if row and verdict in self.events else None
                counts[line[0], verdict, day] += 1
                if row:
                    rows[verdict if verdict in self.events else None].append(row)
            for kind, some in rows.items():
                self._add_rows(self.events[kind] if kind else REJECTED_EVENTS, some)
        return counts

    def publish(self) -> None:
        """Make the tables."""
        for dataset in (*self.events.values(), REJECTED_EVENTS):
            if not self._parts[dataset.name]:
                self._add_rows(dataset, [])
            union = " UNION ALL ".join(self._parts[dataset.name])
            self._tables.create_view(f"{self.name}_{dataset.name}", union)

    def _add_rows(self, dataset: Dataset, rows: Sequence[Sequence[Any]]) -> None:
        table = f"{self.name}_{dataset.name}_{len(self._parts[dataset.name])}"
        self._tables.create_table(table, dataset.columns, rows)
        self.add(dataset, f"SELECT * FROM {table}")

    def _parse(
        self, numbered: NumberedLine, latest: datetime
    ) -> tuple[str, tuple[Any, ...] | None]:
        """The verdict on a line, and the row to keep of an event or a rejected line."""
        _, file, number, line = numbered
        try:
            event = read_line(line, self._format, latest, file.event, self._folders(file.source))
        except Rejected as error:
            number += lines_before(file)
            return error.reason, (file.source, number, str(error.reason), kept_text(line))
        if not isinstance(event, Event):
            return event, None
        _, _, _, *fields = self.events[event.event].columns
        values = (event.event, event.time.replace(tzinfo=None), event.initiator_id)
        return event.event, (*values, *(event.fields[name] for name in fields))
