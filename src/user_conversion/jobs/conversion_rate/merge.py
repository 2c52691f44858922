"""From the state and the added events to the next state: `metric/merge.py` in an engine.

Without a state that holds, it starts from an empty one, and all events are added.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

from user_conversion.jobs.conversion_rate.added_events import AddedEvents, packed
from user_conversion.jobs.conversion_rate.state import (
    Figures,
    State,
    basis_of,
    events_of,
    state_datasets,
)
from user_conversion.metric.compiled import HORIZON
from user_conversion.places.footers import count_rows
from user_conversion.places.layout import STATE, folder_of
from user_conversion.rules.datasets import Dataset, app_loaded
from user_conversion.rules.weeks import DAY, WEEK, first_day_of

# So many files of loads of users without a registration are kept before they become one.
MOST_PARTS = 30


class Merge:
    """Merges events into the state, and stages the datasets of the metric."""

    def __init__(self, added: AddedEvents) -> None:
        self._added, self._run, self._engine = added, added.run, added.run.engine
        self._ledger, self._state = added.ledger, added.state
        self._users, self._summary, self._counts = state_datasets(added.ledger)
        self._merge()

    @property
    def loads_without_registration(self) -> int:
        """The number of loads of users without a registration."""
        folders = self._run.publication.partitions_of(self._counts).values()
        self._run.read("counts", self._counts, folders)
        return int(self._engine.rows("SELECT sum(loads) AS n FROM counts")[0]["n"] or 0)

    # The merge.

    def _merge(self) -> None:
        engine, published = self._engine, self._run.publication.published
        self._name_users("published_users", published(self._users) if self._state else {})
        parts = published(self._counts).values() if self._state else ()
        self._run.read("published_counts", self._counts, parts)
        for name, rows in (
            ("known_users", "published_users"),
            ("known_unregistered_users", "published_counts"),
        ):
            if self._state:
                engine.materialize(name, self._run.sql(name))
            else:
                engine.create_view(name, f"SELECT * FROM {rows}")
        engine.create_view("user_registration", self._run.sql("user_registration"))
        engine.materialize("earliest_registrations", self._run.sql("earliest_registrations"))
        engine.create_view("loads_before", self._run.sql("loads_before"))
        self._read_again()
        engine.create_view("app_loaded", self._run.sql("app_loaded"))
        engine.create_view("added_users", self._run.sql("registered_users"))
        engine.materialize("merged_users", self._run.sql("merged_users"))

    def _read_again(self) -> None:
        """Read the earlier loads that are not before the registration any more: often none."""
        engine, loads = self._engine, app_loaded(self._ledger.id_type)
        days: list[str] = []
        before = self._run.publication.published(loads)
        if self._state:
            engine.materialize("loads_to_read", self._run.sql("loads_to_read"))
            spans = [(str(e["since"]), str(e["until"])) for e in self._run.rows("days_to_read")]
            days = [day for day in before if any(since <= day <= until for since, until in spans)]
            self._run.publication.require_rows(loads, self._ledger.rows, days)
        self._run.read("logged_history", loads, [before[day] for day in days])
        engine.create_view("history", self._added.identities.of_users(loads, "logged_history"))
        if days:
            engine.materialize("loads_again", self._run.sql("loads_again"))
        else:
            engine.create_view("loads_again", "SELECT time, initiator_id, device_type FROM history")

    # What is published.

    def stage(self) -> None:
        """Write the weeks in which a row changed, and the loads of other users."""
        publication, engine = self._run.publication, self._engine
        weeks = self._changed_weeks()
        if weeks is None:
            self._name_registered("SELECT * FROM merged_users")
        elif weeks:
            stayed = publication.published(self._users)
            self._name_users("stayed", {week: stayed[week] for week in stayed.keys() & weeks})
            rows = [(week,) for week in weeks]
            engine.create_table("changed_weeks", {"registration_week": "string"}, rows)
            self._name_registered(self._run.sql("rewritten_users"))
        if weeks is None or weeks:
            self._write(self._unpacked, self._users)
            self._write(self._run.sql("weekly_summary"), self._summary)
            for dataset in (self._users, self._summary):
                publication.drop_others(dataset, weeks)
        self._stage_counts()
        self._changed = weeks

    def kept_figures(self, observed: date | None) -> tuple[Figures, set[str] | None]:
        """The figures of weeks for which they stay, and the other weeks, which may be new.

        Without figures that stay the other weeks are None: all. The number of days that were
        observed of each user also changes, until it is the horizon.
        """
        before = self._state and self._state.observed_through
        if self._state is None or self._changed is None or not (before and observed):
            return {}, None
        aged = min(before, observed) - (HORIZON + 2) * DAY
        weeks = self._run.publication.partitions_of(self._users).keys()
        young = {week for week in weeks if first_day_of(week) + WEEK > aged}
        new = young | self._changed
        return {
            name: [row for row in rows if row["registration_week"] not in new]
            for name, rows in self._state.figures.items()
        }, new

    def name_users(self, weeks: Collection[str] | None = None) -> None:
        """Let `user_conversion` have the users of some weeks; without `weeks`: all users."""
        if self._changed is not None:
            folders = self._run.publication.partitions_of(self._users)
            found = {w: path for w, path in folders.items() if weeks is None or w in weeks}
            self._name_users("some_users", found)
            self._name_registered("SELECT * FROM some_users")

    def _changed_weeks(self) -> set[str] | None:
        """The registration weeks that have to be written; None: all."""
        if not self._state:
            return None
        weeks = {row["registration_week"] for row in self._run.rows("changed_weeks")}
        if self._state.definition != self._run.settings.definition:
            weeks |= self._state.rows[self._users.name].keys()
        return weeks

    def _name_registered(self, users: str) -> None:
        self._engine.create_view("registered_users", users)
        definition = self._run.settings.definition
        self._engine.create_view("user_conversion", self._run.sql(f"user_conversion_{definition}"))

    def _write(self, sql: str, dataset: Dataset) -> None:
        self._engine.write(sql, dataset, folder_of(dataset, self._run.publication.folder))

    def _stage_counts(self) -> None:
        """Write the loads of users without a registration that were added, as one more part."""
        if self._state and self._added.are_none:
            return
        publication, sql = self._run.publication, self._run.sql("added_counts")
        parts = publication.published(self._counts)
        one = not self._state or len(parts) >= MOST_PARTS
        if self._state and one:
            added = f"SELECT * FROM published_counts UNION ALL {sql}"
            self._engine.create_view("all_counts", added)
            sql = self._run.sql("unregistered_users")
        # Each part is one partition, which needs no query for the partitions that there are.
        part, dataset = int(max(parts, default="0")) + 1, replace(self._counts, partition=None)
        folder = folder_of(self._counts, publication.folder) / f"batch={part:06}"
        self._engine.write(sql, dataset, folder)
        if not any(count_rows({"": {"": folder}})[""].values()):
            shutil.rmtree(folder)
        if one:
            publication.drop_others(self._counts)

    def stage_state(self, observed: date | None, figures: Figures) -> None:
        """Write what the next run goes on from."""
        publication = self._run.publication
        parts = {d.name: publication.partitions_of(d) for d in state_datasets(self._ledger)}
        state = State(
            basis=basis_of(self._run, self._ledger, self._added.earliest, self._added.latest),
            batches=self._ledger.batches,
            events=events_of(self._ledger),
            earliest=self._added.earliest,
            latest=self._added.latest,
            definition=self._run.settings.definition,
            rows=publication.count_rows(parts),
            observed_through=observed,
            figures=figures,
        )
        publication.write_text(STATE, state.as_bytes().decode())

    # Attributes, as columns and as one.

    def _name_users(self, table: str, folders: Mapping[str, Path]) -> None:
        """Name the published rows of some weeks, with the attributes as one column."""
        dataset, rows = self._users, f"{table}_rows"
        self._run.read(rows, dataset, folders.values(), dataset.partition)
        attributes = self._ledger.attributes
        columns = [name for name in dataset.columns if name not in ("converted", *attributes)]
        columns.insert(2, f"{packed(self._engine, attributes)} AS attributes")
        query = f"SELECT {', '.join(columns)}, {dataset.partition} FROM {rows}"
        self._engine.create_view(table, query)

    @property
    def _unpacked(self) -> str:
        """The query of the rows of `user_conversion`, with the attributes as columns."""
        columns = dict(zip(self._users.columns, self._users.columns, strict=True))
        for number, name in enumerate(self._ledger.attributes):
            columns[name] = f"attributes.value_{number} AS {self._engine.quoted(name)}"
        return f"SELECT {', '.join(columns.values())}, {self._users.partition} FROM user_conversion"
