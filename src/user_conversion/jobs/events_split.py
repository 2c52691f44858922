"""Raw events in, Parquet partitioned by day out: the job `events-split`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from user_conversion.engines import Engine, engine_description
from user_conversion.inputs.files import Found, SkippedFile, find_files
from user_conversion.inputs.ledger import Batch, Ledger
from user_conversion.inputs.lines import LineFile
from user_conversion.inputs.preparation import Prepared, prepare, require_logs
from user_conversion.inputs.reading_plan import KnownFile, ReadingPlan, plan_reading
from user_conversion.jobs import quarantine
from user_conversion.jobs.superseded import (
    Superseded,
    add_past_events,
    add_unfinished,
    name_previous,
)
from user_conversion.places.layout import folder_of, parquet_files, partitions_of
from user_conversion.places.publication import OutputFolder, Publication
from user_conversion.places.row_counts import count_rows, require_rows
from user_conversion.rules import datasets
from user_conversion.rules.counts import EventCounts
from user_conversion.rules.datasets import REJECTED_EVENTS, Dataset
from user_conversion.rules.errors import EngineError, InputError, UserConversionError
from user_conversion.rules.events import CLOCK_TOLERANCE
from user_conversion.rules.log_format import LogFormat
from user_conversion.rules.rejected import Reason
from user_conversion.settings import Settings


@dataclass(frozen=True)
class SplitResult:
    """What this run read, and what the published datasets now hold.

    `files` were read in this run, `why` says why all were, `skipped` are not logs or not new.
    """

    log_format: LogFormat
    files: tuple[KnownFile, ...]
    skipped: tuple[SkippedFile, ...]
    rebuild: bool
    why: str
    read: EventCounts
    total: EventCounts

    @property
    def is_everything(self) -> bool:
        """Whether the events read in this run are all that is published."""
        return self.rebuild and bool(self.files)


def split_events(
    settings: Settings, output: OutputFolder, open_engine: Callable[[], Engine], now: datetime
) -> SplitResult:
    """Read what is new among the input files and publish the event datasets.

    Raises `InputError` if the inputs cannot be read, hold no event of the two kinds, or have too
    many rejected lines; nothing is published then.
    """
    found = find_files(settings.inputs, [settings.folder])
    ledger, plan, why = _plan(settings, output, found)
    job = _Job(settings, output, found, plan, now + CLOCK_TOLERANCE)
    prepared = job.prepare()
    rebuild = not ledger.batches
    if rebuild:
        require_logs(prepared)
    superseded = Superseded()
    may_be_past = bool(ledger.counts.rejected_by_reason.get(Reason.TIMESTAMP_OUT_OF_RANGE))
    counts = EventCounts()
    if prepared.files or may_be_past:
        with output.publication() as publication:
            if not rebuild:
                require_rows(_datasets(ledger), output.path, ledger.rows)
            engine = open_engine()
            if not rebuild:
                superseded = job.superseded(engine)
            if prepared.files or superseded.read_again:
                prepared, counts = job.read(engine, prepared, superseded.read_again)
                batch = Batch(now.isoformat(), engine.name, tuple(prepared.inputs), counts)
                ledger = ledger.with_batch(
                    replace(batch, counts=counts - superseded.counts()),
                    [each.known for each in plan.to_read if each.known],
                )
                _require_events(ledger.counts, prepared.files, settings.events)
                ledger = _stage(engine, ledger, output, publication, rebuild, superseded)
    return SplitResult(
        settings.events,
        tuple(prepared.inputs),
        (*found.skipped, *plan.skipped, *prepared.skipped),
        rebuild,
        why,
        counts,
        ledger.counts,
    )


def _datasets(ledger: Ledger) -> tuple[Dataset, ...]:
    """The datasets that this job writes: registrations, loads, rejected lines."""
    events = datasets.event_datasets(ledger.attributes, ledger.id_type)
    return (*events, REJECTED_EVENTS)


def _plan(
    settings: Settings, output: OutputFolder, found: Found
) -> tuple[Ledger, ReadingPlan, str]:
    """The ledger to continue, the files to read, and why."""
    ledger = None if settings.full_refresh else Ledger.load(output.path)
    if ledger is None:
        why = "nothing read before"
    elif settings.events.as_json() != ledger.log_format:
        why = "the log format changed"
    else:
        plan = plan_reading(found.files, settings.events, ledger.files)
        if plan.missing:
            raise InputError(_missing(plan.missing))
        if not plan.grown:
            return ledger, plan, "new files"
        why = f"'{plan.grown}' grew"
    return Ledger.new(settings.events), plan_reading(found.files, settings.events), why


def _missing(files: Sequence[KnownFile]) -> str:
    path = files[0].file.path
    what = "has other content now or is not among the inputs" if path.exists() else "is gone"
    more = f" (and {len(files) - 1} more)" if len(files) > 1 else ""
    return (
        f"'{path}'{more} was read into this output before, and its content {what}. Name all "
        "inputs, or choose another --output, or rebuild from the inputs given with --full-refresh."
    )


class _Job:
    """Reading the files of one run."""

    def __init__(
        self,
        settings: Settings,
        output: OutputFolder,
        found: Found,
        plan: ReadingPlan,
        latest: datetime,
    ) -> None:
        self.settings = settings
        self.output = output
        self.named = found.named
        self.plan = plan
        self.latest = latest

    def prepare(self, copied: Collection[Path] = ()) -> Prepared:
        """The lines of the files to read; those `copied` as they were when the run began."""
        return prepare(
            self.plan.to_read,
            self.settings.events,
            engine_description(self.settings.engine).compressions,
            self.output.scratch / "inputs",
            self.named,
            copied,
        )

    def superseded(self, engine: Engine) -> Superseded:
        """The published rejected lines that this run reads again."""
        superseded = Superseded()
        name_previous(engine, self.output.path)
        add_unfinished(superseded, self.plan.to_read)
        scratch = self.output.scratch / "past"
        add_past_events(superseded, engine, self.settings.events, self.latest, scratch)
        return superseded

    def read(
        self, engine: Engine, prepared: Prepared, more: Sequence[LineFile]
    ) -> tuple[Prepared, EventCounts]:
        """Read the events into the engine's tables, and check what came of the lines.

        A file that was written to meanwhile is read from a copy of what it was.
        """
        try:
            counts = engine.read_events([*prepared.files, *more], self.settings.events, self.latest)
        except UserConversionError:
            if not _grown(prepared):
                raise
        if grown := _grown(prepared):
            prepared = self.prepare(grown)
            counts = engine.read_events([*prepared.files, *more], self.settings.events, self.latest)
        if counts.unaccounted():
            raise EngineError(
                f"{counts.unaccounted()} of {counts.lines} lines were not counted; nothing was "
                "published. Please report this as a bug."
            )
        quarantine.check(engine, prepared.files, counts, self.settings.max_rejected)
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
    from user_conversion.inputs.inspection import advice

    raise InputError(
        f"None of {counts.lines - counts.blank:,} lines is a registered or app_loaded event; "
        f"nothing was published. {advice(files, log_format)}"
    )


def _stage(
    engine: Engine,
    ledger: Ledger,
    output: OutputFolder,
    publication: Publication,
    rebuild: bool,
    superseded: Superseded,
) -> Ledger:
    """Stage the datasets and the ledger, which is returned with the rows that were written."""
    *by_day, _ = written = _datasets(ledger)
    for dataset in by_day:
        _stage_days(dataset, engine, output, publication, rebuild)
    rows = "SELECT * FROM new_rejected_events"
    if not rebuild:
        rows += f" UNION ALL {superseded.kept(engine)}"
    engine.write(rows, REJECTED_EVENTS, folder_of(REJECTED_EVENTS, publication.folder))
    ledger = ledger.with_rows(count_rows(written, publication.folder))
    _require_all_written(ledger)
    ledger.save(publication)
    return ledger


def _stage_days(
    dataset: Dataset, engine: Engine, output: OutputFolder, publication: Publication, rebuild: bool
) -> None:
    """Write the days with new events, whole: together with the events they had before."""
    rows = f"SELECT * FROM new_{dataset.name}"
    before = partitions_of(dataset, output.path)
    if before and not rebuild:
        days = engine.rows(f"SELECT DISTINCT CAST(time AS DATE) AS day FROM new_{dataset.name}")
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
        written = partitions_of(dataset, publication.folder)
        publication.drop(output.path, (before[day] for day in before if day not in written))
