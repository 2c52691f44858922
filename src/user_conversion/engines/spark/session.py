"""Spark sessions: the running one is used and left as it was, else one is started or connected."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from user_conversion.engines.base import EngineOptions
from user_conversion.engines.spark import java
from user_conversion.engines.spark.connect import connected
from user_conversion.rules.errors import EngineError

# Settings that make it faster, unless the user has set them.
TUNING = {
    "spark.sql.adaptive.enabled": "true",
    # Hundreds of day partitions are listed by the driver, not by a job of hundreds of tasks.
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "100000",
    # A day of events is a small file; many of them make one task.
    "spark.sql.files.openCostInBytes": str(512 << 10),
}


def open_session(options: EngineOptions, scratch: Path) -> tuple[Any, Callable[[], None]]:
    """A session with SQL settings and temporary tables of its own, and a function that ends it.

    Raises `EngineError` if Spark is not installed, does not start or cannot be reached.
    """
    if not options.verbose:
        logging.getLogger("py4j").setLevel(logging.CRITICAL + 1)
        logging.getLogger().addFilter(_is_not_py4j)
        warnings.filterwarnings("ignore", module=r"pyspark\.")
    with ExitStack() as stack:
        session, properties = _session(options, scratch, stack)
        _configure(session, properties)
        return session, stack.pop_all().close


def _session(
    options: EngineOptions, scratch: Path, stack: ExitStack
) -> tuple[Any, Mapping[str, str]]:
    """A session, and the properties that it does not have yet. The stack ends what was begun."""
    if _is_remote(options):
        url = options.master or os.environ["SPARK_REMOTE"]
        return stack.enter_context(connected(url)), options.properties
    existing = java.active_context()
    if existing is not None:
        _require_same_master(options.master, existing.master)
        return _builder().getOrCreate().newSession(), options.properties
    session = java.start(options, scratch)
    stack.callback(session.stop)
    return session, {}


def _is_not_py4j(record: logging.LogRecord) -> bool:
    # `errors.translated` reports broken connections in one sentence.
    return "py4j" not in record.pathname


def _is_remote(options: EngineOptions) -> bool:
    if options.master:
        return options.master.startswith("sc://")
    return "SPARK_REMOTE" in os.environ


def _builder() -> Any:
    from pyspark.sql import SparkSession

    return SparkSession.builder


def _require_same_master(wanted: str | None, there: str) -> None:
    if wanted not in (None, there):
        raise EngineError(
            f"A Spark session on {there} is running here already: leave --master {wanted} out, or "
            "stop that session first."
        )


def _configure(session: Any, properties: Mapping[str, str]) -> None:
    """Set what the results need, what the user asked for, and what makes it fast."""
    for key, value in TUNING.items():
        if not _is_set(session, key):
            session.conf.set(key, value)
    for key, value in properties.items():
        if key not in java.REQUIRED and session.conf.get(key, "") != value:
            try:
                session.conf.set(key, value)
            except Exception:
                raise EngineError(
                    f"--conf {key}={value}: cannot be changed in a session that is running; "
                    "set it where the session is started."
                ) from None
    for key, value in java.REQUIRED.items():
        session.conf.set(key, value)


def _is_set(session: Any, key: str) -> bool:
    conf = java.configuration(session)
    return conf is not None and conf.contains(key)
