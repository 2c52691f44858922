"""Other programs that read a dataset, each with the partition as a column.

A reader gets the folder `format=parquet` and gives the rows by column name. Values are as the
program gives them; `plain` makes them comparable.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

Rows = list[dict[str, Any]]


def duckdb_rows(folder: Path) -> Rows:
    import duckdb

    with duckdb.connect() as session:
        session.execute("SET TimeZone = 'UTC'")
        rows = session.execute(
            f"SELECT * EXCLUDE format FROM read_parquet('{folder}/**/*.parquet')"
        )
        names = [column[0] for column in rows.description]
        return [dict(zip(names, row, strict=True)) for row in rows.fetchall()]


def polars_rows(folder: Path) -> Rows:
    import polars

    return polars.scan_parquet(folder, hive_partitioning=True).collect().to_dicts()


def pyarrow_rows(folder: Path) -> Rows:
    import pyarrow.dataset

    return pyarrow.dataset.dataset(folder, partitioning="hive").to_table().to_pylist()


def clickhouse_rows(folder: Path) -> Rows:
    import chdb

    is_partitioned = any(path.is_dir() for path in folder.iterdir())
    files = folder / ("*/*.parquet" if is_partitioned else "*.parquet")
    table = chdb.query(f"SELECT * EXCEPT format FROM file('{files}', Parquet)", "ArrowTable")
    return table.to_pylist()  # type: ignore[no-any-return]


def spark_rows(folder: Path) -> Rows:
    """On the session of the tests."""
    from pyspark.sql import SparkSession

    rows = SparkSession.builder.getOrCreate().read.parquet(str(folder))
    return [row.asDict() for row in rows.collect()]


READERS: dict[str, Callable[[Path], Rows]] = {
    "duckdb": duckdb_rows,
    "polars": polars_rows,
    "pyarrow": pyarrow_rows,
    "clickhouse": clickhouse_rows,
    "spark": spark_rows,
}


def plain(value: Any) -> Any:
    """Instants and days as text. Spark's instants are in the zone of the tests, which is UTC."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat()
    return str(value) if isinstance(value, date) else value
