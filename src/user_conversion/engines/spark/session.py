"""Spark sessions: the running one is used and left as it was, else one is started or connected."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from user_conversion.engines.base import EngineOptions
from user_conversion.engines.spark.connect import connected
from user_conversion.engines.spark.environment import environment, interrupts_unchanged
from user_conversion.engines.spark.errors import root_cause
from user_conversion.engines.spark.java import variables
from user_conversion.engines.spark.masters import require_reachable
from user_conversion.rules.errors import EngineError

INSTALL = "pip install 'pyspark>=3.5.2,<5'"
# Settings that the results depend on; they override the user's.
REQUIRED = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.compression.codec": "snappy",
    "spark.sql.files.ignoreCorruptFiles": "false",
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.sql.parser.escapedStringLiterals": "false",
    # Instants before 1900 are what they are, whoever wrote them.
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.int96RebaseModeInRead": "CORRECTED",
    # A line that is no JSON is rejected as a whole, even if the parser could skip the damage.
    "spark.sql.json.enablePartialResults": "false",
    # Keys of JSON objects may differ in case only.
    "spark.sql.caseSensitive": "true",
    # Spark 4: text of JSON numbers and of bytes that are not UTF-8 as in Spark 3.
    "spark.sql.json.enableExactStringParsing": "false",
    "spark.sql.legacy.codingErrorAction": "true",
}
# Settings that make it faster, unless `--conf` says otherwise.
TUNING = {
    # Hundreds of day partitions are listed by the driver, not by a job of hundreds of tasks.
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "100000",
    # A day of events is a small file; many of them make one task.
    "spark.sql.files.openCostInBytes": str(512 << 10),
}
# The same for objects: to list one takes a request.
TUNING_OF_OBJECTS = {"spark.sql.sources.parallelPartitionDiscovery.threshold": "1000"}


def open_session(options: EngineOptions, scratch: Path) -> tuple[Any, Callable[[], None]]:
    """A session with SQL settings and temporary tables of its own, and a function that ends it.

    Raises `EngineError` if Spark is not installed, does not start or cannot be reached.
    """
    _require_pyspark()
    if not options.verbose:
        # `errors.translated` reports broken connections in one sentence.
        logging.getLogger("py4j").setLevel(logging.CRITICAL + 1)
        logging.getLogger().addFilter(lambda record: "py4j" not in record.pathname)
        warnings.filterwarnings("ignore", module=r"pyspark\.")
    with ExitStack() as stack:
        session = _session(options, scratch, stack)
        _configure(session, options)
        return session, stack.pop_all().close


def _require_pyspark() -> None:
    try:
        import pyspark
    except ImportError:
        raise EngineError(f"Spark is not installed: {INSTALL}.") from None
    if pyspark.__version__.startswith("3.") and sys.version_info >= (3, 12):
        raise EngineError(
            f"Spark {pyspark.__version__} needs Python 3.11, and this is Python "
            f"{sys.version_info[0]}.{sys.version_info[1]}: pip install 'pyspark>=4,<5'."
        )


def _session(options: EngineOptions, scratch: Path, stack: ExitStack) -> Any:
    """A session; the stack ends what was begun."""
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    url = options.master or os.environ.get("SPARK_REMOTE", "")
    if url.startswith("sc://"):
        return stack.enter_context(connected(url))
    # There is no public way to ask for it without starting one.
    existing = SparkContext._active_spark_context
    if existing is None:
        session = _start(options, scratch)
        stack.callback(session.stop)
        return session
    if options.master not in (None, existing.master):
        raise EngineError(
            f"A Spark session on {existing.master} is running here already: leave --master "
            f"{options.master} out, or stop that session first."
        )
    return SparkSession.builder.getOrCreate().newSession()


def _start(options: EngineOptions, scratch: Path) -> Any:
    import pyspark
    from pyspark.sql import SparkSession

    require_reachable(options.master or "")
    properties = {"spark.app.name": "user-conversion", **options.properties}
    if options.master:
        properties["spark.master"] = options.master
    builder = SparkSession.builder
    for key, value in properties.items():
        builder = builder.config(key, value)
    try:
        with environment(variables(options, scratch)), interrupts_unchanged():
            session = builder.getOrCreate()
    except EngineError:
        raise
    except KeyboardInterrupt as error:
        _end_java(error)
        raise
    except Exception as error:
        raise EngineError(
            f"Spark {pyspark.__version__} did not start ({root_cause(error)}): Spark's log above "
            "says why. Spark 3.5 needs Java 8, 11 or 17, Spark 4 Java 17 or 21; JAVA_HOME chooses "
            "one."
        ) from None
    if not options.verbose:
        session.sparkContext.setLogLevel("OFF")
    return session


def _end_java(error: BaseException) -> None:
    """End the process that was being started; one that is not connected yet would run forever."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        for value in frame.f_locals.values():
            if isinstance(value, subprocess.Popen) and value.poll() is None:
                value.terminate()


def _configure(session: Any, options: EngineOptions) -> None:
    """Set what makes it faster, what the user asked for, and what the results need."""
    for key, value in (TUNING | (TUNING_OF_OBJECTS if options.remote else {})).items():
        session.conf.set(key, value)
    for key, value in options.properties.items():
        if key not in REQUIRED and session.conf.get(key, "") != value:
            try:
                session.conf.set(key, value)
            except Exception:
                raise EngineError(
                    f"--conf {key}: cannot be changed in a session that is running; "
                    "set it where the session is started."
                ) from None
    for key, value in REQUIRED.items():
        session.conf.set(key, value)
