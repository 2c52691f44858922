"""Every line is an event, another event, blank or rejected with a reason, on every engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import bad_input_table, oracle
from support.bad_input_table import Case
from support.command import command
from support.datasets import read_dataset, row_counts
from support.engines import DUCKDB, EngineUnderTest
from support.logs import app_loaded, registered, scratch_folder, write_log
from support.strategies import (
    BAD_LINES,
    BLANK_LINES,
    NOT_UTF_8,
    OTHER_LINES,
    PARSER_LINES,
    RUN_STARTED,
    file_splits,
    raw_logs,
)

from user_conversion.events import Event, EventCounts, Rejected, read_line
from user_conversion.log_format import log_format

CASES = bad_input_table.cases()
EVENT_NAMES = ("registered", "app_loaded")
BY_LINE = {"registered": "channel", "app_loaded": "device_type"}

# ---------------------------------------------------------------- the documented tables


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_documented_line_in_plain_python(case: Case) -> None:
    latest = bad_input_table.run_started() + timedelta(days=1)
    try:
        found = read_line(case.line, log_format(), latest)
    except Rejected as rejected:
        assert str(rejected.reason) == case.counted_as
        return
    if not isinstance(found, Event):
        assert str(found) == case.counted_as
        return
    assert (found.event, found.time) == (case.counted_as, case.time)
    text = found.fields[BY_LINE[found.event]]
    assert (found.initiator_id, text) == (case.initiator_id, case.text)


def test_documented_lines(engine: EngineUnderTest, tmp_path: Path, output: Path) -> None:
    """Each line in a file of its own with a good one, so that its verdict is known by its file."""
    for number, case in enumerate(CASES):
        good = registered("2020-11-02T06:21:14Z", 10_000 + number)
        write_log(tmp_path / "logs" / f"{number:03}.json", [good, case.line])
    result = engine.split(output, tmp_path / "logs", now=bad_input_table.run_started())
    number = Counter(case.counted_as for case in CASES)
    assert result.read.lines == 2 * len(CASES)
    assert result.read.registered == len(CASES) + number["registered"]
    assert (result.read.app_loaded, result.read.other) == (number["app_loaded"], number["other"])
    assert result.read.blank == number["blank"]
    for name, dataset in zip(EVENT_NAMES, ("user_registration", "app_loaded"), strict=True):
        rows = [
            row for row in read_dataset(output, dataset) if not 10_000 <= row.initiator_id < 11_000
        ]
        assert Counter(
            (row.time, row.initiator_id, getattr(row, BY_LINE[name])) for row in rows
        ) == Counter(
            (case.time, case.initiator_id, case.text) for case in CASES if case.counted_as == name
        )
    rejected = {Path(row.source).name: row for row in read_dataset(output, "rejected_events")}
    expected = {
        f"{number:03}.json": case.counted_as
        for number, case in enumerate(CASES)
        if case.counted_as in oracle.REASONS
    }
    assert {name: row.reason for name, row in rejected.items()} == expected


def test_lines_that_the_parser_decides_are_never_lost(
    engine: EngineUnderTest, tmp_path: Path, output: Path
) -> None:
    decided = [*bad_input_table.parser_lines(), *PARSER_LINES, *NOT_UTF_8]
    lines = [line if isinstance(line, bytes) else line.encode() for line in decided]
    for number, line in enumerate(lines):
        good = registered("2020-11-02T06:21:14Z", 10_000 + number)
        write_log(tmp_path / "logs" / f"{number:03}.json", [good, line])
    counts = engine.split(output, tmp_path / "logs").read
    assert (counts.lines, counts.unaccounted()) == (2 * len(lines), 0)
    assert counts.registered >= len(lines)
    rows = read_dataset(output, "rejected_events")
    assert len(rows) == counts.rejected
    for row in rows:
        line = lines[int(Path(row.source).stem)]
        assert shown(row.raw.encode()) == shown(line)


def test_documented_lines_in_one_file(
    engine: EngineUnderTest, tmp_path: Path, output: Path
) -> None:
    """All lines together, between good ones: a bad line does not touch its neighbours."""
    good = [registered("2020-11-02T06:21:14Z", 10_000 + number) for number in range(len(CASES))]
    lines = [
        line for pair in zip(good, (case.line for case in CASES), strict=True) for line in pair
    ]
    log = write_log(tmp_path / "log.json", lines)
    result = engine.split(output, log, now=bad_input_table.run_started())
    kept = {row.initiator_id for row in read_dataset(output, "user_registration")}
    assert kept >= set(range(10_000, 10_000 + len(CASES)))
    assert result.read.lines == 2 * len(CASES)
    assert result.read.registered - len(CASES) == sum(c.counted_as == "registered" for c in CASES)
    numbers = engine.can.line_numbers
    assert_rejected(output, {str(log): lines}, numbers, bad_input_table.run_started())


# ---------------------------------------------------------------- any mixture of lines


def assert_rejected(
    output: Path,
    files: dict[str, Sequence[str | bytes]],
    line_numbers: bool,
    now: datetime = RUN_STARTED,
) -> None:
    """`rejected_events` has the rejected lines, each with file, line number and reason."""
    expected: Counter[tuple[Any, ...]] = Counter()
    for source, lines in files.items():
        for number, line in enumerate(lines, 1):
            raw = line if isinstance(line, bytes) else line.encode()
            reason = oracle.classify(raw, now).counted_as
            if reason in oracle.REASONS:
                expected[source, number, reason, shown(raw)] += 1
    found = Counter(
        (row.source, row.line_number, row.reason, shown(row.raw.encode()))
        for row in read_dataset(output, "rejected_events")
    )
    if not line_numbers:
        expected = Counter((s, None, reason, raw) for s, _, reason, raw in expected.elements())
    assert found == expected


def shown(line: bytes) -> str:
    """What must be kept of a line; a byte order mark and whitespace around it may be."""
    return line.decode("utf-8", "replace").strip("\ufeff \t\r\v\f")


@pytest.mark.property
def test_any_lines_in_any_files(engine: EngineUnderTest) -> None:
    """Events among bad, other and blank lines: all accounted for, and nothing else published."""

    @engine.examples(120)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        lines = data.draw(raw_logs())
        # A file without any good line would fail the run.
        good = [registered("2020-11-02T06:21:14Z", 1_000 + number).encode() for number in range(4)]
        contents = data.draw(file_splits(lines))
        contents = [good[number] + b"\n" + each for number, each in enumerate(contents)]
        with scratch_folder() as name:
            logs = Path(name, "logs")
            logs.mkdir()
            files: dict[str, Sequence[str | bytes]] = {}
            for number, content in enumerate(contents):
                path = logs / f"{number}.json"
                path.write_bytes(content)
                files[str(path)] = oracle.split_lines(content)
            output = Path(name, "output")
            result = engine.split(output, logs)
            read = [line for each in contents for line in oracle.split_lines(each)]
            expected = oracle.read(read, RUN_STARTED)
            assert_counts(result.read, expected.counts)
            assert result.total == result.read
            assert_events(output, expected.events)
            assert_rejected(output, files, engine.can.line_numbers)

    check()


def assert_counts(found: EventCounts, expected: oracle.Counts) -> None:
    assert (found.lines, found.registered, found.app_loaded, found.other, found.blank) == (
        expected.lines,
        expected.registered,
        expected.app_loaded,
        expected.other,
        expected.blank,
    )
    assert dict(found.rejected_by_reason) == expected.rejected_by_reason
    assert found.unaccounted() == 0


def assert_events(output: Path, events: Sequence[oracle.Event]) -> None:
    for name, dataset in zip(EVENT_NAMES, ("user_registration", "app_loaded"), strict=True):
        assert row_counts(output, dataset) == Counter(
            (
                name,
                event.time,
                event.initiator_id,
                event.channel if name == "registered" else event.device_type,
                f"{event.time:%Y-%m-%d}",
            )
            for event in events
            if event.kind == name
        )


def test_every_listed_bad_line(engine: EngineUnderTest, tmp_path: Path, output: Path) -> None:
    lines = [line for each in BAD_LINES.values() for line in each]
    lines += [*OTHER_LINES, *BLANK_LINES]
    for number, line in enumerate(lines):
        good = registered("2020-11-02T06:21:14Z", number).encode()
        write_log(tmp_path / "logs" / f"{number:04}.json", [good, line])
    counts = engine.split(output, tmp_path / "logs").read
    assert counts.registered == len(lines)
    assert (counts.other, counts.blank) == (len(OTHER_LINES), len(BLANK_LINES))
    found = {Path(row.source).stem: row.reason for row in read_dataset(output, "rejected_events")}
    reasons = [reason for reason, each in BAD_LINES.items() for _ in each]
    assert found == {f"{number:04}": reason for number, reason in enumerate(reasons)}


# ---------------------------------------------------------------- the quarantine


def test_a_rejected_line_is_kept_with_where_and_why(
    engine: EngineUnderTest, tmp_path: Path, output: Path
) -> None:
    good = registered("2020-11-02T06:21:14Z", 1)
    first = write_log(tmp_path / "a.json", [good, "", '{"event":"registered"}', good])
    another = registered("2020-11-02T06:21:14Z", 2)
    second = write_log(tmp_path / "b.json", ["no json \x1b[31m", another, "{}"])
    engine.split(output, first, second)
    assert Counter(
        (row.source, row.reason, row.raw) for row in read_dataset(output, "rejected_events")
    ) == {
        (str(first), "missing_timestamp", '{"event":"registered"}'): 1,
        (str(second), "invalid_json", "no json \x1b[31m"): 1,
        (str(second), "missing_event", "{}"): 1,
    }


def test_a_long_line_is_cut_with_a_mark(
    engine: EngineUnderTest, tmp_path: Path, output: Path
) -> None:
    lines = ["a" * 65_536, "b" * 65_537, "c" * 3_000_000]
    good = registered("2020-11-02T06:21:14Z", 1)
    engine.split(output, write_log(tmp_path / "log.json", [good, *lines]))
    raw = {row.raw[0]: row.raw for row in read_dataset(output, "rejected_events")}
    assert raw["a"] == lines[0]
    for letter in "bc":
        assert raw[letter].startswith(letter * 65_000)
        assert not raw[letter].endswith(letter)
        assert len(raw[letter]) < 65_600


def test_bad_lines_far_into_large_files(tmp_path: Path, output: Path) -> None:
    """Files that are read by several threads at a time: verdicts stay with their lines.

    On the embedded engine only, which finds bad lines by their place.
    """
    padding = "p" * 150
    template = (
        '{"event":"app_loaded","timestamp":"2020-11-02T06:21:14Z","initiator_id":%d,"x":"%s"}'
    )
    files: dict[str, Sequence[str | bytes]] = {}
    for name in ("a.json", "b.json"):
        lines: list[str | bytes] = [template % (number, padding) for number in range(200_000)]
        for place in (0, 77_777, 77_778, 120_000, 199_999):
            lines[place] = f"bad {name} {place}"
        lines[150_000] = ""
        lines[150_001] = '{"event":"page_viewed"}'
        files[str(write_log(tmp_path / name, lines))] = lines
    result = DUCKDB.split(output, tmp_path)
    assert (result.read.lines, result.read.rejected) == (400_000, 10)
    assert (result.read.other, result.read.blank) == (2, 2)
    assert result.read.app_loaded == 400_000 - 14
    assert {
        (row.source, row.line_number, row.raw) for row in read_dataset(output, "rejected_events")
    } == {
        (source, place + 1, f"bad {Path(source).name} {place}")
        for source in files
        for place in (0, 77_777, 77_778, 120_000, 199_999)
    }


# ---------------------------------------------------------------- --max-rejected


@pytest.mark.parametrize(
    ("bad", "share", "fails"),
    [(0, 0.0, False), (1, 0.0, True), (1, 0.01, False), (2, 0.01, True), (99, 1.0, False)],
)
def test_max_rejected(tmp_path: Path, output: Path, bad: int, share: float, fails: bool) -> None:
    good = [registered("2020-11-02T06:21:14Z", user) for user in range(100 - bad)]
    log = write_log(tmp_path / "log.json", [*good, *["{}"] * bad])
    done = command("run", "--input", log, "--output", output, "--max-rejected", share)
    assert done.status == int(fails), done.err
    assert bool(read_dataset(output, "user_registration")) == (not fails)


def test_too_many_rejected_lines_leave_everything_as_it_was(
    engine: EngineUnderTest, tmp_path: Path, output: Path
) -> None:
    log = write_log(tmp_path / "a.json", [registered("2020-11-02T06:21:14Z", 1)])
    assert command("run", "--input", log, "--output", output).status == 0
    before = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    hostile = "\x1b[2J\x1b]0;owned\x07 \u202e \x9b31m"
    bad = [hostile, '{"event":"registered"}', "{}", "{}", "[1]"]
    more = write_log(tmp_path / "b.json", [*bad, app_loaded("2020-11-02T06:21:14Z", 1)])
    done = engine.command("run", "--input", log, "--input", more, "--output", output)
    assert done.status == 1
    assert "Traceback" not in done.err
    for named in ("invalid_json 2", "missing_event 2", "missing_timestamp 1", "5 of 6", str(more)):
        assert named in done.err
    assert sum(" b.json, line " in line or "b.json" in line for line in done.err.splitlines()) >= 3
    assert all(character.isprintable() or character == "\n" for character in done.err)
    after = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    assert {path: after[path] for path in before if path.name != ".lock"} == {
        path: before[path] for path in before if path.name != ".lock"
    }


def test_the_run_says_how_the_lines_add_up(tmp_path: Path, output: Path) -> None:
    lines = [
        registered("2020-11-02T06:21:14Z", 1),
        app_loaded("2020-11-09T06:21:14Z", 1),
        app_loaded("2020-11-09T06:21:14Z", 1),
        '{"event":"page_viewed"}',
        "",
        "{}",
    ]
    log = write_log(tmp_path / "log.json", lines)
    options = ["--input", log, "--output", output, "--max-rejected", 1]
    done = command("run", *options)
    assert "6 = 1 registered + 2 app_loaded + 1 other + 1 blank + 1 rejected" in done.out
    again = command("run", *options, "--format", "json").json()
    assert again["events"] == {
        "lines": 6,
        "registered": 1,
        "app_loaded": 2,
        "other": 1,
        "anonymous": 0,
        "blank": 1,
        "rejected": 1,
        "rejected_by_reason": {"missing_event": 1},
    }


def test_the_clock_of_the_run_decides_what_is_too_late(
    engine: EngineUnderTest, tmp_path: Path, output: Path
) -> None:
    """One day after the run began, by the real clock: a minute less, or some minutes more."""
    limit = datetime.now(UTC) + timedelta(days=1)
    times = [(limit + timedelta(minutes=minutes)).isoformat() for minutes in (-1, 15)]
    lines = [registered(time, user) for user, time in enumerate(times)]
    log = write_log(tmp_path / "log.json", lines)
    done = engine.command("events-split", "--input", log, "--output", output, "--max-rejected", 1)
    assert done.status == 0, done.err
    assert [row.initiator_id for row in read_dataset(output, "user_registration")] == [0]
    (row,) = read_dataset(output, "rejected_events")
    assert row.reason == "timestamp_out_of_range"
