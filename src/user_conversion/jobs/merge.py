"""From the state and the events of a run to the next state: `metric/merge.py` in an engine.

Without a state that holds, it starts from an empty one, and all events are added.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from user_conversion.answer.finality import Daily
from user_conversion.engines import engine_description
from user_conversion.inputs.ledger import Ledger
from user_conversion.jobs.context import Context
from user_conversion.jobs.events_split import SplitResult
from user_conversion.jobs.state import Basis, State, events_of, last_state, state_datasets
from user_conversion.metric.compiled import metric_sql
from user_conversion.places.layout import STATE, folder_of
from user_conversion.places.row_counts import require_rows
from user_conversion.rules import datasets
from user_conversion.rules.datasets import Dataset
from user_conversion.rules.log_format import DEVICE_TYPE, KINDS
from user_conversion.rules.weeks import (
    CALENDAR_COLUMNS,
    DAY,
    calendar_rows,
    start_of_day,
    time_zone,
)

Rows = list[dict[str, Any]]
# So many files of loads of users without a registration are kept before they become one.
MOST_PARTS = 30


class Merge:
    """Merges events into the state, and stages the datasets of the metric.

    `daily` has the events by day; `earliest` and `latest` are the instants of the first and the
    last one, None without events. `after_as_of` counts the events after `--as-of`, which are left
    out. When they are staged, the view `user_conversion` has all registered users.
    """

    def __init__(self, run: Context, ledger: Ledger, split: SplitResult | None) -> None:
        self._run, self._engine, self._ledger = run, run.engine, ledger
        self._dialect = engine_description(run.settings.engine).dialect
        self._users, self._summary, self._counts = state_datasets(ledger)
        self._state = last_state(run, split)
        self.zone = time_zone(run.settings.timezone)
        self.after_as_of = self._name_added(split)
        self.daily = self._daily()
        self.earliest, self.latest = self._bounds()
        self._create_calendar()
        self._merge()

    def sql(self, statement: str) -> str:
        """A statement of the metric for the engine."""
        return metric_sql(self._dialect, statement)

    def rows(self, statement: str) -> Rows:
        """The rows of a statement."""
        return self._engine.rows(self.sql(statement))

    @property
    def loads_without_registration(self) -> int:
        """The number of loads of users without a registration."""
        files = self._run.publication.files_of(self._counts)
        self._engine.read_parquet("all_counts", self._counts.columns, files)
        return int(self._engine.rows("SELECT sum(loads) AS n FROM all_counts")[0]["n"] or 0)

    # The added events.

    def _name_added(self, split: SplitResult | None) -> int:
        """Name the added events up to `--as-of`; return the number of later ones."""
        registrations, loads = self._event_datasets
        as_of, after, where = self._run.settings.as_of, 0, ""
        for dataset, name, columns in (
            (registrations, "added_registrations", f"{self._packed} AS attributes"),
            (loads, "added_loads", DEVICE_TYPE),
        ):
            events = self._events_to_add(dataset, split)
            if as_of:
                instant = f"TIMESTAMP '{start_of_day(as_of + DAY, self.zone):%Y-%m-%d %H:%M:%S}'"
                where = f"WHERE time < {instant}"
                later = f"SELECT count(*) AS n FROM {events} WHERE time >= {instant}"
                after += int(self._engine.rows(later)[0]["n"])
            self._engine.create_view(
                name, f"SELECT time, initiator_id, {columns} FROM {events} {where}"
            )
        return after

    def _events_to_add(self, dataset: Dataset, split: SplitResult | None) -> str:
        """The name of the table of the events of a dataset that the state does not hold."""
        if split and split.has_read and (split.rebuild or self._state):
            # The engine still has the tables of `Engine.read_events`.
            return f"new_{dataset.name}"
        publication, table = self._run.publication, f"published_{dataset.name}"
        if not self._state and self._ledger.rows:
            require_rows(dataset, publication, self._ledger.rows)
        files = [] if self._state else publication.files_of(dataset)
        self._engine.read_parquet(table, dataset.columns, files)
        return table

    def _daily(self) -> Daily:
        """The events by UTC day: the ledger knows them, but of the whole days only."""
        daily: Daily = {}
        if self._ledger.rows and not self._run.settings.as_of:
            for kind, dataset in zip(KINDS, self._event_datasets, strict=True):
                for day, events in self._ledger.rows.get(dataset.name, {}).items():
                    daily.setdefault(date.fromisoformat(day), {})[kind] = events
        else:
            for row in self.rows("daily_events"):
                daily.setdefault(row["day"], {})[row["event"]] = row["events"]
        return {day: dict(sorted(daily[day].items())) for day in sorted(daily)}

    def _bounds(self) -> tuple[datetime | None, datetime | None]:
        (added,) = self.rows("event_bounds")
        found = [at.replace(tzinfo=UTC) for at in added.values() if at]
        if self._state and self._state.earliest and self._state.latest:
            found += self._state.earliest, self._state.latest
        return min(found, default=None), max(found, default=None)

    def _create_calendar(self) -> None:
        weeks = (
            calendar_rows(self.earliest, self.latest, self.zone, self._run.settings.week_start)
            if self.earliest and self.latest
            else []
        )
        self._engine.create_table("calendar", CALENDAR_COLUMNS, weeks)

    @property
    def _event_datasets(self) -> tuple[Dataset, Dataset]:
        return datasets.event_datasets(self._ledger.attributes, self._ledger.id_type)

    # The merge.

    def _merge(self) -> None:
        engine, published = self._engine, self._run.publication.published
        self._name_users("published_users", published(self._users) if self._state else {})
        parts = published(self._counts).values() if self._state else ()
        files = self._run.publication.files_in(parts)
        engine.read_parquet("earlier_counts", self._counts.columns, files)
        engine.create_view("published_counts", "SELECT * FROM earlier_counts")
        for name, rows in (
            ("known_users", "published_users"),
            ("known_unregistered_users", "published_counts"),
        ):
            if self._state:
                engine.materialize(name, self.sql(name))
            else:
                engine.create_view(name, f"SELECT * FROM {rows}")
        engine.create_view("user_registration", self.sql("user_registration"))
        engine.materialize("earliest_registrations", self.sql("earliest_registrations"))
        engine.create_view("loads_before", self.sql("loads_before"))
        self._read_again()
        engine.create_view("app_loaded", self.sql("app_loaded"))
        engine.create_view("registered_users", self.sql("registered_users"))
        engine.materialize("merged_users", self.sql("merged_users"))

    def _read_again(self) -> None:
        """Read the earlier loads that are not before the registration any more: often none."""
        engine, (_, loads) = self._engine, self._event_datasets
        days: list[str] = []
        before = self._run.publication.published(loads)
        if self._state:
            engine.materialize("loads_to_read", self.sql("loads_to_read"))
            days = list(_days(before, self.rows("days_to_read")))
            require_rows(loads, self._run.publication, self._ledger.rows, days)
        files = self._run.publication.files_in(before[day] for day in days)
        engine.read_parquet("history", loads.columns, files)
        if files:
            engine.materialize("loads_again", self.sql("loads_again"))
        else:
            engine.create_view("loads_again", "SELECT time, initiator_id, device_type FROM history")

    # What is published.

    def stage(self) -> None:
        """Write the weeks in which a row changed, the rows that the merge needs next, the state."""
        publication, engine = self._run.publication, self._engine
        weeks = self._changed_weeks()
        if weeks is None:
            self._name_registered("SELECT * FROM merged_users")
        elif weeks:
            stayed = publication.published(self._users)
            self._name_users("stayed", {week: stayed[week] for week in stayed.keys() & weeks})
            rows = [(week,) for week in weeks]
            engine.create_table("changed_weeks", {"registration_week": "string"}, rows)
            self._name_registered(self.sql("rewritten_users"))
        if weeks is None or weeks:
            self._write(self._unpacked, self._users)
            self._write(self.sql("weekly_summary"), self._summary)
            for dataset in (self._users, self._summary):
                publication.drop_others(dataset, weeks)
        self._stage_counts()
        self._stage_state()
        if weeks is not None:
            self._name_users("all_users", publication.partitions_of(self._users))
            self._name_registered("SELECT * FROM all_users")

    def _changed_weeks(self) -> set[str] | None:
        """The registration weeks that have to be written; None: all."""
        if not self._state:
            return None
        weeks = {row["registration_week"] for row in self.rows("changed_weeks")}
        if self._state.definition != self._run.settings.definition:
            weeks |= self._state.rows[self._users.name].keys()
        return weeks

    def _name_registered(self, users: str) -> None:
        self._engine.create_view("registered_users", users)
        definition = self._run.settings.definition
        self._engine.create_view("user_conversion", self.sql(f"user_conversion_{definition}"))

    def _write(self, sql: str, dataset: Dataset) -> None:
        self._engine.write(sql, dataset, folder_of(dataset, self._run.publication.folder))

    def _stage_counts(self) -> None:
        """Write the loads of users without a registration that were added, as one more part."""
        publication, sql = self._run.publication, self.sql("added_counts")
        parts = publication.published(self._counts)
        one = not self._state or len(parts) >= MOST_PARTS
        if self._state and one:
            added = f"SELECT * FROM earlier_counts UNION ALL {sql}"
            self._engine.create_view("published_counts", added)
            sql = self.sql("unregistered_users")
        part = f"{int(max(parts, default='0')) + 1:06}"
        self._write(f"SELECT *, '{part}' AS batch FROM ({sql})", self._counts)
        if one:
            publication.drop_others(self._counts)

    def _stage_state(self) -> None:
        publication = self._run.publication
        parts = {d.name: publication.partitions_of(d) for d in state_datasets(self._ledger)}
        state = State(
            basis=Basis.of(self._run, self._ledger, self.earliest, self.latest),
            batches=self._ledger.batches,
            events=events_of(self._ledger),
            earliest=self.earliest,
            latest=self.latest,
            definition=self._run.settings.definition,
            rows=publication.count_rows(parts),
        )
        publication.write_json(STATE, state)

    # Attributes, as columns and as one.

    @property
    def _packed(self) -> str:
        """All attributes as one struct; each after whether it is missing, so that none is last."""
        fields: dict[str, str] = {}
        for number, name in enumerate(map(self._engine.quoted, self._ledger.attributes)):
            fields |= {f"missing_{number}": f"{name} IS NULL", f"value_{number}": name}
        return self._engine.struct(fields)

    def _name_users(self, table: str, folders: Mapping[str, Path]) -> None:
        """Name the published rows of some weeks, with the attributes as one column."""
        files = self._run.publication.files_in(folders.values())
        dataset, rows = self._users, f"{table}_rows"
        self._engine.read_parquet(rows, dataset.columns, files, dataset.partition)
        user, registered_at, *others = (
            name for name in dataset.columns if name not in ("converted", *self._ledger.attributes)
        )
        columns = [user, registered_at, f"{self._packed} AS attributes", *others]
        self._engine.create_view(
            table, f"SELECT {', '.join(columns)}, {dataset.partition} FROM {rows}"
        )

    @property
    def _unpacked(self) -> str:
        """The query of the rows of `user_conversion`, with the attributes as columns."""
        columns = dict(zip(self._users.columns, self._users.columns, strict=True))
        for number, name in enumerate(self._ledger.attributes):
            columns[name] = f"attributes.value_{number} AS {self._engine.quoted(name)}"
        return f"SELECT {', '.join(columns.values())}, {self._users.partition} FROM user_conversion"


def _days(days: Iterable[str], spans: Rows) -> Iterator[str]:
    """The days, which are in order, that are in one of the spans of days."""
    left = sorted((span["since"], span["until"]) for span in spans)
    until = date.min
    for day in days:
        while left and str(left[0][0]) <= day:
            until = max(until, left.pop(0)[1])
        if day <= str(until):
            yield day
