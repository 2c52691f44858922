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
    OTHER_LINES,
    RUN_STARTED,
    file_splits,
    raw_logs,
)

from user_conversion.engines import EventCounts
from user_conversion.events import Event, Other, Rejected, read_line

CASES = bad_input_table.cases()
EVENT_NAMES = ("registered", "app_loaded")

# ---------------------------------------------------------------- the documented table


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_documented_line_in_plain_python(case: Case) -> None:
    latest = bad_input_table.run_started() + timedelta(days=1)
    try:
        found = read_line(case.line, latest)
    except Rejected as rejected:
        assert str(rejected.reason) == case.counted_as
        return
    if found is None:
        assert case.counted_as == "blank"
    elif isinstance(found, Other):
        assert case.counted_as == "other"
    else:
        assert isinstance(found, Event)
        text = {"registered": "channel", "app_loaded": "device_type"}[found.event]
        assert (found.event, found.time) == (case.counted_as, case.time)
        assert (found.initiator_id, found.fields.get(text)) == (case.initiator_id, case.text)


def test_documented_lines(engine: EngineUnderTest, tmp_path: Path, output: Path) -> None:
    """Each line in a file of its own, so that a wrong verdict can be told by its source."""
    for number, case in enumerate(CASES):
        write_log(tmp_path / "logs" / f"{number:03}.json", [case.line])
    result = engine.split(output, tmp_path / "logs", now=bad_input_table.run_started())
    assert_documented(result.read, output)
    rejected = {Path(row.source).name: row for row in read_dataset(output, "rejected_events")}
    expected = {
        f"{number:03}.json": case.counted_as
        for number, case in enumerate(CASES)
        if case.counted_as in oracle.REASONS
    }
    assert {name: row.reason for name, row in rejected.items()} == expected


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
    assert_rejected(output, {str(log): lines}, bad_input_table.run_started())


def assert_documented(counts: EventCounts, output: Path) -> None:
    number = Counter(case.counted_as for case in CASES)
    assert counts.rejected_by_reason == {
        reason: number[reason] for reason in sorted(oracle.REASONS) if number[reason]
    }
    assert (counts.registered, counts.app_loaded) == (number["registered"], number["app_loaded"])
    assert (counts.other, counts.blank, counts.lines) == (
        number["other"],
        number["blank"],
        len(CASES),
    )
    for name, dataset in zip(EVENT_NAMES, ("user_registration", "app_loaded"), strict=True):
        assert row_counts(output, dataset) == Counter(
            (name, case.time, case.initiator_id, case.text, f"{case.time:%Y-%m-%d}")
            for case in CASES
            if case.counted_as == name
        )


# ---------------------------------------------------------------- any mixture of lines


def assert_rejected(
    output: Path, files: dict[str, Sequence[str | bytes]], now: datetime = RUN_STARTED
) -> None:
    """`rejected_events` holds the rejected lines, each with file, line number and reason."""
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
    # Line numbers are there where the engine can know them; then all are.
    if found and all(number is None for _, number, *_ in found):
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
        contents = data.draw(file_splits(lines))
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
            expected = oracle.read(lines, RUN_STARTED)
            assert_counts(result.read, expected.counts)
            assert result.total == result.read
            assert_events(output, expected.events)
            assert_rejected(output, files)

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
    lines += [*OTHER_LINES, *BLANK_LINES, registered("2020-11-02T06:21:14Z", 1).encode()]
    for number, line in enumerate(lines):
        write_log(tmp_path / "logs" / f"{number:04}.json", [line])
    result = engine.split(output, tmp_path / "logs")
    assert_counts(result.read, oracle.read(lines, RUN_STARTED).counts)
    found = {Path(row.source).stem: row.reason for row in read_dataset(output, "rejected_events")}
    reasons = [reason for reason, each in BAD_LINES.items() for _ in each]
    assert found == {f"{number:04}": reason for number, reason in enumerate(reasons)}


NEARLY_PLAIN = (
    b'{"timestamp":"2020-11-02T06:21:14","initiator_id":"-8","event":"registered"}',
    b'{"event":"registered","timestamp":"2020-11-02T06:21:14.5Z","initiator_id":17,"channel":"a"}',
    (
        b'{"initiator_id": 0, "x": {"event": "z\\u00e9\\n"}, "y": [-1.5, true], '
        b'"device_type": null, "timestamp": "2020-11-02 06:21:14+01:30", "event": "app_loaded"}\r'
    ),
)
MISTAKES = (
    *(bytes([code]) for code in b'"\\,:{}[]0-.eZtu \t\r\x00\x1f\x7f\xc3\xff'),
    *(b"\xef\xbf\xbd", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xc3\xa9", b"\xc2\x85"),
    *(b"null", b"}{", b"//", b"\\u0065", b"\\ud83d", b"\\ud83d\\ude00"),
    *(b'"event":"x",', b'"timestamp": 1, ', b'"initiator_id":5,', b'"initiator_id": "6", '),
    *(b'"channel":"b",', b"00", b"99999999999999999999"),
)


def test_every_small_change_of_a_good_line(
    engine: EngineUnderTest, tmp_path: Path, output: Path
) -> None:
    """Something put in at each place, or in place of each character; nothing is guessed."""
    lines = [
        line[:place] + mistake + line[place + gone :]
        for line in NEARLY_PLAIN
        for place in range(len(line) + 1)
        for mistake in (*MISTAKES, b"")
        for gone in (0, 1)
    ]
    lines += [b'\tregistered\t2020-11-02T06:21:14\t17\t"a\t']  # as Spark notes what it found
    expected = oracle.read(lines, RUN_STARTED)
    log = write_log(tmp_path / "log.json", lines)
    result = engine.split(output, log)
    assert_counts(result.read, expected.counts)
    assert_events(output, expected.events)
    assert_rejected(output, {str(log): lines})


# ---------------------------------------------------------------- the quarantine


def test_a_rejected_line_is_kept_with_where_and_why(
    engine: EngineUnderTest, tmp_path: Path, output: Path
) -> None:
    good = registered("2020-11-02T06:21:14Z", 1)
    first = write_log(tmp_path / "a.json", [good, "", '{"event":"registered"}', good])
    second = write_log(tmp_path / "b.json", ["no json \x1b[31m", good, "{}"])
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
    engine.split(output, write_log(tmp_path / "log.json", lines))
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
