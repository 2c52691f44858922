"""Engines do the reading and writing; they know nothing of the metric.

An engine is a place where named tables live and SQL runs. To add one, write a module here with
a class that satisfies `Engine`, and name it in `open_engine`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from user_conversion.datasets import Columns, Dataset
from user_conversion.inputs import InputFile
from user_conversion.settings import EngineSettings


@dataclass(frozen=True)
class EventCounts:
    """What became of the lines that were read; they add up to `lines`."""

    lines: int = 0
    registered: int = 0
    app_loaded: int = 0
    other: int = 0
    blank: int = 0
    rejected_by_reason: Mapping[str, int] = field(default_factory=dict)

    @property
    def rejected(self) -> int:
        """Lines that cannot be an event."""
        return sum(self.rejected_by_reason.values())

    def unaccounted(self) -> int:
        """Lines that are in no count; anything but 0 is a fault of the engine."""
        counted = self.registered + self.app_loaded + self.other + self.blank + self.rejected
        return self.lines - counted

    def __add__(self, more: EventCounts) -> EventCounts:
        reasons = sorted({*self.rejected_by_reason, *more.rejected_by_reason})
        return EventCounts(
            self.lines + more.lines,
            self.registered + more.registered,
            self.app_loaded + more.app_loaded,
            self.other + more.other,
            self.blank + more.blank,
            {
                reason: self.rejected_by_reason.get(reason, 0)
                + more.rejected_by_reason.get(reason, 0)
                for reason in reasons
            },
        )


class Engine(AbstractContextManager["Engine"], Protocol):
    """Named tables and SQL over them. Instants are in UTC, whatever the machine's zone."""

    name: str
    dialect: str

    def versions(self) -> dict[str, str]:
        """Versions of what computes, by name."""

    def read_events(
        self, files: Sequence[InputFile], attributes: Sequence[str], latest: datetime
    ) -> EventCounts:
        """Read raw event logs, each once, into three tables, and count the lines.

        `new_user_registration` and `new_app_loaded` have the columns of the datasets, with
        `time` in UTC; `new_rejected_events` has one row per rejected line. They stay until the
        engine is closed. Events later than `latest` are rejected. Raises `InputError`.
        """

    def read_parquet(
        self, table: str, columns: Columns, files: Sequence[Path], until: datetime | None = None
    ) -> None:
        """Name the rows of Parquet files as a table, if given those with `time` before `until`.

        No file is an empty table. Raises `DatasetError` if a file has not these columns.
        """

    def create_table(self, table: str, columns: Columns, rows: Iterable[Sequence[Any]]) -> None:
        """Create a small table from rows at hand."""

    def materialize(self, table: str, sql: str) -> None:
        """Compute a query once and keep its result as a table."""

    def create_view(self, table: str, sql: str) -> None:
        """Name a query, to be computed where it is used."""

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a query; for results that are small. Timestamps have no zone, in UTC."""

    def write(self, sql: str, dataset: Dataset, folder: Path) -> None:
        """Write a query's rows as Parquet files of a dataset, by partition, below a new folder.

        The query gives the dataset's columns and, last, its partition column.
        """


def open_engine(settings: EngineSettings) -> Engine:
    """Start the engine that the settings name. Raises `EngineError` if it is not there."""
    if settings.engine == "spark":
        from user_conversion.engines.spark import SparkEngine

        return SparkEngine(settings)
    from user_conversion.engines.duckdb import DuckDBEngine

    return DuckDBEngine(settings)
