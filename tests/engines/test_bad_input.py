"""Every line is an event, another event, blank or rejected with a reason, on every engine.

A file none of whose lines can be read fails the run, so files here begin with a good line. It
differs from file to file, because files with the same content are the same file.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import bad_input_table, oracle
from support.bad_input_table import Case
from support.command import command
from support.datasets import read_dataset
from support.engines import DUCKDB, EngineUnderTest
from support.judged import assert_judged, good
from support.logs import app_loaded, registered, write_log
from support.oracle import UNDECIDED, LogFormat
from support.strategies import (
    BAD_LINES,
    BLANK_LINES,
    GOOD,
    OTHER_LINES,
    RUN_STARTED,
    UNDECIDED_LINES,
    event_line,
    event_logs,
    faulty_lines,
    file_splits,
    log_formats,
    raw_logs,
    styles,
    undecided_lines,
)

from user_conversion.rules.events import Event, read_line
from user_conversion.rules.log_format import LogFormat as Product
from user_conversion.rules.rejected import Rejected

CASES = bad_input_table.cases()


# ---------------------------------------------------------------- the documented tables


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_documented_line_in_plain_python(case: Case) -> None:
    latest = bad_input_table.run_started() + timedelta(days=1)
    try:
        found = read_line(case.line, Product(), latest)
    except Rejected as rejected:
        assert str(rejected.reason) == case.counted_as
        return
    if isinstance(found, Event):
        text = {"registered": "channel", "app_loaded": "device_type"}[found.event]
        assert (found.event, found.time) == (case.counted_as, case.time)
        assert (found.initiator_id, found.fields[text]) == (case.initiator_id, case.text)
    else:
        assert str(found) == case.counted_as


def test_documented_lines_each_in_a_file_of_its_own(
    engine: EngineUnderTest, tmp_path: Path
) -> None:
    """The oracle reads them as documented, see test_oracle."""
    files = [[good(number), case.line] for number, case in enumerate(CASES)]
    assert_judged(engine, tmp_path, files, now=bad_input_table.run_started())


def test_documented_lines_in_one_file_leave_their_neighbours_alone(
    engine: EngineUnderTest, tmp_path: Path
) -> None:
    lines = [case.line for case in CASES] + bad_input_table.parser_lines()
    mixed = [line for number, each in enumerate(lines) for line in (good(number), each)]
    assert_judged(engine, tmp_path, [mixed], now=bad_input_table.run_started())


# ---------------------------------------------------------------- any mixture of lines


@pytest.mark.property
def test_any_lines_in_any_files_are_read_as_the_oracle_says(engine: EngineUnderTest) -> None:
    @engine.examples(60)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        lines = data.draw(raw_logs()) + data.draw(st.lists(undecided_lines(), max_size=3))
        contents = data.draw(file_splits(lines))
        with TemporaryDirectory() as name:
            files = [[good(n), *oracle.split_lines(each)] for n, each in enumerate(contents)]
            assert_judged(engine, Path(name), files)

    check()


@pytest.mark.property
def test_any_log_format_is_read_as_the_oracle_says(engine: EngineUnderTest) -> None:
    @engine.examples(120)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        log_format = data.draw(log_formats())
        events = data.draw(event_logs(log_format.timezone, max_size=8).filter(len))
        lines = [event_line(event, data.draw(styles()), log_format) for event in events]
        for event in events[:4]:
            lines += data.draw(st.lists(faulty_lines(event, log_format), max_size=5))
        with TemporaryDirectory() as name:
            assert_judged(engine, Path(name), [lines], log_format)

    check()


def fields(**paths: tuple[oracle.JsonPath, ...]) -> LogFormat:
    """The default log format with other paths."""
    return LogFormat(fields={**oracle.DEFAULT.fields, **paths})


@pytest.mark.parametrize(
    ("log_format", "more"),
    [
        (fields(initiator_id=(("userId",), ("userid",))), b'"userId":null,"userid":7'),
        (fields(initiator_id=(("User", "id"), ("user", "id"))), b'"user":{"id":7},"User":"a"'),
        (fields(channel=()), b'"channel":"a"'),
        (fields(device_type=()), b'"device_type":"a"'),
        (fields(signed_up=(("timestamp",),)), b'"initiator_id":7'),
        (fields(channel=(("timestamp", "zone"),)), b'"initiator_id":7'),
        (fields(channel=(("*",),)), b'"*":"a","other":"b"'),
        (fields(channel=(("a", "*"),)), b'"a":{"x":"b","*":"c"}'),
        (fields(channel=(("a", "b"),)), b'"a":"{\\"b\\":\\"c\\"}"'),
        (fields(channel=(("a", 0, "b"),)), b'"a":[{"b":"{"},{}]'),
    ],
    ids=lambda each: each.decode() if isinstance(each, bytes) else "",
)
def test_unusual_paths_are_read_as_the_oracle_says(
    engine: EngineUnderTest, tmp_path: Path, log_format: LogFormat, more: bytes
) -> None:
    begun = b'{"event":"%s","timestamp":"2020-11-02T06:21:14Z",'
    id_ = b"" if b"id" in more else b'"initiator_id":7,'
    lines = [begun % kind + id_ + more + b"}" for kind in (b"registered", b"app_loaded", b"other")]
    bad = [b"{}", b"[]", lines[0] + b"x", b"{"]
    assert_judged(engine, tmp_path / "good", [lines], log_format)
    assert_judged(engine, tmp_path / "bad", [[*lines, *bad]], log_format)


@pytest.mark.parametrize(
    ("zone", "before"),
    [
        ("Europe/Berlin", "2020-10-25T00:30"),
        ("Europe/Berlin", "2020-03-29T00:30"),
        ("America/Los_Angeles", "2020-11-01T00:30"),
        ("Australia/Lord_Howe", "2021-04-04T00:30"),  # by half an hour
        ("Antarctica/Casey", "2010-03-04T22:30"),  # by three hours
        ("Pacific/Apia", "2011-12-29T22:30"),  # no 30th
        ("America/Sao_Paulo", "2018-11-03T22:30"),  # no midnight
    ],
)
def test_local_times_when_clocks_change_are_read_as_the_oracle_says(
    engine: EngineUnderTest, tmp_path: Path, zone: str, before: str
) -> None:
    """Of a time that comes twice, the first; a skipped one as if clocks had not moved."""
    first = datetime.fromisoformat(before)
    times = [first + timedelta(minutes=10 * n) for n in range(24 * 6 + 30)]
    seconds = [(time - datetime(1970, 1, 1)) // timedelta(seconds=1) for time in times]
    lines = [registered(f"{time:%Y-%m-%dT%H:%M:%S}", n) for n, time in enumerate(times)]
    lines += [registered(str(number), n) for n, number in enumerate(seconds)]
    log_format = LogFormat(timezone=zone, local_numbers=True)
    assert_judged(engine, tmp_path, [[line.encode() for line in lines]], log_format)


def test_bad_line_of_a_file_of_one_kind_is_rejected_whatever_its_conditions(
    engine: EngineUnderTest, tmp_path: Path, output: Path
) -> None:
    (tmp_path / "format.toml").write_text(
        '[files]\nregistered = "*.json"\n[where.registered]\napp = "shop"\n'
    )
    line = '{"timestamp":"2020-11-02T06:21:14Z","initiator_id":1,"app":"%s"}'
    log = write_log(tmp_path / "log.json", [line % "shop", line % "other", "{", "[]", '{"x":1}'])
    read = engine.split(output, log, log_format=str(tmp_path / "format.toml")).read
    assert (read.registered, read.other) == (1, 2)
    assert read.rejected_by_reason == {"invalid_json": 2}


def test_listed_lines_are_read_as_listed(engine: EngineUnderTest, tmp_path: Path) -> None:
    """Each in a file of its own, and none is lost."""
    lines = [line for each in BAD_LINES.values() for line in each]
    lines += [*OTHER_LINES, *BLANK_LINES, *UNDECIDED_LINES]
    assert_judged(engine, tmp_path, [[good(number), line] for number, line in enumerate(lines)])


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


def test_small_changes_of_good_lines_are_read_as_the_oracle_says(
    engine: EngineUnderTest, tmp_path: Path
) -> None:
    """Something put in at each place, or in place of each character."""
    lines = [
        line[:place] + mistake + line[place + gone :]
        for line in NEARLY_PLAIN
        for place in range(len(line) + 1)
        for mistake in (*MISTAKES, b"")
        for gone in (0, 1)
    ]
    decided = [line for line in lines if oracle.classify(line, RUN_STARTED).counted_as != UNDECIDED]
    assert_judged(engine, tmp_path / "decided", [[good(0), *decided]])
    assert_judged(engine, tmp_path / "all", [[good(0), *lines]])


# ---------------------------------------------------------------- the quarantine


def test_rejected_line_is_kept_with_source_and_reason(
    engine: EngineUnderTest, tmp_path: Path, output: Path
) -> None:
    first = write_log(tmp_path / "a.json", [GOOD, "", '{"event":"registered"}', GOOD])
    second = write_log(tmp_path / "b.json", [GOOD, "no json \x1b[31m", GOOD, "{}"])
    engine.split(output, first, second)
    rows = read_dataset(output, "rejected_events")
    assert sorted((row.source, row.reason, row.raw) for row in rows) == [
        (str(first), "missing_timestamp", '{"event":"registered"}'),
        (str(second), "invalid_json", "no json \x1b[31m"),
        (str(second), "missing_event", "{}"),
    ]
    numbers = [3, 2, 4] if engine.can.line_numbers else [None] * 3
    assert Counter(row.line_number for row in rows) == Counter(numbers)


def test_long_rejected_line_is_cut_with_a_mark(
    engine: EngineUnderTest, tmp_path: Path, output: Path
) -> None:
    lines = ["a" * 65_536, "b" * 65_537, "c" * 3_000_000]
    engine.split(output, write_log(tmp_path / "log.json", [GOOD, *lines]))
    raw = {row.raw[0]: row.raw for row in read_dataset(output, "rejected_events")}
    assert raw["a"] == lines[0]
    for letter in "bc":
        assert raw[letter].startswith(letter * 65_000)
        assert not raw[letter].endswith(letter)
        assert len(raw[letter]) < 65_600


def test_bad_lines_far_into_large_files_keep_their_numbers(tmp_path: Path, output: Path) -> None:
    """DuckDB reads such files with several threads, and finds bad lines by their position."""
    text = '{"event":"app_loaded","timestamp":"2020-11-02T06:21:14Z","initiator_id":%d,"x":"%s"}'
    bad = {0, 77_777, 77_778, 120_000, 199_999}
    odd = {150_000: "", 150_001: '{"event":"page_viewed"}'}
    for name in ("a.json", "b.json"):
        lines = [
            odd.get(n) or (f"bad {name}" if n in bad else text % (n, "p" * 150))
            for n in range(200_000)
        ]
        lines[150_000] = ""
        write_log(tmp_path / name, lines)
    read = DUCKDB.split(output, tmp_path / "a.json", tmp_path / "b.json").read
    assert (read.lines, read.rejected, read.other, read.blank) == (400_000, 10, 2, 2)
    assert read.app_loaded == 400_000 - 14
    assert {
        (Path(row.source).name, row.line_number) for row in read_dataset(output, "rejected_events")
    } == {(name, place + 1) for name in ("a.json", "b.json") for place in bad}


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
    assert done.err.count(f"{more}, line ") == 3
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
        "excluded": 0,
        "identified": 0,
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
