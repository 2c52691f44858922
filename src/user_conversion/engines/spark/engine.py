"""Spark as an engine: reading, writing, named tables.

No Python runs on the executors. Input and output must be on a file system that the driver and all
executors see at the same path.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from user_conversion.datasets import Columns, Dataset
from user_conversion.engines.spark.errors import spark_errors
from user_conversion.engines.spark.java import free_files
from user_conversion.engines.spark.session import open_session
from user_conversion.errors import EngineError, OutputError
from user_conversion.events import EventCounts
from user_conversion.inputs.files import InputFile
from user_conversion.inputs.lines import LineFile, count_lines
from user_conversion.log_format import APP_LOADED, REGISTERED, LogFormat
from user_conversion.parquet import require_columns

if TYPE_CHECKING:
    from user_conversion.settings import Settings

WRITE_OPTIONS = {
    "mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
    # Hadoop's usual local file system puts a checksum file beside each file, and starts a process,
    # chmod, for each of them: most of the time that hundreds of small files take.
    "fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
    "fs.file.impl.disable.cache": "true",
}
ENDINGS = {"none": ".json", "gzip": ".json.gz"}


class SparkEngine:
    """See `base.Engine`."""

    name = "spark"
    dialect = "spark"

    def __init__(self, settings: Settings, scratch: Path | None = None) -> None:
        self._stack = ExitStack()
        self._scratch = scratch or Path(self._stack.enter_context(TemporaryDirectory()))
        self._spark, stop = open_session(settings, self._scratch)
        self._stack.callback(stop)

    def __enter__(self) -> SparkEngine:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(EngineError), self._errors():
            self._stack.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            with spark_errors(self._scratch):
                yield
        except OutputError:
            free_files(self._spark)
            raise

    def versions(self) -> dict[str, str]:
        """See `Engine.versions`."""
        return {"spark": self._spark.version}

    def read_events(
        self, files: Sequence[LineFile], log_format: LogFormat, latest: datetime
    ) -> EventCounts:
        """See `Engine.read_events`."""
        # It imports PySpark, whose absence is reported by `open_session`.
        from user_conversion.engines.spark.lines import read_lines

        try:
            with self._errors():
                rows = read_lines(self._lines(files), log_format, latest)
                self._keep("parsed_lines", rows)
        except EngineError:
            _require_readable(files)
            raise
        self._name_new_tables(log_format)
        counted = self.rows("SELECT verdict, count(*) AS lines FROM parsed_lines GROUP BY verdict")
        verdicts = {row["verdict"]: row["lines"] for row in counted}
        return EventCounts.of(sum(verdicts.values()), verdicts)

    def _lines(self, files: Sequence[LineFile]) -> Any:
        """The lines of files, with the link they are read from and the kind of event they hold."""
        links = self._linked([file for file in files if file.size])
        columns = {"file": "string", "source": "string", "file_kind": "string"}
        rows = [(link, file.source, file.event) for link, file in links.items()]
        self.create_table("sources", columns, rows)
        if not links:
            empty = {"value": "string", "file": "string", "file_kind": "string"}
            self.create_table("no_lines", empty, [])
            return self._spark.table("no_lines")
        text = self._spark.read.option("lineSep", "\n").text(_pattern(self._scratch / "lines"))
        # Spark on Java only: other servers do not know `_metadata`.
        named = text.selectExpr("value", "_metadata.file_name AS file")
        if any(file.event for file in files):
            return named.join(self._spark.table("sources").select("file", "file_kind"), "file")
        return named.selectExpr("*", "CAST(NULL AS STRING) AS file_kind")

    def _linked(self, files: Sequence[LineFile]) -> dict[str, LineFile]:
        """The files by the names of links to them, which Spark reads literally.

        Spark skips names that begin with `_` or `.`, takes others for patterns, and decompresses
        by the ending.
        """
        folder = self._scratch / "lines"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        links = {}
        for number, file in enumerate(files):
            link = folder / f"{number:08}{ENDINGS[file.compression]}"
            link.symlink_to(file.path.absolute())
            links[link.name] = file
        return links

    def _name_new_tables(self, log_format: LogFormat) -> None:
        attributes = ", ".join(
            f"attribute_{number} AS {self.quoted(name)}"
            for number, name in enumerate(log_format.attributes)
        )
        for table, event, columns in (
            ("new_user_registration", REGISTERED, attributes),
            ("new_app_loaded", APP_LOADED, "device_type"),
        ):
            self.create_view(
                table,
                f"SELECT verdict AS event, time, initiator_id, {columns} FROM parsed_lines "
                f"WHERE verdict = '{event}'",
            )
        self.create_view(
            "new_rejected_events",
            "SELECT source, CAST(NULL AS BIGINT) AS line_number, verdict AS reason, raw "
            "FROM parsed_lines JOIN sources USING (file)",
        )

    def read_parquet(self, table: str, columns: Columns, files: Sequence[Path]) -> None:
        """See `Engine.read_parquet`."""
        if not files:
            self.create_table(table, columns, [])
            return
        require_columns(table, columns, files)
        with self._errors():
            schema = ", ".join(f"{self.quoted(name)} {kind}" for name, kind in columns.items())
            rows = self._spark.read.schema(schema).parquet(*map(_pattern, files))
            rows.createOrReplaceTempView(table)

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
        with self._errors():
            self._keep(table, self._spark.sql(sql))

    def _keep(self, table: str, rows: Any) -> None:
        """Compute rows once and keep them as a table.

        As files, not in Spark's cache: they take no memory, and a lost executor loses nothing.
        """
        kept = self._scratch / f"{table}-{secrets.token_hex(4)}"
        rows.write.options(**WRITE_OPTIONS).parquet(_uri(kept))
        again = self._spark.read.schema(rows.schema).parquet(_pattern(kept))
        again.createOrReplaceTempView(table)

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
        columns = ", ".join(f"`{name}`" for name in dataset.columns)
        with self._errors():
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

    def quoted(self, column: str) -> str:
        """See `Engine.quoted`."""
        return f"`{column}`"

    def struct(self, values: Mapping[str, str]) -> str:
        """See `Engine.struct`."""
        fields = (f"'{name}', {value}" for name, value in values.items())
        return f"named_struct({', '.join(fields)})"


def _move(written: Path, folder: Path) -> None:
    """Take over the data files of a Spark write, under names that do not change with each run."""
    folder.mkdir(parents=True)
    for here in [written, *(path for path in written.iterdir() if path.is_dir())]:
        target = folder / here.relative_to(written)
        target.mkdir(exist_ok=True)
        for number, file in enumerate(sorted(here.glob("part-*.parquet"))):
            # The scratch folder may lie on another file system.
            shutil.move(file, target / f"part-{number}.parquet")


def _require_readable(files: Sequence[LineFile]) -> None:
    """Raise an error with the name of a file that cannot be read: Spark does not name it."""
    for file in files:
        if file.compression != "none":
            count_lines([file])
        InputFile.at(file.path)


def _uri(path: Path) -> str:
    """A local path as Spark writes to it."""
    return f"file:{path.absolute()}"


def _pattern(path: Path) -> str:
    """A pattern that matches this path alone, as Spark reads from it."""
    return re.sub(r"[\\{}\[\]*?]", r"\\\g<0>", _uri(path))


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
