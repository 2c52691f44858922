"""Engines read and write; they know nothing of the metric.

An engine is a place where named tables are and SQL runs. To add one, make a folder here with a
class that satisfies `base.Engine`, and describe it in `ENGINES`: the command line, the compiled
metric and the tests take it from there.
"""

from __future__ import annotations

from user_conversion.engines.base import Engine, EngineDescription
from user_conversion.rules.errors import SettingsError

__all__ = ["ENGINES", "Engine", "EngineDescription", "engine_description"]

LIMIT = {
    "memory_limit": "set --conf spark.driver.memory=4g, and on a cluster spark.executor.memory",
}
SERVER = {"master": "add --engine spark", "conf": "add --engine spark"}

DUCKDB = EngineDescription(
    name="duckdb",
    home="user_conversion.engines.duckdb.engine:DuckDBEngine",
    dialect="duckdb",
    compressions=frozenset({"gzip", "zstd"}),
    line_numbers=True,
    options=LIMIT,
)
SPARK = EngineDescription(
    name="spark",
    home="user_conversion.engines.spark.engine:SparkEngine",
    dialect="spark",
    compressions=frozenset({"gzip"}),
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
