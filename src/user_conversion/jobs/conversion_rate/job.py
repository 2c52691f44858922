"""Parquet in, weekly conversion out: the job `conversion-rate-week-after-registration`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from user_conversion.answer.change import change
from user_conversion.answer.cohorts import FirstLoads, cohort_triangle
from user_conversion.answer.figures import Figures, Segmentation, segmentation
from user_conversion.answer.finality import Finality, Gaps, last_observed_day
from user_conversion.answer.results import ConversionResult, Quality
from user_conversion.answer.weekly_forecasts import with_forecasts
from user_conversion.answer.weeks import week_results
from user_conversion.inputs.ledger import Ledger
from user_conversion.jobs.context import Context, Rows
from user_conversion.jobs.conversion_rate.added_events import AddedEvents
from user_conversion.jobs.conversion_rate.identities import Identities
from user_conversion.jobs.conversion_rate.merge import Merge
from user_conversion.jobs.conversion_rate.state import last_state
from user_conversion.jobs.events_split.job import SplitResult
from user_conversion.metric.compiled import MOST_VALUES
from user_conversion.rules.errors import DatasetError
from user_conversion.rules.events import EARLIEST
from user_conversion.rules.log_format import CHANNEL, DEVICE_TYPE, REGISTERED, require_field
from user_conversion.rules.weeks import DAY, start_of_day

# Statements whose rows are those of one registration week each.
BY_WEEK = ("weekly_summary", "load_quality", "cohort_table", "conversion_days", "first_load_days")
SEGMENTS = "segment_counts"
# If there are more rows of segments, all of them are computed each time.
MOST_SEGMENTS = 50_000


def compute_conversion(run: Context, split: SplitResult | None = None) -> ConversionResult:
    """Compute the metric from all events and stage its datasets.

    The events are those published, with what `split` has staged in this run. Raises `DatasetError`
    if there are no event datasets or they have the wrong columns.
    """
    ledger = split.ledger if split else Ledger.load(run.publication.output)
    if not ledger:
        raise DatasetError(f"No events in '{run.publication.output}' yet: run events-split first.")
    require_field(run.settings.by, (*ledger.attributes, DEVICE_TYPE))
    identities = Identities(run, ledger)
    state = identities.state(last_state(run, split))
    added = AddedEvents(run, ledger, split, state, identities)
    merge = Merge(added)
    merge.stage()
    return _answer(added, merge)


def _answer(added: AddedEvents, merge: Merge) -> ConversionResult:
    run, settings, zone = added.run, added.run.settings, added.run.zone
    observed = last_observed_day(settings.as_of, added.latest, run.started, zone)
    tables = MetricTables(added, merge, observed)
    figures = tables.figures
    merge.stage_state(observed, figures)
    gaps = Gaps.of(added.daily, observed, zone)
    finality = Finality(settings.counted_as, observed, gaps, zone)
    loads = figures["load_quality"]
    weeks = week_results(
        figures["weekly_summary"],
        {row["registration_week"]: row["seen_before"] for row in loads},
        finality,
        added.earliest and added.earliest.astimezone(zone).date(),
    )
    weeks, past_forecasts = with_forecasts(
        weeks, figures["conversion_days"], settings.counted_as, observed, finality
    )
    registrations = sum(events.get(REGISTERED, 0) for events in added.daily.values())
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
        latest_day=added.ledger.latest_day,
        complete=Figures.pooled(week for week in weeks if week.complete),
        weeks=weeks,
        by=settings.by,
        segments=asked.segments,
        segment_test=asked.test,
        channels=channels.segments,
        channel_test=channels.test,
        cohorts=cohort_triangle(figures["cohort_table"], observed) if observed else (),
        first_loads=FirstLoads.of(figures["first_load_days"]) if observed else FirstLoads(),
        gaps=gaps,
        quality=Quality(
            duplicate_registrations=registrations - sum(week.total_registered for week in weeks),
            loads_without_registration=merge.loads_without_registration,
            loads_before_registration=sum(row["loads_before_registration"] for row in loads),
            events_after_as_of=added.after_as_of,
        ),
        events=added.ledger.counts,
        change=change(complete, CHANNEL, by_channel),
        past_forecasts=past_forecasts,
        daily=added.daily,
        identities=added.identities.counts,
    )


class MetricTables:
    """Runs statements over the users of a merge that was staged, as far as figures do not stay.

    `figures` are those of all weeks, observed to the end of a local day.
    """

    def __init__(self, added: AddedEvents, merge: Merge, observed: date | None) -> None:
        self._run = run = added.run
        self._attributes, self._merge = added.ledger.attributes, merge
        kept, new = merge.kept_figures(observed)
        last = observed or EARLIEST.date()
        until = start_of_day(last + DAY, run.zone).replace(tzinfo=None)
        run.engine.create_table("observation", {"until": "timestamp"}, [(until,)])
        merge.name_users(new)
        self.figures = {name: [*kept.get(name, ()), *run.rows(name)] for name in BY_WEEK}
        self._channels = [*kept.get(SEGMENTS, ()), *self._segments(CHANNEL)]
        if new is not None and not (SEGMENTS in kept and _are_few(self._channels)):
            merge.name_users()
            self._channels = self._segments(CHANNEL)
        if _are_few(self._channels):
            self.figures[SEGMENTS] = self._channels

    def segment_rows(self, by: str, weeks: Collection[str]) -> Rows:
        """The rows of `segment_counts` by a field, of these registration weeks."""
        rows = self._channels
        if by != CHANNEL:
            self._merge.name_users()
            rows = self._segments(by)
        return [row for row in rows if row["registration_week"] in weeks]

    def _segments(self, by: str) -> Rows:
        value = DEVICE_TYPE
        if by != DEVICE_TYPE:
            value = f"attributes.value_{self._attributes.index(by)}"
        self._run.engine.create_view(
            "segmented_users",
            f"SELECT registration_week, {value} AS value, converted FROM user_conversion",
        )
        return self._run.rows(SEGMENTS)


def _are_few(segments: Rows) -> bool:
    """Whether each value has figures of its own, so that the rows of some weeks can stay."""
    values = {row["value"] for row in segments}
    others = any(row["others"] for row in segments)
    return not others and len(values) <= MOST_VALUES and len(segments) <= MOST_SEGMENTS
