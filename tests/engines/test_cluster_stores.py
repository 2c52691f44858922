"""Spark on a cluster from bucket to bucket: the executors read and write S3 themselves."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from support.cluster import LOOPBACK, Cluster, as_options, hadoop_jars, kill, running_cluster
from support.command import Finished, command, command_line
from support.datasets import CONTRACT, read_dataset
from support.processes import PATIENCE, free_port, wait_until
from support.stores import KEY, SECRET, Lake, RunningStore

from user_conversion.places.stores.store import Store

pytestmark = [pytest.mark.spark, pytest.mark.long, pytest.mark.timeout(900)]
# Names that Spark would escape, take for a pattern, decompress, or leave out.
NAMES = ("2020-01-01T00:00:00.json", "b c%20d#é.json", "x=1/[q]{z}+,@~&.json", "plain.gz")


@pytest.fixture(scope="module")
def jars() -> str:
    return hadoop_jars()


@pytest.fixture
def cluster(tmp_path: Path, jars: str) -> Iterator[Cluster]:
    with running_cluster(tmp_path) as found:
        yield found


def log(folder: Path, name: str, seed: int, users: int = 300) -> Path:
    path = folder / name
    command("sample", "--seed", seed, "--users", users, "--days", 20, "--output", path)
    return path


def put_all(folder: Path, lake: Lake) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            lake.put(f"logs/{path.relative_to(folder)}", path.read_bytes())


def options(cluster: Cluster, jars: str, endpoint: str, **more: str) -> list[str]:
    settings = LOOPBACK | {
        "spark.executor.memory": "700m",
        **({"spark.jars": jars} if jars else {}),
        # Past the proxy, which sees the driver's own requests only.
        "spark.hadoop.fs.s3a.endpoint": endpoint,
        **more,
    }
    return [*as_options(settings), "--engine", "spark", "--master", cluster.url]


def run(lake: Lake, *more: object) -> list[str | bytes]:
    where = ("--input", lake.at("logs/"), "--output", lake.at("out"), "--format", "json")
    return command_line("run", *where, "--max-rejected", 1, "--no-report", *more)


def finished(line: list[str | bytes]) -> Finished:
    done = subprocess.run(line, capture_output=True, timeout=PATIENCE * 4)
    return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())


def on_one_machine(folder: Path, output: Path) -> Any:
    where = ("--input", folder, "--output", output, "--format", "json")
    return command("run", *where, "--max-rejected", 1, "--no-report").json()


def assert_published(lake: Lake, output: Path, folder: Path) -> None:
    """The rows of each partition in the store are as many as in a folder, and nothing is left."""
    store = Store(lake.at("out"))
    listed = store.list()
    staged = [each.name for each in listed if each.name.startswith(".staging/")]
    assert len(staged) == 2, staged
    store.bring([each for each in listed if each.name not in staged], folder)
    for name in CONTRACT:
        there, right = (rows(each, name) for each in (folder, output))
        assert there == right, name
        assert sum(there.values()) == len(read_dataset(folder, name))


def rows(output: Path, name: str) -> Counter[Any]:
    """The rows of a dataset; rejected lines have other sources in a bucket, and no numbers."""
    files = f"{output}/{name}/format=parquet/**/*.parquet"
    hidden = " EXCLUDE (source, line_number)" if name == "rejected_events" else ""
    return Counter(duckdb.sql(f"SELECT *{hidden} FROM read_parquet('{files}')").fetchall())


def assert_no_secret(done: Finished, lake: Lake, *folders: Path) -> None:
    texts = [done.out.encode(), done.err.encode(), *lake.contents("out").values()]
    texts += [p.read_bytes() for f in folders for p in f.rglob("std*") if p.is_file()]
    for text in texts:
        assert SECRET.encode() not in text
        assert KEY.encode() not in text


def test_bucket_to_bucket(
    tmp_path: Path, cluster: Cluster, jars: str, lake: Lake, running_store: RunningStore
) -> None:
    folder = tmp_path / "logs"
    for seed, name in enumerate(NAMES):
        log(folder, name, seed)
    packed = log(folder, "packed.json", 7)
    (folder / "packed.log.gz").write_bytes(gzip.compress(packed.read_bytes()))
    packed.unlink()
    rows = f"(SELECT * FROM '{log(folder, 'rows.json', 6)}')"
    duckdb.sql(f"COPY {rows} TO '{folder / 'rows é.parquet'}' (FORMAT parquet)")
    (folder / "rows.json").unlink()
    events = log(folder, "array.json", 8).read_text().splitlines()
    (folder / "array.json").write_text(f"[{','.join(events)}]")
    bad = log(folder, "bad.json", 9)
    bad.write_text(f"{bad.read_text()}no json\n")
    put_all(folder, lake)
    line = run(lake, *options(cluster, jars, running_store.endpoint))

    lake.proxy.restart()
    done = finished(line)
    driver = [*lake.proxy.requests]
    assert done.json() == on_one_machine(folder, tmp_path / "expected")
    whole = [each.path for each in driver if each.method == "GET" and not each.is_range]
    assert not [path for path in whole if path.endswith(".parquet")]
    put = [each.path for each in driver if each.method == "PUT" and "/lines-" in each.path]
    assert len(put) == 2, "the array, and the plain file with the name of a packed one"
    assert_published(lake, tmp_path / "expected", tmp_path / "found-0")
    assert_no_secret(done, lake, *(tmp_path / f"work-{n}" for n in range(2)))

    # A log more, and one that has grown.
    log(folder, "more.json", 10)
    with (folder / NAMES[0]).open("ab") as file:
        file.write(log(tmp_path / "other", "part.json", 11).read_bytes())
    put_all(folder, lake)
    done = finished(line)
    assert done.json() == on_one_machine(folder, tmp_path / "expected")
    assert_published(lake, tmp_path / "expected", tmp_path / "found-1")

    # The other engine goes on.
    log(folder, "last.json", 12)
    put_all(folder, lake)
    there = finished(run(lake))
    assert there.json() == on_one_machine(folder, tmp_path / "expected")


def test_a_worker_killed_in_the_middle(
    tmp_path: Path, cluster: Cluster, jars: str, lake: Lake, running_store: RunningStore
) -> None:
    for seed in range(4):
        log(tmp_path / "logs", f"{seed}.json", seed, users=8_000)
    put_all(tmp_path / "logs", lake)
    port = str(free_port())
    more = {
        "spark.sql.files.maxPartitionBytes": "200k",
        "spark.ui.enabled": "true",
        "spark.ui.port": port,
    }
    line = run(lake, *options(cluster, jars, running_store.endpoint, **more))
    here = os.environ | {"SPARK_LOCAL_IP": "127.0.0.1"}
    with subprocess.Popen(line, env=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as job:
        try:
            wait_until(lambda: cluster.busy() == 2)
            store = Store(lake.at("out"))
            wait_until(lambda: any("/part-" in each.name for each in store.list(".staging")))
            assert job.poll() is None
            seen = command_lines()
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/environment/") as page:
                seen += page.read()
            kill(cluster.workers[0])
            out, err = job.communicate(timeout=PATIENCE * 4)
        finally:
            job.kill()
    assert job.returncode == 0, err.decode()
    assert cluster.alive() == 1
    assert json.loads(out) == on_one_machine(tmp_path / "logs", tmp_path / "expected")
    assert_published(lake, tmp_path / "expected", tmp_path / "found")
    assert_no_secret(Finished(0, out.decode(), err.decode()), lake)
    assert b"org.apache.spark.executor" in seen
    assert b"fs.s3a.secret.key" in seen
    assert SECRET.encode() not in seen
    assert KEY.encode() not in seen


def command_lines() -> bytes:
    """How all processes were started, as `ps` shows it."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(process.read_bytes())
        except OSError:
            continue
    return b"\n".join(found)


def test_without_the_library_for_the_store_it_is_named(
    tmp_path: Path, cluster: Cluster, lake: Lake, running_store: RunningStore
) -> None:
    log(tmp_path / "logs", "1.json", 1)
    put_all(tmp_path / "logs", lake)
    done = finished(run(lake, *options(cluster, "", running_store.endpoint)))
    assert done.status == 1
    assert "hadoop-aws" in done.err
    assert Store(lake.at("out")).list(".staging/")[1:] == []
