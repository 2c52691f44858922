"""Parquet in, weekly conversion out: the job `conversion-rate-week-after-registration`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from user_conversion.answer.change import change
from user_conversion.answer.finality import Finality, Gaps, last_observed_day
from user_conversion.answer.forecast import PastForecast
from user_conversion.answer.results import (
    DEVICE_TYPE,
    ConversionResult,
    Daily,
    Figures,
    FirstLoads,
    Quality,
    Row,
    Segmentation,
    WeekResult,
    cohort_triangle,
)
from user_conversion.engines import engine_description
from user_conversion.inputs.ledger import Ledger
from user_conversion.jobs import forecasts
from user_conversion.jobs.context import Context
from user_conversion.jobs.events_split import SplitResult
from user_conversion.metric.compiled import metric_sql
from user_conversion.places.layout import folder_of
from user_conversion.places.row_counts import require_rows
from user_conversion.rules import datasets
from user_conversion.rules.datasets import WEEKLY_SUMMARY, Dataset
from user_conversion.rules.errors import DatasetError, SettingsError
from user_conversion.rules.log_format import (
    APP_LOADED,
    CHANNEL,
    REGISTERED,
    LogFormat,
    did_you_mean,
)
from user_conversion.rules.weeks import (
    CALENDAR_COLUMNS,
    DAY,
    DAY_COLUMNS,
    WEEK,
    calendar_rows,
    day_rows,
    monday_of,
    start_of_day,
    time_zone,
)


def compute_conversion(run: Context, split: SplitResult | None = None) -> ConversionResult:
    """Compute the metric from all events and stage its datasets.

    The events are those published, with what `split` has staged in this run. Raises `DatasetError`
    if there are no event datasets or they have the wrong columns.
    """
    ledger = split.ledger if split else Ledger.load(run.publication.output)
    kept = ledger or Ledger.new(LogFormat())
    if not ledger and not run.publication.partitions_of(datasets.user_registration()):
        raise DatasetError(f"No events in '{run.publication.output}' yet: run events-split first.")
    known = (*kept.attributes, DEVICE_TYPE)
    by = run.settings.by
    if by and by not in known:
        raise SettingsError(
            f"--by {by}: events-split kept {', '.join(known)}{did_you_mean(by, known)} Run "
            f"events-split with --field {by}=PATH to keep another field."
        )
    # The engine still has the tables of `Engine.read_events`.
    just_split = split is not None and split.rebuild
    if ledger and not just_split:
        events = datasets.event_datasets(ledger.attributes, ledger.id_type)
        require_rows(events, run.publication, ledger.rows)
    return _Job(run, kept, just_split).run()


class _Job:
    def __init__(self, run: Context, ledger: Ledger, just_split: bool) -> None:
        self.settings = run.settings
        self.started = run.started
        self.publication = run.publication
        self.engine = run.engine
        self.dialect = engine_description(run.settings.engine).dialect
        self.ledger = ledger
        self.just_split = just_split
        self.zone = time_zone(self.settings.timezone)

    def run(self) -> ConversionResult:
        after_as_of = self._read_events()
        daily, earliest, latest = self._daily()
        observed = last_observed_day(self.settings.as_of, latest, self.started, self.zone)
        gaps = Gaps.of(daily, observed, self.zone)
        self._compute_users(daily)
        self._write()
        loads = {row["registration_week"]: row for row in self._rows("load_quality")}
        finality = Finality(self.settings.counted_as, observed, gaps, self.zone)
        weeks = self._weeks(finality, earliest and earliest.astimezone(self.zone).date(), loads)
        weeks, past_forecasts = self._forecasts(weeks, observed, finality)
        complete = [week.registration_week for week in weeks if week.complete]
        by = self.settings.by
        by_channel = self._segment_rows(CHANNEL)
        channels = Segmentation.of(CHANNEL, _of_weeks(complete, by_channel))
        return ConversionResult(
            definition=self.settings.definition,
            timezone=self.settings.timezone,
            observed_through=observed,
            weeks=weeks,
            channels=channels,
            segmentation=(
                channels
                if by == CHANNEL
                else Segmentation.of(by, _of_weeks(complete, self._segment_rows(by)))
            )
            if by
            else None,
            cohorts=cohort_triangle(self._rows("cohort_table"), observed) if observed else (),
            first_loads=self._first_loads(observed) if observed else FirstLoads(),
            gaps=gaps,
            quality=_quality(daily, weeks, loads.values(), after_as_of),
            events=self.ledger.counts if self.ledger.batches else None,
            daily=daily,
            past_forecasts=past_forecasts,
            change=change(complete, CHANNEL, by_channel),
        )

    def _rows(self, statement: str) -> list[dict[str, Any]]:
        return self.engine.rows(self._sql(statement))

    def _sql(self, statement: str) -> str:
        return metric_sql(self.dialect, statement)

    def _read_events(self) -> int:
        """Name the events up to `--as-of` as tables; return the number of later events."""
        attributes, ids = self.ledger.attributes, self.ledger.id_type
        after = 0
        for dataset, columns in (
            (datasets.user_registration(attributes, ids), f"{self._packed()} AS attributes"),
            (datasets.app_loaded(ids), DEVICE_TYPE),
        ):
            events = self._all_events(dataset)
            where = ""
            if self.settings.as_of:
                until = start_of_day(self.settings.as_of + DAY, self.zone)
                instant = f"TIMESTAMP '{until:%Y-%m-%d %H:%M:%S}'"
                where = f"WHERE time < {instant}"
                after += self._count(f"{events} WHERE time >= {instant}")
            self.engine.create_view(
                dataset.name, f"SELECT time, initiator_id, {columns} FROM {events} {where}"
            )
        return after

    def _all_events(self, dataset: Dataset) -> str:
        """The name of the table of all published events of a dataset."""
        if self.just_split:
            return f"new_{dataset.name}"
        table = f"published_{dataset.name}"
        self.engine.read_parquet(table, dataset.columns, self.publication.files_of(dataset))
        return table

    def _count(self, rows: str) -> int:
        return int(self.engine.rows(f"SELECT count(*) AS n FROM {rows}")[0]["n"])

    def _packed(self) -> str:
        """All attributes as one struct; each after whether it is missing, so that none is last."""
        fields: dict[str, str] = {}
        for number, name in enumerate(map(self.engine.quoted, self.ledger.attributes)):
            fields |= {f"missing_{number}": f"{name} IS NULL", f"value_{number}": name}
        return self.engine.struct(fields)

    def _users(self, dataset: Dataset) -> str:
        """The query of the rows of `user_conversion`, with the attributes as columns."""
        columns = dict(zip(dataset.columns, dataset.columns, strict=True))
        for number, name in enumerate(self.ledger.attributes):
            columns[name] = f"attributes.value_{number} AS {self.engine.quoted(name)}"
        return f"SELECT {', '.join(columns.values())}, {dataset.partition} FROM user_conversion"

    def _daily(self) -> tuple[Daily, datetime | None, datetime | None]:
        """Events by UTC day and kind, and the instants of the earliest and the latest one."""
        rows = self._rows("daily_events")
        daily: Daily = {}
        for row in sorted(rows, key=lambda row: (row["day"], row["event"])):
            daily.setdefault(row["day"], {})[row["event"]] = row["events"]
        earliest = min((row["earliest"] for row in rows), default=None)
        latest = max((row["latest"] for row in rows), default=None)
        return (
            daily,
            earliest and earliest.replace(tzinfo=UTC),
            latest and latest.replace(tzinfo=UTC),
        )

    def _compute_users(self, daily: Daily) -> None:
        engine = self.engine
        calendar: Sequence[Any] = []
        if daily:
            first, last = (
                datetime(day.year, day.month, day.day, tzinfo=UTC)
                for day in (min(daily), max(daily))
            )
            calendar = calendar_rows(first, last + timedelta(days=1), self.zone)
        engine.create_table("calendar", CALENDAR_COLUMNS, calendar)
        engine.materialize("earliest_registrations", self._sql("earliest_registrations"))
        engine.materialize("registered_users", self._sql("registered_users"))
        engine.create_view(
            "user_conversion", self._sql(f"user_conversion_{self.settings.definition}")
        )

    def _write(self) -> None:
        users = datasets.user_conversion(self.ledger.attributes, self.ledger.id_type)
        for dataset, sql in (
            (users, self._users(users)),
            (WEEKLY_SUMMARY, self._sql("weekly_summary")),
        ):
            self.engine.write(sql, dataset, folder_of(dataset, self.publication.folder))
            self.publication.drop_others(dataset)

    def _weeks(
        self, finality: Finality, first_day: date | None, loads: Mapping[str, Row]
    ) -> tuple[WeekResult, ...]:
        """`first_day` is the local day of the earliest event; `loads` has rows by week."""
        weeks = []
        for row in sorted(self._rows("weekly_summary"), key=lambda row: row["registration_week"]):
            week = row["registration_week"]
            reason = finality.incomplete_because(week)
            begins = first_day is not None and monday_of(week) < first_day < monday_of(week) + WEEK
            figures, seen = Figures.from_json(row), loads[week]["seen_before"]
            weeks.append(WeekResult(week, figures, reason is None, reason, begins, seen))
        return tuple(weeks)

    def _forecasts(
        self, weeks: tuple[WeekResult, ...], observed: date | None, finality: Finality
    ) -> tuple[tuple[WeekResult, ...], tuple[PastForecast, ...]]:
        window = self.settings.counted_as
        if observed is None or not forecasts.can_be_judged(weeks, window):
            return weeks, ()
        days = day_rows(*forecasts.local_days(weeks, window), self.zone)
        self.engine.create_table("local_days", DAY_COLUMNS, days)
        rows = self._rows(f"conversion_days_{window.name}")
        curves = forecasts.curves(weeks, rows, window)
        return (
            forecasts.with_forecasts(weeks, curves, observed, finality),
            forecasts.past(weeks, curves),
        )

    def _segment_rows(self, by: str) -> list[dict[str, Any]]:
        """The figures by registration week and value of a field."""
        value = DEVICE_TYPE
        if by != DEVICE_TYPE:
            value = f"attributes.value_{self.ledger.attributes.index(by)}"
        self.engine.create_view(
            "segmented_users",
            f"SELECT registration_week, {value} AS value, converted FROM user_conversion",
        )
        return self._rows("segment_counts")

    def _first_loads(self, observed: date) -> FirstLoads:
        until = start_of_day(observed + DAY, self.zone).replace(tzinfo=None)
        self.engine.create_table("observation", {"until": "timestamp"}, [(until,)])
        return FirstLoads.of(self._rows("first_load_days"))


def _of_weeks(weeks: Sequence[str], rows: Iterable[Row]) -> list[Row]:
    wanted = set(weeks)
    return [row for row in rows if row["registration_week"] in wanted]


def _quality(
    daily: Daily, weeks: Sequence[WeekResult], loads: Iterable[Row], after_as_of: int
) -> Quality:
    registered = sum(day.get(REGISTERED, 0) for day in daily.values())
    loaded = sum(day.get(APP_LOADED, 0) for day in daily.values())
    users = sum(week.figures.total_registered for week in weeks)
    rows = list(loads)
    return Quality(
        duplicate_registrations=registered - users,
        loads_without_registration=loaded - sum(row["loads"] for row in rows),
        loads_before_registration=sum(row["loads_before_registration"] for row in rows),
        events_after_as_of=after_as_of,
    )
