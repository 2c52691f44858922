"""All of an output is on one file system: a part that cannot be renamed is refused."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.command import Finished, command
from support.datasets import CONTRACT, assert_no_litter, read_dataset, row_counts
from support.logs import app_loaded, registered, write_log

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
    return write_log(tmp_path / "logs" / "a.json", [registered(TIME, 1), app_loaded(TIME, 1)])


def run(logs: Path, output: Path) -> Finished:
    return command("run", "--input", logs, "--output", output)


def published(output: Path) -> dict[str, Counter[tuple[Any, ...]]]:
    return {name: row_counts(output, name) for name in CONTRACT}


def assert_refused(done: Finished, folder: Path) -> None:
    assert (done.status, done.out, len(done.err.splitlines())) == (1, "", 1)
    assert f"'{folder}' is a mount point, a link, or on another file system" in done.err


@pytest.mark.parametrize("kind", ["another volume", "the same volume"])
@pytest.mark.parametrize(
    "place",
    [
        "user_registration",
        "rejected_events/format=parquet",
        "weekly_summary/format=parquet/registration_week=2020-45",
    ],
)
def test_mount_inside_the_output_is_refused(
    logs: Path, output: Path, tmp_path: Path, mount: Mount, kind: str, place: str
) -> None:
    if kind == "another volume":
        mount("-t", "tmpfs", "tmpfs", target=output / place)
    else:
        (tmp_path / "beside").mkdir()
        mount("--bind", tmp_path / "beside", target=output / place)
    assert_refused(run(logs, output), output / place)
    assert not (output / "ledger.json").exists()
    assert not list(output.rglob("*.parquet"))
    assert not (output / ".staging").exists()


def test_link_to_another_folder_is_refused(logs: Path, output: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    output.mkdir()
    (output / "user_conversion").symlink_to(tmp_path / "elsewhere")
    assert_refused(run(logs, output), output / "user_conversion")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_lower_layer_of_an_overlay_is_refused(
    logs: Path, output: Path, tmp_path: Path, mount: Mount
) -> None:
    """As in a container whose image has an output."""
    assert run(logs, output).status == 0
    before = published(output)
    layers = tmp_path / "layers"
    mount("-t", "tmpfs", "tmpfs", target=layers)
    for name in ("upper", "work"):
        (layers / name).mkdir()
    layout = f"lowerdir={output},upperdir={layers}/upper,workdir={layers}/work"
    layered = layers / "all"
    mount("-t", "overlay", "overlay", "-o", f"redirect_dir=off,{layout}", target=layered)
    write_log(logs.parent / "b.json", [registered(TIME, 2)])
    assert_refused(run(logs.parent, layered), layered / "user_registration")
    assert published(layered) == before


def test_output_that_is_a_mount_is_published_to(logs: Path, output: Path, mount: Mount) -> None:
    mount("-t", "tmpfs", "tmpfs", target=output)
    for user in (2, 3):
        write_log(logs.parent / f"{user}.json", [registered(TIME, user)])
        assert run(logs.parent, output).status == 0
    users = sorted(row.initiator_id for row in read_dataset(output, "user_conversion"))
    assert users == [1, 2, 3]
    assert_no_litter(output)
