"""Which user the id of an event counts for, if the log format has `[identity]`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from user_conversion.answer.results import Identities as Counts
from user_conversion.inputs.ledger import Ledger
from user_conversion.jobs.context import Context
from user_conversion.jobs.conversion_rate.state import State, state_datasets
from user_conversion.rules.datasets import Dataset, user_identity
from user_conversion.rules.log_format import KINDS


class Identities:
    """The table `identities`: the ids that count for another user, and how many there are.

    Without `[identity]` there is no table, and `counts` is None.
    """

    def __init__(self, run: Context, ledger: Ledger) -> None:
        self._run, self._engine, self._ledger = run, run.engine, ledger
        self._dataset = user_identity(ledger.id_type)
        self.counts: Counts | None = None
        if ledger.log_format.kinds != KINDS:
            run.publication.require_rows(self._dataset, ledger.rows)
            folders = run.publication.partitions_of(self._dataset).values()
            circles = self._follow("identities", folders)
            (row,) = run.rows("identity_counts")
            found = {name: ids or 0 for name, ids in row.items()}  # Spark sums no rows to NULL
            self.counts = Counts(
                ids_joined=found["ids"] - circles,
                ids_of_several_users=found["of_several_users"],
                ids_in_circles=circles,
                ids_of_themselves=found["of_themselves"],
            )

    def state(self, state: State | None) -> State | None:
        """The state, unless ids of published events count for other users than in it."""
        publication = self._run.publication
        if not (state and self.counts and publication.staged(self._dataset)):
            return state
        self._follow("identities_before", publication.published(self._dataset).values())
        users, _, counts = state_datasets(self._ledger)
        ids = []
        for dataset in (users, counts):
            table = f"ids_of_{dataset.name}"
            self._run.read(table, dataset, publication.published(dataset).values())
            ids.append(f"SELECT initiator_id FROM {table}")
        self._engine.create_view("published_ids", " UNION ALL ".join(ids))
        ((moved,),) = (row.values() for row in self._run.rows("moved_users"))
        return None if moved else state

    def of_users(self, dataset: Dataset, table: str) -> str:
        """The query of events of a table, with the ids of the users that they count for."""
        if not self.counts:
            return f"SELECT * FROM {table}"
        others = (name for name in dataset.columns if name != "initiator_id")
        selected = ", ".join(f"logged.{self._engine.quoted(name)}" for name in others)
        return (
            f"SELECT {selected}, coalesce(identities.user_id, logged.initiator_id) AS initiator_id "
            f"FROM {table} AS logged LEFT JOIN identities "
            "ON logged.initiator_id = identities.initiator_id"
        )

    def _follow(self, table: str, folders: Iterable[Path]) -> int:
        """Make the table of ids with their last user; return how many ids end in circles."""
        engine = self._engine
        self._run.read("published_identity", self._dataset, folders)
        until = f"WHERE time < {self._run.until}" if self._run.until else ""
        engine.create_view("user_identity", f"SELECT * FROM published_identity {until}")
        engine.materialize("links", self._run.sql("links"))
        before = None
        # Links get twice as long each time, and fewer are open unless all of these end in circles.
        while (left := int(self._run.rows("open_links")[0]["ids"])) not in (0, before):
            engine.materialize("links", self._run.sql("followed_links"))
            before = left
        engine.materialize(table, self._run.sql("identities"))
        return left
