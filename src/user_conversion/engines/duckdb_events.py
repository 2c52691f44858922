"""From logs to events in DuckDB: one pass over the JSON, and a second look at doubtful lines.

DuckDB's JSON reader makes one slim table, `parsed`, in the order of the lines. What cannot be
taken for an event with certainty (`kind` is NULL) is found again by its position, as bytes, and
`events.read_line` has the last word. Clean logs never need that second look.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb

from user_conversion import events, inputs
from user_conversion.datasets import REJECTED_EVENTS
from user_conversion.engines import EventCounts
from user_conversion.engines.duckdb_session import (
    FEW_TEXTS,
    LONG_TEXT,
    create_table,
    first_line,
    insert,
    memory_limit,
    move_to_disk,
    text_type,
)
from user_conversion.engines.second_look import SecondLook
from user_conversion.errors import EngineError, InputError
from user_conversion.inputs import InputFile
from user_conversion.progress import watched

LARGEST_LINE = 16 << 20
ROWS_AT_ONCE = 50_000
# A line of JSON becomes a row of about a sixth of its size; compressed logs unfold to ten times.
ROW_SIZE = 1 / 6
UNFOLDED = 10
# Tables that take more than this share of the memory are better kept on disk, compressed.
SHARE_FOR_TABLES = 1 / 2

OTHER, REGISTERED, LOADED = 0, 1, 2

# Forms that DuckDB's own cast reads as `events.parse_timestamp` does; others get a second look.
UTC_TIMESTAMP = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:[0-5]\d(\.\d{1,6})?Z?"
OFFSET_TIMESTAMP = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:[0-5]\d(\.\d+)?(Z|[+-](0\d|1[0-7]):?[0-5]\d)?"

# Where the first timestamp has one of these forms, DuckDB reads them all while it parses the JSON,
# which takes half the time. Up to this share of lines in other forms get a second look.
FORMATS = {
    rb"[-0-9]{10}T[:0-9]{8}Z": "%Y-%m-%dT%H:%M:%SZ",
    rb"[-0-9]{10}T[:0-9]{8}[.][0-9]{1,6}Z": "%Y-%m-%dT%H:%M:%S.%fZ",
}
OTHER_FORMS = 0.03
GENERAL_TIME = rf"""
    CASE
        WHEN regexp_full_match(timestamp, '{UTC_TIMESTAMP}') THEN TRY_CAST(timestamp AS TIMESTAMP)
        WHEN regexp_full_match(timestamp, '{OFFSET_TIMESTAMP}') THEN TRY_CAST(
            regexp_replace(timestamp, '(\.\d{{6}})\d+', '\1') AS TIMESTAMPTZ
        )::TIMESTAMP
    END"""


class EventReader:
    """Reads logs into the tables that `Engine.read_events` names."""

    def __init__(
        self,
        session: duckdb.DuckDBPyConnection,
        attributes: Sequence[str],
        latest: datetime,
        scratch: Path | None,
    ) -> None:
        self._session = session
        self._attributes = attributes
        self._latest = latest
        self._scratch = scratch
        self._usual_texts: set[str] = set()

    def read(self, files: Sequence[InputFile]) -> EventCounts:
        """See `Engine.read_events`."""
        self._make_room(files)
        with ThreadPoolExecutor(1) as counting:
            counted = counting.submit(inputs.count_lines, files)
            try:
                self._parse(files)
            except InputError:
                counted.result()  # says which file is damaged, if that is why
                raise
            line_counts = counted.result()
        for file in files:
            if not file.is_unchanged():
                raise InputError(f"'{file.path}' was written to while it was read; run again.")
        found = dict(self._fetch("SELECT kind, count(*) FROM parsed GROUP BY kind"))
        passed_over = sum(line_counts) - sum(found.values())
        second_look = SecondLook(files, line_counts, self._attributes, self._latest)
        self._look_again(second_look, passed_over)
        recovered = dict(self._fetch("SELECT event, count(*) FROM recovered GROUP BY event"))
        self._name_new_tables(self._settle_texts())
        return EventCounts(
            lines=sum(line_counts),
            registered=found.get(REGISTERED, 0) + recovered.get(events.REGISTERED, 0),
            app_loaded=found.get(LOADED, 0) + recovered.get(events.APP_LOADED, 0),
            other=found.get(OTHER, 0) + second_look.other,
            blank=second_look.blank,
            rejected_by_reason=dict(sorted(second_look.reasons.items())),
        )

    def _make_room(self, files: Sequence[InputFile]) -> None:
        size = sum(
            file.size * (UNFOLDED if file.path.suffix.lower() in inputs.COMPRESSIONS else 1)
            for file in files
        )
        if self._scratch and size * ROW_SIZE > memory_limit(self._session) * SHARE_FOR_TABLES:
            move_to_disk(self._session, self._scratch)

    def _parse(self, files: Sequence[InputFile]) -> None:
        paths = [glob.escape(str(file.path)) for file in files if file.size]
        sample = inputs.sample(files)
        form = _timestamp_format(sample)
        self._usual_texts = _texts_in(sample, ("device_type", self._attributes[0]))
        self._execute_parse(files, paths, self._parse_sql(form))
        if form and self._share_unclear() > OTHER_FORMS:
            self._execute_parse(files, paths, self._parse_sql(None))

    def _execute_parse(self, files: Sequence[InputFile], paths: list[str], query: str) -> None:
        if not paths:
            query, paths = query.replace("FROM lines", "FROM lines LIMIT 0"), ["/dev/null"]
        for largest_line in (LARGEST_LINE, None):
            if largest_line is None:
                largest_line = 2 + max(inputs.longest_line(file.path) for file in files)
            try:
                size = sum(file.size for file in files)
                with watched("Reading events", size, self._session.query_progress):
                    self._session.execute(query, {"paths": paths, "largest_line": largest_line})
            except duckdb.OutOfMemoryException:
                raise
            except duckdb.Error as error:
                if largest_line != LARGEST_LINE or "maximum_object_size" not in str(error):
                    raise InputError(
                        f"The event logs cannot be read: {first_line(error)}."
                    ) from None
            else:
                break

    def _share_unclear(self) -> float:
        return float(self._fetch("SELECT avg((kind IS NULL)::INTEGER) FROM parsed")[0][0] or 0)

    def _look_again(self, second_look: SecondLook, passed_over: int) -> None:
        """Read the unclear lines, and check that no other was passed over than may be."""
        columns = {"event": "string", "time": "timestamp", "initiator_id": "bigint"}
        columns |= dict.fromkeys(("device_type", *second_look.attributes), "string")
        create_table(self._session, "recovered", columns)
        create_table(self._session, "new_rejected_events", REJECTED_EVENTS.columns)
        rows = self._fetch("SELECT rowid FROM parsed WHERE kind IS NULL ORDER BY rowid")
        if not rows and not passed_over:
            return
        rejected = second_look.rejected([row for (row,) in rows], passed_over)
        while batch := list(islice(rejected, ROWS_AT_ONCE)):
            insert(self._session, "new_rejected_events", REJECTED_EVENTS.columns, batch)
        insert(self._session, "recovered", columns, second_look.recovered)
        unclear = passed_over - second_look.passed_over
        if unclear:
            raise EngineError(
                f"DuckDB passed over {unclear} lines that are not blank; "
                "please report this as a bug, and try --engine spark."
            )

    def _settle_texts(self) -> str:
        """Have the column `attribute` hold all texts; its type then."""
        kind = text_type(self._usual_texts)
        if kind == "VARCHAR":
            return kind
        found = self._session.execute(
            f"""
            SELECT DISTINCT left(text, {LONG_TEXT}) FROM (
                SELECT unusual AS text FROM parsed
                UNION ALL
                SELECT unnest(["{self._attributes[0]}", device_type]) FROM recovered
            )
            WHERE text NOT NULL
            """
        ).fetchmany(FEW_TEXTS + 1)
        texts = self._usual_texts | {text for (text,) in found}
        if texts != self._usual_texts:
            kind = text_type(texts)
            self._session.execute(
                f"ALTER TABLE parsed ALTER attribute SET DATA TYPE {kind} "
                f"USING coalesce(attribute::VARCHAR, unusual)::{kind}"
            )
        return kind

    def _name_new_tables(self, text: str) -> None:
        first, *more = self._attributes
        columns = ", ".join(
            [
                f'attribute AS "{first}"',
                *(f'attribute_{number} AS "{name}"' for number, name in enumerate(more)),
            ]
        )
        names = ", ".join([f'"{first}"::{text}', *(f'"{name}"' for name in more)])
        for table, event, kind, parsed, recovered in (
            ("new_user_registration", events.REGISTERED, REGISTERED, columns, names),
            (
                "new_app_loaded",
                events.APP_LOADED,
                LOADED,
                "attribute AS device_type",
                f"device_type::{text}",
            ),
        ):
            self._session.execute(
                f"""
                CREATE OR REPLACE VIEW {table} AS
                SELECT '{event}' AS event, time, initiator_id, {parsed}
                FROM parsed WHERE kind = {kind}
                UNION ALL
                SELECT event, time, initiator_id, {recovered}
                FROM recovered WHERE event = '{event}'
                """
            )

    def _parse_sql(self, form: str | None) -> str:
        first, *more = self._attributes
        types = dict.fromkeys(
            ("event", "initiator_id", "device_type", *self._attributes), "VARCHAR"
        )
        types["timestamp"] = "TIMESTAMP" if form else "VARCHAR"
        columns = ", ".join(f"'{name}': '{kind}'" for name, kind in types.items())
        timestamp_format = f", timestampformat = '{form}'" if form else ""
        time = "timestamp" if form else GENERAL_TIME
        kept = "".join(
            f", CASE WHEN event = 'registered' THEN \"{name}\" END AS attribute_{number}"
            for number, name in enumerate(more)
        )
        usual = f"TRY_CAST(text AS {text_type(self._usual_texts)})"
        until = self._latest.replace(tzinfo=None).isoformat(" ")
        return f"""
    CREATE OR REPLACE TABLE parsed AS
    WITH lines AS (
        FROM read_json(
            $paths, columns = {{{columns}}}, format = 'newline_delimited', records = 'true',
            ignore_errors = true, hive_partitioning = false,
            maximum_object_size = $largest_line {timestamp_format}
        )
    ),
    fields AS (
        SELECT
            CASE event
                WHEN 'app_loaded' THEN {LOADED} WHEN 'registered' THEN {REGISTERED}
                WHEN '' THEN NULL ELSE CASE WHEN event IS NOT NULL THEN {OTHER} END
            END::UTINYINT AS kind,
            {time} AS time,
            CASE WHEN TRY_CAST(initiator_id AS BIGINT)::VARCHAR = initiator_id
                THEN TRY_CAST(initiator_id AS BIGINT)
            END AS initiator_id,
            CASE event WHEN 'registered' THEN "{first}" WHEN 'app_loaded' THEN device_type
            END AS text
            {kept}
        FROM lines
    )
    SELECT * EXCLUDE (text) REPLACE (
            CASE WHEN kind = {OTHER} OR (
                initiator_id IS NOT NULL AND time BETWEEN '1970-01-01' AND '{until}'
            ) THEN kind END AS kind
        ),
        {usual} AS attribute,
        CASE WHEN {usual} IS NULL THEN text END AS unusual
    FROM fields
    """

    def _fetch(self, sql: str) -> list[tuple[Any, ...]]:
        return self._session.execute(sql).fetchall()


def _timestamp_format(sample: bytes) -> str | None:
    """The format of the first timestamp, None if it is not one of `FORMATS`."""
    first = re.search(rb'"timestamp"\s*:\s*"([^"]*)"', sample)
    return next((FORMATS[form] for form in FORMATS if first and re.fullmatch(form, first[1])), None)


def _texts_in(sample: bytes, names: Sequence[str]) -> set[str]:
    """The texts that fields of these names have in a piece of a log."""
    fields = b"|".join(re.escape(name.encode()) for name in names)
    found = re.findall(rb'"(?:%b)"\s*:\s*"([^"\\\x00-\x1f]*)"' % fields, sample)
    return {text.decode(errors="replace") for text in set(found)}
