"""Raw events in, Parquet partitioned by day out: the job `events-split`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from user_conversion import datasets, quarantine
from user_conversion.datasets import REJECTED_EVENTS, Dataset
from user_conversion.engines import Engine, engine_description
from user_conversion.errors import EngineError, InputError
from user_conversion.events import CLOCK_TOLERANCE, EventCounts
from user_conversion.inputs.convert import LineFile
from user_conversion.inputs.files import Found, InputFile, SkippedFile, find_files
from user_conversion.inputs.preparation import prepare, require_logs
from user_conversion.ledger import Batch, Ledger, Plan
from user_conversion.log_format import LogFormat
from user_conversion.publication import OutputFolder, Publication
from user_conversion.row_counts import count_rows, require_rows
from user_conversion.settings import Settings


@dataclass(frozen=True)
class SplitResult:
    """What this run read, and what the published datasets now hold.

    `skipped` are files of the input folders that are not logs.
    """

    plan: Plan
    skipped: tuple[SkippedFile, ...]
    read: EventCounts
    total: EventCounts

    @property
    def is_everything(self) -> bool:
        """Whether the events read in this run are all that is published."""
        return self.plan.rebuild and bool(self.plan.files)


def split_events(
    settings: Settings, output: OutputFolder, open_engine: Callable[[], Engine], now: datetime
) -> SplitResult:
    """Read new input files and publish the event datasets.

    Raises `InputError` if the inputs cannot be read, hold no event of the two kinds, or have too
    many rejected lines; nothing is published then.
    """
    found = find_files(settings.inputs, [settings.folder])
    ledger, plan = _plan(settings, output, found)
    prepared = prepare(
        found.only(plan.files),
        settings.events,
        engine_description(settings.engine).compressions,
        output.scratch,
    )
    if plan.rebuild:
        require_logs(prepared)
    plan = Plan(prepared.inputs, plan.rebuild, plan.why)
    skipped = tuple(prepared.skipped)
    if not plan.files:
        return SplitResult(plan, skipped, EventCounts(), ledger.counts)
    with output.publication() as publication:
        if not plan.rebuild:
            require_rows(_datasets(ledger), output.path, ledger.rows)
        engine = open_engine()
        try:
            counts = engine.read_events(prepared.files, settings.events, now + CLOCK_TOLERANCE)
        finally:
            # If a file was written to, that is the cause of any other error.
            _require_unchanged(plan.files)
        _require_reconciled(counts)
        ledger = ledger.with_batch(Batch(now.isoformat(), engine.name, tuple(plan.files), counts))
        quarantine.check(engine, prepared.files, counts, settings.max_rejected)
        _require_events(ledger.counts, prepared.files, settings.events)
        ledger = _stage(ledger, engine, output, publication, plan.rebuild)
    return SplitResult(plan, skipped, counts, ledger.counts)


def _datasets(ledger: Ledger) -> tuple[Dataset, ...]:
    """The datasets that this job writes: registrations, loads, rejected lines."""
    events = datasets.event_datasets(ledger.attributes, ledger.id_type)
    return (*events, REJECTED_EVENTS)


def _plan(settings: Settings, output: OutputFolder, found: Found) -> tuple[Ledger, Plan]:
    """The ledger to continue, and the files to read."""
    ledger = None if settings.full_refresh else Ledger.load(output.path)
    if ledger is None:
        return Ledger.new(settings.events), Plan(list(found.files), True, "nothing read before")
    plan = ledger.plan(found.files, settings.events)
    return (Ledger.new(settings.events) if plan.rebuild else ledger), plan


def _require_unchanged(files: Sequence[InputFile]) -> None:
    for file in files:
        if not file.is_unchanged():
            raise InputError(f"'{file.path}' was written to while it was read; run again.")


def _require_reconciled(counts: EventCounts) -> None:
    if counts.unaccounted():
        raise EngineError(
            f"{counts.unaccounted()} of {counts.lines} lines were not counted; nothing was "
            "published. Please report this as a bug."
        )


def _require_all_written(ledger: Ledger) -> None:
    counts = ledger.counts
    counted_lines = (counts.registered, counts.app_loaded, counts.rejected)
    for dataset, counted in zip(_datasets(ledger), counted_lines, strict=True):
        name, written = dataset.name, sum(ledger.rows[dataset.name].values())
        if written != counted:
            raise EngineError(
                f"{written} rows of {name} were written for {counted} lines; nothing was "
                "published. Please report this as a bug."
            )


def _require_events(counts: EventCounts, files: Sequence[LineFile], log_format: LogFormat) -> None:
    if counts.registered or counts.app_loaded or counts.lines == counts.blank:
        return
    from user_conversion.inspection import advice

    raise InputError(
        f"None of {counts.lines - counts.blank:,} lines is a registered or app_loaded event; "
        f"nothing was published. {advice(files, log_format)}"
    )


def _stage(
    ledger: Ledger, engine: Engine, output: OutputFolder, publication: Publication, rebuild: bool
) -> Ledger:
    """Stage the datasets and the ledger, which is returned with the rows that were written."""
    *by_day, _ = written = _datasets(ledger)
    for dataset in by_day:
        _stage_days(dataset, engine, output, publication, rebuild)
    _stage_rejected(engine, output, publication, rebuild)
    ledger = ledger.with_rows(count_rows(written, publication.folder))
    _require_all_written(ledger)
    ledger.save(publication)
    return ledger


def _stage_days(
    dataset: Dataset, engine: Engine, output: OutputFolder, publication: Publication, rebuild: bool
) -> None:
    """Write the days with new events, whole: together with the events they had before."""
    rows = f"SELECT * FROM new_{dataset.name}"
    before = dataset.partitions(output.path)
    if before and not rebuild:
        days = engine.rows(f"SELECT DISTINCT CAST(time AS DATE) AS day FROM new_{dataset.name}")
        touched = [before[str(row["day"])] for row in days if str(row["day"]) in before]
        files = [file for folder in touched for file in datasets.parquet_files(folder)]
        engine.read_parquet(f"previous_{dataset.name}", dataset.columns, files)
        rows += f" UNION ALL SELECT * FROM previous_{dataset.name}"
    engine.write(
        f"SELECT *, CAST(time AS DATE) AS derived_tstamp_day FROM ({rows})",
        dataset,
        dataset.folder(publication.folder),
    )
    if rebuild:
        written = dataset.partitions(publication.folder)
        publication.drop(output.path, (before[day] for day in before if day not in written))


def _stage_rejected(
    engine: Engine, output: OutputFolder, publication: Publication, rebuild: bool
) -> None:
    rows = "SELECT * FROM new_rejected_events"
    if not rebuild:
        files = REJECTED_EVENTS.files(output.path)
        engine.read_parquet("previous_rejected_events", REJECTED_EVENTS.columns, files)
        rows += " UNION ALL SELECT * FROM previous_rejected_events"
    engine.write(rows, REJECTED_EVENTS, REJECTED_EVENTS.folder(publication.folder))
