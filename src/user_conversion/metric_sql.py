"""The metric as SQL text, compiled by Ibis from the expressions in `conversion.py`.

Importing and running Ibis takes a second, most of a small run. So the statements for the usual
columns are compiled ahead (`task compile-metric`) into the folder `sql/`, where anybody can read
what will run; a test keeps them equal to the expressions. Other registration attributes are
compiled when asked for. The statements name these tables: user_registration, app_loaded and
calendar; earliest_registrations; registered_users; user_conversion.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import resources
from typing import TYPE_CHECKING, Any

from user_conversion import datasets
from user_conversion.errors import EngineError

if TYPE_CHECKING:
    from ibis import ir

DIALECTS = ("duckdb", "spark")
DEFINITIONS = ("next-week", "same-week", "any-load-next-week")
DEFAULT_ATTRIBUTES = ("channel",)


def metric_sql(
    dialect: str, statement: str, attributes: tuple[str, ...] = DEFAULT_ATTRIBUTES
) -> str:
    """The SQL of one statement in an engine's dialect.

    Raises `EngineError` if it has to be compiled and Ibis is not installed.
    """
    file = resources.files("user_conversion") / "sql" / dialect / f"{statement}.sql"
    if attributes == DEFAULT_ATTRIBUTES and file.is_file():
        return file.read_text("utf-8")
    return compile_statement(dialect, statement, attributes)


def compile_statement(dialect: str, statement: str, attributes: tuple[str, ...]) -> str:
    """Compile one statement of the metric with Ibis."""
    try:
        from ibis.backends.sql.compilers.duckdb import DuckDBCompiler
        from ibis.backends.sql.compilers.pyspark import PySparkCompiler
    except ImportError:
        raise EngineError(
            "Other attributes than the channel need Ibis: pip install 'user-conversion[ibis]'."
        ) from None
    compiler = {"duckdb": DuckDBCompiler, "spark": PySparkCompiler}[dialect]()
    expression = statements(attributes)[statement]()
    query: str = compiler.to_sqlglot(expression).sql(dialect=compiler.dialect, pretty=True)
    return query + "\n"


def statements(attributes: tuple[str, ...]) -> dict[str, Callable[[], ir.Table]]:
    """Every statement of the metric over unbound tables, by name."""
    from user_conversion import conversion, weeks

    registrations = _table(datasets.user_registration(attributes))
    loads = _table(datasets.APP_LOADED)
    calendar = _unbound("calendar", weeks.CALENDAR_COLUMNS)
    earliest = _unbound(
        "earliest_registrations",
        {"initiator_id": "bigint"}
        | dict.fromkeys(attributes, "string")
        | {"registered_at": "timestamp", "registration_week": "string", "week_number": "bigint"}
        | {"next_week_starts_at": "timestamp", "next_week_ends_at": "timestamp"},
    )
    converted = _table(datasets.user_conversion(attributes))
    columns = datasets.user_conversion(attributes).columns
    columns |= {"loads": "bigint", "loads_before_registration": "bigint"}
    columns |= {"registration_week": "string"}
    del columns["converted"]
    users = _unbound("registered_users", columns)
    found: dict[str, Callable[[], Any]] = {
        "earliest_registrations": partial(
            conversion.earliest_registrations, registrations, calendar, attributes
        ),
        "registered_users": partial(
            conversion.registered_users, earliest, loads, calendar, attributes
        ),
        "weekly_summary": partial(conversion.weekly_summary, converted),
        "cohort_table": partial(conversion.cohort_table, converted),
        "daily_events": partial(conversion.daily_events, registrations, loads),
        "load_quality": partial(conversion.load_quality, users),
    }
    for definition in DEFINITIONS:
        found[f"user_conversion_{definition}"] = partial(
            conversion.user_conversion, users, definition, attributes
        )
    for by in (*attributes, "device_type"):
        found[f"segment_counts_{by}"] = partial(conversion.segment_counts, converted, by)
    return found


def _table(dataset: datasets.Dataset) -> ir.Table:
    week = {"registration_week": "string"} if dataset.partition == "registration_week" else {}
    return _unbound(dataset.name, dataset.columns | week)


def _unbound(name: str, columns: dict[str, str]) -> ir.Table:
    import ibis

    types = {"bigint": "int64", "timestamp": "timestamp(6)"}
    return ibis.table({key: types.get(kind, kind) for key, kind in columns.items()}, name=name)
