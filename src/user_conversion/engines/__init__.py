"""Engines read and write; they know nothing of the metric.

An engine has named tables and runs SQL over them. To add one, make a folder here with a subclass
of `base.Engine`, and describe it in `ENGINES`: the command line, the compiled metric and the tests
take it from there.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from user_conversion.engines.base import Engine, EngineDescription, EngineOptions
from user_conversion.rules.errors import SettingsError

__all__ = [
    "ENGINES",
    "Engine",
    "EngineDescription",
    "EngineOptions",
    "engine_description",
    "open_engine",
]

LIMIT = {
    "memory_limit": "set --conf spark.driver.memory=4g, and on a cluster spark.executor.memory",
}
SERVER = {"master": "add --engine spark", "conf": "add --engine spark"}

DUCKDB = EngineDescription(
    name="duckdb",
    home="user_conversion.engines.duckdb.engine:DuckDBEngine",
    dialect="duckdb",
    compressions=frozenset({"gzip", "zstd", "parquet"}),
    line_numbers=True,
    options=LIMIT,
)
SPARK = EngineDescription(
    name="spark",
    home="user_conversion.engines.spark.engine:SparkEngine",
    dialect="spark",
    compressions=frozenset({"gzip", "parquet"}),
    line_numbers=False,
    options=SERVER,
)

# The first one is the default.
ENGINES = {each.name: each for each in (DUCKDB, SPARK)}


def engine_description(name: str) -> EngineDescription:
    """The description of an engine. Raises `SettingsError` if there is none of this name."""
    if name not in ENGINES:
        raise SettingsError(f"Unknown engine '{name}': choose one of {', '.join(ENGINES)}.")
    return ENGINES[name]


def open_engine(name: str, options: EngineOptions, scratch: Path | None = None) -> Engine:
    """Start an engine; it keeps temporary files below `scratch`.

    Raises `EngineError` if it is not installed or cannot be reached.
    """
    module, class_name = engine_description(name).home.split(":")
    engine: Any = getattr(importlib.import_module(module), class_name)
    return engine(options, scratch)  # type: ignore[no-any-return]
