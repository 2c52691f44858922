"""The events that a merge adds: those of this run, or all that are published."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

from user_conversion.answer.finality import Daily
from user_conversion.engines import Engine
from user_conversion.inputs.ledger import Ledger
from user_conversion.jobs.context import Context
from user_conversion.jobs.conversion_rate.identities import Identities
from user_conversion.jobs.conversion_rate.state import State
from user_conversion.jobs.events_split.job import SplitResult
from user_conversion.rules.datasets import Dataset, event_datasets
from user_conversion.rules.log_format import DEVICE_TYPE, KINDS
from user_conversion.rules.weeks import CALENDAR_COLUMNS, calendar_rows


class AddedEvents:
    """The views `added_registrations` and `added_loads`, and the calendar of all events.

    They are added to a `state`; without one, they are all events. `daily` has all events by day;
    `earliest` and `latest` are the instants of the first and the last one, None without events.
    `after_as_of` counts the events after `--as-of`, which are left out. `are_none` says that
    nothing is added.
    """

    def __init__(
        self,
        run: Context,
        ledger: Ledger,
        split: SplitResult | None,
        state: State | None,
        identities: Identities,
    ) -> None:
        self.run, self.ledger, self.state, self.identities = run, ledger, state, identities
        self._datasets = event_datasets(ledger.attributes, ledger.id_type)
        self.after_as_of = self._name_added(split)
        self.daily = self._daily()
        self.earliest, self.latest = self._bounds()
        self._create_calendar()

    def _name_added(self, split: SplitResult | None) -> int:
        """Name the added events up to `--as-of`; return the number of later ones."""
        registrations, loads = self._datasets
        attributes = packed(self.run.engine, self.ledger.attributes)
        until, after, where = self.run.until, 0, ""
        for dataset, name, columns in (
            (registrations, "added_registrations", f"{attributes} AS attributes"),
            (loads, "added_loads", DEVICE_TYPE),
        ):
            events = self._events_to_add(dataset, split)
            if until:
                where = f"WHERE time < {until}"
                later = f"SELECT count(*) AS n FROM {events} WHERE time >= {until}"
                after += int(self.run.engine.rows(later)[0]["n"])
            of_users = self.identities.of_users(dataset, events)
            self.run.engine.create_view(
                name, f"SELECT time, initiator_id, {columns} FROM ({of_users}) {where}"
            )
        return after

    def _events_to_add(self, dataset: Dataset, split: SplitResult | None) -> str:
        """The name of the table of the events of a dataset that the state does not hold."""
        if split and split.has_read and (split.rebuild or self.state):
            # The engine still has the tables of `Engine.read_events`.
            return f"new_{dataset.name}"
        publication, table = self.run.publication, f"published_{dataset.name}"
        if not self.state:
            publication.require_rows(dataset, self.ledger.rows)
        folders = {} if self.state else publication.partitions_of(dataset)
        self.run.read(table, dataset, folders.values())
        return table

    def _daily(self) -> Daily:
        """The events by UTC day: the ledger knows them, but of the whole days only."""
        daily: Daily = {}
        if not self.run.settings.as_of:
            for kind, dataset in zip(KINDS, self._datasets, strict=True):
                for day, events in self.ledger.rows.get(dataset.name, {}).items():
                    daily.setdefault(date.fromisoformat(day), {})[kind] = events
        else:
            for row in self.run.rows("daily_events"):
                daily.setdefault(row["day"], {})[row["event"]] = row["events"]
        return {day: dict(sorted(daily[day].items())) for day in sorted(daily)}

    def _bounds(self) -> tuple[datetime | None, datetime | None]:
        (added,) = self.run.rows("event_bounds")
        found = [at.replace(tzinfo=UTC) for at in added.values() if at]
        self.are_none = not found
        if self.state and self.state.earliest and self.state.latest:
            found += self.state.earliest, self.state.latest
        return min(found, default=None), max(found, default=None)

    def _create_calendar(self) -> None:
        weeks, start = [], self.run.settings.week_start
        if self.earliest and self.latest:
            weeks = calendar_rows(self.earliest, self.latest, self.run.zone, start)
        self.run.engine.create_table("calendar", CALENDAR_COLUMNS, weeks)


def packed(engine: Engine, attributes: Sequence[str]) -> str:
    """All attributes as one struct; each after whether it is missing, so that none is last."""
    fields: dict[str, str] = {}
    for number, name in enumerate(map(engine.quoted, attributes)):
        fields |= {f"missing_{number}": f"{name} IS NULL", f"value_{number}": name}
    return engine.struct(fields)
