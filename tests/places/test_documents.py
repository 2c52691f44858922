"""Documents that a disk has damaged: one sentence, and a rebuild always works."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.command import assert_refused, command
from support.datasets import assert_no_litter, read_dataset
from support.logs import TIME, app_loaded, registered, write_log
from support.mutations import MISSING, WRONG, mutated, places

from user_conversion.inputs.ledger import Ledger
from user_conversion.jobs.report import last_record
from user_conversion.places.folders import output as output_folder
from user_conversion.places.folders.output import OutputFolder
from user_conversion.places.place import Folder
from user_conversion.rules.errors import DatasetError, OutputError

LOADS = {"ledger.json": Ledger.load, "run.json": last_record}


class Killed(BaseException):
    """The process is gone."""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write_log(tmp_path / "log.json", [registered(TIME, 1), app_loaded(TIME, 1)])


def run(log: Path, output: Path, *more: str) -> None:
    done = command("run", "--input", log, "--output", output, *more)
    assert done.status == 0, done.err


def damaged(whole: bytes) -> Iterator[bytes]:
    """The document cut, or filled with zeros, from each of its bytes on."""
    # The last byte is only the end of the line.
    for length in range(len(whole) - 1):
        yield whole[:length]
        yield whole[:length].ljust(len(whole), b"\0")


@pytest.mark.parametrize("name", LOADS)
def test_each_damage_is_noticed(log: Path, output: Path, name: str) -> None:
    run(log, output)
    for content in damaged((output / name).read_bytes()):
        (output / name).write_bytes(content)
        with pytest.raises(DatasetError, match=r"^[^\n]*$"):
            LOADS[name](Folder(output))


OTHERS = [b"", b"\0" * 500, b"[]", b"7", b"null", b"{}", b'{"version": 99}', b"[" * 100_000]


@pytest.mark.parametrize("content", OTHERS)
@pytest.mark.parametrize("name", LOADS)
def test_a_rebuild_replaces_a_damaged_document(
    log: Path, output: Path, name: str, content: bytes
) -> None:
    run(log, output)
    (output / name).write_bytes(content)
    with pytest.raises(DatasetError, match=r"--full-refresh|run .* again"):
        LOADS[name](Folder(output))
    run(log, output, "--full-refresh")
    LOADS[name](Folder(output))
    assert len(read_dataset(output, "user_registration")) == 1


@pytest.mark.parametrize("name", LOADS)
def test_a_value_of_another_type_is_noticed(log: Path, output: Path, name: str) -> None:
    run(log, output)
    whole = (output / name).read_bytes()
    for place, value in product(places(json.loads(whole)), ("text", 7, {}, [[]])):
        document = parent = json.loads(whole)
        for step in place[:-1]:
            parent = parent[step]
        if parent[place[-1]] is None or is_alike(parent[place[-1]], value):
            continue
        parent[place[-1]] = value
        (output / name).write_text(json.dumps(document))
        with pytest.raises(DatasetError, match=r"^[^\n]*$"):
            LOADS[name](Folder(output))


def is_alike(value: Any, other: Any) -> bool:
    """Whether both have one type in JSON."""
    return type(other) is type(value) or (type(value), type(other)) == (float, int)


@pytest.mark.property
def test_a_mutated_ledger_ends_in_the_same_answer_or_a_sentence(log: Path, output: Path) -> None:
    """A wrong path, size or content only means that the file is read again."""
    run(log, output)
    ledger = output / "ledger.json"
    document = json.loads(ledger.read_bytes())
    whole = output.with_name("whole")
    output.rename(whole)

    @settings(max_examples=max(40, settings.default.max_examples // 10))
    @given(st.sampled_from([*places(document)]), st.sampled_from([*WRONG, MISSING, "as text"]))
    def check(place: tuple[Any, ...], value: Any) -> None:
        shutil.rmtree(output, ignore_errors=True)
        shutil.copytree(whole, output)
        ledger.write_text(json.dumps(mutated(document, place, value)))
        done = command("run", "--input", log, "--output", output, "--format", "json")
        if done.status:
            assert_refused(done)
        else:
            answer = done.json()
            assert (answer["total_registered"], answer["total_converted"]) == (1, 0)

    check()


def test_names_of_files_that_are_not_utf_8_are_remembered(tmp_path: Path, output: Path) -> None:
    name = os.fsdecode(b"log-\xff\xe9.json")
    log = write_log(tmp_path / "logs" / name, [registered(TIME, 1)])
    run(log.parent, output)
    assert [Path(file.path).name for file in loaded(output).files] == [name]
    assert command("run", "--input", log.parent, "--output", output, "--format", "json").json()
    assert [Path(file.path).name for file in loaded(output).files] == [name]


def loaded(output: Path) -> Ledger:
    ledger = Ledger.load(Folder(output))
    assert ledger is not None
    return ledger


# ---------------------------------------------------------------- the commit document


@pytest.fixture
def interrupted(log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An output in which a run was killed right after its commit."""
    output = tmp_path / "interrupted"
    run(log, output)
    with log.open("a") as file:
        file.write(registered(TIME, 2) + "\n")

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, contextlib.suppress(Killed):
        patch.setattr(output_folder.OutputFolder, "_finish", killed)
        command("run", "--input", log, "--output", output)
    assert (output / ".staging" / "publish.json").exists()
    return output


def test_each_damage_of_the_commit_document_is_noticed(interrupted: Path) -> None:
    manifest = interrupted / ".staging" / "publish.json"
    whole = manifest.read_bytes()
    for content in (*damaged(whole), *OTHERS):
        manifest.write_bytes(content)
        with pytest.raises(OutputError, match=r"^[^\n]*--full-refresh.$"):
            OutputFolder(interrupted, "test").__enter__()
    manifest.write_bytes(whole)
    with OutputFolder(interrupted, "test"):
        pass
    assert len(read_dataset(interrupted, "user_registration")) == 2


@pytest.mark.parametrize("content", OTHERS)
def test_a_rebuild_replaces_a_damaged_commit(log: Path, interrupted: Path, content: bytes) -> None:
    (interrupted / ".staging" / "publish.json").write_bytes(content)
    for name in ("run", "conversion-rate"):
        options = ["--input", log] if name == "run" else []
        done = command(name, *options, "--output", interrupted)
        assert_refused(done, "--full-refresh")
    run(log, interrupted, "--full-refresh")
    assert len(read_dataset(interrupted, "user_registration")) == 2
    assert_no_litter(interrupted)


def test_a_damaged_commit_is_remembered_until_the_rebuild_has_worked(
    log: Path, interrupted: Path, tmp_path: Path
) -> None:
    (interrupted / ".staging" / "publish.json").write_bytes(b"")
    bad = write_log(tmp_path / "bad.json", ["no event"])
    done = command("run", "--input", bad, "--output", interrupted, "--full-refresh")
    assert done.status == 1
    assert "--full-refresh" in command("run", "--input", log, "--output", interrupted).err
    run(log, interrupted, "--full-refresh")
    assert_no_litter(interrupted)


def test_a_commit_without_its_files_is_an_error(log: Path, interrupted: Path) -> None:
    shutil.rmtree(interrupted / ".staging" / "new")
    done = command("run", "--input", log, "--output", interrupted)
    assert_refused(done, "--full-refresh")
    run(log, interrupted, "--full-refresh")
    assert len(read_dataset(interrupted, "user_registration")) == 2
