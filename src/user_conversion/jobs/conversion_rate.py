"""Parquet in, weekly conversion out: the job `conversion-rate-week-after-registration`."""

from __future__ import annotations

from datetime import date

from user_conversion.answer.accuracy import Accuracy, accuracy
from user_conversion.answer.change import change
from user_conversion.answer.cohorts import FirstLoads, cohort_triangle
from user_conversion.answer.figures import Figures
from user_conversion.answer.finality import Finality, Gaps, last_observed_day
from user_conversion.answer.forecasts import can_be_judged, curves, with_forecasts
from user_conversion.answer.results import ConversionResult, Quality
from user_conversion.answer.segments import Segmentation, segmentation
from user_conversion.answer.weeks import WeekResult, week_results
from user_conversion.inputs.ledger import Ledger
from user_conversion.jobs.context import Context
from user_conversion.jobs.events_split import SplitResult
from user_conversion.jobs.metric_tables import MetricTables
from user_conversion.places.row_counts import require_rows
from user_conversion.rules import datasets
from user_conversion.rules.errors import DatasetError
from user_conversion.rules.log_format import CHANNEL, DEVICE_TYPE, LogFormat, require_field

Weeks = tuple[WeekResult, ...]


def compute_conversion(run: Context, split: SplitResult | None = None) -> ConversionResult:
    """Compute the metric from all events and stage its datasets.

    The events are those published, with what `split` has staged in this run. Raises `DatasetError`
    if there are no event datasets or they have the wrong columns.
    """
    ledger = split.ledger if split else Ledger.load(run.publication.output)
    kept = ledger or Ledger.new(LogFormat())
    if not ledger and not run.publication.partitions_of(datasets.user_registration()):
        raise DatasetError(f"No events in '{run.publication.output}' yet: run events-split first.")
    require_field(run.settings.by, (*kept.attributes, DEVICE_TYPE))
    # The engine still has the tables of `Engine.read_events`.
    just_split = split is not None and split.rebuild
    if ledger and not just_split:
        events = datasets.event_datasets(ledger.attributes, ledger.id_type)
        require_rows(events, run.publication, ledger.rows)
    tables = MetricTables(run, kept, just_split)
    tables.stage()
    return _answer(run, kept, tables)


def _answer(run: Context, ledger: Ledger, tables: MetricTables) -> ConversionResult:
    settings, zone = run.settings, tables.zone
    observed = last_observed_day(settings.as_of, tables.latest, run.started, zone)
    gaps = Gaps.of(tables.daily, observed, zone)
    finality = Finality(settings.counted_as, observed, gaps, zone)
    loads = tables.rows("load_quality")
    weeks = week_results(
        tables.rows("weekly_summary"),
        {row["registration_week"]: row["seen_before"] for row in loads},
        finality,
        tables.earliest and tables.earliest.astimezone(zone).date(),
    )
    weeks, past_forecasts = _forecasts(run, tables, weeks, observed, finality)
    complete = [week.registration_week for week in weeks if week.complete]
    by_channel = tables.segment_rows(CHANNEL, complete)
    channels = segmentation(CHANNEL, by_channel)
    asked = Segmentation("")
    if settings.by == CHANNEL:
        asked = channels
    elif settings.by:
        asked = segmentation(settings.by, tables.segment_rows(settings.by, complete))
    return ConversionResult.pooled(
        weeks,
        definition=settings.definition,
        timezone=settings.timezone,
        first_weekday=settings.week_start,
        observed_through=observed,
        complete=Figures.pooled(week for week in weeks if week.complete),
        weeks=weeks,
        by=settings.by,
        segments=asked.segments,
        segment_test=asked.test,
        channels=channels.segments,
        channel_test=channels.test,
        cohorts=cohort_triangle(tables.rows("cohort_table"), observed) if observed else (),
        first_loads=FirstLoads.of(tables.first_load_rows(observed)) if observed else FirstLoads(),
        gaps=gaps,
        quality=Quality.of(
            tables.daily, sum(week.total_registered for week in weeks), loads, tables.after_as_of
        ),
        events=ledger.counts if ledger.batches else None,
        change=change(complete, CHANNEL, by_channel),
        past_forecasts=past_forecasts,
        daily=tables.daily,
    )


def _forecasts(
    run: Context, tables: MetricTables, weeks: Weeks, observed: date | None, finality: Finality
) -> tuple[Weeks, tuple[Accuracy, ...]]:
    """The weeks with their forecasts, and how accurate earlier ones were."""
    window = run.settings.counted_as
    if observed is None or not can_be_judged(weeks, window):
        return weeks, ()
    found = curves(weeks, tables.rows("conversion_days"), window)
    complete = [curve for week, curve in zip(weeks, found, strict=True) if week.complete]
    return with_forecasts(weeks, found, observed, finality), accuracy(complete)
