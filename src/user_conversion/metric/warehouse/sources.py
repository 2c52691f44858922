"""Where the two kinds of events are in a warehouse, as SQL: tables, columns, conditions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from user_conversion.metric.warehouse.dialects import Dialect
from user_conversion.rules.conditions import Condition, Conditions
from user_conversion.rules.errors import SettingsError
from user_conversion.rules.events import NO_ID
from user_conversion.rules.log_format import APP_LOADED, KINDS, LogFormat
from user_conversion.rules.paths import Element, FieldPath, is_of_folder, parse_path
from user_conversion.rules.weeks import DAY

Tables = dict[str, list[str]]


@dataclass(frozen=True)
class Source:
    """One table with events of one kind, as SQL."""

    table: str
    user_id: str
    happened_at: str
    segment: str | None
    conditions: tuple[str, ...]


@dataclass(frozen=True)
class Since:
    """The first day of the weeks that are asked for, and the day from which events are read.

    Texts, because in a dbt model they are variables. Events of two more days are read, so that
    no time zone matters.
    """

    day: str
    read_from: str
    suffix: str

    @classmethod
    def on(cls, day: date) -> Since:
        """The weeks that begin on a day or later."""
        read_from = day - 2 * DAY
        return cls(f"{day}", f"{read_from}", f"{read_from:%Y%m%d}")


def named_tables(log_format: LogFormat, given: Sequence[str]) -> Tables | str:
    """The tables of each kind of event, or the one table of both.

    Raises `SettingsError` if several tables are given without the kind of their events.
    """
    if len(given) == 1 and "=" not in given[0]:
        return given[0]
    if not given and log_format.warehouse.table_per_event:
        return {kind: [snake_case(name) for name in log_format.events[kind]] for kind in KINDS}
    if not given:
        return log_format.warehouse.table
    tables: Tables = {}
    for text in given:
        kind, _, name = text.partition("=")
        tables.setdefault(kind, []).append(name)
    if {*tables} != {*KINDS} or not all(map(all, tables.values())):
        raise SettingsError(
            "--table: give one table, or say which events each has: "
            "--table registered=NAME --table app_loaded=NAME."
        )
    return tables


@dataclass(frozen=True)
class Sources:
    """Writes the sources of a log format in a dialect."""

    dialect: Dialect
    log_format: LogFormat
    by: str | None
    since: Since | None

    def of(self, kind: str, tables: Tables | str) -> list[Source]:
        """The tables with events of a kind."""
        if isinstance(tables, str):
            event = self.dialect.exact.format(c=self._first("event"))
            named = f"{event} IN ({self.names(kind)})"
            return [self._source(kind, tables, [named])]
        return [self._source(kind, table, []) for table in tables[kind]]

    def _source(self, kind: str, table: str, conditions: list[str]) -> Source:
        conditions += self._holding(self.log_format.where.get(kind, {}))
        conditions += [f"NOT ({each})" for each in self._holding(self.log_format.exclude)]
        if self.log_format.ids == "text":
            user_id = self.dialect.exact.format(c=self._first("initiator_id", as_text=True))
            conditions.append(f"{user_id} NOT IN ({self._literals(NO_ID)})")
        else:
            user_id = self._first("initiator_id")
            conditions.append(f"{user_id} IS NOT NULL")
        conditions += self._since(kind, table)
        segment = self._first(self.by, as_text=True) if self.by else None
        return Source(self.table(table), user_id, self._instant(), segment, tuple(conditions))

    def _holding(self, conditions: Conditions) -> Iterator[str]:
        for path, texts in conditions.items():
            condition = Condition.of(texts)
            patterns = (
                *(condition.meant.patterns if condition.meant else ()),
                *condition.but.patterns,
            )
            for pattern in patterns:
                if re.search(r"[\\%_]", pattern):
                    raise SettingsError(
                        f"The query cannot compare with {pattern!r}: dialects differ in what "
                        "%, _ and \\ mean beside *. Make a view."
                    )
            yield condition.sql(self._text(path), self.dialect.literal, "", self.dialect.glob)

    def table(self, name: str) -> str:
        """The name of a table as SQL."""
        steps = [str(step) for step in parse_path(name)]
        # With a wildcard, BigQuery wants one pair of quotes.
        if self.dialect.wildcard:
            return self.dialect.name(".".join(steps))
        return ".".join(map(self.dialect.name, steps))

    def names(self, kind: str) -> str:
        """The names of the events of a kind, as SQL."""
        names = self.log_format.events[kind]
        is_snake_case = self.log_format.warehouse.nested == "columns"
        return self._literals(map(snake_case, names) if is_snake_case else names)

    def _instant(self) -> str:
        paths = self.log_format.fields["timestamp"]
        if any(is_text for _, is_text in map(self._value, paths)):
            raise SettingsError(
                "The timestamp must be a column of its own, not inside a JSON column: make a view."
            )
        how = self.dialect
        template = how.microseconds if self.log_format.warehouse.microseconds else how.instant
        return template.format(c=self._first("timestamp"))

    def _since(self, kind: str, table: str) -> list[str]:
        wildcard, since = self.dialect.wildcard, self.since
        if wildcard and table.endswith("_*"):
            # Tables of a day that is not over are called intraday_20241230.
            days = [f"{wildcard} NOT LIKE 'intraday%'"]
            return days + ([f"{wildcard} >= '{since.suffix}'"] if since else [])
        if not since or kind != APP_LOADED or self.log_format.warehouse.microseconds:
            return []
        from_day = self.dialect.timestamp.format(text=since.read_from)
        return [f"{self._first('timestamp')} >= {from_day}"]

    def _first(self, field: str, as_text: bool = False) -> str:
        """The value of a field: the first of its paths that is not null."""
        paths = self.log_format.fields.get(field, ((field,),))
        values = [self._text(path) if as_text else self._value(path)[0] for path in paths]
        return values[0] if len(values) == 1 else f"COALESCE({', '.join(values)})"

    def _text(self, path: FieldPath) -> str:
        value, is_text = self._value(path)
        return value if is_text else self.dialect.text.format(c=value)

    def _value(self, path: FieldPath) -> tuple[str, bool]:
        """The value at a path, and whether it is a text whatever the column is."""
        how, layout = self.dialect, self.log_format.warehouse
        if is_of_folder(path):
            raise SettingsError(f"{path[0]}: a warehouse has no folders; name a column instead.")
        if layout.nested == "columns":
            return "e." + how.name(column_name(path)), False
        column, rest = "e." + how.name(str(path[0])), path[1:]
        if rest and isinstance(rest[0], Element) and path[0] in layout.parameters:
            rest = (rest[0].text,)
        if how.parameter and path[0] in layout.parameters and len(rest) == 1:
            return how.parameter.format(c=column, key=how.literal(str(rest[0]))), True
        if rest and not (how.struct and layout.nested == "structs"):
            return how.json_value(column, rest), True
        return ".".join([column, *(how.name(str(step)) for step in rest)]), False

    def _literals(self, texts: Iterable[str]) -> str:
        return ", ".join(map(self.dialect.literal, texts))


def snake_case(name: str) -> str:
    """A name as Segment and RudderStack write it in a warehouse: "Signed Up" is signed_up."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9_]+", "_", name).lower()


def column_name(path: FieldPath) -> str:
    """The column that Segment and RudderStack make of a field: context_campaign_source."""
    steps = path[1:] if path[0] == "properties" and len(path) > 1 else path
    return "_".join(snake_case(str(step)) for step in steps)
