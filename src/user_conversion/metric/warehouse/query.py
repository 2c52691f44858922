"""One query per dialect that computes weekly user conversion where the events already are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from user_conversion.metric.warehouse.dialects import dialect
from user_conversion.metric.warehouse.sources import (
    Since,
    Source,
    Sources,
    named_tables,
)
from user_conversion.rules.definitions import ANY_LOAD_NEXT_WEEK, NEXT_WEEK, SAME_WEEK, Definition
from user_conversion.rules.errors import SettingsError
from user_conversion.rules.log_format import BASE_FIELDS, KINDS, LogFormat, require_field
from user_conversion.rules.zones import time_zone

TEMPLATE = Path(__file__).with_name("query.sql.jinja")
# By definition: whether any load counts or only the first one, and the days from the Monday of
# the registration to that of the load.
CONVERTS = {
    NEXT_WEEK.name: (False, 7),
    SAME_WEEK.name: (False, 0),
    ANY_LOAD_NEXT_WEEK.name: (True, 7),
}


def warehouse_query(
    dialect_name: str,
    log_format: LogFormat,
    definition: Definition,
    timezone: str = "UTC",
    tables: Sequence[str] = (),
    since: date | None = None,
    by: str | None = None,
) -> str:
    """The SQL of weekly user conversion, one row per registration week (and segment).

    Columns: registration_week (ISO, 2020-53), segment (with `by`, a field of the registration),
    total_registered, total_converted (users), conversion_rate (whole percent, rounded half up),
    is_complete (1 if no later event can change the row, else 0). `tables` is one table of events,
    or several of the form registered=NAME and app_loaded=NAME. With `since` there are only weeks
    that begin on or after that day. Raises `SettingsError` for what the dialect cannot express.
    """
    if by in BASE_FIELDS:
        raise SettingsError(f"--by {by}: the query splits by fields of the registration only.")
    require_field(by, log_format.attributes)
    time_zone(timezone)
    written = log_format.input
    if written.timezone != "UTC" or written.timestamp:
        raise SettingsError(
            "The query reads timestamps without a zone as UTC, the log format as "
            f"{written.timestamp or written.timezone}: make a view with times in UTC."
        )
    if log_format.kinds != KINDS:
        raise SettingsError(
            "The query does not follow [identity]: make a view with the ids of users, or use run."
        )
    days = Since.on(since) if since else None
    sources = Sources(dialect(dialect_name), log_format, by, days)
    tables_of = named_tables(log_format, tables)
    by_kind = {kind: sources.of(kind, tables_of) for kind in KINDS}
    return Query(sources, by_kind, definition, timezone).sql()


@dataclass(frozen=True)
class Query:
    """A query over the sources of each kind of event."""

    written: Sources
    sources: Mapping[str, Sequence[Source]]
    definition: Definition
    timezone: str

    def sql(self) -> str:
        """The text of the query. Raises `SettingsError` for a zone that cannot be expressed."""
        how, by, since = self.written.dialect, self.written.by, self.written.since
        if self.definition.name not in CONVERTS:
            raise SettingsError(f"The query knows {', '.join(CONVERTS)}: choose a --definition.")
        any_load, converts_after = CONVERTS[self.definition.name]
        return render(
            TEMPLATE,
            notes=self._notes(),
            sources=self.sources,
            by=by,
            any_load_counts=any_load,
            converts_after=converts_after,
            last_day=self.definition.window_days - 1,
            since=since and how.date.format(text=since.day),
            now=how.now,
            first_day=how.date.format(text="1970-01-01"),
            tail=how.tail,
            day=self._local_day,
            monday=lambda d: how.monday.format(d=d),
            plus=lambda d, n: how.plus.format(d=d, n=n) if n else d,
            label=lambda d: how.label.format(d=d),
            divide=lambda a, b: how.divide.format(a=a, b=b),
            earlier=lambda a, b: how.earlier.format(a=a, b=b),
        )

    def _local_day(self, instant: str) -> str:
        how = self.written.dialect
        if self.timezone == "UTC" and how.utc_day:
            return how.utc_day.format(t=instant)
        if not how.day:
            raise SettingsError(f"{how.title} has no time zones: weeks are in UTC, --timezone UTC.")
        return how.day.format(t=instant, zone=self.timezone)

    def _notes(self) -> list[str]:
        how, since = self.written.dialect, self.written.since
        tested = "run" if how.run_by_tests else "not run here, only parsed"
        notes = [
            f"Weekly user conversion for {how.title} ({tested} by the tests of user-conversion).",
            f"Definition {self.definition.name}: {self.definition.summary}.",
            f"Weeks from Monday to Sunday in {self.timezone}. Timestamps without a zone are UTC.",
            *how.notes,
            *(how.zone_notes if self.timezone != "UTC" else ()),
        ]
        if since:
            notes += [
                f"Weeks that begin on {since.day} or later. Earlier loads are not read.",
                "Earlier registrations are, as the first one counts, unless each day has a table.",
            ]
        return notes


def render(template: Path, **values: Any) -> str:
    """The text of a template."""
    # Jinja takes as long to import as the rest of the command.
    import jinja2

    environment = jinja2.Environment(
        trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.from_string(template.read_text("utf-8")).render(values).rstrip("\n") + "\n"
