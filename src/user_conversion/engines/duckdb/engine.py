"""DuckDB as an engine: reading, writing, named tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import accumulate, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from user_conversion.engines.base import Engine, EngineOptions
from user_conversion.engines.duckdb.forms import has_columns
from user_conversion.engines.duckdb.lines import LineReader, make_room
from user_conversion.engines.duckdb.session import (
    create_table,
    duckdb_errors,
    no_rows,
    open_session,
)
from user_conversion.engines.lines import NewTables
from user_conversion.places.duckdb_text import literal, parquet_rows
from user_conversion.places.footers import require_columns
from user_conversion.rules.counts import LineCount
from user_conversion.rules.datasets import Columns, Dataset
from user_conversion.rules.log_format import LogFormat

if TYPE_CHECKING:
    from user_conversion.inputs.lines import LineFile

ROWS_WRITTEN_AT_ONCE = 2_000_000
PARQUET = "FORMAT parquet, COMPRESSION snappy"


class DuckDBEngine(Engine):
    """See `base.Engine`."""

    def __init__(self, options: EngineOptions, scratch: Path | None = None) -> None:
        with duckdb_errors():
            self._connection = open_session(options.memory_limit, scratch)
        self._scratch = scratch
        self._files: list[LineFile] = []

    def close(self) -> None:
        """See `Engine.close`."""
        self._connection.close()

    def versions(self) -> dict[str, str]:
        """See `Engine.versions`."""
        return {"duckdb": duckdb.__version__}

    def read_events(
        self, files: Sequence[LineFile], log_format: LogFormat, latest: datetime, name: str = "new"
    ) -> list[LineCount]:
        """See `Engine.read_events`."""
        with duckdb_errors():
            self._files += files
            make_room(self._connection, self._files, self._scratch)
            if not has_columns(log_format):
                return super().read_events(files, log_format, latest, name)
            new = NewTables(self, log_format, name)
            counts = LineReader(self._connection, log_format, latest).read(files, new)
            new.publish()
        return counts

    def read_parquet(
        self, table: str, columns: Columns, files: Sequence[Path], partition: str | None = None
    ) -> None:
        """See `Engine.read_parquet`."""
        in_names = {partition: "string"} if partition else {}
        if not files:
            # A view, as below: the table may be read again from other files.
            self.create_view(table, no_rows(columns | in_names))
            return
        require_columns(table, columns, files, self._connection)
        selected = ", ".join(_loaded(name, kind) for name, kind in (columns | in_names).items())
        self.create_view(table, f"SELECT {selected} FROM {parquet_rows(files, partition)}")

    def create_table(self, table: str, columns: Columns, rows: Iterable[Sequence[Any]]) -> None:
        """See `Engine.create_table`."""
        with duckdb_errors():
            create_table(self._connection, table, columns, rows)

    def materialize(self, table: str, sql: str) -> None:
        """See `Engine.materialize`."""
        self._execute(f"CREATE OR REPLACE TABLE {table} AS {sql}")

    def create_view(self, table: str, sql: str) -> None:
        """See `Engine.create_view`."""
        self._execute(f"CREATE OR REPLACE VIEW {table} AS {sql}")

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """See `Engine.rows`."""
        with duckdb_errors():
            result = self._connection.execute(sql)
            names = [column[0] for column in result.description]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def write(self, sql: str, dataset: Dataset, folder: Path) -> None:
        """See `Engine.write`."""
        folder.mkdir(parents=True)
        columns = ", ".join(_stored(name, kind) for name, kind in dataset.columns.items())
        if dataset.partition is None:
            target = literal(str(folder / "part-0.parquet"))
            self._execute(f"COPY (SELECT {columns} FROM ({sql})) TO {target} ({PARQUET})")
            return
        options = f"{PARQUET}, PARTITION_BY ({dataset.partition}), FILENAME_PATTERN 'part-{{i}}'"
        for partitions, portion in self._portions(sql, dataset.partition, dataset.instant):
            rows = f"SELECT {columns}, {dataset.partition} FROM ({sql}) WHERE {portion}"
            if dataset.order:
                self._write_in_order(rows, dataset, partitions, folder)
            else:
                self._execute(
                    f"COPY ({rows}) TO {literal(str(folder))} ({options}, OVERWRITE_OR_IGNORE)"
                )

    def _write_in_order(
        self, sql: str, dataset: Dataset, partitions: Sequence[str], folder: Path
    ) -> None:
        """Write each partition by itself: a COPY of several keeps no order."""
        name = dataset.partition
        self._execute(f"CREATE TABLE in_order AS {sql} ORDER BY {name}, {dataset.order}")
        for value in partitions:
            target = folder / f"{name}={value}" / "part-0.parquet"
            target.parent.mkdir(exist_ok=True)
            rows = f"SELECT * EXCLUDE ({name}) FROM in_order WHERE {name} = {literal(value)}"
            self._execute(f"COPY ({rows}) TO {literal(str(target))} ({PARQUET})")
        self._execute("DROP TABLE in_order")

    def _portions(
        self, sql: str, partition: str, instant: str | None
    ) -> Iterator[tuple[list[str], str]]:
        """WHERE conditions that split the rows into batches of whole partitions, and these.

        Each batch is small enough for DuckDB to buffer. The conditions also bound the instants,
        so that DuckDB skips the rest of the table.
        """
        bounds = f"min({instant}), max({instant})" if instant else "NULL, NULL"
        counts = self._execute(
            f"SELECT {partition}, count(*), {bounds} FROM ({sql}) GROUP BY 1 ORDER BY 1"
        ).fetchall()
        written = accumulate((rows for _, rows, _, _ in counts), initial=0)
        batches = groupby(counts, lambda _: next(written) // ROWS_WRITTEN_AT_ONCE)
        for batch in (list(group) for _, group in batches):
            partitions = [str(value) for value, *_ in batch]
            portion = f"{partition} BETWEEN '{partitions[0]}' AND '{partitions[-1]}'"
            if instant:
                first, last = min(each[2] for each in batch), max(each[3] for each in batch)
                portion += f" AND {instant} BETWEEN '{first}' AND '{last}'"
            yield partitions, portion

    def struct(self, values: Mapping[str, str]) -> str:
        """See `Engine.struct`."""
        fields = (f"'{name}': {value}" for name, value in values.items())
        return f"{{{', '.join(fields)}}}"

    def _execute(self, sql: str) -> duckdb.DuckDBPyConnection:
        with duckdb_errors():
            return self._connection.execute(sql)


# A cast between the two timestamp types is slow, because it uses a calendar library. So an instant
# goes from one to the other by its microseconds.


def _loaded(name: str, kind: str) -> str:
    """A column of a Parquet file as it is computed with."""
    as_loaded = f'make_timestamp(epoch_us("{name}"))' if kind == "timestamp" else f'"{name}"'
    return f'{as_loaded} AS "{name}"'


def _stored(name: str, kind: str) -> str:
    """A column as it is written to a Parquet file."""
    as_stored = f'make_timestamptz(epoch_us("{name}"))' if kind == "timestamp" else f'"{name}"'
    return f'{as_stored} AS "{name}"'
