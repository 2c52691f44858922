"""One run of the command line: holds the output folder, starts the engine, records `run.json`."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from user_conversion import __version__
from user_conversion.engines import Engine, open_engine
from user_conversion.jobs.conversion_rate import compute_conversion
from user_conversion.jobs.events_split import SplitResult, split_events
from user_conversion.publication import OutputFolder
from user_conversion.results import ConversionResult, counts_as_json
from user_conversion.settings import ConversionSettings, EngineSettings, SplitSettings

NAME = "run.json"
SPLIT = "events-split"
CONVERSION = "conversion-rate-week-after-registration"


class Run:
    """A run while it lasts; leaving the block stops the engine and frees the output folder."""

    def __init__(self, command: str, output: Path, settings: EngineSettings) -> None:
        self._command = command
        self._settings = settings
        self._stack = ExitStack()
        self._output = OutputFolder(output, command)
        self._started = datetime.now(UTC)
        self._jobs: dict[str, Any] = {}
        self._just_split = False
        self._engine_used: Engine | None = None

    def __enter__(self) -> Run:
        self._output = self._stack.enter_context(self._output)
        return self

    def __exit__(self, *error: Any) -> None:
        try:
            if error[0] is None:
                self._record()
        finally:
            self._stack.close()

    @cached_property
    def _engine(self) -> Engine:
        settings = replace(self._settings, scratch=self._output.scratch)
        self._engine_used = self._stack.enter_context(open_engine(settings))
        return self._engine_used

    def split(self, settings: SplitSettings) -> SplitResult:
        """Run the job `events-split`."""
        with self._timed(SPLIT) as record:
            result = split_events(settings, self._output, lambda: self._engine, self._started)
            self._just_split = result.is_everything
            record["parameters"] = {
                "input": list(settings.inputs),
                "attributes": list(settings.attributes),
                "max_rejected": settings.max_rejected,
                "full_refresh": settings.full_refresh,
            }
            record["files_read"] = len(result.plan.files)
            record["counts"] = counts_as_json(result.read)
        return result

    def convert(self, settings: ConversionSettings) -> ConversionResult:
        """Run the job `conversion-rate-week-after-registration`."""
        with self._timed(CONVERSION) as record:
            result = compute_conversion(
                settings, self._output, lambda: self._engine, just_split=self._just_split
            )
            record["parameters"] = {
                "definition": settings.definition,
                "timezone": settings.timezone,
                "as_of": settings.as_of and settings.as_of.isoformat(),
                "by": settings.by,
            }
            record["result"] = result.as_json()
            record["daily"] = {day.isoformat(): counts for day, counts in result.daily.items()}
        return result

    @contextmanager
    def _timed(self, job: str) -> Iterator[dict[str, Any]]:
        begun = time.perf_counter()
        record: dict[str, Any] = {"run_at": self._started.isoformat(timespec="seconds")}
        yield record
        record["engine"] = self._settings.engine
        record["seconds"] = round(time.perf_counter() - begun, 3)
        self._jobs[job] = record

    def _record(self) -> None:
        """Write `run.json`: this run, and the last run of each job."""
        if not self._jobs:
            return
        jobs = previous_jobs(self._output.path) | self._jobs
        conversion = jobs.get(CONVERSION, {})
        engine = self._engine_used
        document = {
            "command": self._command,
            "run_at": self._started.isoformat(timespec="seconds"),
            "engine": self._settings.engine,
            "versions": {
                "user-conversion": __version__,
                "python": platform.python_version(),
                **(engine.versions() if engine else {}),
            },
            "definition": conversion.get("parameters", {}).get("definition"),
            "timezone": conversion.get("parameters", {}).get("timezone"),
            "seconds": round((datetime.now(UTC) - self._started).total_seconds(), 3),
            "jobs": jobs,
        }
        with self._output.publication() as publication:
            publication.write_json(NAME, document)


def run(
    input: str | Path | Sequence[str | Path] = "data-input",  # noqa: A002 - as on the command line
    output: str | Path = "data-output",
    *,
    engine: str = "duckdb",
    master: str | None = None,
    definition: str = "next-week",
    timezone: str = "UTC",
    as_of: date | None = None,
    by: str | None = None,
) -> ConversionResult:
    """Run both jobs, as `user-conversion run` does, and return the answer.

    Raises `UserConversionError` where the command would end with an error.
    """
    inputs = [input] if isinstance(input, str | Path) else input
    folder = Path(output)
    conversion = ConversionSettings(folder, definition, timezone, as_of, by)
    attributes = ("channel",) if by in (None, "channel", "device_type") else ("channel", by)
    split = SplitSettings(tuple(map(str, inputs)), folder, attributes)
    with Run("run", folder, EngineSettings(engine, master)) as this:
        this.split(split)
        return this.convert(conversion)


def previous_jobs(output: Path) -> dict[str, Any]:
    """What `run.json` says of the last run of each job; nothing if it cannot be read."""
    try:
        jobs = json.loads((output / NAME).read_text("utf-8"))["jobs"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return jobs if isinstance(jobs, dict) else {}
