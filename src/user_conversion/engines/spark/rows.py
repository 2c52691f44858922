"""Parquet files as records. Types whose text in JSON Spark would write otherwise are refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pyspark.sql import Column, DataFrame, DataFrameReader
from pyspark.sql import functions as F  # noqa: N812 - PySpark's own convention

from user_conversion.engines.spark.files import SharedFiles
from user_conversion.engines.spark.record import Record, quoted
from user_conversion.inputs.compression import PARQUET
from user_conversion.inputs.kinds.parquet import columns_of
from user_conversion.inputs.lines import LineFile
from user_conversion.rules.errors import EngineError
from user_conversion.rules.log_format import LogFormat
from user_conversion.rules.paths import FieldPath, folder_values, is_of_folder

TEXTS = {None, "VARCHAR", "BIGINT", "INTEGER"}
# What is put behind the text of an instant.
INSTANTS = {"TIMESTAMP": "", "TIMESTAMP WITH TIME ZONE": "Z"}
# Of the names of columns with texts, so that they are no others.
PREFIX = "text of "
NO_LINE = ("value", None)


class Row(Record):
    """The record in each row of a table with a text in the column of each path."""

    def __init__(self, rows: DataFrame, paths: Sequence[FieldPath]) -> None:
        self.rows, self.is_object = rows, F.lit(True)
        self._texts = {path: F.col(_column(path)) for path in paths}

    def is_text_or_integer(self, path: FieldPath) -> Column:
        """See `Record.is_text_or_integer`."""
        return F.lit(True)


def tables(
    reader: DataFrameReader,
    where: SharedFiles,
    files: Mapping[str, LineFile],
    log_format: LogFormat,
    folder: Path,
) -> Iterator[Row]:
    """The records in the Parquet files among those that were named for a folder.

    Those with the same columns are read together. Raises `EngineError` if they have to be made
    lines.
    """
    groups = defaultdict(list)
    for name, file in files.items():
        if file.compression == PARQUET:
            kinds = _kinds(columns_of(file.path, file.source), log_format)
            values = {"file_kind": file.event} | folder_values(file.source, log_format.paths)
            groups[tuple(kinds.items()), tuple(values.items())].append(name)
    for (columns, others), names in groups.items():
        rows = where.rows(reader, names, folder)
        texts = [_text(key, kind).alias(PREFIX + key) for key, kind in columns]
        found = [F.lit(value).cast("string").alias(name) for name, value in (NO_LINE, *others)]
        yield Row(rows.select("file", *found, *texts), log_format.paths)


def _kinds(columns: Mapping[str, str], log_format: LogFormat) -> dict[str, str | None]:
    """The type of the column of each path. Raises `EngineError` if a text would be another."""
    paths = [path for path in log_format.paths if not is_of_folder(path)]
    kinds = {str(path[0]): columns.get(str(path[0])) for path in paths}
    times = () if log_format.input.timestamp else log_format.fields["timestamp"]
    for path in paths:
        kind = kinds[str(path[0])]
        is_time = path in times and paths.count(path) == 1
        allowed = TEXTS | INSTANTS.keys() if is_time else TEXTS
        if len(path) > 1 or path == ("file",) or kind not in allowed:
            raise EngineError(PARQUET)
    return kinds


def _text(key: str, kind: str | None) -> Column:
    """The column of a key as the text that it would have in JSON."""
    if kind is None:
        return F.lit(None).cast("string")
    text, zone = F.col(quoted(key)).cast("string"), INSTANTS.get(kind)
    return F.concat(text, F.lit(zone)) if zone else text


def _column(path: FieldPath) -> str:
    return quoted(str(path[0]) if is_of_folder(path) else PREFIX + str(path[0]))
