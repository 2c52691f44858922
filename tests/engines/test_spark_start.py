"""Where Spark cannot start or its master is away: a sentence, and no output."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.command import process
from support.logs import registered, write_log
from support.processes import free_port

from user_conversion.engines import EngineOptions
from user_conversion.engines.spark.errors import translated
from user_conversion.engines.spark.java import variables
from user_conversion.engines.spark.session import open_session
from user_conversion.rules.errors import EngineError

pytestmark = pytest.mark.spark
pytest.importorskip("pyspark")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write_log(tmp_path / "log.json", [registered("2020-11-02T06:00:00Z", 1)])


def refusal(log: Path, *options: str, **environment: str) -> str:
    """The last line of standard error, in which a run that failed says why."""
    output = log.parent / "output"
    # PySpark leaves a pipe to the Java that failed for the garbage collector to close.
    environment = {"PYTHONWARNINGS": "ignore::ResourceWarning"} | environment
    done = process(
        *("run", "--engine", "spark", "--input", log, "--output", output, *options), **environment
    )
    assert (done.status, done.out) == (1, "")
    assert not output.exists()
    return done.err.splitlines()[-1]


def test_spark_is_not_installed(tmp_path: Path, log: Path) -> None:
    (tmp_path / "pyspark.py").write_text("raise ImportError('no such thing')")
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    assert "pip install 'pyspark>=3.5.2,<5'" in refusal(log, PYTHONPATH=paths)


def test_spark_is_too_old_for_this_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("pyspark.__version__", "3.5.2")
    monkeypatch.setattr("sys.version_info", (3, 13, 0))
    with pytest.raises(EngineError, match=r"3\.5\.2 needs Python 3\.11, and this is Python 3\.13"):
        open_session(EngineOptions(), tmp_path)


@pytest.mark.parametrize("scheme", ["spark", "k8s://https", "sc"])
def test_nobody_listens_at_the_master(log: Path, scheme: str) -> None:
    master = f"{scheme}://127.0.0.1:{free_port()}"
    assert f"{master} cannot be reached" in refusal(log, "--master", master)


def test_java_does_not_start(tmp_path: Path, log: Path) -> None:
    """Its own words are on standard error, too; the last line says what to do."""
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'UnsupportedClassVersionError: 52.0' >&2; exit 1\n")
    java.chmod(0o755)
    done = refusal(log, JAVA_HOME=str(tmp_path))
    assert "did not start" in done and "JAVA_HOME" in done


def test_options_of_java_that_the_user_sets_come_last(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SPARK_SUBMIT_OPTS", "-Dspark.ui.enabled=true")
    options = variables(EngineOptions(), tmp_path)["SPARK_SUBMIT_OPTS"].split()
    ui = [option for option in options if "spark.ui.enabled" in option]
    assert ui == ["-Dspark.ui.enabled=false", "-Dspark.ui.enabled=true"]


def test_a_connect_server_that_is_gone(tmp_path: Path) -> None:
    text = (
        "<_MultiThreadedRendezvous of RPC that terminated with:\n"
        '\tstatus = StatusCode.UNAVAILABLE\n\tdetails = "Connection refused"\n>'
    )
    error = translated(RuntimeError(text), tmp_path)
    assert isinstance(error, EngineError)
    assert "gone or cannot be reached (Connection refused)" in str(error)
