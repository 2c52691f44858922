"""Where Spark cannot start or its master is away: one sentence and no output."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.command import process
from support.logs import registered, write_log
from support.processes import free_port

from user_conversion.engines.spark.errors import translated
from user_conversion.rules.errors import EngineError

pytestmark = pytest.mark.spark
pytest.importorskip("pyspark")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write_log(tmp_path / "log.json", [registered("2020-11-02T06:00:00Z", 1)])


def refusal(log: Path, *options: str, **environment: str) -> str:
    """The one sentence on standard error."""
    output = log.parent / "output"
    # PySpark leaves a pipe to the Java that failed for the garbage collector to close.
    environment = {"PYTHONWARNINGS": "ignore::ResourceWarning"} | environment
    done = process(
        *("run", "--engine", "spark", "--input", log, "--output", output, *options), **environment
    )
    assert (done.status, done.out) == (1, "")
    assert not output.exists()
    (sentence,) = done.err.splitlines()
    return sentence


def test_spark_is_not_installed(tmp_path: Path, log: Path) -> None:
    (tmp_path / "pyspark.py").write_text("raise ImportError('no such thing')")
    sentence = refusal(log, PYTHONPATH=str(tmp_path))
    assert "pip install 'user-conversion[spark]'" in sentence


@pytest.mark.parametrize("scheme", ["spark", "k8s://https", "sc"])
def test_nobody_listens_at_the_master(log: Path, scheme: str) -> None:
    master = f"{scheme}://127.0.0.1:{free_port()}"
    assert f"{master} cannot be reached" in refusal(log, "--master", master)


def test_java_does_not_run(tmp_path: Path, log: Path) -> None:
    sentence = refusal(log, JAVA_HOME=str(tmp_path / "nowhere"))
    assert "which does not run" in sentence
    assert "set JAVA_HOME" in sentence


def test_java_is_too_old(tmp_path: Path, log: Path) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text(
        "#!/bin/sh\n"
        """case "$*" in -version) echo 'java version "1.7.0_80"' >&2 ;; """
        "*) echo 'Exception: UnsupportedClassVersionError: 52.0' >&2; exit 1 ;; esac\n"
    )
    java.chmod(0o755)
    sentence = refusal(log, JAVA_HOME=str(tmp_path))
    assert "with Java 1.7.0_80: Exception: UnsupportedClassVersionError: 52.0" in sentence


def test_a_connect_server_that_is_gone(tmp_path: Path) -> None:
    text = (
        "<_MultiThreadedRendezvous of RPC that terminated with:\n"
        '\tstatus = StatusCode.UNAVAILABLE\n\tdetails = "Connection refused"\n>'
    )
    error = translated(RuntimeError(text), tmp_path)
    assert isinstance(error, EngineError)
    assert "gone or cannot be reached (Connection refused)" in str(error)
