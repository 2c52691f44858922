"""Outputs whose parts are on other volumes, where nothing can be renamed into them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.command import Finished, command
from support.datasets import assert_no_litter, row_counts
from support.logs import app_loaded, registered, write_log
from support.publishing import (
    NEW,
    NEW_STATE,
    OLD,
    OLD_STATE,
    killed_at,
    make_steps,
    publish,
    published,
)

from user_conversion.places import renaming
from user_conversion.places.publication import OutputFolder

DATASETS = (
    "user_registration",
    "app_loaded",
    "rejected_events",
    "user_conversion",
    "weekly_summary",
)
TIME = "2020-11-02T06:21:14Z"
Mount = Callable[..., None]


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Mounts with the arguments of the command, until the test ends."""
    mounted: list[Path] = []

    def mount(*arguments: object, target: Path) -> None:
        target.mkdir(parents=True, exist_ok=True)
        line = ["mount", *map(str, arguments), str(target)]
        if os.geteuid() or subprocess.run(line, capture_output=True).returncode:
            pytest.skip("only root may mount, and not everywhere")
        mounted.append(target)

    yield mount
    for target in reversed(mounted):
        subprocess.run(["umount", str(target)], check=True)


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    lines = [registered(TIME, 1), app_loaded(TIME, 1), registered("2020-11-20T06:21:14Z", 2)]
    return write_log(tmp_path / "logs" / "a.json", lines).parent


def run(logs: Path, output: Path, *more: object) -> Finished:
    return command("run", "--input", logs, "--output", output, *more)


def more_logs(logs: Path) -> None:
    write_log(logs / "b.json", [registered(TIME, 3), registered("2020-12-24T06:21:14Z", 4)])


def replace_the_logs(logs: Path) -> None:
    """Other days and weeks, so that a rebuild has to remove some."""
    (logs / "a.json").unlink()
    more_logs(logs)


def assert_equal_to_a_clean_run(logs: Path, output: Path, tmp_path: Path) -> None:
    clean = tmp_path / "clean"
    shutil.rmtree(clean, ignore_errors=True)
    assert run(logs, clean).status == 0
    for name in DATASETS:
        assert row_counts(output, name) == row_counts(clean, name), name
    assert not (output / ".staging").exists()


PLACES = [
    "user_registration",
    "user_registration/format=parquet",
    "user_registration/format=parquet/derived_tstamp_day=2020-11-02",
    "user_conversion",
    "weekly_summary/format=parquet/registration_week=2020-45",
    "rejected_events",
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", ["another volume", "the same volume"])
def test_a_volume_inside_the_output(
    logs: Path, output: Path, tmp_path: Path, mount: Mount, place: str, kind: str
) -> None:
    """It is published by copying: first, again with more input, and in a rebuild."""
    if kind == "another volume":
        mount("-t", "tmpfs", "tmpfs", target=output / place)
    else:
        (tmp_path / "beside").mkdir()
        mount("--bind", tmp_path / "beside", target=output / place)
    for change, *options in ((None,), (more_logs,), (replace_the_logs, "--full-refresh")):
        if change:
            change(logs)
        done = run(logs, output, *options)
        assert done.status == 0, done.err
        assert_equal_to_a_clean_run(logs, output, tmp_path)


@pytest.mark.parametrize("place", PLACES[:1] + PLACES[3:4])
def test_a_part_that_is_read_only(
    logs: Path, output: Path, tmp_path: Path, mount: Mount, place: str
) -> None:
    assert run(logs, output).status == 0
    before = {name: row_counts(output, name) for name in DATASETS}
    documents = [(output / name).read_bytes() for name in ("ledger.json", "run.json")]
    more_logs(logs)
    mount("--bind", "-o", "ro", output / place, target=output / place)
    job = ["events-split", "--input", logs] if place == PLACES[0] else ["conversion-rate"]
    done = command(*job, "--output", output)
    assert (done.status, len(done.err.splitlines())) == (1, 1)
    assert str(output / place) in done.err
    assert "Read-only" in done.err
    assert {name: row_counts(output, name) for name in DATASETS} == before
    assert [(output / name).read_bytes() for name in ("ledger.json", "run.json")] == documents
    assert_no_litter(output)


def test_a_volume_that_is_too_small(logs: Path, output: Path, tmp_path: Path, mount: Mount) -> None:
    """The run is refused before anything is published."""
    assert run(logs, output).status == 0
    before = {name: row_counts(output, name) for name in DATASETS}
    kept = tmp_path / "kept"
    shutil.move(output / "user_registration", kept)
    mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", target=output / "user_registration")
    shutil.copytree(kept, output / "user_registration", dirs_exist_ok=True)
    lines = [registered(TIME, user * 7919**3, f"{user:x}") for user in range(9, 40_000)]
    write_log(logs / "b.json", lines)
    done = run(logs, output)
    assert (done.status, len(done.err.splitlines())) == (1, 1)
    assert "No space left" in done.err
    assert str(output / "user_registration") in done.err
    assert {name: row_counts(output, name) for name in DATASETS} == before
    assert_no_litter(output)


@pytest.fixture
def lower(tmp_path: Path) -> Path:
    """What is in this folder is in the lower layer of `layered`."""
    return tmp_path / "lower"


@pytest.fixture
def layered(tmp_path: Path, lower: Path, mount: Mount) -> Callable[[], Path]:
    """Mounts an overlay file system, as containers have, and returns it."""

    def mounted() -> Path:
        layers = tmp_path / "layers"
        mount("-t", "tmpfs", "tmpfs", target=layers)
        for name in ("upper", "work"):
            (layers / name).mkdir()
        layout = f"lowerdir={lower},upperdir={layers}/upper,workdir={layers}/work"
        mount("-t", "overlay", "overlay", "-o", f"redirect_dir=off,{layout}", target=layers / "all")
        return layers / "all"

    return mounted


def test_an_output_in_a_lower_layer(
    logs: Path, tmp_path: Path, lower: Path, layered: Callable[[], Path]
) -> None:
    """As in a container whose image has an output: folders of a lower layer cannot be renamed."""
    assert run(logs, lower / "output").status == 0
    output = layered() / "output"
    with pytest.raises(OSError, match="cross-device"):
        (output / "user_conversion").rename(output / "renamed")
    for change, *options in ((more_logs,), (replace_the_logs, "--full-refresh")):
        change(logs)
        done = run(logs, output, *options)
        assert done.status == 0, done.err
        assert_equal_to_a_clean_run(logs, output, tmp_path)


def test_several_files_in_a_lower_layer(lower: Path, layered: Callable[[], Path]) -> None:
    publish_two(lower / "output", "old")
    assert publish_two(layered() / "output", "new") == ["new", "new"]


def test_several_files_on_a_volume(output: Path, mount: Mount) -> None:
    mount("-t", "tmpfs", "tmpfs", target=output / "dataset")
    for content in ("old", "new", "newer"):
        assert publish_two(output, content) == [content, content]


def test_a_file_system_that_cannot_swap_folders(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on network file systems: the folder is missing for an instant, and none is mixed."""
    monkeypatch.setattr(renaming, "RENAME_EXCHANGE", 1 << 20)
    for content in ("old", "new", "newer"):
        assert publish_two(output, content) == [content, content]


def test_killed_at_any_step_of_copying(
    tmp_path: Path, mount: Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a killed run had copied is finished by the next one."""
    make_steps(monkeypatch)
    volume = tmp_path / "volume"
    mount("-t", "tmpfs", "tmpfs", target=volume)
    number, found, happened = 0, [], True
    while happened:
        output = tmp_path / str(number)
        (volume / str(number)).mkdir()
        mount("--bind", volume / str(number), target=output / "dataset")
        with OutputFolder(output, "test") as folder:
            publish(folder, OLD, "old")
        happened = killed_at(number, output, lambda folder: publish(folder, NEW, "new"))
        with OutputFolder(output, "test"):
            pass
        found.append(published(output))
        assert found[-1] in (OLD_STATE, NEW_STATE), number
        number += 1
    assert min(found.count(OLD_STATE), found.count(NEW_STATE)) > 20


def publish_two(output: Path, content: str) -> list[str]:
    """Publish a partition of two files; what is in its files."""
    with OutputFolder(output, "test") as folder, folder.publication() as publication:
        staged = publication.folder / "dataset" / "day"
        staged.mkdir(parents=True)
        for number in range(2):
            (staged / f"part-{number}.parquet").write_text(content)
    return sorted(path.read_text() for path in (output / "dataset" / "day").iterdir())
