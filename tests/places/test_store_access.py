"""Credentials and other stores: where they come from, and what is said without them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command import assert_refused, command
from support.logs import WORKED_EXAMPLE, app_loaded, registered
from support.processes import free_port
from support.stores import KEY, SECRET, Lake, RunningStore, azurite, azurite_program

from user_conversion.places.stores.store import Store

pytest.importorskip("obstore", reason="obstore is not installed: pip install obstore")
LOG = "\n".join(WORKED_EXAMPLE).encode() + b"\n"
MORE = [registered("2020-11-10T01:00:00Z", 4), app_loaded("2020-11-17T01:00:00Z", 4)]


@pytest.fixture
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith(("AWS_", "AZURE_", "GOOGLE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    nowhere = ("127.0.0.1", free_port())
    monkeypatch.setattr("user_conversion.places.stores.access.METADATA", nowhere)


@pytest.mark.parametrize("bucket", ["s3://bucket", "gs://bucket", "az://container"])
@pytest.mark.parametrize("option", ["--input", "--output"])
@pytest.mark.usefixtures("no_credentials")
def test_without_credentials_a_run_ends_within_two_seconds(
    tmp_path: Path, bucket: str, option: str
) -> None:
    (tmp_path / "log.json").write_bytes(LOG)
    places = {"--input": tmp_path / "log.json", "--output": tmp_path / "out"}
    places[option] = f"{bucket}/a"  # type: ignore[assignment]
    begun = time.monotonic()
    done = command("run", *(word for pair in places.items() for word in pair))
    assert_refused(done, f"Cannot open '{bucket}': there are no credentials")
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize("profile", ["default", "nightly"])
def test_a_profile_of_aws_has_the_credentials(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, profile: str
) -> None:
    lake.put("logs/a.json", LOG)
    credentials = f"aws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"
    (tmp_path / "credentials").write_text(
        f"[default]\n{credentials if profile == 'default' else ''}[nightly]\n{credentials}"
    )
    section = profile if profile == "default" else f"profile {profile}"
    (tmp_path / "config").write_text(f"[{section}]\nregion = us-east-1\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    if profile != "default":
        monkeypatch.setenv("AWS_PROFILE", profile)
    done = command("run", "--input", lake.at("logs"), "--output", tmp_path / "out")
    assert done.status == 0, done.err


def test_a_damaged_profile_is_named(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "credentials").write_text(f"aws_secret_access_key = {SECRET}\n")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    done = command("run", "--input", lake.at("logs"), "--output", tmp_path / "out")
    assert_refused(done, "The file of AWS_SHARED_CREDENTIALS_FILE")
    assert SECRET not in done.err


def test_without_the_package_the_sentence_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [
        name for name in sys.modules if name.startswith("user_conversion.places.stores.store")
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "obstore", None)
    done = command("run", "--input", "s3://bucket/a", "--output", tmp_path / "out")
    assert_refused(done, "which needs a package: pip install obstore.")


@pytest.fixture(scope="module")
def running_azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStore]:
    if azurite_program() is None:
        pytest.skip("Azurite is not installed: npm install azurite")
    with azurite(tmp_path_factory.mktemp("azurite")) as store:
        yield store


def test_azure_holds_logs_and_output(
    running_azurite: RunningStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in running_azurite.environment.items():
        monkeypatch.setenv(name, value)
    logs, output = (f"{running_azurite.address}/{name}" for name in ("logs", "out"))
    Store(logs).write("a b%20#.json", LOG)
    words = ("run", "--input", logs, "--format", "json", "--output")
    assert command(*words, output).json() == command(*words, tmp_path / "out").json()
    Store(logs).write("2.json", "\n".join(MORE).encode())
    assert command(*words, output).json() == command(*words, tmp_path / "out").json()
    Store(logs).write("a b%20#.json", LOG.split(b"\n", 1)[1])  # delivered again, one user less
    assert command(*words, output).json() == command(*words, tmp_path / "out").json()
    assert command("check", "--output", output).status == 0
    names = [each.name for each in Store(output).list(".staging/")]
    assert len(names) == 2
    done = command("run", "--input", "az://none/logs", "--output", tmp_path / "out")
    assert_refused(done, "there is no such container; check its name")
