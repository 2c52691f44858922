"""What a cluster writes into a store: moved, counted and published without bringing it here."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import pytest
from support.command import assert_refused, command
from support.logs import WORKED_EXAMPLE
from support.stores import KEY, SECRET, Lake

from user_conversion.engines.base import EngineOptions
from user_conversion.engines.duckdb.engine import DuckDBEngine
from user_conversion.engines.spark.files import Objects as SparkObjects
from user_conversion.engines.spark.java import variables
from user_conversion.inputs.lines import LineFile
from user_conversion.jobs import context
from user_conversion.places.footers import row_counts
from user_conversion.places.stores.lease import Lease
from user_conversion.places.stores.output import OutputStore
from user_conversion.places.stores.remote import Remote
from user_conversion.places.stores.store import Store
from user_conversion.rules.counts import LineCount
from user_conversion.rules.errors import StoreError

WRITTEN = ".staging/run-scratch/written"
DAY = "app_loaded/format=parquet/derived_tstamp_day=2020-11-03"
ASKED_FOR = f"/out/{quote(DAY)}"


def parquet(folder: Path, rows: int, columns: int = 1) -> bytes:
    path = folder / "one.parquet"
    names = ", ".join(f"i AS a_long_name_of_a_column_{n}" for n in range(columns))
    duckdb.sql(f"COPY (SELECT {names} FROM range({rows}) AS t(i)) TO '{path}' (FORMAT parquet)")
    return path.read_bytes()


@pytest.fixture
def remote(lake: Lake, tmp_path: Path) -> Remote:
    return Remote(Store(lake.at("out")), tmp_path / "mirror")


@pytest.mark.parametrize(("columns", "requests"), [(1, 1), (2000, 2)])
def test_a_footer_is_all_that_is_brought(
    lake: Lake, remote: Remote, tmp_path: Path, columns: int, requests: int
) -> None:
    content = parquet(tmp_path, 3000, columns)
    lake.put("out/a/1.parquet", content)
    objects = Store(lake.at("out")).list()
    lake.proxy.restart()
    (path,) = remote.bring_footers(objects)
    assert row_counts([path]) == {path: 3000}
    assert path.stat().st_size == len(content)
    assert [each.is_range for each in lake.proxy.requests] == [True] * requests


def test_what_was_written_gets_names_that_stay(lake: Lake, remote: Remote, tmp_path: Path) -> None:
    for name, rows in {
        "day=1/part-00000-5c.c000.snappy.parquet": 1,
        "day=1/part-00007-5c.c000.snappy.parquet": 2,
        "day=2/part-00000-5c.c000.snappy.parquet": 4,
        "_temporary/0/day=2/part-00000-9d.c000.snappy.parquet": 8,
        "_SUCCESS": 16,
    }.items():
        lake.put(f"out/{WRITTEN}/{name}", parquet(tmp_path, rows))
    mirror = tmp_path / "mirror"
    remote.take_over(mirror / WRITTEN, mirror / ".staging/run/data")
    names = [each.name for each in Store(lake.at("out/.staging/run/data")).list()]
    assert names == ["day=1/part-0.parquet", "day=1/part-1.parquet", "day=2/part-0.parquet"]
    assert Store(lake.at("out")).list(WRITTEN) == []
    rows_here = row_counts(sorted((mirror / ".staging/run/data").rglob("*.parquet")))
    assert [*rows_here.values()] == [1, 2, 4]
    assert remote.written.keys() == rows_here.keys()


def publish(lake: Lake, content: bytes) -> None:
    """A run on a cluster that writes one file."""
    output = OutputStore(Store(lake.at("out")), "test", on_cluster=True)
    with output, output.publication() as publication:
        assert publication.remote
        written = output.scratch / "written"
        staging = output.scratch.name.removesuffix("-scratch")
        lake.put(f"out/.staging/{staging}-scratch/written/part-00000-1.parquet", content)
        publication.remote.take_over(written, publication.folder / DAY)


def copies(lake: Lake) -> int:
    return sum(each.method == "PUT" and ASKED_FOR in each.path for each in lake.proxy.requests)


def test_only_what_differs_is_published(lake: Lake, tmp_path: Path) -> None:
    first, second = parquet(tmp_path, 3), parquet(tmp_path, 4)
    for content, copied in ((first, 1), (first, 0), (second, 1)):
        lake.proxy.restart()
        publish(lake, content)
        assert copies(lake) == copied
        assert Store(lake.at("out")).read(f"{DAY}/part-0.parquet") == content
        assert len(Store(lake.at("out")).list(".staging")) == 2


def test_after_the_commit_the_next_run_finishes(lake: Lake, tmp_path: Path) -> None:
    content = parquet(tmp_path, 3)
    lake.proxy.disturb = lambda number, request: (
        "denied" if request.method == "PUT" and ASKED_FOR in request.path else None
    )
    with pytest.raises(StoreError, match="next run will finish"):
        publish(lake, content)
    assert not [name for name in lake.contents("out") if name.endswith(".parquet")]
    lake.proxy.restart()
    with Lease(Store(lake.at("out")), "next", lambda: 1e12):
        pass
    assert Store(lake.at("out")).read(f"{DAY}/part-0.parquet") == content


@pytest.mark.parametrize(
    ("address", "known_as"),
    [
        ("s3://bucket/a/b.json", "s3a://bucket/a/b.json"),
        ("s3a://bucket/a", "s3a://bucket/a"),
        ("gs://bucket/a", "gs://bucket/a"),
        ("az://container/a", "abfss://container@account.dfs.core.windows.net/a"),
        ("abfss://c@account.dfs.core.windows.net/a", "abfss://c@account.dfs.core.windows.net/a"),
    ],
)
def test_addresses_for_hadoop(monkeypatch: pytest.MonkeyPatch, address: str, known_as: str) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    assert Remote.hadoop_address(address) == known_as


@pytest.mark.parametrize(
    ("name", "compression", "where_it_is"),
    [
        ("1.json", "none", True),
        ("2020-01-01T00:00 é[1].log", "none", True),
        ("1.json.gz", "gzip", True),
        ("1.json", "gzip", False),
        ("1.GZ", "gzip", False),
        ("1.gz", "none", False),
        ("1.BZ2", "none", False),
        ("_1.json", "none", False),
        ("1.parquet", "parquet", True),
        ("1.gz", "parquet", True),
        ("_1.parquet", "parquet", False),
    ],
)
def test_spark_reads_objects_where_they_are_if_it_reads_them_as_they_are(
    lake: Lake, remote: Remote, tmp_path: Path, name: str, compression: str, where_it_is: bool
) -> None:
    here = tmp_path / "here.json"
    here.write_text("{}\n")
    files = [
        LineFile(here, "empty", "none", None, 0),
        LineFile(here, name, compression, None, 3, address=f"s3://logs/{name}"),
        LineFile(here, "converted", "none", None, 3),
    ]
    names = SparkObjects(remote).name(files, tmp_path / "mirror/.staging/lines")
    assert [*names.values()] == [1, 2]
    put = [each.name for each in Store(lake.at("out")).list(".staging")]
    assert len(put) == 2 - where_it_is
    assert any(each.startswith("s3a://logs/") for each in names) == where_it_is


def test_an_object_that_changes_while_a_cluster_reads_it_ends_the_run(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(DuckDBEngine):
        """In place of Spark: meanwhile an object is delivered again."""

        def read_events(self, *arguments: Any) -> list[LineCount]:
            found = super().read_events(*arguments)
            lake.put("logs/1.json", "\n".join(WORKED_EXAMPLE[:2]).encode())
            return found

    monkeypatch.setattr(context, "open_engine", lambda _, options, scratch: Slow(options, scratch))
    lake.put("logs/1.json", "\n".join(WORKED_EXAMPLE).encode())
    where = ("--input", lake.at("logs/"), "--output", lake.at("out"))
    done = command("run", *where, "--engine", "spark", "--master", "spark://127.0.0.1:1")
    assert_refused(done, "/logs/1.json' changed while it was read; run again.")
    assert [each.name for each in Store(lake.at("out")).list()] == [".staging/state.json"]


def test_java_has_the_keys_in_its_environment_only(
    lake: Lake, remote: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    credentials = f"aws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"
    (tmp_path / "credentials").write_text(f"[default]\n{credentials}")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("JAVA_HOME", "/java")
    given = variables(EngineOptions(master="spark://one", remote=remote), tmp_path)
    assert given["AWS_ACCESS_KEY_ID"] == KEY
    assert given["AWS_SECRET_ACCESS_KEY"] == SECRET
    words = given["SPARK_SUBMIT_OPTS"]
    assert f"-Dspark.hadoop.fs.s3a.endpoint={lake.proxy.endpoint}" in words
    assert "planted" not in words
    elsewhere = variables(EngineOptions(), tmp_path)
    assert not [name for name in elsewhere if name.startswith("AWS_")]
    assert "fs.s3a" not in elsewhere["SPARK_SUBMIT_OPTS"]
