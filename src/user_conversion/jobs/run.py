"""One run: holds the output folder, starts the engine, runs the jobs, records `run.json`."""

from __future__ import annotations

import functools
import platform
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from user_conversion import __version__
from user_conversion.answer.record import VERSION, RunRecord
from user_conversion.answer.results import ConversionResult
from user_conversion.jobs.context import Context
from user_conversion.jobs.conversion_rate import compute_conversion
from user_conversion.jobs.events_split import SplitResult, split_events
from user_conversion.jobs.report import last_record
from user_conversion.outputs import render
from user_conversion.places.layout import PAGE, RUN_RECORD
from user_conversion.places.output_folder import OutputFolder
from user_conversion.rules.errors import DatasetError
from user_conversion.rules.job_names import CONVERSION, SPLIT
from user_conversion.settings import Settings

JOBS = (SPLIT, CONVERSION)


@dataclass(frozen=True)
class Outcome:
    """What a run did: its record, as in `run.json`, and what it read, if it ran `events-split`."""

    record: RunRecord
    split: SplitResult | None


def run_jobs(
    command: str,
    settings: Settings,
    jobs: Collection[str] = JOBS,
    *,
    report: bool = False,
    started: datetime | None = None,
) -> Outcome:
    """Run one or both jobs, and publish what they staged together with `run.json`, or nothing.

    The page is published with them for a `report`, or if the output has a page, which would show
    old figures. `started` stands for the present moment. Raises `UserConversionError`.
    """
    started = started or datetime.now(UTC)
    output = OutputFolder(settings.folder, command, rebuild=settings.full_refresh)
    with (
        output,
        output.publication() as publication,
        Context(settings, started, publication, output.scratch) as context,
    ):
        done: dict[str, Any] = {}
        split = _split(context, done) if SPLIT in jobs else None
        if CONVERSION in jobs:
            _convert(context, split, done)
        record = _record(command, context, done)
        publication.write_json(RUN_RECORD, record.document)
        if report or (CONVERSION in jobs and (output.path / PAGE).exists()):
            publication.write_text(PAGE, render(record, "html"))
    return Outcome(record, split)


def _split(context: Context, done: dict[str, Any]) -> SplitResult:
    with _recorded(SPLIT, context, done) as record:
        result = split_events(context)
        record["files_read"] = len(result.files)
        record["files_gone"] = result.gone
        record["files_replaced"] = list(result.replaced)
        record["skipped"] = [
            {"path": str(each.path), "reason": each.reason} for each in result.skipped
        ]
        record["counts"] = result.read.as_json()
    return result


def _convert(context: Context, split: SplitResult | None, done: dict[str, Any]) -> None:
    with _recorded(CONVERSION, context, done) as record:
        record["result"] = compute_conversion(context, split).as_json()


@contextmanager
def _recorded(job: str, context: Context, done: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The entry of a job in `run.json`, which is added to `done` when the block ends."""
    begun = time.perf_counter()
    record: dict[str, Any] = {"run_at": context.started.isoformat(timespec="seconds")}
    record["parameters"] = context.settings.recorded(job)
    yield record
    record["engine"] = context.settings.engine
    record["seconds"] = round(time.perf_counter() - begun, 3)
    done[job] = record


def _record(command: str, context: Context, done: Mapping[str, Any]) -> RunRecord:
    """The record of this run, with the last run of each job."""
    jobs = _previous_jobs(context.publication.output) | dict(done)
    conversion = jobs.get(CONVERSION, {}).get("parameters", {})
    return RunRecord.of(
        {
            "version": VERSION,
            "command": command,
            "run_at": context.started.isoformat(timespec="seconds"),
            "engine": context.settings.engine,
            "versions": {
                "user-conversion": __version__,
                "python": platform.python_version(),
                **context.versions,
            },
            "definition": conversion.get("definition"),
            "timezone": conversion.get("timezone"),
            "seconds": round((datetime.now(UTC) - context.started).total_seconds(), 3),
            "jobs": jobs,
        }
    )


def _previous_jobs(output: Path) -> dict[str, Any]:
    try:
        return dict(last_record(output).document["jobs"])
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
    return run_jobs("run", settings).record.conversion
