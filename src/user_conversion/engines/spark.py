"""The distributed engine: Spark, on this machine or on a cluster.

Nothing here runs Python on the executors. Input and output must lie on a file system that the
driver and all executors see at the same path.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from user_conversion import events
from user_conversion.datasets import Columns, Dataset
from user_conversion.engines import EventCounts
from user_conversion.engines.spark_errors import first_line, spark_errors
from user_conversion.engines.spark_events import BLANK, OTHER, parsed_lines
from user_conversion.engines.spark_session import open_session
from user_conversion.errors import DatasetError, EngineError, InputError
from user_conversion.events import Reason
from user_conversion.inputs import InputFile
from user_conversion.settings import EngineSettings

WRITE_OPTIONS = {
    # Files go straight to their place: the whole folder is not published until it is complete.
    "mapreduce.fileoutputcommitter.algorithm.version": "2",
    "mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
}


class SparkEngine:
    """Spark as an `Engine`."""

    name = "spark"
    dialect = "spark"

    def __init__(self, settings: EngineSettings) -> None:
        self._stack = ExitStack()
        self._scratch = settings.scratch or Path(self._stack.enter_context(TemporaryDirectory()))
        self._spark, stop = open_session(settings)
        self._stack.callback(stop)

    def __enter__(self) -> SparkEngine:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(EngineError), spark_errors():
            self._stack.close()

    def versions(self) -> dict[str, str]:
        """The version of Spark."""
        return {"spark": self._spark.version}

    def read_events(
        self, files: Sequence[InputFile], attributes: Sequence[str], latest: datetime
    ) -> EventCounts:
        """See `Engine.read_events`."""
        links = self._linked([file for file in files if file.size])
        with spark_errors(links):
            self._name_lines(links)
            self.materialize("parsed_lines", parsed_lines("raw_lines", attributes, latest))
            found = {
                row["verdict"]: row["lines"]
                for row in self.rows(
                    "SELECT verdict, count(*) AS lines FROM parsed_lines GROUP BY verdict"
                )
            }
        for file in files:
            if not file.is_unchanged():
                raise InputError(f"'{file.path}' was written to while it was read; run again.")
        self._name_new_tables(attributes, links)
        return EventCounts(
            lines=sum(found.values()),
            registered=found.get(events.REGISTERED, 0),
            app_loaded=found.get(events.APP_LOADED, 0),
            other=found.get(OTHER, 0),
            blank=found.get(BLANK, 0),
            rejected_by_reason={
                str(reason): found[reason] for reason in sorted(Reason) if reason in found
            },
        )

    def _linked(self, files: Sequence[InputFile]) -> dict[str, Path]:
        """The inputs by the names of links to them, which hold nothing that Spark takes amiss.

        Spark passes over files that begin with `_` or `.`, sees patterns in names, and unpacks
        what it knows the ending of.
        """
        folder = self._scratch / "lines"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        links = {}
        for number, file in enumerate(files):
            name = file.path.name.lower()
            if name.endswith(".zst"):
                raise InputError(
                    f"Spark cannot read '{file.path}': unpack it with zstd -d, or use "
                    "--engine duckdb."
                )
            link = f"{number:08}.json" + (".gz" if name.endswith(".gz") else "")
            (folder / link).symlink_to(file.path.absolute())
            links[link] = file.path
        return links

    def _name_lines(self, links: dict[str, Path]) -> None:
        if not links:
            self.create_table("raw_lines", {"value": "string", "file": "string"}, [])
            return
        lines = self._spark.read.option("lineSep", "\n").text(_uri(self._scratch / "lines"))
        lines.selectExpr("value", "_metadata.file_name AS file").createOrReplaceTempView(
            "raw_lines"
        )

    def _name_new_tables(self, attributes: Sequence[str], links: dict[str, Path]) -> None:
        names = ", ".join(f"`{name}`" for name in attributes)
        for table, event, columns in (
            ("new_user_registration", events.REGISTERED, names),
            ("new_app_loaded", events.APP_LOADED, "device_type"),
        ):
            self.create_view(
                table,
                f"SELECT verdict AS event, time, initiator_id, {columns} "
                f"FROM parsed_lines WHERE verdict = '{event}'",
            )
        paths = [(link, str(path)) for link, path in links.items()]
        self.create_table("sources", {"file": "string", "source": "string"}, paths)
        self.create_view(
            "new_rejected_events",
            "SELECT source, CAST(NULL AS BIGINT) AS line_number, verdict AS reason, raw "
            "FROM parsed_lines JOIN sources USING (file)",
        )

    def read_parquet(
        self, table: str, columns: Columns, files: Sequence[Path], until: datetime | None = None
    ) -> None:
        """See `Engine.read_parquet`."""
        if not files:
            self.create_table(table, columns, [])
            return
        self._check_columns(table, columns, files[0])
        with spark_errors():
            schema = ", ".join(f"`{name}` {kind}" for name, kind in columns.items())
            rows = self._spark.read.schema(schema).parquet(*map(_uri, files))
            if until:
                rows = rows.where(f"time < {_literal(until.astimezone(UTC), 'timestamp')}")
            rows.createOrReplaceTempView(table)

    def _check_columns(self, table: str, columns: Columns, file: Path) -> None:
        try:
            fields = self._spark.read.parquet(_uri(file)).schema.fields
        except Exception as error:
            raise DatasetError(
                f"The Parquet of {table} cannot be read ({first_line(error)}); "
                "run events-split --full-refresh."
            ) from None
        there = {field.name: field.dataType.simpleString() for field in fields}
        for name, kind in columns.items():
            if there.get(name) != kind:
                raise DatasetError(
                    f"The Parquet of {table} must have a column {name} ({kind}) but has "
                    f"{there.get(name, 'none')}; run events-split --full-refresh."
                )

    def create_table(self, table: str, columns: Columns, rows: Iterable[Sequence[Any]]) -> None:
        """See `Engine.create_table`."""
        kinds = list(columns.values())
        tuples = [
            ", ".join(_literal(value, kind) for value, kind in zip(row, kinds, strict=True))
            for row in rows
        ]
        empty = ", ".join(_literal(None, kind) for kind in kinds)
        names = ", ".join(f"`{name}`" for name in columns)
        values = ", ".join(f"({values})" for values in tuples or [empty])
        where = "" if tuples else "WHERE false"
        self.create_view(table, f"SELECT * FROM VALUES {values} AS t({names}) {where}")

    def materialize(self, table: str, sql: str) -> None:
        """See `Engine.materialize`."""
        # As files, not in Spark's cache: they take no memory, and a lost executor loses nothing.
        kept = self._scratch / f"{table}-{secrets.token_hex(4)}"
        with spark_errors():
            rows = self._spark.sql(sql)
            rows.write.options(**WRITE_OPTIONS).parquet(_uri(kept))
            self._spark.read.schema(rows.schema).parquet(_uri(kept)).createOrReplaceTempView(table)

    def create_view(self, table: str, sql: str) -> None:
        """See `Engine.create_view`."""
        with spark_errors():
            self._spark.sql(sql).createOrReplaceTempView(table)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """See `Engine.rows`."""
        with spark_errors():
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
        columns = ", ".join(f"`{name}`" for name in dataset.columns)
        with spark_errors():
            if dataset.partition:
                # Each partition by one task, unless it is so big that several share it.
                columns = (
                    f"/*+ REBALANCE(`{dataset.partition}`) */ {columns}, `{dataset.partition}`"
                )
            else:
                columns = f"/*+ REBALANCE */ {columns}"
            writer = self._spark.sql(f"SELECT {columns} FROM ({sql})").write.options(
                **WRITE_OPTIONS
            )
            if dataset.partition:
                writer = writer.partitionBy(dataset.partition)
            writer.parquet(_uri(written))
        _move(written, folder)
        shutil.rmtree(written)


def _move(written: Path, folder: Path) -> None:
    """Take over the data files of a Spark write, under names that do not change with each run."""
    folder.mkdir(parents=True)
    for here in [written, *(path for path in written.iterdir() if path.is_dir())]:
        target = folder / here.relative_to(written)
        target.mkdir(exist_ok=True)
        for number, file in enumerate(sorted(here.glob("part-*.parquet"))):
            # The scratch folder may lie on another file system.
            shutil.move(file, target / f"part-{number}.parquet")


def _uri(path: Path) -> str:
    """A local path as Spark takes it: no pattern in it, whatever its characters."""
    return "file:" + "".join(f"\\{c}" if c in "\\{}[]*?" else c for c in str(path.absolute()))


def _literal(value: Any, kind: str) -> str:
    """A value as SQL text; strings as hexadecimal digits, so that none can end the literal."""
    if value is None:
        return f"CAST(NULL AS {kind})"
    if kind == "string":
        return f"CAST(X'{str(value).encode(errors='replace').hex()}' AS STRING)"
    if kind == "timestamp":
        assert isinstance(value, datetime)
        return f"TIMESTAMP '{value.replace(tzinfo=None).isoformat(' ')}'"
    if kind == "date":
        assert isinstance(value, date)
        return f"DATE '{value.isoformat()}'"
    return (
        f"CAST({value} AS {kind})"
        if isinstance(value, int)
        else f"CAST('{float(value)}' AS {kind})"
    )
