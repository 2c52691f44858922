"""Fills in the statement `read_lines.sql` from a log format."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import IntEnum
from importlib import resources
from string import Template

from user_conversion.engines.duckdb.forms import FILE_NUMBER, Forms, first_keys
from user_conversion.inputs.kinds.parquet import value_of
from user_conversion.inputs.lines import LineFile
from user_conversion.places.duckdb_text import literal, parquet_rows, path_literal, quoted
from user_conversion.rules import events
from user_conversion.rules.conditions import Condition, Conditions
from user_conversion.rules.log_format import (
    ANONYMOUS_ID,
    APP_LOADED,
    IDENTIFIED,
    KINDS,
    REGISTERED,
    USER_ID,
    LogFormat,
)
from user_conversion.rules.paths import Element, FieldPath, folder_values, is_of_folder
from user_conversion.rules.timestamp_forms import TimestampForm
from user_conversion.rules.zones import seconds_ahead

# DuckDB buffers twice as many bytes in each thread. Larger lines fail the run.
LARGEST_LINE = 32 << 20
# Texts that could be JSON numbers with a fraction, booleans, objects or arrays, which are no ids.
UNCLEAR_ID = "(?s)" + "|".join(
    (
        *("true", "false", r"[{\[].*"),
        r"-?[0-9]+(\.[0-9]+([eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)",
        events.ROUNDED_ID,
        *map(re.escape, events.NO_ID),
    )
)


class Kind(IntEnum):
    """What a parsed line is; NULL for unclear lines."""

    OTHER = 0
    REGISTERED = 1
    APP_LOADED = 2
    ANONYMOUS = 3
    EXCLUDED = 4
    IDENTIFIED = 5

    @property
    def counted_as(self) -> str:
        """The name under which such lines are counted."""
        return self.name.lower()


def read_sql(
    table: str,
    files: Sequence[LineFile],
    log_format: LogFormat,
    latest: datetime,
    forms: Forms,
    columns: Mapping[str, str],
) -> str:
    """The statement that reads files of one compression and one kind of event into a table.

    Files of rows have the same `columns`.
    """
    fields = _Fields(log_format, forms, files)
    known = files[0].event
    attributes = [f"attribute_{n}" for n, _ in enumerate(log_format.attributes)]
    texts = [fields.text(name) for name in log_format.attributes]
    return _template("read_lines.sql").substitute(
        {kind.name: str(int(kind)) for kind in Kind},
        table=table,
        file=FILE_NUMBER,
        records="*" if columns else f"*, {FILE_NUMBER}",
        source=fields.of_rows(files, columns) if columns else fields.of_lines(files),
        event=(
            f"CASE WHEN {fields.is_object()} THEN {literal(known)} END"
            if known
            else fields.text("event")
        ),
        local_time=fields.local_time(known),
        time=fields.time(known, latest),
        id_text=fields.of_identified(ANONYMOUS_ID, known, fields.id_text()),
        initiator_id=_id("id_text", log_format, forms),
        user_id_text=fields.of_identified(USER_ID, known, "NULL"),
        user_id=_id("user_id_text", log_format, forms),
        is_identified=fields.is_kind(IDENTIFIED, known),
        device_type=fields.text("device_type"),
        attributes=", ".join(
            f"{text} AS {column}" for text, column in zip(texts, attributes, strict=True)
        ),
        kept_attributes=", ".join(
            f"CASE WHEN named = {int(Kind.REGISTERED)} THEN {column} END AS {column}"
            for column in attributes
        ),
        is_object=fields.is_object(),
        is_registered=fields.is_kind(REGISTERED, known),
        is_app_loaded=fields.is_kind(APP_LOADED, known),
        is_excluded=fields.is_excluded(),
        unnamed=str(log_format.input.unnamed),
        anonymous=str(log_format.input.anonymous),
        has_no_id="id_text IS NULL" if forms.integer_ids else _has_no_id("id_text"),
        has_no_user_id=_has_no_id("user_id_text"),
        latest=latest.replace(tzinfo=None).isoformat(" "),
    )


def _template(name: str) -> Template:
    file = resources.files("user_conversion") / "engines" / "duckdb" / name
    return Template(file.read_text("utf-8"))


def _has_no_id(text: str) -> str:
    return f"coalesce({text}, '') IN ({', '.join(map(literal, events.NO_ID))})"


def _id(text: str, log_format: LogFormat, forms: Forms) -> str:
    if log_format.ids == "text":
        return f"CASE WHEN NOT regexp_full_match({text}, {literal(UNCLEAR_ID)}) THEN {text} END"
    if forms.integer_ids:
        return text
    # DuckDB casts 3.5, true and 0x10 to integers, so only texts of plain digits are taken.
    number = f"TRY_CAST({text} AS BIGINT)"
    if forms.number_ids:
        # DuckDB writes JSON numbers in one way: only integers have no point and no exponent.
        return (
            f"CASE WHEN NOT contains({text}, '.') AND NOT contains({text}, 'e') THEN {number} END"
        )
    return f"CASE WHEN {number}::VARCHAR = {text} THEN {number} END"


class _Fields:
    """SQL expressions for the fields of a log format.

    A member of the record is read as text, or as JSON if a path goes into it.
    """

    def __init__(self, log_format: LogFormat, forms: Forms, files: Sequence[LineFile]) -> None:
        self._format = log_format
        self._forms = forms
        self._folders = [folder_values(file.source, log_format.paths) for file in files]
        self._keys = list(dict.fromkeys(first_keys(log_format)))
        self._nested = {path[0] for path in log_format.paths if len(path) > 1}

    def of_lines(self, files: Sequence[LineFile]) -> str:
        """The records on the lines of files, with their members as columns."""
        types = {key: "JSON" if key in self._nested else "VARCHAR" for key in self._keys}
        if self._forms.timestamp:
            types[str(self._format.fields["timestamp"][0][0])] = "TIMESTAMP"
        if self._forms.number_ids:
            types[str(self._format.fields["initiator_id"][0][0])] = "JSON"
        form = self._forms.timestamp
        return _template("read_json.sql").substitute(
            paths=", ".join(path_literal(file.path) for file in files),
            members=", ".join(f"{literal(key)}: '{kind}'" for key, kind in types.items()),
            compression=files[0].compression,
            largest_line=LARGEST_LINE,
            timestamp_format=f", timestampformat = '{form}'" if form else "",
        )

    def of_rows(self, files: Sequence[LineFile], columns: Mapping[str, str]) -> str:
        """The records in the rows of files: what their JSON would have, as columns."""
        times = [str(path[0]) for path in self._format.fields["timestamp"]]
        ids = [path[0] for path in self._format.fields["initiator_id"]]
        found = []
        for key in self._keys:
            kind = columns.get(key)
            value = "NULL::VARCHAR"
            if kind is not None:
                value = value_of(key, kind, key in self._nested, key in times)
                is_instant = bool(self._forms.timestamp) and key == times[0]
                if not (self._forms.integer_ids and key in ids):
                    value = _converted(value, kind, key in self._nested, is_instant)
            found.append(f"{value} AS {quoted(key)}")
        rows = parquet_rows(file.path for file in files)
        return f"(SELECT {', '.join(found)}, {FILE_NUMBER} FROM {rows})"

    def is_object(self) -> str:
        """Whether any member was read."""
        return "(" + " OR ".join(f"{quoted(key)} IS NOT NULL" for key in self._keys) + ")"

    def text(self, name: str) -> str:
        """A field as text: the first of its paths that is not null."""
        texts = [self._at(path) for path in self._format.fields[name]]
        if not texts:
            return "NULL::VARCHAR"
        return texts[0] if len(texts) == 1 else f"coalesce({', '.join(texts)})"

    def id_text(self) -> str:
        """The id as text, or as it is if all are integers."""
        text = self.text("initiator_id")
        return f"CAST({text} AS {'BIGINT' if self._forms.integer_ids else 'VARCHAR'})"

    def of_identified(self, name: str, known: str | None, other: str) -> str:
        """A field of identified events as text, another expression for other events."""
        if self._format.kinds == KINDS:
            return other
        is_identified = self.is_kind(IDENTIFIED, known)
        return f"CASE WHEN {is_identified} THEN {self.text(name)} ELSE {other} END"

    def is_kind(self, kind: str, known: str | None) -> str:
        """Whether a record is an event of a kind; `known` is the kind of all records, if given."""
        names = ", ".join(map(literal, self._format.events.get(kind, ()))) or "NULL"
        is_named = (
            str(known == kind) if known else f"coalesce({self.text('event')} IN ({names}), false)"
        )
        return " AND ".join([is_named, *self._holding(self._format.where.get(kind, {}))])

    def is_excluded(self) -> str:
        """Whether a record does not count."""
        return " OR ".join(["false", *self._holding(self._format.exclude)])

    def _holding(self, conditions: Conditions) -> Iterator[str]:
        for path, texts in conditions.items():
            yield f"({Condition.of(texts).sql(self._at(path), literal)})"

    def local_time(self, known: str | None) -> str:
        """The time on the clocks of the zone of the log format, if it says no other."""
        text = self._time_text(known)
        if self._forms.timestamp or self._format.input.timezone == "UTC":
            return "NULL::TIMESTAMP"
        number = f"WHEN {_is(text, events.EPOCH_NUMBER)} THEN {_epoch_instant(text)}"
        is_local = _is(text, events.LOCAL_TIMESTAMP)
        others = number if self._format.input.local_numbers else ""
        return f"CASE WHEN {is_local} THEN TRY_CAST({text} AS TIMESTAMP) {others} END"

    def time(self, known: str | None, latest: datetime) -> str:
        """The instant in UTC, as a timestamp without a zone. An identified event may have none."""
        text, local, zone = self._time_text(known), "", self._format.input.timezone
        if self._forms.timestamp:
            return self.text("timestamp")
        if zone != "UTC":
            ahead = seconds_ahead(zone, '"local time"', latest)
            local = f'WHEN "local time" IS NOT NULL THEN "local time" - to_seconds({ahead})'
        return f"""CASE {local}
            WHEN {_is(text, events.TIMESTAMP)}
            THEN make_timestamp(epoch_us(TRY_CAST({text} AS TIMESTAMPTZ)))
            WHEN {_is(text, events.EPOCH_NUMBER)} THEN {_epoch_instant(text)}
        END"""

    def _time_text(self, known: str | None) -> str:
        text = self.text("timestamp")
        if self._format.kinds != KINDS:
            is_identified = self.is_kind(IDENTIFIED, known)
            text = f"coalesce({text}, CASE WHEN {is_identified} THEN '{events.NO_TIME}' END)"
        if self._format.input.timestamp:
            form = TimestampForm.of(self._format.input.timestamp)
            text = f"regexp_replace({text}, {literal(form.pattern)}, {literal(form.replacement)})"
        return text

    def _at(self, path: FieldPath) -> str:
        column, steps = str(path[0]), path[1:]
        if is_of_folder(path):
            values = (found[column] for found in self._folders)
            listed = ", ".join("NULL" if each is None else literal(each) for each in values)
            return f"([{listed}]::VARCHAR[])[{FILE_NUMBER}::BIGINT + 1]"
        if column not in self._nested:
            return quoted(column)
        value, keys = quoted(column), "$"
        for step in steps:
            if isinstance(step, Element):
                key, text = literal(f'$."{step.key}"'), literal(step.text)
                elements = f"TRY_CAST(json_extract({value}, {literal(keys)}) AS JSON[])"
                is_it = f"json_extract_string(each, {key}) = {text}"
                value, keys = f"list_filter({elements}, lambda each: {is_it})[1]", "$"
            else:
                keys += f"[{step}]" if isinstance(step, int) else f'."{step}"'
        return f"json_extract_string({value}, {literal(keys)})"


def _is(text: str, pattern: str) -> str:
    return f"regexp_full_match({text}, '{pattern}')"


def _epoch_instant(text: str) -> str:
    """The instant of a number, as `events.parse_epoch`."""
    number = f"TRY_CAST({text} AS DECIMAL(38, 9))"
    micros = " ".join(
        f"WHEN {number} BETWEEN {events.SMALLEST_EPOCH * unit} AND {events.LARGEST_EPOCH * unit} "
        f"THEN CAST(floor({number} * 1000000) AS HUGEINT) // {unit}"
        for unit in events.EPOCH_UNITS
    )
    return f"make_timestamp(CAST(CASE {micros} END AS BIGINT))"


def _converted(value: str, kind: str, is_nested: bool, is_instant: bool) -> str:
    """A value of a file as JSON if a path leads into it, as an instant, or as text."""
    if is_nested:
        return f"to_json({value})"
    if is_instant:
        return f"make_timestamp(epoch_us({value}))"
    if kind in ("VARCHAR", "BIGINT", "INTEGER"):
        return f"CAST({value} AS VARCHAR)"
    return f"json_extract_string(to_json({value}), '$')"
