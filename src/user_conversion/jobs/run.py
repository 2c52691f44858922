"""One run: holds the output folder, starts the engine, runs the jobs, records `run.json`."""

from __future__ import annotations

import functools
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, ParamSpec, TypeVar

from user_conversion import __version__
from user_conversion.answer.record import VERSION, RunRecord
from user_conversion.answer.results import ConversionResult
from user_conversion.engines import Engine, open_engine
from user_conversion.jobs.conversion_rate import compute_conversion
from user_conversion.jobs.events_split import SplitResult, split_events
from user_conversion.jobs.report import last_record
from user_conversion.outputs import render
from user_conversion.places.layout import PAGE, RUN_RECORD
from user_conversion.places.publication import OutputFolder
from user_conversion.rules.errors import DatasetError
from user_conversion.rules.job_names import CONVERSION, SPLIT
from user_conversion.settings import Settings


class Run:
    """A run of one or both jobs; leaving the block stops the engine and frees the output folder.

    After the block without an error, `record` is what was written to `run.json`. With a `report`,
    the page of this record is published together with it.
    """

    def __init__(self, command: str, settings: Settings, *, report: bool = False) -> None:
        self.record: RunRecord | None = None
        self._report = report
        self._command = command
        self._settings = settings
        self._stack = ExitStack()
        self._output = OutputFolder(settings.folder, command, rebuild=settings.full_refresh)
        self._started = datetime.now(UTC)
        self._jobs: dict[str, Any] = {}
        self._just_split = False
        self._versions: dict[str, str] = {}

    def __enter__(self) -> Run:
        self._output = self._stack.enter_context(self._output)
        return self

    def __exit__(self, *error: Any) -> None:
        try:
            if error[0] is None and self._jobs:
                self._save()
        finally:
            self._stack.close()

    @cached_property
    def _engine(self) -> Engine:
        engine = self._stack.enter_context(
            open_engine(self._settings.engine, self._settings.engine_options, self._output.scratch)
        )
        self._versions = engine.versions()
        return engine

    def split(self) -> SplitResult:
        """Run the job `events-split`."""
        with self._recorded(SPLIT) as record:
            result = split_events(self._settings, self._output, lambda: self._engine, self._started)
            self._just_split = result.is_everything
            record["files_read"] = len(result.files)
            record["skipped"] = [
                {"path": str(each.path), "reason": each.reason} for each in result.skipped
            ]
            record["counts"] = result.read.as_json()
        return result

    def convert(self) -> ConversionResult:
        """Run the job `conversion-rate-week-after-registration`."""
        with self._recorded(CONVERSION) as record:
            result = compute_conversion(
                self._settings, self._output, lambda: self._engine, just_split=self._just_split
            )
            record["result"] = result.as_json()
        return result

    @contextmanager
    def _recorded(self, job: str) -> Iterator[dict[str, Any]]:
        begun = time.perf_counter()
        record: dict[str, Any] = {"run_at": self._started.isoformat(timespec="seconds")}
        record["parameters"] = self._settings.recorded(job)
        yield record
        record["engine"] = self._settings.engine
        record["seconds"] = round(time.perf_counter() - begun, 3)
        self._jobs[job] = record

    def _save(self) -> None:
        """Write `run.json`, with this run and the last run of each job, and the report."""
        jobs = self._previous_jobs() | self._jobs
        conversion = jobs.get(CONVERSION, {}).get("parameters", {})
        self.record = RunRecord.of(
            {
                "version": VERSION,
                "command": self._command,
                "run_at": self._started.isoformat(timespec="seconds"),
                "engine": self._settings.engine,
                "versions": {
                    "user-conversion": __version__,
                    "python": platform.python_version(),
                    **self._versions,
                },
                "definition": conversion.get("definition"),
                "timezone": conversion.get("timezone"),
                "seconds": round((datetime.now(UTC) - self._started).total_seconds(), 3),
                "jobs": jobs,
            }
        )
        with self._output.publication() as publication:
            publication.write_json(RUN_RECORD, self.record.document)
            if self._report:
                publication.write_text(PAGE, render(self.record, "html"))

    def _previous_jobs(self) -> dict[str, Any]:
        try:
            return dict(last_record(self._output.path).document["jobs"])
        except DatasetError:
            return {}


Options = ParamSpec("Options")
Answer = TypeVar("Answer")


def _takes_options(
    settings: Callable[Options, Settings],
) -> Callable[[Callable[[Settings], Answer]], Callable[Options, Answer]]:
    """Give a function of `Settings` the parameters of their constructor."""

    def decorate(function: Callable[[Settings], Answer]) -> Callable[Options, Answer]:
        @functools.wraps(settings)
        def called(*args: Options.args, **options: Options.kwargs) -> Answer:
            return function(settings(*args, **options))

        called.__name__, called.__qualname__ = function.__name__, function.__qualname__
        called.__module__, called.__doc__ = function.__module__, function.__doc__
        return called

    return decorate


@_takes_options(Settings)
def run(settings: Settings) -> ConversionResult:
    """Run both jobs, as the command `run` does with the same options, and return the answer.

    The report is not written. Raises `SettingsError` for an option that cannot be used, before
    anything is read, and `UserConversionError` where the command would end with an error.
    """
    with Run("run", settings) as this:
        this.split()
        return this.convert()
