"""Sail as an engine: the code for Spark, on a server of Spark Connect that needs no Java."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from user_conversion.datasets import Dataset
from user_conversion.engines.sail.errors import NotUtf8Error, translated
from user_conversion.engines.sail.server import open_session
from user_conversion.engines.spark.engine import SparkEngine
from user_conversion.errors import EngineError, UserConversionError
from user_conversion.events import EventCounts
from user_conversion.inputs.lines import LineFile, as_utf8
from user_conversion.log_format import LogFormat
from user_conversion.parquet import write_empty

if TYPE_CHECKING:
    from user_conversion.settings import Settings

# How many seconds the workers of a cluster may take to start.
PATIENCE = 60


class SailEngine(SparkEngine):
    """See `base.Engine`."""

    name = "sail"
    write_options: Mapping[str, str] = {}

    def open_session(self, settings: Settings) -> tuple[Any, Callable[[], None]]:
        """See `SparkEngine.open_session`."""
        return open_session(settings, self._scratch)

    def translated(self, error: Exception) -> UserConversionError:
        """See `SparkEngine.translated`."""
        return translated(error, self._scratch)

    def versions(self) -> dict[str, str]:
        """See `Engine.versions`."""
        return {"sail": version("pysail"), "spark": self._spark.version}

    def read_events(
        self, files: Sequence[LineFile], log_format: LogFormat, latest: datetime
    ) -> EventCounts:
        """See `Engine.read_events`."""
        self._wait_for_workers()
        try:
            return super().read_events(files, log_format, latest)
        except NotUtf8Error:
            # Few logs need it, and one line would otherwise stop the run.
            return super().read_events(as_utf8(files, self._scratch), log_format, latest)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """See `Engine.rows`."""
        found = super().rows(sql)
        self._require_all_workers()
        return found

    def write(self, sql: str, dataset: Dataset, folder: Path) -> None:
        """See `Engine.write`."""
        super().write(sql, dataset, folder)
        self._require_all_workers()
        if dataset.partition is None and not any(folder.iterdir()):
            # Sail writes no file without rows; one must replace the file of the run before.
            write_empty(dataset.columns, folder / "part-0.parquet")

    def _require_all_workers(self) -> None:
        """Raise `EngineError` if tasks were repeated, which Sail does when a worker is lost.

        Sail 0.7.2 can then lose rows without an error.
        """
        if self._count("system.execution.tasks", "attempt > 0"):
            raise EngineError("Sail lost a worker and repeated its tasks: run the command again.")

    def _wait_for_workers(self) -> None:
        """Wait for workers that are starting: Sail gives them no part of a query that has begun."""
        end = time.monotonic() + PATIENCE
        while self._count("system.cluster.workers", "status = 'PENDING'"):
            if time.monotonic() > end:
                return
            time.sleep(0.1)

    def _count(self, table: str, condition: str) -> int:
        """The number of rows about this session in a table of Sail's own."""
        with self._errors():
            ((rows,),) = self._spark.sql(
                f"SELECT count(*) FROM {table} "
                f"WHERE session_id = '{self._spark.session_id}' AND {condition}"
            ).collect()
        return int(rows)

    def uri(self, path: Path) -> str:
        """A local path as Sail reads and writes it."""
        return f"file://{quote(str(path.absolute()))}"

    pattern = uri
