"""One run: holds the output folder, starts the engine, runs the jobs, records `run.json`."""

from __future__ import annotations

import functools
import platform
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ParamSpec, TypeVar

from msgspec.structs import replace

from user_conversion import __version__
from user_conversion.answer.record import (
    ConversionJob,
    ConversionParameters,
    Jobs,
    RunRecord,
    SkippedPath,
    SplitJob,
    SplitParameters,
)
from user_conversion.answer.restated import restated
from user_conversion.jobs.answer import Answer
from user_conversion.jobs.context import Context
from user_conversion.jobs.conversion_rate import compute_conversion
from user_conversion.jobs.events_split import SplitResult, split_events
from user_conversion.jobs.notes import changed_options, differences
from user_conversion.jobs.report import last_record
from user_conversion.outputs import render
from user_conversion.places.layout import PAGE, RUN_RECORD
from user_conversion.places.output import output_at
from user_conversion.places.place import Place
from user_conversion.places.progress import watched
from user_conversion.rules.errors import DatasetError, SettingsError
from user_conversion.rules.job_names import CONVERSION, SPLIT
from user_conversion.rules.log_format import DEVICE_TYPE, require_field
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
    if {SPLIT, CONVERSION} <= {*jobs}:
        # `compute_conversion` would find it too, but after the logs were read.
        require_field(settings.by, (*settings.events.attributes, DEVICE_TYPE))
    output = output_at(settings.place, command, rebuild=settings.full_refresh)
    with (
        output,
        output.publication() as publication,
        Context(settings, started, publication, output.scratch) as context,
    ):
        previous, split = _previous_jobs(output.place), None
        if CONVERSION in jobs:
            _require_week_start(settings, previous.rate)
        done = previous
        if SPLIT in jobs:
            split, split_job = _split(context)
            done = replace(done, split=split_job)
        if CONVERSION in jobs:
            done = replace(done, rate=_convert(context, split, previous.rate))
        notes = (*(split.notes if split else ()), *changed_options(previous, done))
        record = _record(command, context, done, notes)
        publication.write_json(RUN_RECORD, record)
        if report or (CONVERSION in jobs and publication.has(PAGE)):
            publication.write_text(PAGE, render(record, "html"))
    return Outcome(record, split)


def _previous_jobs(output: Place) -> Jobs:
    try:
        return last_record(output).jobs
    except DatasetError:
        return Jobs()


def _require_week_start(settings: Settings, before: ConversionJob | None) -> None:
    """Raise `SettingsError` if the published weeks begin on another day."""
    if before and before.parameters.week_start != settings.week_start and not settings.full_refresh:
        raise SettingsError(
            f"The weeks in '{settings.output}' begin on {before.parameters.week_start}, not on "
            f"{settings.week_start}: choose another --output, or run with --full-refresh."
        )


def _split(context: Context) -> tuple[SplitResult, SplitJob]:
    begun = time.perf_counter()
    result, settings = split_events(context), context.settings
    parameters = SplitParameters(
        input=settings.inputs,
        exclude=settings.excluded,
        max_rejected=settings.max_rejected,
        full_refresh=settings.full_refresh,
        log_format=settings.events.recorded,
    )
    skipped = tuple(SkippedPath(str(each.path), each.reason) for each in result.skipped)
    return result, SplitJob(
        **_how_it_ran(context, begun),
        parameters=parameters,
        files_read=len(result.files),
        files_gone=result.gone,
        files_replaced=tuple(result.replaced),
        skipped=skipped,
        counts=result.read,
    )


def _convert(
    context: Context, split: SplitResult | None, before: ConversionJob | None
) -> ConversionJob:
    begun = time.perf_counter()
    with watched("Computing the conversion"):
        result, settings = compute_conversion(context, split), context.settings
    parameters = ConversionParameters(
        *(settings.definition, settings.timezone, settings.as_of, settings.by, settings.week_start)
    )
    # With another date or definition other figures are expected.
    if before and not differences(
        before.parameters, parameters, "definition", "timezone", "as_of", "week_start"
    ):
        result = replace(result, restated=restated(before.result.weeks, result.weeks))
    return ConversionJob(**_how_it_ran(context, begun), parameters=parameters, result=result)


def _how_it_ran(context: Context, begun: float) -> dict[str, Any]:
    return {
        "run_at": context.started.replace(microsecond=0),
        "engine": context.settings.engine,
        "seconds": round(time.perf_counter() - begun, 3),
    }


def _record(command: str, context: Context, jobs: Jobs, notes: tuple[str, ...]) -> RunRecord:
    """The record of this run, with the last run of each job."""
    asked = jobs.rate.parameters if jobs.rate else None
    python = {"user-conversion": __version__, "python": platform.python_version()}
    return RunRecord(
        command=command,
        run_at=context.started.replace(microsecond=0),
        engine=context.settings.engine,
        versions=python | context.versions,
        definition=asked.definition if asked else None,
        timezone=asked.timezone if asked else None,
        seconds=round((datetime.now(UTC) - context.started).total_seconds(), 3),
        notes=notes,
        title=context.settings.title,
        jobs=jobs,
    )


Options = ParamSpec("Options")
Returned = TypeVar("Returned")


def _takes_options(
    settings: Callable[Options, Settings],
) -> Callable[[Callable[[Settings], Returned]], Callable[Options, Returned]]:
    """Give a function of `Settings` the parameters of their constructor."""

    def decorate(function: Callable[[Settings], Returned]) -> Callable[Options, Returned]:
        @functools.wraps(settings)
        def called(*args: Options.args, **options: Options.kwargs) -> Returned:
            return function(settings(*args, **options))

        called.__name__, called.__qualname__ = function.__name__, function.__qualname__
        called.__module__, called.__doc__ = function.__module__, function.__doc__
        return called

    return decorate


@_takes_options(Settings)
def run(settings: Settings) -> Answer:
    """Run both jobs, as the command `run` does with the same options, and return the answer.

    The page is not written. Raises `SettingsError` for an option that cannot be used, before
    anything is read, and `UserConversionError` where the command would end with an error.
    """
    return Answer(run_jobs("run", settings).record, settings.place)
