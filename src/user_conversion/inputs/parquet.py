"""Parquet files, read by column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from user_conversion.inputs.content import NotALogError, Sample, Wanted
from user_conversion.places.duckdb_text import literal, path_literal

MAGIC = b"PAR1"


@dataclass(frozen=True)
class Parquet:
    """A file of which each row is a record."""

    name: str = "Parquet"

    def write_lines(self, path: Path, target: Path, source: str, wanted: Wanted) -> None:
        """See `Kind`. Instants are written in UTC, dates as their midnight."""
        from user_conversion.inputs import duckdb_reader

        # Folders such as `day=2020-01-01` are no columns.
        table = f"read_parquet({path_literal(path)}, hive_partitioning = false)"
        rows = duckdb_reader.rows_of(f"DESCRIBE FROM {table}", source)
        columns = {name: kind for name, kind, *_ in rows}
        if missing := wanted.missing(columns):
            raise NotALogError(source, f"Parquet without a column for {missing}")
        members = ", ".join(_members(columns, wanted))
        query = f"SELECT json_object({members}) FROM {table} LIMIT {wanted.limit or 'ALL'}"
        duckdb_reader.write_lines(query, target, source)


def recognise(sample: Sample, wanted: Wanted) -> Parquet | None:
    """Whether a file is Parquet."""
    return Parquet() if sample.data.startswith(MAGIC) else None


def _members(columns: dict[str, str], wanted: Wanted) -> Iterator[str]:
    """The keys and values of a record, in SQL."""
    for name, kind in columns.items():
        column = '"' + name.replace('"', '""') + '"'
        if kind == "BLOB":
            column, kind = _text_of(column), "VARCHAR"
        if kind == "DATE":
            yield f"{literal(name)}, CAST({column} AS TIMESTAMP)"
        elif kind == "VARCHAR" and wanted.is_nested(name):
            yield (
                f"{literal(name)}, CASE WHEN json_valid({column}) AND json_type({column}) IN "
                f"('OBJECT', 'ARRAY') THEN CAST({column} AS JSON) ELSE to_json({column}) END"
            )
        elif wanted.is_wanted(name):
            yield f"{literal(name)}, {column}"


def _text_of(column: str) -> str:
    """Bytes as text, in SQL: some tools write text so. Others, such as a UUID, as their digits."""
    text = f"TRY(decode({column}))"
    is_text = f"NOT regexp_matches({text}, '[\\x00-\\x08]')"
    return f"coalesce(CASE WHEN {is_text} THEN {text} END, lower(hex({column})))"
