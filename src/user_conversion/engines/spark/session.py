"""Spark sessions: the running one is used and left as it was, else one is started or connected."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from user_conversion.engines.spark import java
from user_conversion.engines.spark.errors import first_line, root_cause
from user_conversion.engines.spark.masters import require_reachable
from user_conversion.errors import EngineError
from user_conversion.settings import Settings

# Settings that make it faster, unless the user has set them.
TUNING = {
    "spark.sql.adaptive.enabled": "true",
    # Hundreds of day partitions are listed by the driver, not by a job of hundreds of tasks.
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "100000",
    # A day of events is a small file; many of them make one task.
    "spark.sql.files.openCostInBytes": str(512 << 10),
}
# The waits between them grow to 13 seconds.
CONNECT_RETRIES = 5


def open_session(settings: Settings, scratch: Path) -> tuple[Any, Callable[[], None]]:
    """A session with SQL settings and temporary tables of its own, and a function that ends it.

    Raises `EngineError` if Spark is not installed, does not start or cannot be reached.
    """
    try:
        import pyspark  # noqa: F401
    except ImportError:
        raise EngineError("Spark is not installed: pip install 'user-conversion[spark]'.") from None
    if not settings.verbose:
        logging.getLogger("py4j").setLevel(logging.CRITICAL + 1)
        logging.getLogger().addFilter(_is_not_py4j)
        warnings.filterwarnings("ignore", module=r"pyspark\.")
    existing = java.active_context()
    if _is_remote(settings):
        session, properties = _connected(settings), settings.properties
    elif existing is not None:
        _require_same_master(settings.master, existing.master)
        session, properties = _builder().getOrCreate().newSession(), settings.properties
    else:
        session, properties = java.start(settings, scratch), {}  # in force since the start
    stop = session.stop if existing is None or _is_remote(settings) else _leave_running
    try:
        _configure(session, properties)
    except BaseException:
        stop()
        raise
    return session, stop


def _leave_running() -> None:
    """For a session that others use."""


def _is_not_py4j(record: logging.LogRecord) -> bool:
    # `spark_errors` reports broken connections in one sentence.
    return "py4j" not in record.pathname


def _is_remote(settings: Settings) -> bool:
    if settings.master:
        return settings.master.startswith("sc://")
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


def _connected(settings: Settings) -> Any:
    """A Spark Connect session."""
    url = settings.master or os.environ["SPARK_REMOTE"]
    require_reachable(url)
    try:
        from pyspark.sql.connect.session import SparkSession

        session = SparkSession.builder.remote(url).create()
        _limit_retries(session.client)
    except ImportError as error:
        raise EngineError(
            f"Spark Connect needs more packages ({first_line(error)}): "
            "pip install 'pyspark[connect]'."
        ) from None
    except Exception as error:
        raise EngineError(f"Spark Connect at {url} refused: {root_cause(error)}.") from None
    return session


def _limit_retries(client: Any) -> None:
    """Spark Connect would wait for ten minutes for a server that is gone."""
    if hasattr(client, "set_retry_policies"):
        from pyspark.sql.connect.client.retries import DefaultPolicy

        client.set_retry_policies([DefaultPolicy(max_retries=CONNECT_RETRIES)])
    else:  # Spark 3.5
        client._retry_policy["max_retries"] = CONNECT_RETRIES
