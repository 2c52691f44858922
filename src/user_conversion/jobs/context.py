"""What the jobs of one run share."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from functools import cached_property
from pathlib import Path
from typing import Any

from user_conversion.engines import Engine, engine_description, open_engine
from user_conversion.inputs.objects import Objects
from user_conversion.metric.compiled import metric_sql
from user_conversion.places.publication import Publication
from user_conversion.rules.datasets import Dataset
from user_conversion.rules.weeks import DAY, start_of_day
from user_conversion.rules.zones import time_zone
from user_conversion.settings import Settings

Rows = list[dict[str, Any]]


@dataclass
class Context:
    """The settings and the start of a run, what it will publish, and its engine.

    The engine starts when it is first needed and stops with the `stack`. `scratch` is a folder for
    temporary files.
    """

    settings: Settings
    started: datetime
    publication: Publication
    scratch: Path
    stack: ExitStack
    versions: dict[str, str] = field(default_factory=dict)

    @cached_property
    def engine(self) -> Engine:
        """The engine of the settings. `versions` says afterwards what it consists of."""
        options = replace(self.settings.engine_options, remote=self.publication.remote)
        engine = open_engine(self.settings.engine, options, self.scratch)
        self.stack.enter_context(engine)
        self.versions = engine.versions()
        return engine

    @cached_property
    def objects(self) -> Objects:
        """The logs that are objects in stores."""
        return Objects(self.scratch / "objects", on_cluster=self.publication.remote is not None)

    @cached_property
    def zone(self) -> tzinfo:
        """The zone of the calendar weeks."""
        return time_zone(self.settings.timezone)

    @property
    def until(self) -> str | None:
        """The instant, in SQL, from which on events are not used, if there is one."""
        if not self.settings.as_of:
            return None
        end = start_of_day(self.settings.as_of + DAY, self.zone)
        return f"TIMESTAMP '{end:%Y-%m-%d %H:%M:%S}'"

    def read(
        self, table: str, dataset: Dataset, folders: Iterable[Path], partition: str | None = None
    ) -> None:
        """Name the rows in some folders of a dataset as a table; see `Tables.read_parquet`."""
        files = self.publication.files_in(folders)
        self.engine.read_parquet(table, dataset.columns, files, partition)

    def sql(self, statement: str) -> str:
        """A statement of the metric for the engine."""
        return metric_sql(engine_description(self.settings.engine).dialect, statement)

    def rows(self, statement: str) -> Rows:
        """The rows of a statement of the metric."""
        return self.engine.rows(self.sql(statement))
