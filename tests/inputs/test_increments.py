"""Reading what is new: what is read, what is written, what the ledger knows."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from support.command import command
from support.datasets import read_dataset, row_counts, users
from support.engines import DUCKDB, EngineUnderTest, engines
from support.logs import app_loaded, line, registered, write_log


def test_an_engine_adds_to_what_another_wrote(
    engine: EngineUnderTest, tmp_path: Path, output: Path
) -> None:
    lines = [line(user, f"2020-11-0{2 + user % 3}T12:00:00Z") for user in range(9)]
    lines += [app_loaded("2020-11-10T12:00:00Z", 3, "phone"), "{}"]
    write_log(tmp_path / "logs" / "a.json", lines[::2])
    DUCKDB.split(output, tmp_path / "logs")
    write_log(tmp_path / "logs" / "b.json", lines[1::2])
    engine.split(output, tmp_path / "logs")
    assert users(output) == list(range(9))
    assert len(read_dataset(output, "rejected_events")) == 1
    for each in (engine, DUCKDB):
        answer = each.convert(output).as_json()
        assert (answer["total_registered"], answer["total_converted"]) == (9, 1)


# ---------------------------------------------------------------- what is read, what is written


def test_late_events_land_in_their_day(tmp_path: Path, output: Path) -> None:
    days = ("2020-11-02", "2020-11-03", "2020-11-04")
    lines = [line(user, f"{day}T12:00:00Z") for user, day in enumerate(days)]
    DUCKDB.split(output, write_log(tmp_path / "logs" / "a.json", lines).parent)
    before = inodes(output)
    late = [line(10, "2020-11-03T23:59:59.999999Z"), line(11, "2020-10-31T00:00:00Z")]
    write_log(tmp_path / "logs" / "late.json", late)
    result = DUCKDB.split(output, tmp_path / "logs")
    assert [each.file.path.name for each in result.files] == ["late.json"]
    assert result.read.lines == 2
    rows = read_dataset(output, "user_registration")
    assert {(row.derived_tstamp_day, row.initiator_id) for row in rows} == {
        ("2020-10-31", 11),
        ("2020-11-02", 0),
        ("2020-11-03", 1),
        ("2020-11-03", 10),
        ("2020-11-04", 2),
    }
    # The other days were not touched.
    after = inodes(output)
    assert {path for path in before if before[path] != after.get(path)} == {"2020-11-03"}


def inodes(output: Path) -> dict[str, set[int]]:
    folder = output / "user_registration" / "format=parquet"
    return {
        path.name.removeprefix("derived_tstamp_day="): {
            each.stat().st_ino for each in path.iterdir()
        }
        for path in folder.iterdir()
    }


def test_an_unchanged_file_is_not_read_again(tmp_path: Path, output: Path) -> None:
    log = write_log(tmp_path / "log.json", [line(1)])
    DUCKDB.split(output, log)
    # Other content of the same length and time: a run that looked would see it.
    status = log.stat()
    write_log(log, [line(2)])
    os.utime(log, ns=(status.st_atime_ns, status.st_mtime_ns))
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*.parquet")}
    result = DUCKDB.split(output, log)
    assert (result.read.lines, result.total.lines) == (0, 1)
    assert users(output) == [1]
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*.parquet")} == before
    DUCKDB.split(output, log, full_refresh=True)
    assert users(output) == [2]


def test_nothing_new_says_so(tmp_path: Path, output: Path) -> None:
    log = write_log(tmp_path / "log.json", [line(1)])
    options = ["events-split", "--input", log, "--output", output]
    assert command(*options).status == 0
    assert "No new input" in command(*options).out
    assert command(*options, "--format", "json").json()["files_read"] == 0


def test_a_file_that_is_gone_keeps_its_events(
    engine: EngineUnderTest, tmp_path: Path, output: Path
) -> None:
    logs = tmp_path / "logs"
    first = write_log(logs / "a.json", [line(0)])
    write_log(logs / "b.json", [line(1)])
    engine.split(output, logs)
    first.unlink()
    write_log(logs / "c.json", [line(2)])
    split = engine.split(output, logs)
    assert (split.gone, split.total.registered) == (1, 3)
    assert users(output) == [0, 1, 2]


def test_a_rebuild_needs_all_files(tmp_path: Path, output: Path) -> None:
    """Another log format reads everything again, so events of a file that is gone would be lost."""
    logs = tmp_path / "logs"
    first = write_log(logs / "a.json", [line(0)])
    write_log(logs / "b.json", [line(1)])
    DUCKDB.split(output, logs)
    first.unlink()
    options = ["events-split", "--input", logs, "--output", output, "--field", "plan=plan"]
    done = command(*options)
    assert done.status == 1
    assert len(done.err.splitlines()) == 1
    assert str(first) in done.err and "--full-refresh" in done.err
    assert users(output) == [0, 1]
    assert command(*options, "--full-refresh").status == 0
    (row,) = row_counts(output, "user_registration", "plan")
    assert row[2] == 1


def test_a_file_has_one_identity(
    tmp_path: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However it is named, from wherever: by another path it is not another file."""
    log = write_log(tmp_path / "logs" / "a.json", [line(1)])
    (tmp_path / "link.json").symlink_to(log)
    (tmp_path / "link").symlink_to(log.parent)
    elsewhere = tmp_path / "else" / "where"
    elsewhere.mkdir(parents=True)
    for folder, path in (
        (tmp_path, "logs"),
        (tmp_path, "logs/a.json"),
        (tmp_path, "./logs/../logs/*.json"),
        (tmp_path, log),
        (tmp_path, "link.json"),
        (elsewhere, "../../link"),
    ):
        monkeypatch.chdir(folder)
        done = command("events-split", "--input", path, "--output", output, "--format", "json")
        assert done.json()["events"]["lines"] == 1, path
    assert users(output) == [1]


# ---------------------------------------------------------------- the ledger


def test_the_ledger_can_be_read_by_people(tmp_path: Path, output: Path) -> None:
    first = write_log(tmp_path / "logs" / "a.json", [line(1), "", "{}"])
    DUCKDB.split(output, tmp_path / "logs")
    second = write_log(tmp_path / "logs" / "ü.json", [line(2)])
    DUCKDB.split(output, tmp_path / "logs")
    text = (output / "ledger.json").read_text(encoding="utf-8")
    assert str(second) in text  # not as an escape
    assert len(text.splitlines()) > 20
    one, two = json.loads(text)["files"]
    assert (one["path"], one["size"]) == (str(first), first.stat().st_size)
    assert (one["counts"]["lines"], one["counts"]["registered"]) == (3, 1)
    assert one["counts"]["blank"] == 1
    assert one["counts"]["rejected_by_reason"] == {"missing_event": 1}
    assert one["days"] == ["2020-11-02"]
    assert two["path"] == str(second)


def test_parquet_without_a_ledger_is_replaced(tmp_path: Path, output: Path) -> None:
    DUCKDB.split(output, write_log(tmp_path / "a.json", [line(1, "2020-11-02T12:00:00Z")]))
    (output / "ledger.json").unlink()
    DUCKDB.split(output, write_log(tmp_path / "b.json", [line(2, "2020-11-03T12:00:00Z")]))
    assert users(output) == [2]


# ---------------------------------------------------------------- further attributes

# Words that mean something in SQL, and names of the product's own tables and columns.
NAMES = ["city", "user", "order", "group", "select", "current_date", "lines", "raw", "source"]
NAMES += ["reason", "value", "day", "users", "without_device", "latest", "calendar", "t0", "_x1"]
NAMES += [
    "kind",
    "text",
    "attribute",
    "attribute_0",
    "attributes",
    "place",
    "first_load",
    "records",
]
NAMES += ["initiator_id_right", "is_object", "event_name", "id_text", "named", "ends_at"]


@pytest.mark.parametrize("engine", engines(pytest.mark.long), indirect=True)
def test_attributes_of_any_name(engine: EngineUnderTest, tmp_path: Path, output: Path) -> None:
    values = [dict.fromkeys(NAMES, f"value {user}") for user in (1, 2)]
    first = registered("2020-11-02T12:00:00Z", 1, "ad", **values[0])
    second = registered("2020-11-02T12:00:00Z", 2, "ad", **values[1]) + " "
    late = registered("2020-11-02T12:00:00+00:00", 3, "ad", user="value 1", order=None, city=7)
    options = [option for name in NAMES for option in ("--field", f"{name}={name}")]
    for number, line_ in enumerate((first, second, late)):
        write_log(tmp_path / "logs" / f"{number}.json", [line_])
        where = ["--input", tmp_path / "logs", "--output", output, "--as-of", "2020-11-15"]
        done = engine.command("run", *where, *options, "--by", "user", "--format", "json")
        assert done.status == 0, done.err
    assert {s["value"]: s["total_registered"] for s in done.json()["segments"]} == {
        "value 1": 2,
        "value 2": 1,
    }
    for dataset in ("user_registration", "user_conversion"):
        rows = {row.initiator_id: vars(row) for row in read_dataset(output, dataset, *NAMES)}
        for user in (1, 2):
            assert {name: rows[user][name] for name in NAMES} == values[user - 1]
        assert (rows[3]["user"], rows[3]["order"], rows[3]["city"]) == ("value 1", None, "7")


def test_other_attributes_read_everything_again(tmp_path: Path, output: Path) -> None:
    log = write_log(tmp_path / "log.json", [registered("2020-11-02T12:00:00Z", 1, city="Bern")])
    DUCKDB.split(output, log)
    DUCKDB.split(output, log, field={"city": "city"})
    (row,) = read_dataset(output, "user_registration", "city")
    assert row.city == "Bern"
    DUCKDB.split(output, log)
    assert len(read_dataset(output, "user_registration")) == 1


TAKEN = ["format", "time", "Event", "registered_at", "converted", "registration_week"]


@pytest.mark.parametrize("name", [*TAKEN, "", "a b", "x;y", 'a"b', "ü", "1st", "a" * 64])
def test_attributes_that_cannot_be(tmp_path: Path, output: Path, name: str) -> None:
    log = write_log(tmp_path / "log.json", [line(1)])
    done = command("run", "--input", log, "--output", output, "--field", f"{name}=x")
    assert done.status == 2
    assert "Traceback" not in done.err
    assert not output.exists()
