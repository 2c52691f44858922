"""Raw events in, Parquet partitioned by day out: the job `events-split`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from user_conversion.engines import engine_description
from user_conversion.inputs.compression import NONE
from user_conversion.inputs.duckdb_reader import MEMORY_LIMIT
from user_conversion.inputs.files import Found, find_files, is_standard_input, spooled
from user_conversion.inputs.input_file import SkippedFile
from user_conversion.inputs.ledger import Batch, Ledger
from user_conversion.inputs.preparation import Prepared, grown_files, prepare, require_logs
from user_conversion.inputs.reading_plan import FileToRead, KnownFile, ReadingPlan, plan_reading
from user_conversion.jobs.context import Context
from user_conversion.jobs.events_split import unfinished
from user_conversion.jobs.events_split.checks import (
    check_events,
    check_lines,
    counts_by_file,
    known_files,
)
from user_conversion.jobs.events_split.event_datasets import stage_events
from user_conversion.jobs.events_split.notes import not_utf_8, on_first_reading
from user_conversion.jobs.events_split.replaced import Replaced, read_kept_days
from user_conversion.places.layout import LEDGER
from user_conversion.places.progress import READING, watched
from user_conversion.rules.counts import EventCounts, LineCount
from user_conversion.rules.errors import DatasetError, EngineError, InputError
from user_conversion.rules.events import CLOCK_TOLERANCE
from user_conversion.rules.log_format import LogFormat


@dataclass(frozen=True)
class SplitResult:
    """What this run read, and the ledgers of what was and of what will be published.

    `files` were read in this run and `read` counts their lines; `skipped` are not logs or not new.
    `gone` is the number of known files that were not found, `replaced` are the paths of those that
    have other content now. `rebuild` says that these are all events there are, and `why`. `notes`
    are sentences for people.
    """

    log_format: LogFormat
    files: tuple[KnownFile, ...]
    skipped: tuple[SkippedFile, ...]
    gone: int
    replaced: tuple[str, ...]
    rebuild: bool
    why: str
    notes: tuple[str, ...]
    read: EventCounts
    before: Ledger
    ledger: Ledger

    @property
    def has_read(self) -> bool:
        """Whether the engine has the tables of `Engine.read_events`."""
        return self.ledger.batches != self.before.batches

    @property
    def total(self) -> EventCounts:
        """The lines behind all events that will be published."""
        return self.ledger.counts


def split_events(run: Context) -> SplitResult:
    """Read what is new among the input files and stage the event datasets and the ledger.

    Raises `InputError` if the inputs cannot be read, hold no event of the two kinds, or have too
    many rejected lines.
    """
    MEMORY_LIMIT.set(run.settings.memory_limit)
    with watched("Looking for new lines"):
        plan = _plan(run)
    with watched("Converting files"):
        prepared = _prepare(run, plan)
    if plan.rebuild:
        require_logs(prepared)
    ledger, counts, replaced = _relocated(plan), EventCounts(), Replaced()
    notes: tuple[str, ...] = ()
    if prepared.files:
        replaced = Replaced.of(prepared.plan, plan.files.present, plan.files.gone)
        read_kept_days(run, replaced, ledger)
        with watched(READING):
            prepared, counted = _read(run, plan, prepared)
        by_file = counts_by_file(prepared.files, counted)
        limit = run.settings.max_rejected
        check_lines(run.engine, prepared, by_file, limit, run.settings.events)
        counts = sum(by_file, EventCounts())
        read = known_files(prepared, by_file, counted, run.started.isoformat())
        ledger = _with_files(run, ledger, prepared, read, replaced)
        found = check_events(ledger.counts, plan.before, prepared.files, run.settings.events)
        unseen = on_first_reading(run.engine, prepared.files, run.settings.events)
        notes = (*found, *not_utf_8(run.engine), *(unseen if plan.rebuild else ()))
        with watched("Writing days"):
            ledger = stage_events(run, ledger, plan.rebuild, prepared.plan, replaced)
    run.publication.write_json(LEDGER, ledger)
    return SplitResult(
        run.settings.events,
        tuple(prepared.inputs),
        (*plan.found.skipped, *plan.files.skipped, *prepared.skipped),
        len(plan.files.gone),
        tuple(each.path for each in replaced.files),
        plan.rebuild,
        plan.why,
        notes,
        counts,
        plan.ledger,
        ledger,
    )


@dataclass(frozen=True)
class _Plan:
    """The ledger to continue, the files to read, and why these; all files that were found.

    `before` are the counts behind the published events.
    """

    found: Found
    ledger: Ledger
    files: ReadingPlan
    why: str
    before: EventCounts

    @property
    def rebuild(self) -> bool:
        """Whether everything is read and replaces what is published."""
        return not self.ledger.batches


def _plan(run: Context) -> _Plan:
    found = _find(run)
    log_format = run.settings.events
    ledger = _published_ledger(run)
    if ledger is None:
        why = "nothing read before"
    elif run.settings.full_refresh:
        why = "as asked for"
    elif not ledger.was_read_as(log_format):
        why = "the log format changed"
    else:
        files = plan_reading(found.files, log_format, run.objects.fetch, ledger.files)
        return _Plan(found, ledger, files, "new files", ledger.counts)
    files = plan_reading(found.files, log_format, run.objects.fetch)
    files.gone = _not_given(files.to_read, ledger.files if ledger else ())
    if files.gone and not run.settings.full_refresh:
        raise InputError(
            f"{why.capitalize()}, so all inputs have to be read again, but {len(files.gone):,} of "
            f"them are gone, for example '{files.gone[0].path}'. Keep the log format, choose "
            "another --output, or rebuild from the inputs given with --full-refresh."
        )
    before = ledger.counts if ledger else EventCounts()
    return _Plan(found, Ledger.new(log_format), files, why, before)


def _find(run: Context) -> Found:
    """The input files; standard input is one of them if it is asked for."""
    paths = [path for path in run.settings.inputs if not is_standard_input(path)]
    streams = []
    if len(paths) < len(run.settings.inputs):
        streams = [spooled(run.scratch / "inputs")]
    if not paths:
        return Found(streams)
    found = find_files(paths, [run.settings.place], run.settings.excluded, run.objects)
    return Found([*streams, *found.files], found.skipped, found.named)


def _published_ledger(run: Context) -> Ledger | None:
    """The ledger of the output; a rebuild needs none that can be read."""
    try:
        return Ledger.load(run.publication.output)
    except DatasetError:
        if run.settings.full_refresh:
            return None
        raise


def _not_given(to_read: Sequence[FileToRead], known: Sequence[KnownFile]) -> list[KnownFile]:
    """The known files of which neither the path nor the content is among those to read."""
    paths = {each.file.name for each in to_read}
    contents = {each.fingerprint.content for each in to_read}
    return [
        each
        for each in known
        if each.content.size and each.path not in paths and each.content not in contents
    ]


def _relocated(plan: _Plan) -> Ledger:
    """The ledger with the known files where they are now."""
    continued = [each.known for each in plan.files.to_read if each.known]
    replaced = [each.replaces for each in plan.files.to_read if each.replaces]
    files = (*plan.files.present, *plan.files.gone, *continued, *replaced)
    return msgspec.structs.replace(plan.ledger, files=() if plan.rebuild else files)


def _prepare(
    run: Context, plan: _Plan, copied: Collection[Path] = (), decompress: bool = False
) -> Prepared:
    """The lines of the files to read; those `copied` as they were when the run began.

    Compressed files are left to the engine as far as it reads them, unless told to `decompress`.
    """
    compressions = engine_description(run.settings.engine).compressions
    return prepare(
        plan.files.to_read,
        run.settings.events,
        frozenset() if decompress else compressions,
        run.scratch / "inputs",
        plan.found.named,
        copied,
    )


def _read(run: Context, plan: _Plan, prepared: Prepared) -> tuple[Prepared, list[LineCount]]:
    """Read the events into the engine's tables, and count the lines of each file.

    If the engine refuses compressed files, they are decompressed for it: Python reads what other
    tools refuse, such as zeros behind the last gzip member. A file that was written to meanwhile
    is read from a copy of what it was.
    """
    log_format, latest = run.settings.events, run.started + CLOCK_TOLERANCE
    try:
        counted = run.engine.read_events(prepared.files, log_format, latest)
    except (InputError, EngineError):
        if not grown_files(prepared):
            if all(file.compression == NONE for file in prepared.files):
                raise
            prepared = _prepare(run, plan, decompress=True)
            counted = run.engine.read_events(prepared.files, log_format, latest)
    if grown := grown_files(prepared):
        prepared = _prepare(run, plan, grown)
        counted = run.engine.read_events(prepared.files, log_format, latest)
    if run.publication.remote:
        where_they_are = {each.origin for each in prepared.files if each.address}
        run.objects.require_unchanged(prepared.plan[n].file for n in where_they_are)
    return prepared, counted


def _with_files(
    run: Context, ledger: Ledger, prepared: Prepared, read: Sequence[KnownFile], replaced: Replaced
) -> Ledger:
    """The ledger with the files of this run, together with what was known of those that grew."""
    files = {id(each): each for each in ledger.files}
    for new in prepared.plan:
        for old in (new.known, new.replaces):
            files.pop(id(old), None)
    batch = Batch(run.started.isoformat(), run.settings.engine)
    pairs = zip(prepared.plan, read, strict=True)
    joined = [unfinished.continued(new, each) for new, each in pairs]
    return ledger.with_files(batch, [*files.values(), *joined])
