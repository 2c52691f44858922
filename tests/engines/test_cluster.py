"""Spark as it is on a cluster: a master and two workers as processes of their own, one killed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cluster import LOOPBACK, Cluster, as_options, kill, running_cluster
from support.command import command, command_line
from support.datasets import CONTRACT, assert_no_litter, row_counts
from support.engines import DUCKDB
from support.processes import PATIENCE, wait_until

pytestmark = [pytest.mark.spark, pytest.mark.long, pytest.mark.timeout(600)]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with running_cluster(tmp_path) as found:
        yield found


def test_a_worker_killed_in_the_middle(tmp_path: Path, cluster: Cluster) -> None:
    for seed in range(6):
        log = tmp_path / "in" / f"{seed}.json"
        command("sample", "--seed", seed, "--users", 20_000, "--days", 60, "--output", log)
    expected = DUCKDB.run(tmp_path / "expected", tmp_path / "in").as_json()
    output = tmp_path / "output"
    settings = LOOPBACK | {
        "spark.executor.memory": "700m",
        # A task for each few hundred kilobytes, so that there is a middle.
        "spark.sql.files.maxPartitionBytes": "400k",
    }
    options = [
        *as_options(settings),
        "--engine",
        "spark",
        "--master",
        cluster.url,
        "--format",
        "json",
        "--no-report",
    ]
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
