"""Files of any name, form and place are read once, or refused by name."""

from __future__ import annotations

import bz2
import gzip
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from backports import zstd
from support.command import assert_refused, command, process
from support.datasets import assert_no_litter, read_dataset, users
from support.engines import DUCKDB, EngineUnderTest, engines
from support.logs import TIME, app_loaded, registered, write_log

from user_conversion.inputs.preparation import Prepared, prepare
from user_conversion.jobs.events_split import reading


def line(user: int) -> bytes:
    return registered(TIME, user).encode()


# ---------------------------------------------------------------- forms and names

FORMS = {
    "plain.json": b"%s\n%s\n",
    "lines.jsonl": b"%s\n%s\n",
    "new-line-delimited.ndjson": b"%s\n%s\n",
    "LARGE.JSON": b"%s\n%s\n",
    "no-final-line-feed.json": b"%s\n%s",
    "carriage-returns.json": b"%s\r\n%s\r\n",
    "carriage-return-at-the-end.json": b"%s\n%s\r",
    "byte-order-mark.json": b"\xef\xbb\xbf%s\n%s\n",
    "blank-lines.json": b"\n\n%s\n \t\n%s\n\r\n\n",
}
NAMES = [
    *("it's.json", 'quo"ted".json', "a space.json", " first.json", "back\\slash.json"),
    "back\\slash and [star]*.json",
    *("star*.json", "question?.json", "[a-b].json", "{a,b}.json", "(a|b).json", "a,b.json"),
    *("über.json", "日本.json", "😀.json", "e\u0301.json"),
    *("percent%20.json", "plus+.json", "hash#.json", "a&b.json", "a;b.json", "a:b.json"),
    *("$HOME.json", "`id`.json", "-option.json", "~.json", "a=b.json", "'; DROP TABLE x; --.json"),
    *("many.dots.in.it.json", "deep/er/still/deeper.json", "day=2020-01-01/log.json"),
    # Folders that a reader of Hive partitions would take for columns.
    *("event=app_loaded/log.json", "channel=wrong/initiator_id=7/log.json"),
]


def test_forms_of_a_log(engine: EngineUnderTest, tmp_path: Path, output: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    for number, (name, content) in enumerate(FORMS.items()):
        (logs / name).write_bytes(content % (line(2 * number), line(2 * number + 1)))
    (logs / "empty.json").write_bytes(b"")
    (logs / "blank.json").write_bytes(b"\n\n")
    (logs / "plain.json.gz").write_bytes(gzip.compress(line(1001) + b"\n"))
    two_members = gzip.compress(line(1002) + b"\n") + gzip.compress(line(1003))
    (logs / "two-members.json.gz").write_bytes(two_members)
    (logs / "empty.json.gz").write_bytes(gzip.compress(b""))
    result = engine.split(output, logs)
    assert users(output) == [*range(2 * len(FORMS)), 1001, 1002, 1003]
    assert result.read.rejected == 0
    # Four of the eight blank ones before, between and behind lines.
    assert result.read.blank == 5 + 2
    assert result.read.lines == 2 * len(FORMS) + 3 + 7


def test_blank_files_of_one_byte_are_read(tmp_path: Path, output: Path) -> None:
    write_log(tmp_path / "logs" / "a.json", [line(1), "", "bad"])
    for number, byte in enumerate([b" ", b"\n"]):
        (tmp_path / "logs" / f"{number}.json").write_bytes(byte)
    result = DUCKDB.split(output, tmp_path / "logs")
    assert (result.read.lines, result.read.blank, result.read.rejected) == (5, 3, 1)
    assert users(output) == [1]


@pytest.mark.parametrize("byte", [b"7", b"x", b"\x00", b"\xff"])
def test_other_files_of_one_byte_are_skipped_by_name(
    tmp_path: Path, output: Path, byte: bytes
) -> None:
    write_log(tmp_path / "logs" / "a.json", [line(1)])
    (tmp_path / "logs" / "b.json").write_bytes(byte)
    done = command("events-split", "--input", tmp_path / "logs", "--output", output)
    assert (done.status, users(output)) == (0, [1])
    assert str(tmp_path / "logs" / "b.json") in done.err


def test_names_of_a_log(engine: EngineUnderTest, tmp_path: Path, output: Path) -> None:
    for number, name in enumerate(NAMES):
        write_log(tmp_path / "logs" / name, [registered(TIME, number, name)])
    engine.split(output, tmp_path / "logs")
    found = {
        row.channel: (row.event, row.initiator_id)
        for row in read_dataset(output, "user_registration")
    }
    assert found == {name: ("registered", number) for number, name in enumerate(NAMES)}


def test_names_of_a_log_with_a_bad_line(
    engine: EngineUnderTest, tmp_path: Path, output: Path
) -> None:
    logs = [
        write_log(tmp_path / "logs" / name, [line(number), b"{}", line(-number - 1)])
        for number, name in enumerate(NAMES)
    ]
    engine.split(output, tmp_path / "logs")
    rejected = read_dataset(output, "rejected_events")
    assert {row.source for row in rejected} == {str(log) for log in logs}
    assert {row.line_number for row in rejected} == {2 if engine.can.line_numbers else None}


def test_each_name_given_by_itself(tmp_path: Path, output: Path) -> None:
    """A path that exists is never taken for a pattern."""
    for name in NAMES:
        log = write_log(tmp_path / "logs" / name, [line(1)])
        write_log(tmp_path / "logs" / "starfish.json", [line(2)])
        write_log(tmp_path / "logs" / "questions.json", [line(2)])
        write_log(tmp_path / "logs" / "a.json", [line(2)])
        write_log(tmp_path / "logs" / "b.json", [line(2)])
        to = output / str(NAMES.index(name))
        done = command("events-split", f"--input={log}", "--output", to)
        assert done.status == 0, done.err
        assert users(to) == [1], name


@pytest.mark.parametrize("engine", engines(pytest.mark.long), indirect=True)
def test_name_of_the_output(engine: EngineUnderTest, tmp_path: Path) -> None:
    output = tmp_path / "it's [the] *output*? {a,b} ü%20 day=1"
    first = write_log(tmp_path / "a.json", [line(1), app_loaded(TIME, 1)])
    assert engine.command("run", "--input", first, "--output", output).status == 0
    second = write_log(tmp_path / "b.json", [line(2), b"{}"])
    options = ["--input", first, "--input", second, "--output", output]
    done = engine.command("run", *options, "--max-rejected", 1)
    assert done.status == 0, done.err
    assert users(output) == [1, 2]
    (week,) = read_dataset(output, "weekly_summary")
    assert (week.total_registered, week.total_converted) == (2, 0)
    assert_no_litter(output)


def test_an_output_with_a_backslash_is_refused(tmp_path: Path) -> None:
    """DuckDB and Hadoop would write a folder in a folder."""
    log, output = write_log(tmp_path / "a.json", [line(1)]), tmp_path / "back\\slash" / "output"
    done = command("run", "--input", log, "--output", output)
    assert_refused(done, output)
    assert "has a backslash" in done.err
    assert not output.exists()


def test_name_that_is_not_utf_8_is_read(tmp_path: Path, output: Path) -> None:
    log = os.fsencode(tmp_path) + b"/caf\xe9.json"
    with open(log, "wb") as file:  # noqa: PTH123 - Path would need the name as text
        file.write(line(1))
    done = process("run", b"--input", log, b"--output", os.fsencode(output))
    assert done.status == 0
    assert users(output) == [1]
    again = process("run", b"--input", log, b"--output", os.fsencode(output))
    assert "No new input" in again.out


def test_control_characters_in_a_name_do_not_reach_the_terminal(
    tmp_path: Path, output: Path
) -> None:
    missing = command("run", "--input", tmp_path / "a\x1b[31m.json", "--output", output)
    log = write_log(tmp_path / "b\x1b[31m.json", ["{}"])
    rejected = command("run", "--input", log, "--output", output)
    for done in (missing, rejected):
        assert done.status == 1
        assert "\x1b" not in done.out + done.err


# ---------------------------------------------------------------- compression


def packed(user: int) -> bytes:
    return gzip.compress(line(user) + b"\n")


def test_what_few_tools_decompress_is_read(
    engine: EngineUnderTest, tmp_path: Path, output: Path
) -> None:
    """Rare gzip headers, zeros behind the last member, a large window of zstd, several frames."""
    flags = {1: b"", 2: b"\0\0", 4: b"\2\0ab", 8: b"name\0", 16: b"comment\0"}
    files = [
        packed(user)[:3] + bytes([flag]) + packed(user)[4:10] + extra + packed(user)[10:]
        for user, (flag, extra) in enumerate(flags.items())
    ]
    files += [packed(5) + file for file in files]
    options = {zstd.CompressionParameter.window_log: 31}
    frames = [zstd.compress(line(8) + b"\n"), zstd.compress(b""), zstd.compress(line(9))]
    files += [packed(6) + bytes(512), zstd.compress(line(7) + b"\n", options=options)]
    files += [b"".join(frames), bz2.compress(line(10) + b"\n") + bz2.compress(line(11))]
    for number, content in enumerate(files):
        path = tmp_path / "logs" / str(number)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    engine.split(output, tmp_path / "logs")
    assert users(output) == sorted([*range(5), *range(5), *[5] * 5, *range(6, 12)])


def damaged() -> dict[str, bytes]:
    lines = b"".join(line(number) + b"\n" for number in range(20_000))
    gz, zst = gzip.compress(lines), zstd.compress(lines)
    wrong_byte = bytearray(gz)
    wrong_byte[len(gz) // 2] ^= 0xFF
    return {
        "truncated.json.gz": gz[: len(gz) // 2],
        "without its last byte.json.gz": gz[:-1],
        "one wrong byte.json.gz": bytes(wrong_byte),
        "rest behind it.json.gz": gz + b"rest",
        "truncated.json.zst": zst[: len(zst) // 2],
        "without its last byte.json.zst": zst[:-1],
        "rest behind it.json.zst": zst + b"rest",
        "truncated.json.bz2": bz2.compress(lines)[:-100],
    }


@pytest.mark.parametrize("name", damaged())
def test_a_damaged_file_fails_the_run(tmp_path: Path, output: Path, name: str) -> None:
    good = write_log(tmp_path / "logs" / "good.json", [line(1)])
    assert command("events-split", "--input", good, "--output", output).status == 0
    log = tmp_path / "logs" / name
    log.write_bytes(damaged()[name])
    done = command("events-split", "--input", tmp_path / "logs", "--output", output)
    assert_refused(done, name)
    assert users(output) == [1]
    assert_no_litter(output)
    # Without it the next run is as if nothing had happened.
    log.unlink()
    write_log(tmp_path / "logs" / "more.json", [line(2)])
    assert command("events-split", "--input", good.parent, "--output", output).status == 0
    assert users(output) == [1, 2]


# ---------------------------------------------------------------- content that is no log


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_another_encoding_is_refused(tmp_path: Path, output: Path, encoding: str) -> None:
    log = tmp_path / "log.json"
    log.write_bytes("".join(registered(TIME, user) + "\n" for user in range(20)).encode(encoding))
    assert_refused(command("run", "--input", log, "--output", output), log)


def test_content_decides_and_not_the_ending(
    engine: EngineUnderTest, tmp_path: Path, output: Path
) -> None:
    logs = tmp_path / "logs"
    for number, name in enumerate(("a.json.gz", "b.zst", "c.csv", "part-00003", "log", "f.log.1")):
        write_log(logs / name, [line(number)])
    (logs / "plain.json").write_bytes(gzip.compress(line(6)))
    engine.split(output, logs)
    assert users(output) == list(range(7))


def test_a_line_of_20_mb(engine: EngineUnderTest, tmp_path: Path, output: Path) -> None:
    filler = "x" * 20_000_000
    lines = [line(1), registered(TIME, 2, note=filler), line(3), b"{" + filler.encode(), line(4)]
    log = write_log(tmp_path / "log.json", lines)
    result = engine.split(output, log)
    assert users(output) == [1, 2, 3, 4]
    assert (result.read.lines, result.read.rejected) == (5, 1)
    (row,) = read_dataset(output, "rejected_events")
    assert row.line_number == (4 if engine.can.line_numbers else None)
    assert len(row.raw) < 65_600


# ---------------------------------------------------------------- which files


def test_other_files_of_a_folder_are_skipped_by_name(tmp_path: Path, output: Path) -> None:
    logs = tmp_path / "logs"
    write_log(logs / "a.json", [line(1)])
    write_log(logs / "folder.json" / "b.ndjson", [line(2)])
    for other in ("notes.txt", "a.json.bak", "a.csv", "json"):
        write_log(logs / other, ["nothing to read"])
    for hidden in ("_SUCCESS", ".hidden.json", ".git/a.json", "_temporary/0/b.json"):
        write_log(logs / hidden, [line(3)])
    done = command("events-split", "--input", logs, "--output", output)
    assert done.status == 0, done.err
    assert users(output) == [1, 2]
    skipped = {str(logs / name) for name in ("notes.txt", "a.json.bak", "a.csv", "json")}
    assert all(path in done.err for path in skipped)
    record = json.loads((output / "run.json").read_text())["jobs"]["events-split"]
    assert {each["path"] for each in record["skipped"]} == skipped


@pytest.mark.parametrize(
    ("inputs", "found"),
    [
        (["a.json", "b.log"], [1, 2]),
        (["*.json"], [1]),
        (["?.*"], [1, 2]),
        (["**/*.json"], [1, 3, 4]),
        (["d*"], [3, 4]),
        (["*"], [1, 2, 3, 4]),
        (["deep", "a.json", "deep/c.json", "*.json"], [1, 3, 4]),
        (["deep/er/[a-f].json"], [4]),
    ],
)
def test_paths_and_patterns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: list[str], found: list[int]
) -> None:
    for user, name in enumerate(("a.json", "b.log", "deep/c.json", "deep/er/d.json"), 1):
        write_log(tmp_path / name, [line(user)])
    monkeypatch.chdir(tmp_path)
    done = command("events-split", "--output", "output", "--input", *inputs)
    assert done.status == 0, done.err
    assert users(tmp_path / "output") == found


@pytest.mark.parametrize("name", ["missing.json", "*.missing", "empty", "missing/*/x.json"])
def test_nothing_to_read(tmp_path: Path, output: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("no log")
    assert_refused(command("run", "--input", tmp_path / name, "--output", output), name)
    assert not output.exists()


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, output: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    assert_refused(process("run", "--input", tmp_path / "pipe.json", "--output", output), "pipe")


def test_a_file_that_may_not_be_read(tmp_path: Path, output: Path) -> None:
    log = write_log(tmp_path / "log.json", [line(1)])
    log.chmod(0)
    assert_refused(process("run", "--input", log, "--output", output, powerless=True), log)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "closed").mkdir(mode=0)
    inputs = ["--input", tmp_path / "logs"]
    assert_refused(process("run", *inputs, "--output", output, powerless=True), "closed")


def test_symbolic_links(tmp_path: Path, output: Path) -> None:
    """Followed, to files and to folders; a file reached in two ways is read once."""
    logs = tmp_path / "logs"
    write_log(logs / "a.json", [line(1)])
    write_log(tmp_path / "elsewhere" / "b.json", [line(2)])
    write_log(tmp_path / "single" / "c.json", [line(3)])
    (logs / "again.json").symlink_to(logs / "a.json")
    (logs / "linked").symlink_to(tmp_path / "elsewhere")
    (logs / "linked again").symlink_to(tmp_path / "elsewhere")
    (logs / "c.json").symlink_to(tmp_path / "single" / "c.json")
    # Loops, at once and by way of another folder.
    (logs / "loop").symlink_to(logs)
    (logs / "deep").mkdir()
    (logs / "deep" / "up").symlink_to(tmp_path)
    (tmp_path / "elsewhere" / "back").symlink_to(logs)
    DUCKDB.split(output, logs)
    assert users(output) == [1, 2, 3]


def test_a_link_to_nothing(tmp_path: Path, output: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "log.json").symlink_to(tmp_path / "nothing.json")
    assert_refused(command("run", "--input", tmp_path / "logs", "--output", output), "log.json")


def test_many_small_files(engine: EngineUnderTest, tmp_path: Path, output: Path) -> None:
    for number in range(2_000):
        write_log(tmp_path / "logs" / f"{number % 40}" / f"{number}.json", [line(number)])
    write_log(tmp_path / "logs" / "7" / "bad.json", ["", "{}", line(2_000)])
    result = engine.split(output, tmp_path / "logs")
    assert users(output) == list(range(2_001))
    assert (result.read.lines, result.read.blank, result.read.rejected) == (2_003, 1, 1)
    (row,) = read_dataset(output, "rejected_events")
    assert (row.source, row.reason) == (str(tmp_path / "logs/7/bad.json"), "missing_event")


# ---------------------------------------------------------------- files that change


def test_log_without_any_readable_line_fails_the_run(
    engine: EngineUnderTest, tmp_path: Path, output: Path
) -> None:
    write_log(tmp_path / "logs" / "good.json", [line(user) for user in range(1_000)])
    bad = write_log(tmp_path / "logs" / "bad.json", [b'{"event":"registered"}', b"{}"])
    options = ["--input", tmp_path / "logs", "--output", output, "--max-rejected", 1]
    assert_refused(engine.command("run", *options), bad, "missing_timestamp 1")
    assert users(output) == []


def test_file_that_grows_is_read_up_to_its_length_at_the_start(
    engine: EngineUnderTest, tmp_path: Path, output: Path
) -> None:
    log = write_log(tmp_path / "log.json", [line(number) for number in range(50_000)])
    stop, written = threading.Event(), [50_000]

    def grow() -> None:
        with log.open("ab", buffering=0) as file:
            while not stop.wait(0.001):
                half = line(written[0])
                file.write(half[:20])
                file.write(half[20:] + b"\n")
                written[0] += 1

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        done = engine.command("events-split", "--input", log, "--output", output)
    finally:
        stop.set()
        writer.join()
    assert done.status == 0, done.err
    published = users(output)
    assert published == list(range(len(published)))
    assert len(published) >= 50_000
    again = engine.command("events-split", "--input", log, "--output", output, "--format", "json")
    assert again.json()["events"]["registered"] == written[0]
    assert users(output) == list(range(written[0]))


def test_compressed_file_that_grows_fails_the_run(
    tmp_path: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log.json.gz"
    log.write_bytes(gzip.compress(line(1) + b"\n"))

    def prepare_and_grow(*arguments: Any) -> Prepared:
        prepared = prepare(*arguments)
        with log.open("ab") as file:
            file.write(gzip.compress(line(2) + b"\n"))
        return prepared

    options = ["events-split", "--input", log, "--output", output]
    with monkeypatch.context() as patch:
        patch.setattr(reading, "prepare", prepare_and_grow)
        assert_refused(command(*options), log, "changed while it was read")
    assert users(output) == []
    assert command(*options).status == 0
    assert users(output) == [1, 2]


@pytest.mark.parametrize(
    "foreign",
    [
        '{"name": "shop", "version": 1}',
        '{\n "name": "shop",\n "list": [{"a": 1}]\n}',
        '{"metric": "cpu"}\n{"metric": "disk"}\n',
        '[{"a": 1}, {"a": 2}]',
        "[1, 2]",
    ],
)
def test_json_of_something_else(tmp_path: Path, output: Path, foreign: str) -> None:
    """In a folder it is passed over and named; named by --input it is an error."""
    write_log(tmp_path / "logs" / "log.json", [line(1), app_loaded(TIME, 1)])
    other = tmp_path / "logs" / "package.json"
    other.write_text(foreign)
    done = command("run", "--input", tmp_path / "logs", "--output", output)
    assert done.status == 0
    assert f"{other} (JSON without a field of an event)" in done.err
    assert users(output) == [1]
    assert command("run", "--input", other, "--output", output).status == 1


def test_the_output_is_no_input(tmp_path: Path) -> None:
    """Not even if it is named, so the ledger and the datasets are not taken for logs."""
    logs = tmp_path / "logs"
    write_log(logs / "a.json", [line(1), app_loaded(TIME, 1)])
    assert_refused(command("run", "--input", logs, "--output", logs), logs)
    assert [path.name for path in logs.iterdir() if not path.name.startswith(".")] == ["a.json"]
    for _ in range(2):
        done = command("run", "--input", logs, "--output", logs / "out")
        assert done.status == 0 and users(logs / "out") == [1]
