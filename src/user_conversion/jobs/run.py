"""One run: holds the output folder, starts the engine, runs the jobs, records `run.json`."""

from __future__ import annotations

import platform
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from msgspec.structs import asdict, replace

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
from user_conversion.answer.results import ConversionResult
from user_conversion.answer.weeks import restated
from user_conversion.jobs.context import Context
from user_conversion.jobs.conversion_rate.job import compute_conversion
from user_conversion.jobs.conversion_rate.state import is_unchanged, staged_state
from user_conversion.jobs.events_split.job import SplitResult, split_events
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
PRODUCT = "user-conversion"


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
    on_cluster = settings.engine_options.on_cluster
    rebuild = settings.full_refresh
    output = output_at(settings.place, command, rebuild=rebuild, on_cluster=on_cluster)
    with output, output.publication() as publication, ExitStack() as stack:
        context = Context(settings, started, publication, output.scratch, stack)
        last, split = _last_record(output.place), None
        previous = last.jobs if last else Jobs()
        if CONVERSION in jobs:
            _require_week_start(settings, previous.rate)
        done = previous
        if SPLIT in jobs:
            split, split_job = _split(context)
            done = replace(done, split=split_job)
        if CONVERSION in jobs:
            done = replace(done, rate=_convert(context, split, last))
        notes = (*(split.notes if split else ()), *_changed_options(previous, done))
        record = _record(command, context, done, notes, last)
        publication.write_json(RUN_RECORD, record)
        if report or (CONVERSION in jobs and publication.has(PAGE)):
            publication.write_text(PAGE, render(record, "html"))
    return Outcome(record, split)


def _last_record(output: Place) -> RunRecord | None:
    try:
        return last_record(output)
    except DatasetError:
        return None


def _require_week_start(settings: Settings, before: ConversionJob | None) -> None:
    """Raise `SettingsError` if the published weeks begin on another day."""
    if before and before.parameters.week_start != settings.week_start and not settings.full_refresh:
        raise SettingsError(
            f"The weeks in '{settings.output}' begin on {before.parameters.week_start}, not on "
            f"{settings.week_start}: choose another --output, or rebuild: run --full-refresh."
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
        total=result.total,
    )


def _convert(context: Context, split: SplitResult | None, last: RunRecord | None) -> ConversionJob:
    begun, settings = time.perf_counter(), context.settings
    previous = last.jobs if last else Jobs()
    before = previous.rate
    parameters = ConversionParameters(
        *(settings.definition, settings.timezone, settings.as_of, settings.by, settings.week_start)
    )
    with watched("Computing the conversion"):
        holds = _answer_that_holds(context, split, last, parameters)
        result = holds.result if holds else compute_conversion(context, split)
    if before and _is_comparable(before, result, parameters):
        # With another log format other figures are expected.
        was_read = previous.split if split else None
        if not was_read or was_read.parameters.log_format.reads_as(settings.events.recorded):
            result = replace(result, restated=restated(before.result.weeks, result.weeks))
    return ConversionJob(
        **_how_it_ran(context, begun),
        parameters=parameters,
        state=holds.state if holds else staged_state(context),
        result=result,
    )


def _is_comparable(
    before: ConversionJob, result: ConversionResult, parameters: ConversionParameters
) -> bool:
    """Whether weeks that were complete in an answer should have the same figures in the result."""
    asked = replace(before.parameters, by=parameters.by, as_of=parameters.as_of)
    then, now = before.result.observed_through, result.observed_through
    return asked == parameters and (now or date.min) >= (then or date.min)


def _answer_that_holds(
    context: Context,
    split: SplitResult | None,
    last: RunRecord | None,
    parameters: ConversionParameters,
) -> ConversionJob | None:
    """The last answer if it was asked for alike, by this version, and nothing has come since."""
    rate = last.jobs.rate if last and last.versions.get(PRODUCT) == __version__ else None
    if rate and rate.parameters == parameters and is_unchanged(context, split, rate):
        return rate
    return None


def _how_it_ran(context: Context, begun: float) -> dict[str, Any]:
    return {
        "run_at": context.started.replace(microsecond=0),
        "engine": context.settings.engine,
        "seconds": round(time.perf_counter() - begun, 3),
    }


def _record(
    command: str, context: Context, jobs: Jobs, notes: tuple[str, ...], last: RunRecord | None
) -> RunRecord:
    """The record of this run, with the last run of each job."""
    asked = jobs.rate.parameters if jobs.rate else None
    python = {PRODUCT: __version__, "python": platform.python_version()}
    computed_by = context.versions or (last.versions if last else {})
    return RunRecord(
        command=command,
        run_at=context.started.replace(microsecond=0),
        engine=context.settings.engine,
        versions=computed_by | python,
        definition=asked.definition if asked else None,
        timezone=asked.timezone if asked else None,
        seconds=round((datetime.now(UTC) - context.started).total_seconds(), 3),
        notes=notes,
        title=context.settings.title,
        output=context.settings.place,
        jobs=jobs,
    )


def _changed_options(before: Jobs, now: Jobs) -> Iterator[str]:
    """What was asked for otherwise than for the published output."""
    if before.rate and now.rate:
        was, is_now = asdict(before.rate.parameters), asdict(now.rate.parameters)
        for name in ("definition", "timezone"):
            if was[name] != is_now[name]:
                yield f"The published output had the {name} {was[name]}; now it is {is_now[name]}."
    formats = [each.split.parameters.log_format for each in (before, now) if each.split]
    if len(formats) == 2 and not formats[0].reads_as(formats[1]):
        yield "The published output was read with another log format."
