"""Raw events in, Parquet partitioned by day out: the job `events-split`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from user_conversion.engines import engine_description
from user_conversion.inputs.compression import NONE
from user_conversion.inputs.files import Found, SkippedFile, find_files
from user_conversion.inputs.ledger import Batch, Ledger
from user_conversion.inputs.preparation import Prepared, prepare, require_logs
from user_conversion.inputs.reading_plan import KnownFile, ReadingPlan, plan_reading
from user_conversion.jobs import unfinished
from user_conversion.jobs.checks import check_lines, check_rows, require_events
from user_conversion.jobs.context import Context
from user_conversion.places.layout import LEDGER, folder_of, parquet_files
from user_conversion.places.row_counts import count_rows, require_rows
from user_conversion.rules import datasets
from user_conversion.rules.counts import EventCounts
from user_conversion.rules.datasets import REJECTED_EVENTS, Dataset
from user_conversion.rules.errors import EngineError, InputError
from user_conversion.rules.events import CLOCK_TOLERANCE
from user_conversion.rules.log_format import LogFormat


@dataclass(frozen=True)
class SplitResult:
    """What this run read, and the ledger of what will be published.

    `files` were read in this run, `read` counts their lines, `skipped` are not logs or not new.
    `rebuild` says that these are all events there are, and `why`.
    """

    log_format: LogFormat
    files: tuple[KnownFile, ...]
    skipped: tuple[SkippedFile, ...]
    rebuild: bool
    why: str
    read: EventCounts
    ledger: Ledger

    @property
    def total(self) -> EventCounts:
        """The lines behind all events that will be published."""
        return self.ledger.counts


def split_events(run: Context) -> SplitResult:
    """Read what is new among the input files and stage the event datasets.

    Raises `InputError` if the inputs cannot be read, hold no event of the two kinds, or have too
    many rejected lines.
    """
    found = find_files(run.settings.inputs, [run.settings.folder])
    plan = _plan(run, found)
    prepared = _prepare(run, plan)
    if plan.rebuild:
        require_logs(prepared)
    ledger, counts = plan.ledger, EventCounts()
    if prepared.files:
        if not plan.rebuild:
            require_rows(_datasets(ledger), run.publication, ledger.rows)
        prepared, counts = _read(run, plan, prepared)
        continued = unfinished.continued_lines(plan.files.to_read)
        ledger = _with_batch(run, plan, prepared, counts - unfinished.counts(continued))
        check_lines(run.engine, prepared.files, counts, run.settings.max_rejected)
        require_events(ledger.counts, prepared.files, run.settings.events)
        ledger = _stage(run, ledger, plan.rebuild, continued)
    skipped = (*found.skipped, *plan.files.skipped, *prepared.skipped)
    return SplitResult(
        run.settings.events, tuple(prepared.inputs), skipped, plan.rebuild, plan.why, counts, ledger
    )


@dataclass(frozen=True)
class _Plan:
    """The ledger to continue, the files to read, and why these; all files that were found."""

    found: Found
    ledger: Ledger
    files: ReadingPlan
    why: str

    @property
    def rebuild(self) -> bool:
        """Whether everything is read and replaces what is published."""
        return not self.ledger.batches


def _plan(run: Context, found: Found) -> _Plan:
    log_format = run.settings.events
    ledger = None if run.settings.full_refresh else Ledger.load(run.publication.output)
    if ledger is None:
        why = "nothing read before"
    elif log_format.as_json() != ledger.log_format:
        why = "the log format changed"
    else:
        plan = plan_reading(found.files, log_format, ledger.files)
        if plan.missing:
            raise InputError(_missing(plan.missing))
        if not plan.grown:
            return _Plan(found, ledger, plan, "new files")
        why = f"'{plan.grown}' grew"
    everything = plan_reading(found.files, log_format)
    return _Plan(found, Ledger.new(log_format), everything, why)


def _missing(files: Sequence[KnownFile]) -> str:
    path = files[0].file.path
    what = "has other content now or is not among the inputs" if path.exists() else "is gone"
    more = f" (and {len(files) - 1} more)" if len(files) > 1 else ""
    return (
        f"'{path}'{more} was read into this output before, and its content {what}. Name all "
        "inputs, or choose another --output, or rebuild from the inputs given with --full-refresh."
    )


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


def _read(run: Context, plan: _Plan, prepared: Prepared) -> tuple[Prepared, EventCounts]:
    """Read the events into the engine's tables, and count the lines.

    If the engine refuses compressed files, they are decompressed for it: Python reads what other
    tools refuse, such as zeros behind the last gzip member. A file that was written to meanwhile
    is read from a copy of what it was.
    """
    log_format, latest = run.settings.events, run.started + CLOCK_TOLERANCE
    try:
        counts = run.engine.read_events(prepared.files, log_format, latest)
    except (InputError, EngineError):
        if not _grown(prepared):
            if all(file.compression == NONE for file in prepared.files):
                raise
            prepared = _prepare(run, plan, decompress=True)
            counts = run.engine.read_events(prepared.files, log_format, latest)
    if grown := _grown(prepared):
        prepared = _prepare(run, plan, grown)
        counts = run.engine.read_events(prepared.files, log_format, latest)
    return prepared, counts


def _grown(prepared: Prepared) -> list[Path]:
    """The files to which lines were added. Raises `InputError` for other changes.

    Lines can be added only to newline-delimited JSON that is not compressed.
    """
    changed = [each for each in prepared.inputs if not each.file.is_unchanged()]
    for each in changed:
        if not each.can_grow or not each.identity.begins(each.file.path):
            raise InputError(f"'{each.file.path}' changed while it was read; run again.")
    return [each.file.path for each in changed]


def _with_batch(run: Context, plan: _Plan, prepared: Prepared, counts: EventCounts) -> Ledger:
    """The ledger with the files of this run."""
    batch = Batch(run.started, run.settings.engine, tuple(prepared.inputs), counts)
    continued = [each.known for each in plan.files.to_read if each.known]
    return plan.ledger.with_batch(batch, continued)


def _datasets(ledger: Ledger) -> tuple[Dataset, ...]:
    """The datasets that this job writes: registrations, loads, rejected lines."""
    return (*datasets.event_datasets(ledger.attributes, ledger.id_type), REJECTED_EVENTS)


def _stage(
    run: Context, ledger: Ledger, rebuild: bool, continued: Sequence[unfinished.Line]
) -> Ledger:
    """Stage the datasets and the ledger, which is returned with the rows that were written."""
    *by_day, _ = written = _datasets(ledger)
    for dataset in by_day:
        _stage_days(run, dataset, rebuild)
    _stage_rejected(run, rebuild, continued)
    rows = count_rows({each.name: run.publication.staged(each) for each in written})
    ledger = ledger.with_rows(rows)
    check_rows(written, ledger)
    run.publication.write_json(LEDGER, ledger)
    return ledger


def _stage_days(run: Context, dataset: Dataset, rebuild: bool) -> None:
    """Write the days with new events, whole: together with the events they had before."""
    engine, publication = run.engine, run.publication
    rows = f"SELECT * FROM new_{dataset.name}"
    if not rebuild:
        days = engine.rows(f"SELECT DISTINCT CAST(time AS DATE) AS day FROM new_{dataset.name}")
        before = publication.partitions_of(dataset)
        touched = [before[str(row["day"])] for row in days if str(row["day"]) in before]
        files = [file for folder in touched for file in parquet_files(folder)]
        engine.read_parquet(f"previous_{dataset.name}", dataset.columns, files)
        rows += f" UNION ALL SELECT * FROM previous_{dataset.name}"
    engine.write(
        f"SELECT *, CAST(time AS DATE) AS derived_tstamp_day FROM ({rows})",
        dataset,
        folder_of(dataset, publication.folder),
    )
    if rebuild:
        publication.drop_others(dataset)


def _stage_rejected(run: Context, rebuild: bool, continued: Sequence[unfinished.Line]) -> None:
    """Write the rejected lines: together with those from before that are still rejected."""
    engine, publication = run.engine, run.publication
    rows = "SELECT * FROM new_rejected_events"
    if not rebuild:
        previous = "previous_rejected_events"
        files = publication.files_of(REJECTED_EVENTS)
        engine.read_parquet(previous, REJECTED_EVENTS.columns, files)
        rows += f" UNION ALL {unfinished.without(continued, previous, engine)}"
    engine.write(rows, REJECTED_EVENTS, folder_of(REJECTED_EVENTS, publication.folder))
