"""Rows in memory as a DataFrame."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - PySpark's own convention

from user_conversion.engines.spark.record import quoted
from user_conversion.rules.datasets import Columns
from user_conversion.rules.events import EARLIEST, MICROSECOND


def small_table(
    session: SparkSession, columns: Columns, rows: Iterable[Sequence[Any]]
) -> DataFrame:
    """The rows as one text of JSON: SQL with a literal for each value takes seconds to parse."""
    kinds = [("bigint" if kind == "timestamp" else kind) for kind in columns.values()]
    fields = ", ".join(f"{quoted(name)}: {kind}" for name, kind in zip(columns, kinds, strict=True))
    text = json.dumps([dict(zip(columns, map(_plain, row), strict=True)) for row in rows])
    parsed = F.from_json(F.lit(text), f"array<struct<{fields}>>")
    row = F.col("row")
    values = [
        (F.timestamp_micros(row[name]) if kind == "timestamp" else row[name]).alias(name)
        for name, kind in columns.items()
    ]
    return session.range(1).select(F.explode(parsed).alias("row")).select(*values)


def _plain(value: Any) -> Any:
    """A value as JSON has it; an instant in microseconds since 1970."""
    if isinstance(value, datetime):
        return (value.replace(tzinfo=UTC) - EARLIEST) // MICROSECOND
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    return value
