"""The metric as SQL text, compiled by Ibis from the expressions in `conversion.py`.

Importing and running Ibis takes as long as a small run. So the statements are compiled ahead
(`task compile-metric`) into the folder `sql/`, where they can be read; a test keeps them equal to
the expressions. The tables that the statements name are in `statements`. A column `attributes` has
all attributes of a registration as one struct, so that no statement depends on their names.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import resources
from typing import TYPE_CHECKING, Any

from user_conversion.rules import datasets
from user_conversion.rules.definitions import DEFINITIONS
from user_conversion.rules.weeks import CALENDAR_COLUMNS

if TYPE_CHECKING:
    from ibis import ir

DIALECTS = ("duckdb", "spark")
ATTRIBUTES = ("attributes",)
# Full days after the registration that are counted one by one: four weeks.
HORIZON = 28
# Values of a field with figures of their own; the users of all others are added up. Enough for
# every output and test, and few enough to be kept in memory.
MOST_VALUES = 1_000


def metric_sql(dialect: str, statement: str) -> str:
    """The SQL of one statement in an engine's dialect."""
    file = resources.files("user_conversion.metric") / "sql" / dialect / f"{statement}.sql"
    return file.read_text("utf-8")


def compile_statement(dialect: str, statement: str) -> str:
    """Compile one statement of the metric with Ibis."""
    from ibis.backends.sql.compilers.duckdb import DuckDBCompiler
    from ibis.backends.sql.compilers.pyspark import PySparkCompiler

    compiler = {"duckdb": DuckDBCompiler, "spark": PySparkCompiler}[dialect]()
    query: str = compiler.to_sqlglot(statements()[statement]()).sql(
        dialect=compiler.dialect, pretty=True
    )
    return query + "\n"


def statements() -> dict[str, Callable[[], ir.Table]]:
    """Every statement of the metric over unbound tables, by name."""
    from user_conversion.metric import conversion, event_days, identity, merge

    registration = datasets.user_registration(ATTRIBUTES)
    registrations, loads = _events(registration), _events(datasets.app_loaded())
    added = (
        _events(registration, "added_registrations"),
        _events(datasets.app_loaded(), "added_loads"),
    )
    calendar = _unbound("calendar", CALENDAR_COLUMNS)
    earliest = _unbound(
        "earliest_registrations",
        {"initiator_id": "bigint", "attributes": "string", "registered_at": "timestamp"}
        | {"registration_week": "string", "week_number": "bigint"}
        | {"next_week_starts_at": "timestamp", "next_week_ends_at": "timestamp"},
    )
    week = {"registration_week": "string"}
    columns = datasets.user_conversion(ATTRIBUTES).columns | week
    converted = _unbound("user_conversion", columns | {"converted_at": "timestamp"})
    del columns["converted"]
    users, known, merged, stayed, published = (
        _unbound(name, columns)
        for name in ("registered_users", "known_users", "merged_users", "stayed", "published_users")
    )
    counts = {"initiator_id": "bigint", "loads": "bigint"}
    unregistered = _unbound("known_unregistered_users", counts)
    before = _unbound("loads_before", counts | {"known_at": "timestamp"})
    again = _events(datasets.app_loaded(), "loads_again")
    to_read = _unbound(
        "loads_to_read", {"initiator_id": "bigint", "since": "timestamp", "until": "timestamp"}
    )
    published_counts = _unbound("published_counts", counts)
    identified = _events(datasets.user_identity())
    links, known_before, now = (
        _unbound(name, {"initiator_id": "bigint", "user_id": "bigint"})
        for name in ("links", "identities_before", "identities")
    )
    published_ids = _unbound("published_ids", {"initiator_id": "bigint"})
    segmented = week | {"value": "string", "converted": "boolean"}
    found: dict[str, Callable[[], Any]] = {
        "earliest_registrations": partial(
            conversion.earliest_registrations, registrations, calendar, ATTRIBUTES
        ),
        "registered_users": partial(
            conversion.registered_users, earliest, loads, calendar, ATTRIBUTES
        ),
        "weekly_summary": partial(conversion.weekly_summary, converted),
        "cohort_table": partial(conversion.cohort_table, converted),
        "first_load_days": partial(
            conversion.first_load_days,
            converted,
            _unbound("observation", {"until": "timestamp"}),
            HORIZON,
        ),
        "conversion_days": partial(conversion.conversion_days, converted, calendar),
        "segment_counts": partial(
            conversion.segment_counts, _unbound("segmented_users", segmented), MOST_VALUES
        ),
        "daily_events": partial(event_days.daily_events, *added),
        "event_bounds": partial(event_days.event_bounds, *added),
        "load_quality": partial(conversion.load_quality, users),
        "known_users": partial(merge.known_users, published, *added),
        "known_unregistered_users": lambda: merge.unregistered_users(
            merge.known_users(published_counts, *added)
        ),
        "unregistered_users": partial(merge.unregistered_users, _unbound("all_counts", counts)),
        "loads_before": partial(merge.loads_before, known, unregistered),
        "user_registration": partial(merge.with_known_registrations, added[0], known),
        "loads_to_read": partial(merge.loads_to_read, before, earliest),
        "days_to_read": partial(merge.days_to_read, to_read),
        "loads_again": partial(
            merge.loads_again, _events(datasets.app_loaded(), "history"), to_read
        ),
        "app_loaded": partial(merge.with_known_loads, added[1], known, again),
        "merged_users": partial(
            merge.merged_users, _unbound("added_users", columns), before, again
        ),
        "added_counts": partial(merge.added_counts, added[1], unregistered, earliest),
        "links": partial(identity.earliest_links, identified),
        "followed_links": partial(identity.followed_links, links),
        "open_links": partial(identity.open_links, links),
        "identities": partial(identity.identities, links),
        "identity_counts": partial(identity.identity_counts, identified, now),
        "moved_users": partial(identity.moved_users, known_before, now, published_ids),
        "changed_weeks": partial(merge.changed_weeks, merged, known),
        "rewritten_users": partial(
            merge.rewritten_users, merged, stayed, _unbound("changed_weeks", week)
        ),
    }
    for name in DEFINITIONS:
        found[f"user_conversion_{name}"] = partial(
            conversion.user_conversion, users, name, ATTRIBUTES
        )
    return found


def _events(dataset: datasets.Dataset, name: str = "") -> ir.Table:
    columns = {column: kind for column, kind in dataset.columns.items() if column != "event"}
    return _unbound(name or dataset.name, columns)


def _unbound(name: str, columns: dict[str, str]) -> ir.Table:
    import ibis

    types = {"bigint": "int64", "timestamp": "timestamp(6)"}
    return ibis.table({key: types.get(kind, kind) for key, kind in columns.items()}, name=name)
