"""Sail on a cluster: its server, and workers as processes of their own, one killed.

The server runs as the manifest of the documentation says, with a stand-in for Kubernetes.
"""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from support.command import command, command_line
from support.datasets import CONTRACT, assert_no_litter, row_counts
from support.engines import DUCKDB
from support.kubernetes import HOST, Kubernetes, Pod, kubernetes
from support.processes import PATIENCE, free_port, wait_until

pytestmark = [pytest.mark.sail, pytest.mark.timeout(120)]
MANIFEST = Path(__file__).parents[1] / "docs" / "how-to" / "sail-cluster.yaml"
SERVER = "sail-server"
# The workers write each task, with its plan, to their logs.
LOG_TASKS = {"name": "RUST_LOG", "value": "info,sail_execution::task_runner=debug"}


@dataclass(frozen=True)
class Cluster:
    """A server of Sail at a URL, whose workers are pods."""

    url: str
    kubernetes: Kubernetes

    def workers(self) -> list[Pod]:
        """Those that are running."""
        pods = list(self.kubernetes.pods.items())
        return [pod for name, pod in pods if name != SERVER and pod.is_running()]

    def command_line(self, output: Path, *inputs: Path) -> list[str | bytes]:
        options = ["--engine", "sail", "--master", self.url, "--format", "json", "--no-report"]
        return command_line("run", "--input", *inputs, "--output", output, *options)


def is_reading(worker: Pod) -> bool:
    """Whether a worker has begun to read a log."""
    entries = worker.log.read_text().split("\n[")
    return any("execution plan" in entry and "lines.json" in entry for entry in entries)


def can_connect(port: int) -> bool:
    try:
        socket.create_connection((HOST, port)).close()
    except OSError:
        return False
    return True


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    pytest.importorskip("pysail")
    (deployment,) = (
        document
        for document in yaml.safe_load_all(MANIFEST.read_text())
        if document["kind"] == "Deployment"
    )
    pod = deployment["spec"]["template"]
    pod["metadata"]["name"] = SERVER
    port = free_port()
    (container,) = pod["spec"]["containers"]
    container["args"][container["args"].index("50051")] = str(port)
    container["env"].append(LOG_TASKS)
    folder = tmp_path / "pods"
    folder.mkdir()
    with kubernetes(folder) as here:
        here.create(pod)
        wait_until(lambda: can_connect(port))
        yield Cluster(f"sc://{HOST}:{port}", here)


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("logs")
    for seed in range(4):
        log = folder / f"{seed}.json"
        command("sample", "--seed", seed, "--users", 20_000, "--days", 60, "--output", log)
    return folder


def contents(output: Path) -> dict[Path, bytes]:
    """The published files."""
    files = (path for path in output.rglob("*") if path.is_file() and path.name != ".lock")
    return {path: path.read_bytes() for path in files}


def assert_same_datasets(output: Path, expected: Path) -> None:
    for name in CONTRACT:
        assert row_counts(output, name) == row_counts(expected, name), name
    assert_no_litter(output)


def test_two_workers_share_the_work(tmp_path: Path, cluster: Cluster, logs: Path) -> None:
    expected = DUCKDB.run(tmp_path / "expected", logs).as_json()
    output = tmp_path / "output"
    done = subprocess.run(cluster.command_line(output, logs), capture_output=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout) == expected
    assert_same_datasets(output, tmp_path / "expected")
    workers = [pod for name, pod in cluster.kubernetes.pods.items() if name != SERVER]
    assert [is_reading(worker) for worker in workers] == [True, True]
    # The session is over, and its workers with it.
    wait_until(lambda: not cluster.workers())


def test_a_lost_worker_fails_the_run_and_the_next_one_succeeds(
    tmp_path: Path, cluster: Cluster, logs: Path
) -> None:
    output = tmp_path / "output"
    DUCKDB.run(output, logs / "0.json")
    before = contents(output)
    line = cluster.command_line(output, logs)
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as job:
        try:
            wait_until(lambda: sum(map(is_reading, cluster.workers())) == 2)
            assert job.poll() is None
            cluster.workers()[0].kill()
            out, err = job.communicate(timeout=PATIENCE)
        finally:
            job.kill()
    assert (job.returncode, out) == (1, b"")
    (sentence,) = err.decode().splitlines()
    assert sentence.startswith("user-conversion: Sail lost a worker")
    assert contents(output) == before
    expected = DUCKDB.run(tmp_path / "expected", logs).as_json()
    done = subprocess.run(line, capture_output=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout)["weeks"] == expected["weeks"]
    assert_same_datasets(output, tmp_path / "expected")
