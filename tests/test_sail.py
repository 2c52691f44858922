"""Sail: where it cannot start or its server is away, memory limits, bytes that are not UTF-8."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest
from support.command import Finished, command, process
from support.datasets import assert_no_litter, read_dataset
from support.engines import DUCKDB, EngineUnderTest
from support.logs import registered, write_log
from support.processes import free_port

from user_conversion.errors import EngineError

pytestmark = pytest.mark.sail
pytest.importorskip("pysail", reason="Sail is not installed")

SAIL = EngineUnderTest("sail", 1)
TIME = "2020-11-02T06:00:00Z"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write_log(tmp_path / "log.json", [registered(TIME, user) for user in range(1000)])


def run(log: Path, *options: object, **environment: str) -> Finished:
    """The command in a process of its own, with Python's warnings as users see them."""
    output = log.parent / "output"
    return process(
        *("run", "--engine", "sail", "--input", log, "--output", output, *options),
        **{"PYTHONWARNINGS": "default"} | environment,
    )


def refusal(log: Path, *options: object, **environment: str) -> str:
    """The one sentence on standard error of a run that publishes nothing."""
    done = run(log, *options, **environment)
    assert (done.status, done.out) == (1, "")
    assert not (log.parent / "output").exists()
    (sentence,) = done.err.splitlines()
    return sentence


def test_no_java_is_needed(tmp_path: Path, log: Path) -> None:
    done = run(log, "--format", "json", PATH=str(tmp_path), JAVA_HOME=str(tmp_path))
    assert done.status == 0, done.err
    assert json.loads(done.out)["total_registered"] == 1000
    assert done.err == ""  # Sail's own log is for --verbose


def test_sail_is_not_installed(tmp_path: Path, log: Path) -> None:
    (tmp_path / "pysail.py").write_text("raise ImportError('no such thing')")
    search_path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    assert "pip install 'user-conversion[sail]'" in refusal(log, PYTHONPATH=search_path)


def test_nobody_listens_at_the_master(log: Path) -> None:
    master = f"sc://127.0.0.1:{free_port()}"
    assert f"{master} cannot be reached" in refusal(log, "--master", master)


def test_setting_that_sail_does_not_take(log: Path) -> None:
    sentence = refusal(log, "--conf", "execution.batch_size=many")
    assert "Sail did not start" in sentence and "BATCH_SIZE" in sentence


def test_master_of_spark(log: Path) -> None:
    assert "is no server of Sail" in refusal(log, "--master", "spark://127.0.0.1:7077")


@pytest.mark.parametrize("option", [("--memory-limit", "1GB"), ("--conf", "mode=local")])
def test_settings_of_a_server_that_is_there(log: Path, option: tuple[str, str]) -> None:
    assert "leave --master out" in refusal(log, *option, "--master", "sc://127.0.0.1:1")


def test_a_strict_memory_limit_gives_the_same_answer(tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    command("sample", "--users", 20_000, "--days", 60, "--output", log)
    expected = DUCKDB.run(tmp_path / "expected", log).as_json()
    for name, limit in (("free", {}), ("limited", {"memory_limit": "60MB"})):
        assert SAIL.run(tmp_path / name, log, **limit).as_json() == expected


def test_too_little_memory_fails_the_run_in_one_sentence(tmp_path: Path, log: Path) -> None:
    DUCKDB.run(tmp_path / "output", log)
    done = run(log, "--full-refresh", "--memory-limit", "1MB")
    assert (done.status, done.out) == (1, "")
    assert "raise --memory-limit" in done.err and len(done.err.splitlines()) == 1
    assert len(read_dataset(tmp_path / "output", "user_registration")) == 1000
    assert_no_litter(tmp_path / "output")


def test_bytes_that_are_not_utf8_in_some_of_the_files(tmp_path: Path) -> None:
    bad = b'{"event":"registered","timestamp":"%b","initiator_id":2,"channel":"\xff\xfe"}\n'
    good, plain, zipped = tmp_path / "good.json", tmp_path / "plain.json", tmp_path / "zipped.gz"
    write_log(good, [registered(TIME, 1)])
    plain.write_bytes(bad % TIME.encode() + b"\xff")
    # A character that is cut in two by the end of the file.
    zipped.write_bytes(gzip.compress(bad % TIME.encode() + "é".encode()[:1]))
    result = SAIL.split(tmp_path / "output", good, plain, zipped)
    assert (result.read.lines, result.read.registered, result.read.rejected) == (5, 3, 2)
    rejected = read_dataset(tmp_path / "output", "rejected_events")
    assert sorted((row.source, row.raw) for row in rejected) == [
        (str(plain), "\ufffd"),
        (str(zipped), "\ufffd"),
    ]


def test_lines_that_are_lost_are_noticed(
    tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from user_conversion.engines.spark.engine import SparkEngine

    keep = SparkEngine._keep
    monkeypatch.setattr(
        SparkEngine, "_keep", lambda engine, table, rows: keep(engine, table, rows.limit(999))
    )
    with pytest.raises(EngineError, match="1 of 1000 lines were not counted"):
        SAIL.split(tmp_path / "output", log)
    assert not (tmp_path / "output" / "ledger.json").exists()
