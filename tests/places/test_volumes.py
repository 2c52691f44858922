"""All of an output is on one file system: a part that cannot be renamed is refused."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.command import Finished, assert_refused, command
from support.datasets import assert_no_litter, everything, read_dataset
from support.logs import TIME, app_loaded, registered, write_log

Mount = Callable[..., None]
REFUSED = "is a mount point, a link, or on another file system"


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
    assert_refused(run(logs, output), output / place, REFUSED)
    assert not (output / "ledger.json").exists()
    assert not list(output.rglob("*.parquet"))
    assert not (output / ".staging").exists()


def test_link_to_another_folder_is_refused(logs: Path, output: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    output.mkdir()
    (output / "user_conversion").symlink_to(tmp_path / "elsewhere")
    assert_refused(run(logs, output), output / "user_conversion", REFUSED)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_lower_layer_of_an_overlay_is_refused(
    logs: Path, output: Path, tmp_path: Path, mount: Mount
) -> None:
    """As in a container whose image has an output."""
    assert run(logs, output).status == 0
    before = everything(output)
    layers = tmp_path / "layers"
    mount("-t", "tmpfs", "tmpfs", target=layers)
    for name in ("upper", "work"):
        (layers / name).mkdir()
    layout = f"lowerdir={output},upperdir={layers}/upper,workdir={layers}/work"
    layered = layers / "all"
    mount("-t", "overlay", "overlay", "-o", f"redirect_dir=off,{layout}", target=layered)
    write_log(logs.parent / "b.json", [registered(TIME, 2)])
    assert_refused(run(logs.parent, layered), layered / "user_registration", REFUSED)
    assert everything(layered) == before


def test_output_that_is_a_mount_is_published_to(logs: Path, output: Path, mount: Mount) -> None:
    mount("-t", "tmpfs", "tmpfs", target=output)
    for user in (2, 3):
        write_log(logs.parent / f"{user}.json", [registered(TIME, user)])
        assert run(logs.parent, output).status == 0
    users = sorted(row.initiator_id for row in read_dataset(output, "user_conversion"))
    assert users == [1, 2, 3]
    assert_no_litter(output)
