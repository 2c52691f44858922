"""Raw events in, Parquet partitioned by day out: the job `events-split`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from user_conversion import datasets, inputs, quarantine
from user_conversion.datasets import APP_LOADED, REJECTED_EVENTS, Dataset
from user_conversion.engines import Engine, EventCounts
from user_conversion.errors import EngineError, TooManyRejectedError
from user_conversion.events import CLOCK_TOLERANCE
from user_conversion.ledger import Batch, Ledger, Plan
from user_conversion.publication import OutputFolder, Publication
from user_conversion.settings import SplitSettings

EXAMPLES = 3


@dataclass(frozen=True)
class SplitResult:
    """What was read in this run, and what the published datasets now hold."""

    plan: Plan
    read: EventCounts
    total: EventCounts

    @property
    def is_everything(self) -> bool:
        """Whether the events read in this run are all that is published."""
        return self.plan.rebuild and bool(self.plan.files)


def split_events(
    settings: SplitSettings,
    output: OutputFolder,
    open_engine: Callable[[], Engine],
    now: datetime,
) -> SplitResult:
    """Read what is new among the inputs and publish the event datasets.

    Raises `InputError` if the inputs cannot be read, `TooManyRejectedError` if too many of their
    lines are no events; nothing is published then.
    """
    files = inputs.find_files(settings.inputs, output.documents)
    ledger = None if settings.full_refresh else Ledger.load(output.path)
    if ledger is None:
        ledger, plan = Ledger(settings.attributes), Plan(files, True, "nothing read before")
    else:
        plan = ledger.plan(files, settings.attributes)
        if plan.rebuild:
            ledger = Ledger(settings.attributes)
    if not plan.files:
        return SplitResult(plan, EventCounts(), ledger.counts)
    with output.publication() as publication:
        engine = open_engine()
        counts = engine.read_events(plan.files, settings.attributes, now + CLOCK_TOLERANCE)
        _require_reconciled(counts)
        _require_few_rejected(counts, settings.max_rejected, engine)
        registrations = datasets.user_registration(settings.attributes)
        for dataset in (registrations, APP_LOADED):
            _stage_days(dataset, engine, output, publication, plan.rebuild)
        _stage_rejected(engine, output, publication, plan.rebuild)
        batch = Batch(now.isoformat(), engine.name, tuple(plan.files), counts)
        ledger = ledger.with_batch(batch)
        publication.write_json("ledger.json", ledger.as_json())
    return SplitResult(plan, counts, ledger.counts)


def _require_reconciled(counts: EventCounts) -> None:
    if counts.unaccounted():
        raise EngineError(
            f"{counts.unaccounted()} of {counts.lines} lines are in no count; nothing was "
            "published. Please report this as a bug."
        )


def _require_few_rejected(counts: EventCounts, max_rejected: float, engine: Engine) -> None:
    if counts.rejected <= max_rejected * counts.lines:
        return
    reasons = ", ".join(
        f"{reason} {number:,}" for reason, number in counts.rejected_by_reason.items()
    )
    examples = engine.rows(
        "SELECT source, line_number, reason, raw FROM new_rejected_events "
        f"ORDER BY source, line_number LIMIT {EXAMPLES}"
    )
    shown = [
        f"  {row['source']}, line {row['line_number'] or '?'}, {row['reason']}: "
        f"{quarantine.shown_text(row['raw'])}"
        for row in examples
    ]
    hint = ""
    if any(row["raw"].lstrip("\ufeff \t").startswith("[") for row in examples):
        hint = " One JSON array per file is not read: convert it with jq -c '.[]' FILE."
    raise TooManyRejectedError(
        f"{counts.rejected:,} of {counts.lines:,} lines are no events ({reasons}), more than "
        f"--max-rejected {max_rejected:g} allows; nothing was published.{hint} For example:\n"
        + "\n".join(shown)
    )


def _stage_days(
    dataset: Dataset, engine: Engine, output: OutputFolder, publication: Publication, rebuild: bool
) -> None:
    """Write the days that have new events, whole: with the events that they had before."""
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
