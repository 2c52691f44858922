"""Published files that are missing, added or changed are an error, never an answer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.command import assert_refused, command
from support.datasets import read_dataset
from support.logs import app_loaded, registered, write_log

DAYS = ("2020-11-02", "2020-11-03")


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("USER_CONVERSION_MAX_REJECTED", "1")
    lines = [registered(f"{day}T06:21:14Z", user) for day in DAYS for user in (1, 2)]
    lines += [app_loaded("2020-11-02T06:21:14Z", 1), "no event"]
    return write_log(tmp_path / "logs" / "a.json", lines).parent


def day(output: Path) -> Path:
    return output / "user_registration" / "format=parquet" / f"derived_tstamp_day={DAYS[0]}"


def remove_the_file(output: Path) -> None:
    (day(output) / "part-0.parquet").unlink()


def remove_the_folder(output: Path) -> None:
    shutil.rmtree(day(output))


def remove_the_dataset(output: Path) -> None:
    shutil.rmtree(output / "user_registration")


def copy_the_file(output: Path) -> None:
    shutil.copy(day(output) / "part-0.parquet", day(output) / "part-1.parquet")


def copy_the_folder(output: Path) -> None:
    shutil.copytree(day(output), day(output).with_name("derived_tstamp_day=2020-11-01"))


def take_an_older_file(output: Path) -> None:
    older = output.parent / "older"
    log = write_log(output.parent / "older.json", [registered(f"{DAYS[0]}T06:21:14Z", 1)])
    assert command("events-split", "--input", log, "--output", older).status == 0
    shutil.copy(day(older) / "part-0.parquet", day(output) / "part-0.parquet")


def cut_the_file(output: Path) -> None:
    file = day(output) / "part-0.parquet"
    file.write_bytes(file.read_bytes()[:-100])


def empty_the_file(output: Path) -> None:
    (day(output) / "part-0.parquet").write_bytes(b"")


DAMAGES = {
    remove_the_file: f"derived_tstamp_day={DAYS[0]}, in",
    remove_the_folder: f"derived_tstamp_day={DAYS[0]}, in",
    remove_the_dataset: "user_registration",
    copy_the_file: "has 4 rows, but 2 were published",
    copy_the_folder: "derived_tstamp_day=2020-11-01, in",
    take_an_older_file: "has 1 rows, but 2 were published",
    cut_the_file: f"derived_tstamp_day={DAYS[0]}/part-0.parquet",
    empty_the_file: f"derived_tstamp_day={DAYS[0]}/part-0.parquet",
}


@pytest.mark.parametrize(
    ("damage", "named"), DAMAGES.items(), ids=[damage.__name__ for damage in DAMAGES]
)
def test_a_damaged_dataset_is_noticed(
    logs: Path,
    output: Path,
    damage: Callable[[Path], None],
    named: str,
) -> None:
    assert command("run", "--input", logs, "--output", output).status == 0
    damage(output)
    write_log(logs / "b.json", [registered(f"{DAYS[0]}T07:21:14Z", 3)])
    for arguments in (
        ["conversion-rate"],
        ["events-split", "--input", logs],
        ["run", "--input", logs],
    ):
        done = command(*arguments, "--output", output)
        assert_refused(done, named, "--full-refresh")
    assert command("run", "--input", logs, "--output", output, "--full-refresh").status == 0
    assert len(read_dataset(output, "user_registration")) == 5


def test_lost_rejected_lines_are_noticed(logs: Path, output: Path) -> None:
    assert command("run", "--input", logs, "--output", output).status == 0
    (output / "rejected_events" / "format=parquet" / "part-0.parquet").unlink()
    write_log(logs / "b.json", [registered("2020-11-04T06:21:14Z", 3)])
    done = command("events-split", "--input", logs, "--output", output)
    assert done.status == 1
    assert "rejected_events in" in done.err


def test_the_ledger_has_the_rows_of_each_partition(logs: Path, output: Path) -> None:
    assert command("events-split", "--input", logs, "--output", output).status == 0
    write_log(logs / "b.json", [registered("2020-11-03T06:21:14Z", 3), "again no event"])
    assert command("events-split", "--input", logs, "--output", output).status == 0
    assert json.loads((output / "ledger.json").read_bytes())["rows"] == {
        "app_loaded": {"2020-11-02": 1},
        "rejected_events": {"": 2},
        "user_registration": {"2020-11-02": 2, "2020-11-03": 3},
    }
