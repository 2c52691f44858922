"""The state: published rows from which the next run goes on, and `state.json`, what they hold."""

from __future__ import annotations

from datetime import date, datetime

import msgspec

from user_conversion.answer.finality import last_observed_day
from user_conversion.answer.record import ConversionJob
from user_conversion.inputs.fingerprint import hash_of
from user_conversion.inputs.ledger import Batch, Ledger
from user_conversion.jobs.context import Context
from user_conversion.jobs.context import Rows as StatementRows
from user_conversion.jobs.events_split.job import SplitResult
from user_conversion.metric.compiled import DIALECTS, metric_sql
from user_conversion.places.documents import Document, decoded
from user_conversion.places.footers import Rows
from user_conversion.places.layout import STATE
from user_conversion.rules import datasets
from user_conversion.rules.datasets import WEEKLY_SUMMARY, Dataset
from user_conversion.rules.errors import DatasetError
from user_conversion.rules.weeks import calendar_rows

# Rows by statement.
Figures = dict[str, StatementRows]
STATEMENTS = ("earliest_registrations", "registered_users", "merged_users", "added_counts")


class State(Document, frozen=True, kw_only=True, tag=2):
    """The events that the state holds, under which definition, and its rows.

    The events are those of some `batches` of the ledger: `events` from the instant `earliest` to
    `latest`. With another `basis` the state is made anew. `rows` are by dataset and partition.
    `figures` are the rows of statements by week, as they are when the days to `observed_through`
    are.
    """

    basis: str
    batches: tuple[Batch, ...]
    events: int
    earliest: datetime | None
    latest: datetime | None
    definition: str
    rows: Rows
    observed_through: date | None
    figures: Figures

    def as_bytes(self) -> bytes:
        """The content of `state.json`."""
        return msgspec.json.encode(self)


def basis_of(
    run: Context, ledger: Ledger, earliest: datetime | None, latest: datetime | None
) -> str:
    """A hash of what the state depends on beside the events, which are between two instants.

    That is options, columns, the SQL of the metric and the bounds of the weeks.
    """
    settings, weeks = run.settings, []
    if earliest and latest:
        weeks = calendar_rows(earliest, latest, run.zone, settings.week_start)
    options = settings.timezone, settings.as_of, ledger.attributes, ledger.id_type
    statements = [metric_sql(DIALECTS[0], name) for name in STATEMENTS]
    return hash_of(repr((options, statements, weeks)).encode())


def state_datasets(ledger: Ledger) -> tuple[Dataset, Dataset, Dataset]:
    """The datasets of the metric: users, the summary, loads of users without a registration."""
    users = datasets.user_conversion(ledger.attributes, ledger.id_type)
    return users, WEEKLY_SUMMARY, datasets.users_without_registration(ledger.id_type)


def last_state(run: Context, split: SplitResult | None) -> State | None:
    """The published state if it holds all events but those of this run, else None."""
    if split is None or split.rebuild or split.replaced or run.settings.as_of:
        return None
    publication, before = run.publication, split.before
    try:
        state = decoded(publication.output.read(STATE) or b"", State)
        parts = {each.name: publication.published(each) for each in state_datasets(before)}
        found = publication.count_rows(parts)
    except (OSError, ValueError, DatasetError):
        return None
    holds = (
        state.basis == basis_of(run, before, state.earliest, state.latest)
        and (state.batches, state.events) == (before.batches, events_of(before))
        and state.rows == found
    )
    return state if holds else None


def is_unchanged(run: Context, split: SplitResult | None, last: ConversionJob) -> bool:
    """Whether no event and no observed day came since the state and its answer were published."""
    if split is None or split.has_read:
        return False
    state = last_state(run, split)
    if state is None or last.state != hash_of(state.as_bytes()):
        return False
    observed = last_observed_day(run.settings.as_of, state.latest, run.started, run.zone)
    return last.result.observed_through == state.observed_through == observed


def staged_state(run: Context) -> str:
    """The hash of the state that is to be published: an answer is of one state."""
    return hash_of((run.publication.folder / STATE).read_bytes())


def events_of(ledger: Ledger) -> int:
    """The number of published events."""
    return ledger.counts.registered + ledger.counts.app_loaded
