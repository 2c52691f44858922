"""The Parquet files of events and rejected lines that `events-split` writes."""

from __future__ import annotations

from collections.abc import Sequence

from user_conversion.inputs.ledger import Ledger
from user_conversion.inputs.preparation import Prepared
from user_conversion.jobs.context import Context
from user_conversion.jobs.events_split import unfinished
from user_conversion.jobs.events_split.replaced import Replaced
from user_conversion.places.footers import count_rows
from user_conversion.places.layout import folder_of
from user_conversion.rules import datasets
from user_conversion.rules.datasets import REJECTED_EVENTS, Dataset
from user_conversion.rules.errors import EngineError, InputError


def datasets_of(ledger: Ledger) -> tuple[Dataset, ...]:
    """The datasets that this job writes: events of each kind, rejected lines."""
    by_day = datasets.event_datasets(ledger.attributes, ledger.id_type, ledger.log_format.kinds)
    return (*by_day, REJECTED_EVENTS)


def stage_events(
    run: Context, ledger: Ledger, rebuild: bool, prepared: Prepared, replaced: Replaced
) -> Ledger:
    """Stage the datasets; the ledger is returned with the rows that were written."""
    *by_day, _ = written = datasets_of(ledger)
    for dataset in by_day:
        _stage_days(run, dataset, ledger, rebuild, replaced)
    if not rebuild:
        run.publication.require_rows(REJECTED_EVENTS, ledger.rows)
    _stage_rejected(run, rebuild, unfinished.continued_lines(prepared), replaced)
    rows = count_rows({each.name: run.publication.staged(each) for each in written})
    dropped = {each.name: run.publication.dropped(each) for each in written}
    ledger = ledger.with_rows(rows, dropped)
    _check_rows(written, ledger, replaced)
    return ledger


def _check_rows(written: Sequence[Dataset], ledger: Ledger, replaced: Replaced) -> None:
    """Raise an error unless there are as many rows of each dataset as lines."""
    counted_lines = (*ledger.log_format.kinds, "rejected")
    for dataset, name in zip(written, counted_lines, strict=True):
        rows, counted = sum(ledger.rows[dataset.name].values()), getattr(ledger.counts, name)
        if rows > counted and replaced.days:
            raise InputError(
                f"'{replaced.files[0].path}' has other events than when it was read, and on the "
                "days that it had are events that were rejected as of the future, and are not of "
                "the future any more. Rebuild from the inputs given with --full-refresh."
            )
        if rows != counted:
            raise EngineError(
                f"{rows} rows of {dataset.name} were written for {counted} lines; nothing was "
                "published. Please report this as a bug."
            )


def _stage_days(
    run: Context, dataset: Dataset, ledger: Ledger, rebuild: bool, replaced: Replaced
) -> None:
    """Write the days with new events, whole: together with the events they had before.

    Days that are made anew have the events of the other files that hold them instead.
    """
    engine, publication = run.engine, run.publication
    rows = f"SELECT * FROM new_{dataset.name}"
    if not rebuild:
        days = engine.rows(f"SELECT DISTINCT CAST(time AS DATE) AS day FROM new_{dataset.name}")
        touched = {str(row["day"]) for row in days} - replaced.names
        publication.require_rows(dataset, ledger.rows, touched)
        files = publication.files_of(dataset, touched)
        engine.read_parquet(f"previous_{dataset.name}", dataset.columns, files)
        rows += f" UNION ALL SELECT * FROM previous_{dataset.name}"
    if replaced.days:
        rows += f" UNION ALL SELECT * FROM kept_{dataset.name}"
    engine.write(
        f"SELECT *, CAST(time AS DATE) AS derived_tstamp_day FROM ({rows})",
        dataset,
        folder_of(dataset, publication.folder),
    )
    publication.drop_others(dataset, None if rebuild else replaced.names)


def _stage_rejected(
    run: Context, rebuild: bool, continued: Sequence[unfinished.Line], replaced: Replaced
) -> None:
    """Write the rejected lines: together with those from before that are still rejected."""
    engine, publication = run.engine, run.publication
    rows = "SELECT * FROM new_rejected_events"
    if not rebuild:
        previous = "previous_rejected_events"
        files = publication.files_of(REJECTED_EVENTS)
        engine.read_parquet(previous, REJECTED_EVENTS.columns, files)
        # Others may have had the same name; only one of them has rejected lines.
        rejected = (each for each in replaced.files if each.counts.rejected)
        names = [(source,) for each in rejected for source in each.sources]
        engine.create_table("replaced_sources", {"source": "string"}, names)
        stay = unfinished.without(continued, previous, engine)
        rows += (
            f" UNION ALL SELECT * FROM ({stay}) AS stay WHERE NOT EXISTS "
            "(SELECT 1 FROM replaced_sources WHERE replaced_sources.source = stay.source)"
        )
    engine.write(rows, REJECTED_EVENTS, folder_of(REJECTED_EVENTS, publication.folder))
