"""The metric in an engine: its statements over the events, as tables and rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from user_conversion.answer.finality import Daily
from user_conversion.engines import engine_description
from user_conversion.inputs.ledger import Ledger
from user_conversion.jobs.context import Context
from user_conversion.metric.compiled import metric_sql
from user_conversion.places.layout import folder_of
from user_conversion.rules import datasets
from user_conversion.rules.datasets import WEEKLY_SUMMARY, Dataset
from user_conversion.rules.log_format import DEVICE_TYPE
from user_conversion.rules.weeks import (
    CALENDAR_COLUMNS,
    DAY,
    calendar_rows,
    start_of_day,
    time_zone,
)

Rows = list[dict[str, Any]]


class MetricTables:
    """The tables that the statements of the metric name, over all events up to `--as-of`.

    `daily` has the events by day; `earliest` and `latest` are the instants of the first and the
    last one, None without events. `after_as_of` counts the later events.
    """

    def __init__(self, run: Context, ledger: Ledger, just_split: bool) -> None:
        self._run = run
        self._engine = run.engine
        self._dialect = engine_description(run.settings.engine).dialect
        self._ledger = ledger
        self._just_split = just_split
        self.zone = time_zone(run.settings.timezone)
        self.after_as_of = self._name_events()
        by_day = self.rows("daily_events")
        self.daily = _daily(by_day)
        self.earliest = min((_utc(row["earliest"]) for row in by_day), default=None)
        self.latest = max((_utc(row["latest"]) for row in by_day), default=None)
        self._compute_users()

    def rows(self, statement: str) -> Rows:
        """The rows of a statement."""
        return self._engine.rows(self._sql(statement))

    def segment_rows(self, by: str, weeks: Sequence[str]) -> Rows:
        """The rows of `segment_counts` by a field, of these registration weeks."""
        if not weeks:
            return []
        value = DEVICE_TYPE
        if by != DEVICE_TYPE:
            value = f"attributes.value_{self._ledger.attributes.index(by)}"
        self._engine.create_view(
            "segmented_users",
            f"SELECT registration_week, {value} AS value, converted FROM user_conversion "
            f"WHERE registration_week IN ({', '.join(map(repr, weeks))})",
        )
        return self.rows("segment_counts")

    def first_load_rows(self, observed: date) -> Rows:
        """The rows of `first_load_days`, observed to the end of a local day."""
        until = start_of_day(observed + DAY, self.zone).replace(tzinfo=None)
        self._engine.create_table("observation", {"until": "timestamp"}, [(until,)])
        return self.rows("first_load_days")

    def stage(self) -> None:
        """Write the datasets of the metric, whole."""
        publication = self._run.publication
        users = datasets.user_conversion(self._ledger.attributes, self._ledger.id_type)
        for dataset, sql in (
            (users, self._users(users)),
            (WEEKLY_SUMMARY, self._sql("weekly_summary")),
        ):
            self._engine.write(sql, dataset, folder_of(dataset, publication.folder))
            publication.drop_others(dataset)

    def _sql(self, statement: str) -> str:
        return metric_sql(self._dialect, statement)

    def _name_events(self) -> int:
        """Name the events up to `--as-of` as tables; return the number of later events."""
        attributes, ids = self._ledger.attributes, self._ledger.id_type
        as_of, after = self._run.settings.as_of, 0
        for dataset, columns in (
            (datasets.user_registration(attributes, ids), f"{self._packed()} AS attributes"),
            (datasets.app_loaded(ids), DEVICE_TYPE),
        ):
            events, where = self._all_events(dataset), ""
            if as_of:
                instant = f"TIMESTAMP '{start_of_day(as_of + DAY, self.zone):%Y-%m-%d %H:%M:%S}'"
                where = f"WHERE time < {instant}"
                later = f"SELECT count(*) AS n FROM {events} WHERE time >= {instant}"
                after += int(self._engine.rows(later)[0]["n"])
            self._engine.create_view(
                dataset.name, f"SELECT time, initiator_id, {columns} FROM {events} {where}"
            )
        return after

    def _all_events(self, dataset: Dataset) -> str:
        """The name of the table of all published events of a dataset."""
        if self._just_split:
            return f"new_{dataset.name}"
        table, files = f"published_{dataset.name}", self._run.publication.files_of(dataset)
        self._engine.read_parquet(table, dataset.columns, files)
        return table

    def _packed(self) -> str:
        """All attributes as one struct; each after whether it is missing, so that none is last."""
        fields: dict[str, str] = {}
        for number, name in enumerate(map(self._engine.quoted, self._ledger.attributes)):
            fields |= {f"missing_{number}": f"{name} IS NULL", f"value_{number}": name}
        return self._engine.struct(fields)

    def _users(self, dataset: Dataset) -> str:
        """The query of the rows of `user_conversion`, with the attributes as columns."""
        columns = dict(zip(dataset.columns, dataset.columns, strict=True))
        for number, name in enumerate(self._ledger.attributes):
            columns[name] = f"attributes.value_{number} AS {self._engine.quoted(name)}"
        return f"SELECT {', '.join(columns.values())}, {dataset.partition} FROM user_conversion"

    def _compute_users(self) -> None:
        calendar: Sequence[Any] = []
        if self.daily:
            first, last = (
                datetime(day.year, day.month, day.day, tzinfo=UTC)
                for day in (min(self.daily), max(self.daily))
            )
            calendar = calendar_rows(first, last + DAY, self.zone, self._run.settings.week_start)
        self._engine.create_table("calendar", CALENDAR_COLUMNS, calendar)
        for table in ("earliest_registrations", "registered_users"):
            self._engine.materialize(table, self._sql(table))
        definition = self._run.settings.definition
        self._engine.create_view("user_conversion", self._sql(f"user_conversion_{definition}"))


def _daily(rows: Rows) -> Daily:
    daily: Daily = {}
    for row in sorted(rows, key=lambda row: (row["day"], row["event"])):
        daily.setdefault(row["day"], {})[row["event"]] = row["events"]
    return daily


def _utc(instant: datetime) -> datetime:
    return instant.replace(tzinfo=UTC)
