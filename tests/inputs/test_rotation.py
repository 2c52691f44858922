"""Logs that rotate: moved, compressed, delivered again. Any history is in test_histories."""

from __future__ import annotations

import gzip
import io
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.datasets import read_dataset, users
from support.engines import DUCKDB, EngineUnderTest
from support.logs import registered, write_log

from user_conversion.engines.duckdb.lines import LineReader
from user_conversion.rules.errors import InputError


def test_moved_renamed_and_compressed_file_is_not_read_again(tmp_path: Path, output: Path) -> None:
    logs = tmp_path / "logs"
    log = write_log(logs / "a.log", [registered("2020-11-02T12:00:00Z", n) for n in range(9)])
    DUCKDB.split(output, logs)
    log = log.rename(logs / "a.log.1")
    assert DUCKDB.split(output, logs).files == ()
    (logs / "a.log.1.gz").write_bytes(gzip.compress(log.read_bytes()))
    assert DUCKDB.split(output, logs).read.lines == 0, "both are there"
    log.unlink()
    assert DUCKDB.split(output, logs).read.lines == 0
    moved = shutil.move(logs, tmp_path / "elsewhere")
    assert DUCKDB.split(output, Path(moved)).total.lines == 9


def test_same_content_under_two_names_is_read_once_and_named(tmp_path: Path, output: Path) -> None:
    for name in ("a.json", "b.json"):
        write_log(tmp_path / "logs" / name, [registered("2020-11-02T12:00:00Z", 1)])
    done = DUCKDB.command("events-split", "--input", tmp_path / "logs", "--output", output)
    assert done.status == 0
    assert "b.json (same content as" in done.err
    assert len(read_dataset(output, "user_registration")) == 1


def test_the_events_of_a_file_that_was_gone_stay(tmp_path: Path, output: Path) -> None:
    """Its name is used again, by the next log and by one that grows from it."""
    logs = tmp_path / "logs"
    write_log(logs / "other.log", [registered("2020-11-01T12:00:00Z", 1)])
    log = write_log(logs / "app.log", [registered("2020-11-02T12:00:00Z", 2)])
    DUCKDB.split(output, logs)
    log.unlink()
    assert DUCKDB.split(output, logs).gone == 1
    write_log(log, [registered("2020-11-09T12:00:00Z", 3)])
    assert DUCKDB.split(output, logs).replaced == ()
    write_log(log, [registered("2020-11-09T12:00:00Z", user) for user in (3, 4)])
    assert DUCKDB.split(output, logs).total.lines == 4
    assert users(output) == [1, 2, 3, 4]


@pytest.mark.parametrize("copy", ["a-copy.log", "z-copy.log", "day5.log.gz"])
def test_a_corrected_file_with_a_copy_replaces_what_it_delivered(
    tmp_path: Path, output: Path, copy: str
) -> None:
    """Whichever of the two names comes first."""
    logs = tmp_path / "logs"
    write_log(logs / "other.log", [registered("2020-11-01T12:00:00Z", 1)])
    log = write_log(logs / "day5.log", [registered("2020-11-05T12:00:00Z", n) for n in (2, 3)])
    DUCKDB.split(output, logs)
    write_log(log, [registered("2020-11-12T12:00:00Z", 2)])
    content = log.read_bytes()
    (logs / copy).write_bytes(gzip.compress(content) if copy.endswith("gz") else content)
    split = DUCKDB.split(output, logs)
    assert (split.replaced, split.gone) == ((str(log),), 0)
    assert users(output) == [1, 2]


def test_two_files_that_get_one_content(tmp_path: Path, output: Path) -> None:
    logs = tmp_path / "logs"
    paths = [
        write_log(logs / name, [registered("2020-11-05T12:00:00Z", user)])
        for user, name in enumerate(("a.log", "b.log"))
    ]
    DUCKDB.split(output, logs)
    for path in paths:
        write_log(path, [registered("2020-11-06T12:00:00Z", 7)])
    assert DUCKDB.split(output, logs).replaced == tuple(map(str, paths))
    assert users(output) == [7]


def test_what_is_piped_in_adds_its_events(
    tmp_path: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same content again does not, and a folder may be read in between."""
    first, second = (registered(f"2020-11-0{day}T12:00:00Z", day) for day in (2, 3))
    write_log(tmp_path / "logs" / "a.json", [registered("2020-11-04T12:00:00Z", 4)])
    for lines in ([first], [second], None, [first], [first, registered("2020-11-05T12:00:00Z", 5)]):
        if lines is None:
            DUCKDB.split(output, tmp_path / "logs")
            continue
        piped = io.TextIOWrapper(io.BytesIO("".join(f"{line}\n" for line in lines).encode()))
        monkeypatch.setattr("sys.stdin", piped)
        DUCKDB.split(output, Path("-"))
    assert users(output) == [2, 3, 4, 5]


def test_a_file_delivered_again_replaces_what_it_delivered(
    engine: EngineUnderTest, tmp_path: Path, output: Path
) -> None:
    """Its days are made anew: the second of them has events of another file, too."""
    logs = tmp_path / "logs"
    first = [
        registered("2020-11-02T12:00:00Z", 1),
        registered("2020-11-03T12:00:00Z", 2),
        "no event",
    ]
    log = write_log(logs / "first.json", first)
    write_log(logs / "second.json", [registered("2020-11-03T13:00:00Z", 3), "nor this"])
    engine.split(output, logs)
    write_log(log, [registered("2020-11-03T12:00:00Z", 4), registered("2020-11-04T12:00:00Z", 5)])
    split = engine.split(output, logs)
    assert split.replaced == (str(log),)
    rows = read_dataset(output, "user_registration")
    assert sorted((row.derived_tstamp_day, row.initiator_id) for row in rows) == [
        ("2020-11-03", 3),
        ("2020-11-03", 4),
        ("2020-11-04", 5),
    ]
    assert [row.raw for row in read_dataset(output, "rejected_events")] == ["nor this"]
    assert (split.total.lines, split.total.registered, split.total.rejected) == (4, 3, 1)


def test_a_day_that_cannot_be_made_anew_is_refused(tmp_path: Path, output: Path) -> None:
    logs = tmp_path / "logs"
    log = write_log(logs / "first.json", [registered("2020-11-02T12:00:00Z", 1)])
    gone = write_log(logs / "second.json", [registered("2020-11-02T13:00:00Z", 2)])
    DUCKDB.split(output, logs)
    gone.unlink()
    write_log(log, [registered("2020-11-02T12:00:00Z", 3)])
    done = DUCKDB.command("events-split", "--input", logs, "--output", output)
    assert (done.status, len(done.err.splitlines())) == (1, 1)
    assert all(text in done.err for text in (str(log), str(gone), "--full-refresh"))
    rows = read_dataset(output, "user_registration")
    assert [row.initiator_id for row in rows] == [1, 2]


def test_log_to_which_only_bad_lines_were_added_is_read(tmp_path: Path, output: Path) -> None:
    log = write_log(tmp_path / "log.json", [registered("2020-11-02T00:00:00Z", 1)])
    DUCKDB.split(output, log)
    with log.open("a") as file:
        file.write("not json\n")
    total = DUCKDB.split(output, log).total
    assert (total.lines, total.registered, total.rejected) == (2, 1, 1)


def test_blank_beginning_of_a_line_is_read_again_with_its_rest(
    tmp_path: Path, output: Path
) -> None:
    log = tmp_path / "log.json"
    log.write_text(registered("2020-11-02T00:00:00Z", 1) + "\n  ")
    assert DUCKDB.split(output, log).total.blank == 1
    with log.open("a") as file:
        file.write(registered("2020-11-02T00:00:00Z", 2) + "\n")
    total = DUCKDB.split(output, log).total
    assert (total.lines, total.registered, total.blank) == (2, 2, 0)


def test_event_of_the_future_stays_rejected_until_a_rebuild(tmp_path: Path, output: Path) -> None:
    now = datetime(2020, 11, 2, tzinfo=UTC)
    lines = [registered("2020-11-02T00:00:00Z", 1), registered("2020-11-09T00:00:00Z", 2)]
    log = write_log(tmp_path / "log.json", lines)
    assert DUCKDB.split(output, log, now=now).total.rejected == 1
    with log.open("a") as file:
        file.write(registered("2020-11-03T00:00:00Z", 3) + "\n")
    later = now + timedelta(days=7)
    total = DUCKDB.split(output, log, now=later).total
    assert (total.lines, total.registered, total.rejected) == (3, 2, 1)
    total = DUCKDB.split(output, log, now=later, full_refresh=True).total
    assert (total.lines, total.registered, total.rejected) == (3, 3, 0)


def test_nightly_run_over_a_growing_log_reads_what_is_new(
    tmp_path: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = write_log(
        tmp_path / "log.json", [registered("2020-11-02T12:00:00Z", n) for n in range(50_000)]
    )
    DUCKDB.split(output, log)
    with log.open("a") as file:
        file.write(registered("2020-11-03T12:00:00Z", 50_000) + "\n")
    parsed: list[int] = []
    read = LineReader.read
    monkeypatch.setattr(
        LineReader,
        "read",
        lambda self, files, new: parsed.extend(f.size for f in files) or read(self, files, new),
    )
    result = DUCKDB.split(output, log)
    assert (result.read.lines, result.total.lines) == (1, 50_001)
    assert 0 < sum(parsed) < 1_000


def test_a_file_without_rejected_lines_replaces_none_of_its_namesake(
    tmp_path: Path, output: Path
) -> None:
    """A copy of it is corrected; the log that has its first name now keeps its rejected line."""
    logs = tmp_path / "logs"
    first = registered("2020-11-02T12:00:00Z", 1)
    log, copy = write_log(logs / "app.log", [first]), logs / "copy.log"
    DUCKDB.split(output, logs)
    shutil.copy(log, copy)
    DUCKDB.split(output, logs)
    write_log(log, [first, "no event"])
    DUCKDB.split(output, logs)
    write_log(copy, [registered("2020-11-03T12:00:00Z", 2)])
    assert DUCKDB.split(output, logs).total.rejected == 1
    assert [row.raw for row in read_dataset(output, "rejected_events")] == ["no event"]


def test_an_event_of_the_future_on_a_day_that_is_made_anew(tmp_path: Path, output: Path) -> None:
    """A phone was a day ahead: rejected once, the event would be accepted now."""
    logs, now = tmp_path / "logs", datetime(2020, 11, 2, 12, tzinfo=UTC)
    early = [registered("2020-11-03T11:00:00Z", 1), registered("2020-11-03T13:00:00Z", 2)]
    write_log(logs / "phone.log", early)
    log = write_log(logs / "other.log", [registered("2020-11-03T01:00:00Z", 3)])
    assert DUCKDB.split(output, logs, now=now).total.rejected == 1
    write_log(log, [registered("2020-11-03T02:00:00Z", 4)])
    with pytest.raises(InputError, match="not of the future any more"):
        DUCKDB.split(output, logs, now=now + timedelta(days=3))
    assert users(output) == [1, 3]
    total = DUCKDB.split(output, logs, now=now + timedelta(days=3), full_refresh=True).total
    assert (total.registered, total.rejected) == (3, 0)
