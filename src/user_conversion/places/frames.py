"""Tables for Python: what Polars, pandas and DuckDB read through Arrow's interchange."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from user_conversion.places.duckdb_text import parquet_rows

if TYPE_CHECKING:
    import duckdb

TYPES = {"string": "VARCHAR", "timestamp": "TIMESTAMP"}


class Frame:
    """A table: `polars.DataFrame(frame)`, `pandas.DataFrame.from_arrow(frame)`, or
    `duckdb.sql("FROM frame")`. Its rows are read when they are asked for."""

    def __init__(self, relation: duckdb.DuckDBPyRelation) -> None:
        self._relation = relation

    @classmethod
    def of_rows(cls, columns: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> Frame:
        """A small table in memory."""
        import duckdb

        session = duckdb.connect()
        names = ", ".join(f'"{name}" {TYPES.get(kind, kind)}' for name, kind in columns.items())
        session.execute(f"CREATE TABLE rows ({names})")
        values = [list(row) for row in rows]
        if values:
            session.executemany(
                f"INSERT INTO rows VALUES ({', '.join('?' * len(columns))})", values
            )
        return cls(session.table("rows"))

    @classmethod
    def of_parquet(cls, columns: Mapping[str, str], files: Sequence[Path]) -> Frame:
        """The rows of Parquet files in folders named after the value of their partition.

        `columns` are those of the table, the partition the last one.
        """
        if not files:
            return cls.of_rows(columns, ())
        import duckdb

        *_, partition = columns
        names = ", ".join(f'"{name}"' for name in columns)
        session = duckdb.connect()
        # Otherwise instants would have the machine's zone.
        session.execute("SET TimeZone = 'UTC'")
        session.execute(
            f"CREATE TABLE rows AS SELECT {names} FROM {parquet_rows(files, partition)}"
        )
        return cls(session.table("rows"))

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self._relation.columns)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The rows as a stream of Arrow's C data interface."""
        return self._relation.__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        return str(self._relation)
