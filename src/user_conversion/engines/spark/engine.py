"""Spark as an engine: reading, writing, named tables.

No Python runs on the executors. Input and output must be on a file system that the driver and all
executors see at the same path, or the output in a store that they reach.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from functools import reduce
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from user_conversion.engines.base import Engine, EngineOptions
from user_conversion.engines.lines import NewTables
from user_conversion.engines.spark.errors import translated
from user_conversion.engines.spark.files import (
    Objects,
    SharedFiles,
    escaped,
    require_readable,
)
from user_conversion.engines.spark.session import open_session
from user_conversion.inputs.compression import PARQUET
from user_conversion.inputs.lines import LineFile
from user_conversion.places.footers import require_columns
from user_conversion.rules.counts import LineCount
from user_conversion.rules.datasets import REJECTED_EVENTS, Columns, Dataset
from user_conversion.rules.errors import DatasetError, EngineError, UserConversionError
from user_conversion.rules.log_format import LogFormat
from user_conversion.rules.paths import folder_values
from user_conversion.rules.rejected import Reason

if TYPE_CHECKING:
    from user_conversion.engines.spark.record import Record

# The columns of the table of files; those of folders follow.
SOURCES = {"file": "string", "source": "string", "file_kind": "string"}


class SparkEngine(Engine):
    """See `base.Engine`."""

    quotation_mark = "`"

    def __init__(self, options: EngineOptions, scratch: Path | None = None) -> None:
        self._stack = ExitStack()
        self._scratch = scratch or Path(self._stack.enter_context(TemporaryDirectory()))
        self._files = Objects(options.remote) if options.remote else SharedFiles()
        self._spark, stop = open_session(options, self._scratch)
        self._stack.callback(stop)

    def close(self) -> None:
        """See `Engine.close`."""
        with suppress(EngineError), self._errors():
            self._stack.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Errors of Spark as ours."""
        try:
            yield
        except UserConversionError:
            raise
        except Exception as error:
            if isinstance(error, OSError) and not isinstance(error, ConnectionError):
                raise
            raise translated(error, self._scratch) from None

    def versions(self) -> dict[str, str]:
        """See `Engine.versions`."""
        return {"spark": self._spark.version}

    def read_events(
        self, files: Sequence[LineFile], log_format: LogFormat, latest: datetime, name: str = "new"
    ) -> list[LineCount]:
        """See `Engine.read_events`."""
        # It imports PySpark, whose absence is reported by `open_session`.
        from user_conversion.engines.spark.lines import read_records

        try:
            with self._errors():
                records, places = self._records(files, log_format, name)
                parsed = [read_records(each, log_format, latest) for each in records]
                self._keep(f"{name}_lines", reduce(lambda some, more: some.union(more), parsed))
        except (EngineError, DatasetError) as error:
            require_readable(files)
            if any(file.compression == PARQUET for file in files):
                raise EngineError(PARQUET) from error  # so that they are made lines
            raise
        self._name_new_tables(log_format, name)
        counted = self.rows(
            "SELECT file, verdict, CAST(time AS DATE) AS day, count(*) AS lines "
            f"FROM {name}_lines GROUP BY file, verdict, CAST(time AS DATE)"
        )
        counts = [
            LineCount(places[row["file"]], row["verdict"], row["day"], row["lines"])
            for row in counted
        ]
        if any(files[c.file].compression == PARQUET and c.verdict in {*Reason} for c in counts):
            raise EngineError(PARQUET)  # so that they are made lines and read again
        return counts

    def _records(
        self, files: Sequence[LineFile], log_format: LogFormat, name: str
    ) -> tuple[list[Record], dict[str, int]]:
        """The records in files, with a name of the file and the kind of event it holds.

        The second value has the places of the files by these names.

        Columns named after first steps of paths have the values of folders.
        """
        from user_conversion.engines.spark.record import Record
        from user_conversion.engines.spark.rows import tables

        folder = self._scratch / f"lines-{secrets.token_hex(4)}"
        places = self._files.name(files, folder)
        found = {name: files[place] for name, place in places.items()}
        columns = SOURCES | dict.fromkeys(folder_values("", log_format.paths), "string")
        rows = [
            (link, file.source, file.event, *folder_values(file.source, log_format.paths).values())
            for link, file in found.items()
        ]
        self.create_table(f"{name}_sources", columns, rows)
        texts = [link for link, file in found.items() if file.compression != PARQUET]
        records: list[Record] = list(
            tables(self._spark.read, self._files, found, log_format, folder)
        )
        if texts:
            reader = self._spark.read.option("lineSep", "\n")
            lines = self._files.lines(reader, texts, folder)
            if any(file.event for file in files) or len(columns) > len(SOURCES):
                lines = lines.join(self._spark.table(f"{name}_sources").drop("source"), "file")
            else:
                lines = lines.selectExpr("*", "CAST(NULL AS STRING) AS file_kind")
            records.append(Record(lines, log_format.paths))
        if not records:
            self.create_table("no_lines", {"value": "string"} | columns, [])
            records.append(Record(self._spark.table("no_lines"), log_format.paths))
        return records, places

    def _name_new_tables(self, log_format: LogFormat, name: str) -> None:
        new = NewTables(self, log_format, name)
        for kind in log_format.kinds:
            new.add_parsed(kind, "verdict", f"{name}_lines WHERE verdict = '{kind}'")
        new.add(
            REJECTED_EVENTS,
            "SELECT source, CAST(NULL AS BIGINT) AS line_number, verdict AS reason, raw "
            f"FROM {name}_lines JOIN {name}_sources USING (file) WHERE raw IS NOT NULL",
        )
        new.publish()

    def read_parquet(
        self, table: str, columns: Columns, files: Sequence[Path], partition: str | None = None
    ) -> None:
        """See `Engine.read_parquet`."""
        if not files:
            self.create_table(table, columns | ({partition: "string"} if partition else {}), [])
            return
        require_columns(table, columns, files)
        with self._errors():
            schema = ", ".join(f"{self.quoted(name)} {kind}" for name, kind in columns.items())
            rows = self._spark.read.schema(schema).parquet(*map(self._pattern, files))
            if partition:
                # Staged and published files have no base path in common, as Spark would need.
                of_name = rf"regexp_extract(_metadata.file_path, '/{partition}=([^/]*)/[^/]*$', 1)"
                rows = rows.selectExpr("*", f"{of_name} AS {partition}")
            rows.createOrReplaceTempView(table)

    def create_table(self, table: str, columns: Columns, rows: Iterable[Sequence[Any]]) -> None:
        """See `Engine.create_table`."""
        from user_conversion.engines.spark.small_tables import small_table

        with self._errors():
            small_table(self._spark, columns, rows).createOrReplaceTempView(table)

    def materialize(self, table: str, sql: str) -> None:
        """See `Engine.materialize`."""
        with self._errors():
            self._keep(table, self._spark.sql(sql))

    def _keep(self, table: str, rows: Any) -> None:
        """Compute rows once and keep them as a table.

        As files, not in Spark's cache: they take no memory, and a lost executor loses nothing.
        """
        kept = self._scratch / f"{table}-{secrets.token_hex(4)}"
        self._write(rows, kept)
        again = self._spark.read.schema(rows.schema).parquet(self._pattern(kept))
        again.createOrReplaceTempView(table)

    def _write(self, rows: Any, folder: Path, *partition: str) -> None:
        writer = rows.write.options(**self._files.write_options).partitionBy(*partition)
        writer.parquet(self._files.uri(folder), compression="snappy")

    def _pattern(self, path: Path) -> str:
        return escaped(self._files.uri(path))

    def create_view(self, table: str, sql: str) -> None:
        """See `Engine.create_view`."""
        with self._errors():
            self._spark.sql(sql).createOrReplaceTempView(table)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """See `Engine.rows`."""
        with self._errors():
            rows = self._spark.sql(sql)
            # Python would see an instant in the zone of its own machine.
            columns = [
                f"CAST(`{name}` AS TIMESTAMP_NTZ) AS `{name}`"
                if kind == "timestamp"
                else f"`{name}`"
                for name, kind in rows.dtypes
            ]
            return [row.asDict() for row in rows.selectExpr(*columns).collect()]

    def write(self, sql: str, dataset: Dataset, folder: Path) -> None:
        """See `Engine.write`."""
        written = self._scratch / f"written-{secrets.token_hex(4)}"
        partition = [dataset.partition] if dataset.partition else []
        columns = ", ".join(map(self.quoted, [*dataset.columns, *partition]))
        # Each partition by one task, unless it is so big that several share it.
        by = f"({self.quoted(dataset.partition)})" if dataset.partition else ""
        with self._errors():
            rows = self._spark.sql(f"SELECT /*+ REBALANCE{by} */ {columns} FROM ({sql})")
            if dataset.order:
                rows = rows.sortWithinPartitions(*partition, dataset.order)
            self._write(rows, written, *partition)
        self._files.move(written, folder)

    def struct(self, values: Mapping[str, str]) -> str:
        """See `Engine.struct`."""
        fields = (f"'{name}', {value}" for name, value in values.items())
        return f"named_struct({', '.join(fields)})"
