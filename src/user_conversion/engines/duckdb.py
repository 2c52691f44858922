"""The embedded engine: DuckDB in this process, the default.

Raw logs are read by DuckDB's JSON reader into one slim table, in the order of the lines. What
cannot be taken for an event with certainty (`kind` is NULL) is found again by its position, as
bytes, and `events.read_line` has the last word. Clean logs never need that second look.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb

from user_conversion import events, inputs
from user_conversion.datasets import REJECTED_EVENTS, Columns, Dataset
from user_conversion.engines import EventCounts
from user_conversion.engines.second_look import SecondLook
from user_conversion.errors import DatasetError, EngineError, InputError, OutputError
from user_conversion.inputs import InputFile
from user_conversion.progress import watched
from user_conversion.settings import EngineSettings

SETTINGS = {
    "TimeZone": "UTC",
    "memory_limit": "1300MB",
    "preserve_insertion_order": "true",
}
# Progress is asked for, never printed: standard output is for results.
PROGRESS = {"enable_progress_bar": "true", "enable_progress_bar_print": "false"}
TYPES = {"string": "VARCHAR", "bigint": "BIGINT", "timestamp": "TIMESTAMP"}
LARGEST_LINE = 16 << 20
ROWS_AT_ONCE = 50_000
ROWS_WRITTEN_AT_ONCE = 2_000_000
PARQUET = "FORMAT parquet, COMPRESSION snappy"

OTHER, REGISTERED, LOADED = 0, 1, 2

# Forms that DuckDB's own cast reads as `events.parse_timestamp` does; others get a second look.
UTC_TIMESTAMP = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:[0-5]\d(\.\d{1,6})?Z?"
OFFSET_TIMESTAMP = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:[0-5]\d(\.\d+)?(Z|[+-](0\d|1[0-7]):?[0-5]\d)?"

# Where the first line has one of these forms, DuckDB reads timestamps while it parses the JSON,
# which takes half the time. Up to this share of lines in other forms get a second look.
FORMATS = {
    rb'"timestamp"\s*:\s*"[-0-9]{10}T[:0-9]{8}Z"': "%Y-%m-%dT%H:%M:%SZ",
    rb'"timestamp"\s*:\s*"[-0-9]{10}T[:0-9]{8}[.][0-9]{1,6}Z"': "%Y-%m-%dT%H:%M:%S.%fZ",
}
OTHER_FORMS = 0.03
GENERAL_TIME = rf"""
    CASE
        WHEN regexp_full_match(timestamp, '{UTC_TIMESTAMP}') THEN TRY_CAST(timestamp AS TIMESTAMP)
        WHEN regexp_full_match(timestamp, '{OFFSET_TIMESTAMP}') THEN TRY_CAST(
            regexp_replace(timestamp, '(\.\d{{6}})\d+', '\1') AS TIMESTAMPTZ
        )::TIMESTAMP
    END"""


class DuckDBEngine:
    """DuckDB as an `Engine`."""

    name = "duckdb"
    dialect = "duckdb"

    def __init__(self, settings: EngineSettings) -> None:
        self._connection = duckdb.connect()
        self._set(SETTINGS)
        # In Jupyter without ipywidgets DuckDB refuses both settings, and shows no bar.
        with suppress(duckdb.InvalidInputException):
            self._set(PROGRESS)
        if settings.scratch:
            self._connection.execute(f"SET temp_directory = {_literal(str(settings.scratch))}")

    def _set(self, values: Mapping[str, str]) -> None:
        for name, value in values.items():
            self._connection.execute(f"SET {name} = {_literal(value)}")

    def __enter__(self) -> DuckDBEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def versions(self) -> dict[str, str]:
        """The version of DuckDB."""
        return {"duckdb": duckdb.__version__}

    def read_events(
        self, files: Sequence[InputFile], attributes: Sequence[str], latest: datetime
    ) -> EventCounts:
        """See `Engine.read_events`."""
        with ThreadPoolExecutor(1) as counting:
            counted = counting.submit(lambda: [inputs.count_lines(file.path) for file in files])
            try:
                self._parse(files, attributes, latest)
            except InputError:
                counted.result()  # says which file is damaged, if that is why
                raise
            line_counts = counted.result()
        for file in files:
            if not file.is_unchanged():
                raise InputError(f"'{file.path}' was written to while it was read; run again.")
        found = dict(self._fetch("SELECT kind, count(*) FROM parsed GROUP BY kind"))
        passed_over = sum(line_counts) - sum(found.values())
        second_look = SecondLook(files, line_counts, attributes, latest)
        self._look_again(second_look, passed_over)
        recovered = dict(self._fetch("SELECT event, count(*) FROM recovered GROUP BY event"))
        self._name_new_tables(attributes)
        return EventCounts(
            lines=sum(line_counts),
            registered=found.get(REGISTERED, 0) + recovered.get(events.REGISTERED, 0),
            app_loaded=found.get(LOADED, 0) + recovered.get(events.APP_LOADED, 0),
            other=found.get(OTHER, 0) + second_look.other,
            blank=second_look.blank,
            rejected_by_reason=dict(sorted(second_look.reasons.items())),
        )

    def _parse(
        self, files: Sequence[InputFile], attributes: Sequence[str], latest: datetime
    ) -> None:
        paths = [glob.escape(str(file.path)) for file in files if file.size]
        form = _timestamp_format(files)
        self._execute_parse(files, paths, _read_events_sql(attributes, latest, form))
        if form and self._share_unclear() > OTHER_FORMS:
            self._execute_parse(files, paths, _read_events_sql(attributes, latest, None))

    def _execute_parse(self, files: Sequence[InputFile], paths: list[str], query: str) -> None:
        if not paths:
            query, paths = query.replace("FROM lines", "FROM lines LIMIT 0"), ["/dev/null"]
        for largest_line in (LARGEST_LINE, None):
            if largest_line is None:
                largest_line = 2 + max(inputs.longest_line(file.path) for file in files)
            try:
                size = sum(file.size for file in files)
                with watched("Reading events", size, self._connection.query_progress):
                    self._connection.execute(query, {"paths": paths, "largest_line": largest_line})
            except duckdb.Error as error:
                if largest_line != LARGEST_LINE or "maximum_object_size" not in str(error):
                    raise _input_error(error) from None
            else:
                break

    def _share_unclear(self) -> float:
        return float(self._fetch("SELECT avg((kind IS NULL)::INTEGER) FROM parsed")[0][0] or 0)

    def _look_again(self, second_look: SecondLook, passed_over: int) -> None:
        """Read the unclear lines, and check that no other was passed over than may be."""
        columns = {"event": "string", "time": "timestamp", "initiator_id": "bigint"}
        columns |= dict.fromkeys(("device_type", *second_look.attributes), "string")
        self.create_table("recovered", columns, [])
        self.create_table("new_rejected_events", REJECTED_EVENTS.columns, [])
        rows = self._fetch("SELECT rowid FROM parsed WHERE kind IS NULL ORDER BY rowid")
        if not rows and not passed_over:
            return
        rejected = second_look.rejected([row for (row,) in rows], passed_over)
        while batch := list(islice(rejected, ROWS_AT_ONCE)):
            self._insert("new_rejected_events", REJECTED_EVENTS.columns, batch)
        self._insert("recovered", columns, second_look.recovered)
        unclear = passed_over - second_look.passed_over
        if unclear:
            raise EngineError(
                f"DuckDB passed over {unclear} lines that are not blank; "
                "please report this as a bug, and try --engine spark."
            )

    def _name_new_tables(self, attributes: Sequence[str]) -> None:
        first, *more = attributes
        columns = ", ".join([f'attribute AS "{first}"', *(f'"{name}"' for name in more)])
        names = ", ".join(f'"{name}"' for name in attributes)
        for table, event, kind, parsed, recovered in (
            ("new_user_registration", events.REGISTERED, REGISTERED, columns, names),
            (
                "new_app_loaded",
                events.APP_LOADED,
                LOADED,
                "attribute AS device_type",
                "device_type",
            ),
        ):
            self._connection.execute(
                f"""
                CREATE OR REPLACE VIEW {table} AS
                SELECT '{event}' AS event, time, initiator_id, {parsed}
                FROM parsed WHERE kind = {kind}
                UNION ALL
                SELECT event, time, initiator_id, {recovered}
                FROM recovered WHERE event = '{event}'
                """
            )

    def read_parquet(
        self, table: str, columns: Columns, files: Sequence[Path], until: datetime | None = None
    ) -> None:
        """See `Engine.read_parquet`."""
        if not files:
            nulls = (f'NULL::{TYPES.get(kind, kind)} AS "{name}"' for name, kind in columns.items())
            self.create_view(table, f"SELECT {', '.join(nulls)} LIMIT 0")
            return
        paths = ", ".join(_literal(glob.escape(str(file))) for file in files)
        parquet = f"read_parquet([{paths}], hive_partitioning = false)"
        self._check_columns(table, columns, parquet)
        # Casts between the two timestamp types go through a calendar library; this is arithmetic.
        selected = ", ".join(
            f'make_timestamp(epoch_us("{name}")) AS "{name}"'
            if kind == "timestamp"
            else f'"{name}"::{TYPES.get(kind, kind)} AS "{name}"'
            for name, kind in columns.items()
        )
        where = f"WHERE time < {_literal(until.isoformat())}::TIMESTAMPTZ" if until else ""
        self._connection.execute(
            f"CREATE OR REPLACE VIEW {table} AS SELECT {selected} FROM {parquet} {where}"
        )

    def _check_columns(self, table: str, columns: Columns, parquet: str) -> None:
        try:
            described = self._fetch(f"DESCRIBE FROM {parquet}")
        except duckdb.Error as error:
            raise DatasetError(
                f"The Parquet of {table} cannot be read ({_first_line(error)}); "
                "run events-split --full-refresh."
            ) from None
        types = {"TIMESTAMP WITH TIME ZONE": "timestamp", "VARCHAR": "string"}
        there = {name: types.get(kind, kind.lower()) for name, kind, *_ in described}
        for name, kind in columns.items():
            if there.get(name) != kind:
                raise DatasetError(
                    f"The Parquet of {table} must have a column {name} ({kind}) but has "
                    f"{there.get(name, 'none')}; run events-split --full-refresh."
                )

    def create_table(self, table: str, columns: Columns, rows: Iterable[Sequence[Any]]) -> None:
        """See `Engine.create_table`."""
        typed = ", ".join(f'"{name}" {TYPES.get(kind, kind)}' for name, kind in columns.items())
        self._connection.execute(f"CREATE OR REPLACE TABLE {table} ({typed})")
        self._insert(table, columns, list(rows))

    def _insert(self, table: str, columns: Columns, rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            values = ", ".join(f"unnest(?::{TYPES.get(kind, kind)}[])" for kind in columns.values())
            lists = [list(column) for column in zip(*rows, strict=True)]
            self._connection.execute(f"INSERT INTO {table} SELECT {values}", lists)

    def materialize(self, table: str, sql: str) -> None:
        """See `Engine.materialize`."""
        self._execute(f"CREATE OR REPLACE TABLE {table} AS {sql}")

    def create_view(self, table: str, sql: str) -> None:
        """See `Engine.create_view`."""
        self._execute(f"CREATE OR REPLACE VIEW {table} AS {sql}")

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """See `Engine.rows`."""
        result = self._execute(sql)
        names = [column[0] for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def write(self, sql: str, dataset: Dataset, folder: Path) -> None:
        """See `Engine.write`."""
        folder.mkdir(parents=True)
        columns = ", ".join(
            f'make_timestamptz(epoch_us("{name}")) AS "{name}"'
            if kind == "timestamp"
            else f'"{name}"'
            for name, kind in dataset.columns.items()
        )
        if dataset.partition is None:
            target = _literal(str(folder / "part-0.parquet"))
            self._execute(f"COPY (SELECT {columns} FROM ({sql})) TO {target} ({PARQUET})")
            return
        partition = dataset.partition
        options = f"{PARQUET}, PARTITION_BY ({partition}), FILENAME_PATTERN 'part-{{i}}'"
        for first, last in self._partition_ranges(sql, partition):
            self._execute(
                f"COPY (SELECT {columns}, {partition} FROM ({sql}) "
                f"WHERE {partition} BETWEEN '{first}' AND '{last}') "
                f"TO {_literal(str(folder))} ({options}, OVERWRITE_OR_IGNORE)"
            )

    def _partition_ranges(self, sql: str, partition: str) -> Iterator[tuple[str, str]]:
        """Ranges of partitions with few enough rows to be gathered in memory at once."""
        counts = self._fetch(
            f"SELECT {partition}::VARCHAR, count(*) FROM ({sql}) GROUP BY 1 ORDER BY 1"
        )
        first, rows = "", 0
        for value, count in counts:
            first, rows = first or value, rows + count
            if rows >= ROWS_WRITTEN_AT_ONCE or value == counts[-1][0]:
                yield first, value
                first, rows = "", 0

    def _execute(self, sql: str) -> duckdb.DuckDBPyConnection:
        try:
            return self._connection.execute(sql)
        except duckdb.IOException as error:
            raise OutputError(f"Reading or writing failed: {_first_line(error)}.") from None
        except duckdb.OutOfMemoryException as error:
            raise EngineError(
                f"Not enough memory: {_first_line(error)}; free some disk space for spilling."
            ) from None
        except (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException):
            raise  # a fault of the statement, not of what it reads
        except duckdb.Error as error:
            raise DatasetError(
                f"The Parquet cannot be read ({_first_line(error)}); "
                "run events-split --full-refresh."
            ) from None

    def _fetch(self, sql: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql).fetchall()


def _timestamp_format(files: Sequence[InputFile]) -> str | None:
    """The format of the first timestamp, None if it is not one of `FORMATS`."""
    lines = (inputs.first_line(file.path) for file in files)
    line = next(filter(None, lines), b"")
    return next((FORMATS[form] for form in FORMATS if re.search(form, line)), None)


def _read_events_sql(attributes: Sequence[str], latest: datetime, form: str | None) -> str:
    first, *more = attributes
    types = dict.fromkeys(("event", "initiator_id", "device_type", *attributes), "VARCHAR")
    types["timestamp"] = "TIMESTAMP" if form else "VARCHAR"
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in types.items())
    timestamp_format = f", timestampformat = '{form}'" if form else ""
    time = "timestamp" if form else GENERAL_TIME
    kept = "".join(
        f', CASE WHEN event = \'registered\' THEN "{name}" END AS "{name}"' for name in more
    )
    until = latest.replace(tzinfo=None).isoformat(" ")
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
            END AS attribute
            {kept}
        FROM lines
    )
    SELECT * REPLACE (
        CASE WHEN kind = {OTHER} OR (
            initiator_id IS NOT NULL AND time BETWEEN '1970-01-01' AND '{until}'
        ) THEN kind END AS kind
    )
    FROM fields
    """


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _first_line(error: duckdb.Error) -> str:
    return str(error).splitlines()[0].rstrip(". ")


def _input_error(error: duckdb.Error) -> InputError:
    return InputError(f"The event logs cannot be read: {_first_line(error)}.")
