"""Parquet in, weekly conversion out: the job `conversion-rate-week-after-registration`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

from user_conversion import datasets
from user_conversion.datasets import APP_LOADED, WEEKLY_SUMMARY, Dataset
from user_conversion.engines import Engine
from user_conversion.errors import DatasetError, SettingsError
from user_conversion.ledger import Ledger
from user_conversion.metric_sql import metric_sql
from user_conversion.publication import OutputFolder, Publication
from user_conversion.results import (
    ConversionResult,
    Figures,
    Quality,
    Segment,
    WeekResult,
    cohort_triangle,
    find_gaps,
    is_complete,
)
from user_conversion.settings import ConversionSettings
from user_conversion.statistics import independence_test
from user_conversion.weeks import CALENDAR_COLUMNS, calendar_rows, start_of_day, time_zone

Daily = dict[date, dict[str, int]]


def compute_conversion(
    settings: ConversionSettings,
    output: OutputFolder,
    open_engine: Callable[[], Engine],
    *,
    just_split: bool = False,
) -> ConversionResult:
    """Compute the metric from the published events and publish its datasets.

    `just_split` says that the engine still holds all of them in the tables that
    `Engine.read_events` made, so that they need not be read back. Raises `DatasetError` if there
    are no event datasets or they have the wrong shape.
    """
    ledger = Ledger.load(output.path)
    attributes = ledger.attributes if ledger else ("channel",)
    registrations = datasets.user_registration(attributes)
    if not ledger and not registrations.partitions(output.path):
        raise DatasetError(f"No events in '{output.path}' yet: run events-split first.")
    if settings.by not in (None, "device_type", *attributes):
        raise SettingsError(
            f"--by {settings.by}: the events were split by "
            f"{', '.join((*attributes, 'device_type'))}; add --attribute {settings.by} to "
            "events-split first."
        )
    with output.publication() as publication:
        job = _Job(settings, output, publication, open_engine(), attributes, just_split)
        return job.run(ledger)


class _Job:
    def __init__(
        self,
        settings: ConversionSettings,
        output: OutputFolder,
        publication: Publication,
        engine: Engine,
        attributes: tuple[str, ...],
        just_split: bool,
    ) -> None:
        self.settings = settings
        self.output = output
        self.publication = publication
        self.engine = engine
        self.attributes = attributes
        self.just_split = just_split
        self.zone = time_zone(settings.timezone)

    def run(self, ledger: Ledger | None) -> ConversionResult:
        after_as_of = self._read_events()
        daily, latest = self._daily()
        observed = self.settings.as_of or (latest and latest.astimezone(self.zone).date())
        self._compute_users(daily)
        self._write()
        loads = self._rows("load_quality")[0]
        weeks = self._weeks(observed)
        return ConversionResult(
            definition=self.settings.definition,
            timezone=self.settings.timezone,
            observed_through=observed,
            weeks=weeks,
            cohorts=cohort_triangle(self._rows("cohort_table"), observed) if observed else (),
            gaps=find_gaps(daily),
            quality=_quality(daily, weeks, loads, after_as_of),
            events=ledger.counts if ledger else None,
            daily=daily,
            **self._segments({week.registration_week for week in weeks if week.complete}),
        )

    def _rows(self, statement: str) -> list[dict[str, Any]]:
        return self.engine.rows(self._sql(statement))

    def _sql(self, statement: str) -> str:
        return metric_sql(self.engine.dialect, statement, self.attributes)

    def _read_events(self) -> int:
        """Name the events up to `--as-of` as tables; how many events are later."""
        until = None
        if self.settings.as_of:
            until = start_of_day(self.settings.as_of + timedelta(days=1), self.zone)
        after = 0
        for dataset in (datasets.user_registration(self.attributes), APP_LOADED):
            if until:
                self._name_events(dataset, None)
                after += self._count(dataset)
            self._name_events(dataset, until)
            if until:
                after -= self._count(dataset)
        return after

    def _name_events(self, dataset: Dataset, until: datetime | None) -> None:
        if self.just_split:
            where = f" WHERE time < TIMESTAMP '{until:%Y-%m-%d %H:%M:%S}'" if until else ""
            self.engine.create_view(dataset.name, f"SELECT * FROM new_{dataset.name}{where}")
        else:
            files = dataset.files(self.output.path)
            self.engine.read_parquet(dataset.name, dataset.columns, files, until)

    def _count(self, dataset: Dataset) -> int:
        return int(self.engine.rows(f"SELECT count(*) AS n FROM {dataset.name}")[0]["n"])

    def _daily(self) -> tuple[Daily, datetime | None]:
        """Events by UTC day and name, and the instant of the latest one."""
        rows = self._rows("daily_events")
        daily: Daily = {}
        for row in sorted(rows, key=lambda row: (row["day"], row["event"])):
            daily.setdefault(row["day"], {})[row["event"]] = row["events"]
        latest = max((row["latest"] for row in rows), default=None)
        return daily, latest and latest.replace(tzinfo=UTC)

    def _compute_users(self, daily: Daily) -> None:
        engine = self.engine
        calendar = []
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
        users = datasets.user_conversion(self.attributes)
        for dataset, sql in (
            (users, "SELECT * FROM user_conversion"),
            (WEEKLY_SUMMARY, self._sql("weekly_summary")),
        ):
            self.engine.write(sql, dataset, dataset.folder(self.publication.folder))
            written = dataset.partitions(self.publication.folder)
            before = dataset.partitions(self.output.path)
            self.publication.drop(
                self.output.path, (before[week] for week in before if week not in written)
            )

    def _weeks(self, observed: date | None) -> tuple[WeekResult, ...]:
        rows = sorted(self._rows("weekly_summary"), key=lambda row: row["registration_week"])
        return tuple(
            WeekResult(
                row["registration_week"],
                Figures(row["total_registered"], row["total_converted"]),
                observed is not None
                and is_complete(row["registration_week"], self.settings.definition, observed),
            )
            for row in rows
        )

    def _segments(self, complete_weeks: set[str]) -> dict[str, Any]:
        by = self.settings.by
        if by is None:
            return {}
        figures: dict[str | None, list[Figures]] = {}
        for row in self._rows(f"segment_counts_{by}"):
            if row["registration_week"] in complete_weeks:
                counts = Figures(row["total_registered"], row["total_converted"])
                figures.setdefault(row["value"], []).append(counts)
        pooled = {value: Figures.pooled(each) for value, each in figures.items()}
        if by == "device_type":
            everybody = Figures.pooled(pooled.values()).total_registered
            pooled = {
                value: Figures(everybody, each.total_converted)
                for value, each in pooled.items()
                if each.total_converted
            }
        segments = tuple(
            Segment(by, value, each) for value, each in sorted(pooled.items(), key=_by_size)
        )
        return {"by": by, "segments": segments, "segment_test": _test(by, segments)}


def _by_size(item: tuple[str | None, Figures]) -> tuple[int, int, bool, str]:
    value, figures = item
    return -figures.total_registered, -figures.total_converted, value is None, value or ""


def _test(by: str, segments: tuple[Segment, ...]) -> dict[str, Any] | None:
    # Device types split the converters; they are no groups of registered users to compare.
    if by == "device_type":
        return None
    groups = [
        (segment.figures.total_converted, segment.figures.total_registered) for segment in segments
    ]
    return asdict(independence_test(groups))


def _quality(
    daily: Daily, weeks: tuple[WeekResult, ...], loads: dict[str, Any], after_as_of: int
) -> Quality:
    registered = sum(day.get("registered", 0) for day in daily.values())
    loaded = sum(day.get("app_loaded", 0) for day in daily.values())
    users = sum(week.figures.total_registered for week in weeks)
    return Quality(
        duplicate_registrations=registered - users,
        loads_without_registration=loaded - loads["loads"],
        loads_before_registration=loads["loads_before_registration"],
        events_after_as_of=after_as_of,
    )
