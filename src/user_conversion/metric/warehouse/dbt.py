"""The warehouse query as a dbt model: the files of a small project, or for an existing one."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from user_conversion.metric.warehouse.dialects import dialect
from user_conversion.metric.warehouse.query import Query, render, warehouse_query
from user_conversion.metric.warehouse.sources import Since, Sources, named_tables
from user_conversion.rules.definitions import Definition
from user_conversion.rules.errors import SettingsError
from user_conversion.rules.log_format import KINDS, LogFormat
from user_conversion.rules.paths import parse_path

PARTS = Path(__file__).with_name("dbt")
PROJECT = "dbt_project.yml"
FOLDER = "models/user_conversion"
# What the first lines of the model set.
SINCE = Since("{{ since }}", "{{ read_from }}", "{{ read_from | replace('-', '') }}")


def dbt_files(
    dialect_name: str,
    log_format: LogFormat,
    definition: Definition,
    timezone: str = "UTC",
    tables: Sequence[str] = (),
    by: str | None = None,
) -> dict[str, str]:
    """The files of a dbt project by path: the project file, the model, its schema, a test.

    Arguments and errors are those of `warehouse_query`; also raises `SettingsError` for a name or
    value that dbt would take for its own, and for tables in several schemas.
    """
    query = warehouse_query(dialect_name, log_format, definition, timezone, tables, by=by)
    if re.search(r"\{[{%#]", query):
        raise SettingsError("A dbt model cannot have '{{', '{%' or '{#' in a name or value.")
    named = named_tables(log_format, tables)
    every = [named] if isinstance(named, str) else [name for kind in KINDS for name in named[kind]]
    paths = [_steps(name) for name in dict.fromkeys(every)]
    if len({path[:-1] for path in paths}) > 1:
        raise SettingsError("--dbt: the tables must be in one schema.")
    *database, schema = paths[0][:-1] or ("",)
    described = render(
        PARTS / "schema.yml.jinja",
        definition=definition,
        by=by,
        database=".".join(database),
        schema=schema,
        tables=[path[-1] for path in paths],
    )
    how = dialect(dialect_name)
    sources = _DbtSources(how, log_format, by, SINCE)
    zone = _variable("timezone", timezone) if how.day else timezone
    model = Query(sources, {kind: sources.of(kind, named) for kind in KINDS}, definition, zone)
    head = "incremental.sql" if how.dbt_incremental and not by else "table.sql"
    return {
        PROJECT: _part(PROJECT),
        f"{FOLDER}/weekly_user_conversion.sql": _part(head) + _part("read_from.sql") + model.sql(),
        f"{FOLDER}/schema.yml": described,
        "tests/weekly_user_conversion_is_plausible.sql": _part("plausible.sql"),
    }


class _DbtSources(Sources):
    """Sources whose tables and events' names are those of the dbt project."""

    def table(self, name: str) -> str:
        return f"{{{{ source('user_conversion', {_string(_steps(name)[-1])}) }}}}"

    def names(self, kind: str) -> str:
        return _variable(kind, super().names(kind))


def _variable(name: str, default: str) -> str:
    return f'{{{{ var("conversion_{name}", {_string(default)}) }}}}'


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _steps(table: str) -> tuple[str, ...]:
    return tuple(map(str, parse_path(table)))


def _part(name: str) -> str:
    return (PARTS / name).read_text("utf-8")
