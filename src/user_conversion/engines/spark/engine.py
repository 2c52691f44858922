"""The distributed engine: Spark, on this machine or on a cluster.

Nothing here runs Python on the executors. Input and output must lie on a file system that the
driver and all executors see at the same path.
"""

from __future__ import annotations

import gzip
import re
import secrets
import shutil
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from user_conversion import events, inputs
from user_conversion.datasets import Columns, Dataset
from user_conversion.engines import EventCounts
from user_conversion.engines.duckdb_schema import require_columns
from user_conversion.engines.spark_errors import spark_errors
from user_conversion.engines.spark_events import (
    BLANK,
    OTHER,
    first_look,
    second_look,
    text_column,
)
from user_conversion.engines.spark_session import free_files, open_session
from user_conversion.errors import EngineError, InputError, OutputError
from user_conversion.events import Reason
from user_conversion.inputs import InputFile
from user_conversion.settings import EngineSettings

WRITE_OPTIONS = {
    "mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
    # Hadoop's usual local file system puts a checksum file beside each file, and starts a process,
    # chmod, for either: most of the time that hundreds of small files take.
    "fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
    "fs.file.impl.disable.cache": "true",
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
        """The version of Spark."""
        return {"spark": self._spark.version}

    def read_events(
        self, files: Sequence[InputFile], attributes: Sequence[str], latest: datetime
    ) -> EventCounts:
        """See `Engine.read_events`."""
        found = self._look_at_lines(files, attributes, latest)
        for file in files:
            if not file.is_unchanged():
                raise InputError(f"'{file.path}' was written to while it was read; run again.")
        self._name_new_tables(attributes)
        return EventCounts(
            lines=found.total(),
            registered=found[events.REGISTERED],
            app_loaded=found[events.APP_LOADED],
            other=found[OTHER],
            blank=found[BLANK],
            rejected_by_reason={
                str(reason): found[reason] for reason in sorted(Reason) if found[reason]
            },
        )

    def _look_at_lines(
        self, files: Sequence[InputFile], attributes: Sequence[str], latest: datetime
    ) -> Counter[str]:
        """Make the tables first_look and second_look; how many lines got which verdict."""
        self._name_lines(files)
        try:
            self.materialize("first_look", first_look("raw_lines", attributes, latest))
        except EngineError:
            _require_readable(files)
            raise
        found = self._verdicts("first_look")
        if found.pop(None, 0):
            self.create_view(
                "lines_in_doubt", "SELECT file, raw AS value FROM first_look WHERE verdict IS NULL"
            )
            self.materialize("second_look", second_look("lines_in_doubt", attributes, latest))
            found += self._verdicts("second_look")
        else:
            self.create_view("second_look", "SELECT * FROM first_look WHERE false")
        return found

    def _verdicts(self, look: str) -> Counter[Any]:
        rows = self.rows(f"SELECT verdict, count(*) AS lines FROM {look} GROUP BY verdict")
        return Counter({row["verdict"]: row["lines"] for row in rows})

    def _name_lines(self, files: Sequence[InputFile]) -> None:
        """Name the lines of all files, and the files, as tables."""
        links = self._linked([file for file in files if file.size])
        paths = [(link, str(path)) for link, path in links.items()]
        self.create_table("sources", {"file": "string", "source": "string"}, paths)
        if not links:
            self.create_table("raw_lines", {"value": "string", "file": "string"}, [])
            return
        with self._errors():
            lines = self._spark.read.option("lineSep", "\n").text(_pattern(self._lines))
            named = lines.selectExpr("value", "_metadata.file_name AS file")
            named.createOrReplaceTempView("raw_lines")

    def _linked(self, files: Sequence[InputFile]) -> dict[str, Path]:
        """The inputs by the names of links to them, which hold nothing that Spark takes amiss.

        Spark passes over files that begin with `_` or `.`, sees patterns in names, and unpacks
        what it knows the ending of.
        """
        shutil.rmtree(self._lines, ignore_errors=True)
        self._lines.mkdir(parents=True)
        links = {}
        for number, file in enumerate(files):
            name = file.path.name.lower()
            if name.endswith(".zst"):
                raise InputError(
                    f"Spark cannot read '{file.path}': unpack it with zstd -d, or use "
                    "--engine duckdb."
                )
            link = self._lines / (f"{number:08}.json" + (".gz" if name.endswith(".gz") else ""))
            if _begins_with_two_marks(file.path):
                _copy_with_another_mark(file.path, link)
            else:
                link.symlink_to(file.path.absolute())
            links[link.name] = file.path
        return links

    @property
    def _lines(self) -> Path:
        return self._scratch / "lines"

    def _name_new_tables(self, attributes: Sequence[str]) -> None:
        names = (f"{text_column(number)} AS `{name}`" for number, name in enumerate(attributes))
        looks = "(SELECT * FROM first_look UNION ALL SELECT * FROM second_look)"
        for table, event, texts in (
            ("new_user_registration", events.REGISTERED, ", ".join(names)),
            ("new_app_loaded", events.APP_LOADED, f"{text_column(0)} AS device_type"),
        ):
            self.create_view(
                table,
                f"SELECT verdict AS event, time, initiator_id, {texts} "
                f"FROM {looks} WHERE verdict = '{event}'",
            )
        self.create_view(
            "new_rejected_events",
            "SELECT source, CAST(NULL AS BIGINT) AS line_number, verdict AS reason, raw "
            "FROM second_look JOIN sources USING (file)",
        )

    def read_parquet(
        self, table: str, columns: Columns, files: Sequence[Path], until: datetime | None = None
    ) -> None:
        """See `Engine.read_parquet`."""
        if not files:
            self.create_table(table, columns, [])
            return
        require_columns(table, columns, files)
        with self._errors():
            schema = ", ".join(f"`{name}` {kind}" for name, kind in columns.items())
            rows = self._spark.read.schema(schema).parquet(*map(_pattern, files))
            if until:
                rows = rows.where(f"time < {_literal(until.astimezone(UTC), 'timestamp')}")
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
        # As files, not in Spark's cache: they take no memory, and a lost executor loses nothing.
        kept = self._scratch / f"{table}-{secrets.token_hex(4)}"
        with self._errors():
            rows = self._spark.sql(sql)
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


def _move(written: Path, folder: Path) -> None:
    """Take over the data files of a Spark write, under names that do not change with each run."""
    folder.mkdir(parents=True)
    for here in [written, *(path for path in written.iterdir() if path.is_dir())]:
        target = folder / here.relative_to(written)
        target.mkdir(exist_ok=True)
        for number, file in enumerate(sorted(here.glob("part-*.parquet"))):
            # The scratch folder may lie on another file system.
            shutil.move(file, target / f"part-{number}.parquet")


def _require_readable(files: Sequence[InputFile]) -> None:
    """Say which file cannot be read, if that is why Spark gave up: it does not name it."""
    for file in files:
        if file.path.suffix.lower() == ".gz":
            inputs.count_lines([file])
        InputFile.at(file.path)


def _begins_with_two_marks(path: Path) -> bool:
    open_file = gzip.open if path.suffix.lower() == ".gz" else open
    # What is wrong with the file is for Spark to find.
    with suppress(OSError, EOFError, zlib.error), open_file(path, "rb") as file:
        return bool(file.read(2 * len(events.BOM)) == 2 * events.BOM)
    return False


def _copy_with_another_mark(path: Path, copy: Path) -> None:
    """Spark takes one byte order mark off a file, and one is what a line may begin with."""
    mark = gzip.compress(events.BOM) if copy.suffix == ".gz" else events.BOM
    with path.open("rb") as file, copy.open("wb") as copied:
        copied.write(mark)
        shutil.copyfileobj(file, copied)


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
