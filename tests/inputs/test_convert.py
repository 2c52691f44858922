"""Files of every kind as newline-delimited JSON: the same records, in the same text."""

from __future__ import annotations

import bz2
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st
from support.command import assert_refused, command
from support.prepared import prepare_found

from user_conversion.inputs import convert
from user_conversion.inputs.compression import compression_at
from user_conversion.inputs.duckdb_reader import MEMORY_LIMIT
from user_conversion.inputs.files import Found, find_files
from user_conversion.inputs.input_file import SkippedFile
from user_conversion.inputs.kinds.content import NotALogError
from user_conversion.inputs.lines import (
    LineFile,
    beginning,
    count_lines,
    line_batches,
)
from user_conversion.inputs.preparation import require_logs
from user_conversion.rules.errors import InputError
from user_conversion.rules.log_format import Input, LogFormat
from user_conversion.rules.presets import log_format

DEFAULT = LogFormat()
ALL = frozenset({"gzip", "zstd"})
EVENT = '{"event":"registered","timestamp":"2020-11-02T06:21:14Z","initiator_id":1}'
OTHER = '{"event":"app_loaded","timestamp":"2020-11-09T06:21:14Z","initiator_id":1}'


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def converted(
    path: Path,
    log_format: LogFormat = DEFAULT,
    compressions: frozenset[str] = ALL,
    scratch: Path | None = None,
) -> LineFile:
    """A file that is no zip file as an engine gets it."""
    scratch = scratch or path.parent / "scratch"
    found = find_files([str(path)])
    (file,) = prepare_found(found, log_format, compressions, scratch).files
    return file


def lines(
    path: Path, log_format: LogFormat = DEFAULT, compressions: frozenset[str] = ALL
) -> list[str]:
    """The lines that an engine reads of a file that is converted."""
    file = converted(path, log_format, compressions)
    assert file.compression == "none"
    assert file.size == file.path.stat().st_size
    return file.path.read_text("utf-8", "surrogateescape").removesuffix("\n").split("\n")


def failure(path: Path, log_format: LogFormat = DEFAULT) -> str:
    with pytest.raises(InputError) as raised:
        converted(path, log_format)
    return str(raised.value)


# ---------------------------------------------------------------- what is left as it is


def test_files_that_the_engine_reads_are_not_copied(tmp_path: Path) -> None:
    text = EVENT + "\n"
    contents = {
        "a.json": (text.encode(), "none"),
        "b": (text.encode(), "none"),
        "c.gz": (gzip.compress(text.encode()), "gzip"),
        "d.json.zst": (zstd.compress(text.encode()), "zstd"),
    }
    for name, (content, compression) in contents.items():
        path = write(tmp_path / name, content)
        file = LineFile(path, str(path), compression, None, len(content), lines=1)
        assert converted(path) == file
    assert not (tmp_path / "scratch").exists()


def test_files_that_the_engine_does_not_read_are_decompressed(tmp_path: Path) -> None:
    text = f"{EVENT}\n\n{{broken\n{OTHER}"
    packed = gzip.compress(text.encode())
    contents = {
        "a.json.bz2": bz2.compress(text.encode()),
        "b.json.gz": packed,
        "f.zst": zstd.compress(b"") + zstd.compress(text.encode()),
    }
    for name, content in contents.items():
        path = write(tmp_path / name, content)
        compressions = frozenset({"lz4"})
        file = converted(path, compressions=compressions)
        assert (file.source, file.compression) == (str(path), "none")
        assert file.path.parent == tmp_path / "scratch"
        assert file.path.read_bytes() == text.encode(), name


# ---------------------------------------------------------------- JSON


def test_records_keep_their_ids_and_keys_and_are_on_one_line(tmp_path: Path) -> None:
    records = [
        '{"id":1180591620717411303424, "x":1.10, "y":1e400,\r\n "z":0.12345678901234567890}',
        '{"text":"a\\u00e9\\n\\ud83d\\ude00 ü [,]{}\\"", "a":NaN}',
        '{"a":1,"a":2}',
        "{}",
    ]
    expected = [
        '{"id":1180591620717411303424,"x":1.1,"y":1e400,"z":0.12345678901234568}',
        '{"text":"aé\\n😀 ü [,]{}\\"","a":NaN}',
        '{"a":1,"a":2}',
        "{}",
    ]
    rows = ",".join(records)
    for content in (f"[{rows}]", " ".join(records), "".join(records), f'{{"rows":[{rows}]}}'):
        assert lines(write(tmp_path / "file", "\ufeff" + content)) == expected


def test_elements_that_are_not_objects_become_lines_too(tmp_path: Path) -> None:
    path = write(tmp_path / "a", f'[1, "two", null, [3], {EVENT}]')
    assert lines(path, LogFormat(input=Input(records="Records"))) == [
        "1",
        '"two"',
        "null",
        "[3]",
        EVENT,
    ]
    path = write(tmp_path / "b", f'{{"Records":[{EVENT}, null, 7]}}')
    assert lines(path, LogFormat(input=Input(records="Records"))) == [EVENT, "null", "7"]


def test_several_arrays_one_behind_the_other(tmp_path: Path) -> None:
    path = write(tmp_path / "a", f"[{EVENT}]\n[]\n[{OTHER},{EVENT}]\n")
    assert lines(path) == [EVENT, OTHER, EVENT]


def test_empty_array(tmp_path: Path) -> None:
    file = converted(write(tmp_path / "a", "[ ]"))
    assert file.path.read_bytes() == b""


def test_documents(tmp_path: Path) -> None:
    path = write(tmp_path / "a", f'{{"next": null, "Records": [{EVENT},\n{OTHER}], "n": 2}}')
    assert lines(path) == [EVENT, OTHER]
    format_ = LogFormat(input=Input(records="data[1].events"))
    document = f'{{"a":[{{"events":[1]}}],"data":[{{"events":[2]}},{{"x":1,"events":[{EVENT}]}}]}}'
    path = write(tmp_path / "b", document)
    assert lines(path, format_) == [EVENT]
    path = write(tmp_path / "c", document + "\n" + document)
    assert lines(path, format_) == [EVENT, EVENT]


BROKEN = {
    f"[{EVENT},{OTHER}".encode(): "unexpected character",
    f"[{EVENT},{OTHER[:-5]}".encode(): "unexpected end of data",
    f"[{EVENT},\n{OTHER}] x".encode(): "unexpected character",
    f"[{EVENT} {OTHER}]".encode(): "unexpected character",
    f"{EVENT}{OTHER[:-30]}".encode(): "unexpected end of data",
    f"{EVENT}{OTHER}{{oops}}{EVENT}".encode(): "unexpected character",
    b'[{"a":"caf\xe9"}]': "invalid UTF-8 encoding in string",
}


@pytest.mark.parametrize("content", BROKEN)
def test_what_is_broken_is_named_with_its_place(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path / "file", content)
    place = rf"Malformed JSON, at byte \d+ in record/value \d+: {BROKEN[content]}"
    sentence = rf"'{path}' is corrupt or truncated \({place}\); replace it or exclude it\."
    assert re.fullmatch(sentence, failure(path))


def test_a_document_without_records_is_named(tmp_path: Path) -> None:
    format_ = LogFormat(input=Input(records="data.rows"))
    path = write(tmp_path / "a", f'{{"data":{{"rows":[{EVENT}]}}}}\n{{"data":{{}}}}\n')
    assert "(no list of records at data.rows)" in failure(path, format_)


def test_a_document_that_does_not_fit_into_memory_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a", f'{{"rows":[{",".join([EVENT] * 10)}]}}' * 10 + " " * (50 << 20))
    before = MEMORY_LIMIT.set("50MB")
    try:
        said = failure(path, LogFormat(input=Input(records="rows")))
    finally:
        MEMORY_LIMIT.reset(before)
    assert said.startswith(f"'{path}' does not fit into memory (Out of Memory Error: ")


def test_an_array_is_not_held_in_memory(tmp_path: Path) -> None:
    """DuckDB gets less memory than the array has bytes."""
    path = write(tmp_path / "a", "[" + ",".join([EVENT] * 1_000_000) + "]")
    measure = f"""
import resource
from pathlib import Path
from user_conversion.inputs.kinds.json_files import ARRAY
from user_conversion.inputs.kinds.content import ANYTHING, Wanted
from user_conversion.inputs import duckdb_reader
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
ARRAY.write_lines(Path({str(path)!r}), Path({str(tmp_path / "b")!r}), "a", Wanted(ANYTHING))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    used = int(subprocess.run([sys.executable, "-c", measure], capture_output=True).stdout) << 10
    assert (tmp_path / "b").stat().st_size == 1_000_000 * (len(EVENT) + 1)
    assert used < path.stat().st_size


def test_events_in_a_text_field(tmp_path: Path) -> None:
    format_ = LogFormat(input=Input(embedded="log"))
    records = [
        {"log": EVENT + "\n", "stream": "stdout"},
        {"log": "Server started\n"},
        {"log": {"event": "registered"}},
        {"stream": "stdout"},
        {"log": '{"a":\n"ü"}\r\n'},
    ]
    text = "".join(json.dumps(record) + "\n" for record in records) + "broken\n"
    expected = [EVENT, "Server started", '{"log": {"event": "registered"}}']
    expected += ['{"stream": "stdout"}', '{"a": "ü"}', "broken"]
    assert lines(write(tmp_path / "a.log", text), format_) == expected
    nested = LogFormat(input=Input(records="logEvents", embedded="message"))
    document = json.dumps({"logEvents": [{"id": "1", "message": EVENT}, {"message": OTHER}]})
    assert lines(write(tmp_path / "b.gz", gzip.compress(document.encode())), nested) == [
        EVENT,
        OTHER,
    ]


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
objects = st.fixed_dictionaries({"event": st.just("registered")}, optional={"more": values})


@settings(max_examples=25, deadline=None)
@given(st.lists(objects, min_size=2, max_size=6), st.booleans())
def test_the_same_records_however_they_are_written(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, Any]], ascii_only: bool
) -> None:
    folder = tmp_path_factory.mktemp("layouts")

    def text(value: Any, indent: int | None = None) -> str:
        return json.dumps(value, indent=indent, ensure_ascii=ascii_only)

    one_a_line = "\n".join(map(text, records))
    layouts = [
        text(records),
        text(records, indent=2),
        "[\n" + ",\n".join(map(text, records)) + "\n]\n",
        "".join(map(text, records)),
        "\n".join(text(record, indent=1) for record in records),
        text({"total": len(records), "rows": records}),
        one_a_line,
    ]
    contents = [layout.encode("utf-8", "surrogatepass") for layout in layouts]
    contents += [gzip.compress(content) for content in contents]
    for number, content in enumerate(contents):
        path = write(folder / str(number), content)
        file = converted(path)
        content = file.path.read_bytes()
        content = gzip.decompress(content) if file.compression == "gzip" else content
        read = content.decode("utf-8", "surrogatepass").strip("\n").split("\n")
        assert [json.loads(line) for line in read] == records
    shutil.rmtree(folder)


# ---------------------------------------------------------------- tables

TABLE_FORMAT = log_format(fields={"timestamp": "time", "initiator_id": "user.id", "plan": "plan"})


def test_a_table_with_a_header(tmp_path: Path) -> None:
    text = (
        "\ufeffevent,time,user,channel\r\n"
        'registered,2020-11-02,"{""id"": 12345678901234567890}","a ""b"", c"\r\n'
        "\r\n"
        "registered,2020-11-02,seven,\r\n"
        'app_loaded,,"{broken","two\nlines"\r\n'
        'app_loaded,1604298074,"[\n1]",ü\r\n'
    )
    assert lines(write(tmp_path / "a.csv", text), TABLE_FORMAT) == [
        (
            '{"event":"registered","time":"2020-11-02","user":{"id": 12345678901234567890},'
            '"channel":"a \\"b\\", c"}'
        ),
        "",
        '{"event":"registered","time":"2020-11-02","user":"seven","channel":null}',
        '{"event":"app_loaded","time":null,"user":"{broken","channel":"two\\nlines"}',
        '{"event":"app_loaded","time":"1604298074","user":[ 1],"channel":"ü"}',
    ]


def test_rows_with_more_or_fewer_cells_keep_their_cells(tmp_path: Path) -> None:
    text = "event,timestamp,initiator_id\nregistered,2020-11-02\nregistered,1,2,3\na,b,c\n"
    assert lines(write(tmp_path / "a.csv", text)) == [
        '["registered","2020-11-02"]',
        '["registered","1","2","3"]',
        '{"event":"a","timestamp":"b","initiator_id":"c"}',
    ]


@pytest.mark.parametrize("delimiter", ["\t", ";", "|", ","])
def test_delimiters(tmp_path: Path, delimiter: str) -> None:
    rows = [["event", "timestamp", "initiator_id"], ["registered", "2020-11-02", "1"]]
    text = "\n".join(delimiter.join(row) for row in rows)
    assert lines(write(tmp_path / "a", gzip.compress(text.encode()))) == [
        '{"event":"registered","timestamp":"2020-11-02","initiator_id":"1"}'
    ]


def test_a_table_without_a_header_has_no_quotation(tmp_path: Path) -> None:
    format_ = LogFormat(
        input=Input(columns=("event", "timestamp", "initiator_id", "page", "channel"))
    )
    text = 'registered\t2020-11-02\t1\tp\t"Quoted\nregistered\t2020-11-02\t2\t\t\n'
    assert lines(write(tmp_path / "a", text), format_) == [
        (
            '{"event":"registered","timestamp":"2020-11-02","initiator_id":"1",'
            '"channel":"\\"Quoted"}'
        ),
        '{"event":"registered","timestamp":"2020-11-02","initiator_id":"2","channel":null}',
    ]


def test_cells_that_are_not_utf_8_are_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "a", b"event,timestamp,initiator_id\ncaf\xe9,1,2\n")
    file = converted(path)
    assert file.path.read_bytes() == b'{"event":"caf\xe9","timestamp":"1","initiator_id":"2"}\n'


def test_a_cell_without_an_end_is_named(tmp_path: Path) -> None:
    text = 'event,timestamp,initiator_id\nregistered,1,"2\n' + "a,1,2\n" * 3_000_000
    message = failure(write(tmp_path / "a.csv", text))
    assert message.startswith(f"'{tmp_path}/a.csv' is not a table from line 2 on")


# ---------------------------------------------------------------- Parquet


def test_parquet(tmp_path: Path) -> None:
    folder = tmp_path / "event=wrong" / "it's [a] *folder*?"
    folder.mkdir(parents=True)
    path = folder / "a.parquet"
    duckdb.sql(
        """SELECT * FROM (VALUES
            ('registered', TIMESTAMPTZ '2020-11-02 06:21:14.5+00', 9007199254740993,
             '{"channel": "ads", "n": 12345678901234567890}', {'type': 'mobile'}, 1),
            ('app_loaded', NULL, NULL, 'plain', NULL, 2)
        ) AS t(event, timestamp, initiator_id, properties, device, unused)"""
    ).write_parquet(str(path))
    fields = {"channel": "properties.channel", "device_type": "device.type"}
    read = [json.loads(line, parse_int=str) for line in lines(path, log_format(fields=fields))]
    assert read == [
        {
            "event": "registered",
            "timestamp": "2020-11-02 06:21:14.5+00",
            "initiator_id": "9007199254740993",
            "properties": {"channel": "ads", "n": "12345678901234567890"},
            "device": {"type": "mobile"},
        },
        {
            "event": "app_loaded",
            "timestamp": None,
            "initiator_id": None,
            "properties": "plain",
            "device": None,
        },
    ]


def test_dates_in_parquet_are_their_midnight(tmp_path: Path) -> None:
    path = tmp_path / "a"
    duckdb.sql(
        "SELECT 'registered' AS event, DATE '2020-11-02' AS timestamp, 1 AS initiator_id"
    ).write_parquet(str(path))
    assert lines(path) == [
        '{"event":"registered","timestamp":"2020-11-02 00:00:00","initiator_id":1}'
    ]


def test_events_in_a_text_column_of_parquet(tmp_path: Path) -> None:
    duckdb.sql(f"SELECT '{EVENT}' AS message, 1 AS n").write_parquet(str(tmp_path / "a"))
    assert lines(tmp_path / "a", LogFormat(input=Input(embedded="message"))) == [EVENT]
    assert len(list((tmp_path / "scratch").iterdir())) == 1
    assert "Parquet without a column for log" in failure(
        tmp_path / "a", LogFormat(input=Input(embedded="log"))
    )


def test_parquet_without_a_column_or_end_is_named(tmp_path: Path) -> None:
    path = tmp_path / "timestamp=1" / "a"
    path.parent.mkdir()
    duckdb.sql("SELECT 'registered' AS event, 1 AS initiator_id").write_parquet(str(path))
    assert failure(path) == (
        f"'{path}' is not a log of events (Parquet without a column for timestamp); exclude it, or "
        "describe it with --log-format."
    )
    path.write_bytes(path.read_bytes()[:-20])
    assert failure(path).startswith(f"'{path}' is corrupt or truncated (")


# ---------------------------------------------------------------- zip files


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_a_zip_file(tmp_path: Path) -> None:
    text = EVENT.encode() + b"\n"
    path = zipped(
        tmp_path / "export.zip",
        {
            "1/b.json.gz": gzip.compress(text),
            "1/a.json": text,
            "1/array": f"[{EVENT}]".encode(),
            "1/": b"",
            "__MACOSX/1/._a.json": b"\0\1",
            "1/.hidden.json": text,
            "_SUCCESS": b"",
            "1/index.csv": b"a,b\n1,2\n",
        },
    )
    scratch = tmp_path / "scratch"
    read = prepare_found(find_files([str(path)]), DEFAULT, ALL, scratch)
    assert [(file.source, file.compression) for file in read.files] == [
        (f"{path}/1/b.json.gz", "gzip"),
        (f"{path}/1/a.json", "none"),
        (f"{path}/1/array", "none"),
    ]
    packed, *plain = [file.path.read_bytes() for file in read.files]
    assert [gzip.decompress(packed), *plain] == [text] * 3
    assert sorted(scratch.iterdir()) == sorted(file.path for file in read.files)
    assert read.skipped == [
        SkippedFile(f"{path}/1/index.csv", "a table without a column for event")
    ]


def test_zip_files_that_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path / "a.zip", {"a.json": EVENT.encode()})
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    assert failure(write(tmp_path / "b.zip", bytes(content))) == (
        f"'{tmp_path}/b.zip/a.json' is encrypted; decrypt it or exclude it."
    )
    assert "corrupt or truncated" in failure(write(tmp_path / "c.zip", path.read_bytes()[:-5]))
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(b"a.json") + 10] ^= 255
    assert "corrupt or truncated" in failure(write(tmp_path / "d.zip", bytes(damaged)))
    inner = zipped(tmp_path / "e.zip", {"a.zip": path.read_bytes()})
    assert failure(inner).startswith(
        f"'{inner}' is not a log of events (a zip file without logs, '{inner}/a.zip' is zip in"
    )
    assert "a zip file without logs" in failure(zipped(tmp_path / "f.zip", {}))
    monkeypatch.setattr("user_conversion.inputs.compression.BOMB_SIZE", 1 << 20)
    bomb = zipped(tmp_path / "g.zip", {"a.json": b" " * (1 << 22)})
    assert "(a bomb)" in failure(bomb)


# ---------------------------------------------------------------- all files of a run


def test_what_is_not_a_log_is_skipped_in_a_folder_and_refused_by_name(tmp_path: Path) -> None:
    log = write(tmp_path / "logs" / "a.json", EVENT)
    readme = write(tmp_path / "logs" / "README.md", "Our logs.\n")
    found = find_files([str(tmp_path / "logs")])
    read = prepare_found(found, DEFAULT, ALL, tmp_path / "scratch")
    assert [file.path for file in read.files] == [each.file.path for each in read.inputs] == [log]
    assert read.skipped == [SkippedFile(str(readme), "neither JSON nor a table")]
    with pytest.raises(NotALogError, match=r"README.md' is not a log of events \(neither JSON nor"):
        prepare_found(find_files([str(log), str(readme)]), DEFAULT, ALL, tmp_path / "scratch")
    with pytest.raises(NotALogError):
        prepare_found(find_files([f"{tmp_path}/logs/*"]), DEFAULT, ALL, tmp_path / "scratch")
    log.unlink()
    nothing = prepare_found(find_files([str(tmp_path)]), DEFAULT, ALL, tmp_path / "scratch")
    with pytest.raises(InputError, match="No file is a log of events, of 1 in all, for example"):
        require_logs(nothing)


def test_converted_files_are_in_order_and_apart(tmp_path: Path) -> None:
    for number in range(12):
        content = f'[{{"event":{number}}}]' if number % 3 else f'{{"event":{number}}}'
        write(tmp_path / "logs" / f"{number:02}", content)
    found = find_files([str(tmp_path / "logs")])
    read = prepare_found(found, DEFAULT, ALL, tmp_path / "scratch")
    numbers = [json.loads(file.path.read_text())["event"] for file in read.files]
    assert numbers == list(range(12))
    again = prepare_found(found, DEFAULT, ALL, tmp_path / "scratch")
    assert not {file.path for file in read.files[1:2]} & {file.path for file in again.files}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_not_blamed_on_the_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Path("/dev/full")
    monkeypatch.setattr(convert.Conversion, "_new_file", lambda self: full)
    for content in (f"[{EVENT}]".encode(), bz2.compress(EVENT.encode())):
        path = write(tmp_path / "a", content)
        done = command("run", "--input", path, "--output", tmp_path / "out")
        assert_refused(done, "Cannot write ", "No space left on device")


# ---------------------------------------------------------------- which files


def names(found: Found, folder: Path) -> list[str]:
    return [str(file.path.relative_to(folder)) for file in found.files]


def test_every_file_of_a_folder_but_hidden_ones(tmp_path: Path) -> None:
    for name in ("a", "b.gz", "c/d.csv", "_SUCCESS", ".e.json", "_delta/f.json", "c/.g/h", "c/_i"):
        write(tmp_path / name, EVENT)
    assert names(find_files([str(tmp_path)]), tmp_path) == ["a", "b.gz", "c/d.csv"]
    hidden = find_files([str(tmp_path / "_delta"), str(tmp_path / ".e.json")])
    assert names(hidden, tmp_path) == [".e.json", "_delta/f.json"]
    with pytest.raises(InputError, match=r"No files in .*; names that begin with '_' or '.' are"):
        find_files([str(tmp_path)], [tmp_path / name for name in ("a", "b.gz", "c")])


def test_a_quoted_glob_means_what_the_shell_would_make_of_it(tmp_path: Path) -> None:
    for name in ("2020/a.json", "2020/b/c.json", "2021.json", "x.json"):
        write(tmp_path / name, EVENT)
    quoted = find_files([f"{tmp_path}/20*"])
    unquoted = find_files([f"{tmp_path}/2020", f"{tmp_path}/2021.json"])
    assert quoted == unquoted
    assert names(quoted, tmp_path) == ["2020/a.json", "2020/b/c.json", "2021.json"]
    assert quoted.named == {tmp_path / "2021.json"}


def test_a_pipe_in_a_folder_is_skipped(tmp_path: Path) -> None:
    write(tmp_path / "a", EVENT)
    os.mkfifo(tmp_path / "pipe")
    found = find_files([str(tmp_path)])
    assert names(found, tmp_path) == ["a"]
    assert found.skipped == [SkippedFile(str(tmp_path / "pipe"), "not a regular file")]
    with pytest.raises(InputError, match="is not a regular file"):
        find_files([str(tmp_path / "pipe")])


# ---------------------------------------------------------------- lines


def line_file(path: Path) -> LineFile:
    return LineFile(path, str(path), compression_at(path), None, path.stat().st_size)


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, zstd.compress])
def test_lines_of_a_file(tmp_path: Path, compress: Any) -> None:
    contents = {b"": 0, b"\n": 1, b"a": 1, b"a\n": 1, b"a\n\nbc": 3, b"x" * 500_000 + b"\ny\n": 2}
    for content, number in contents.items():
        path = write(tmp_path / "file", compress(content))
        assert count_lines([line_file(path)] * 2) == [number] * 2
        read = [line for batch in line_batches(line_file(path)) for line in batch]
        assert read == content.removesuffix(b"\n").split(b"\n")[:number]
        assert beginning(line_file(path)) == content[: 1 << 16]


# ---------------------------------------------------------------- what is in the way


def test_csv_is_read_strictly(tmp_path: Path) -> None:
    """An inch mark, text behind a closing mark, a name given twice: the line is named."""
    header = "event,timestamp,initiator_id,channel\n"
    row = "registered,2020-11-02T06:21:14Z,1,"
    for text, where in (
        (header + row + "ad\n" + row + '"5 inch\n' + row + "ad\n", "from line 3 on"),
        (header + row + '"a"b\n', "from line 2 on"),
        ("event,timestamp,initiator_id,event\n" + row + "ad\n", "two columns are called 'event'"),
    ):
        path = write(tmp_path / "log.csv", text)
        assert where in failure(path)
    legal = write(tmp_path / "legal.csv", header + row + '"two\nlines"\n' + row + '5" screen\n')
    assert [json.loads(line)["channel"] for line in lines(legal)] == ["two\nlines", '5" screen']


@pytest.mark.parametrize("preamble", ["sep=;\n", "# Report\n# 2020\n\n", "\ufeffsep=;\n#\n"])
def test_lines_before_the_header_are_left_out(tmp_path: Path, preamble: str) -> None:
    text = "event;timestamp;initiator_id\nregistered;2020-11-02T06:21:14Z;1\n"
    (line,) = lines(write(tmp_path / "log.csv", preamble + text))
    assert json.loads(line)["initiator_id"] == "1"


PREFIXES = (
    *("app-1  | ", "\033[36mapp-1  |\033[0m ", "[pod/app-5d/app] ", "data: "),
    *("Nov  2 06:21:14 host app[123]: ", "<14>1 2020-11-02T06:21:14Z host app 123 - - "),
    *("2020-11-02T06:21:14.123Z ", "2020-11-02 06:21:14,123 INFO app.events - "),
)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_what_tools_write_before_json(tmp_path: Path, prefix: str) -> None:
    """A line without JSON stays as it is, to be rejected."""
    text = f"{prefix}{EVENT}\n{prefix}Started\n{prefix}{EVENT}\n"
    read = lines(write(tmp_path / "app.log", text))
    assert read == [EVENT, f"{prefix}Started", EVENT]


@pytest.mark.parametrize("names", [["stdout"], ["stdout", "stderr"]])
def test_lines_that_kubernetes_cut(tmp_path: Path, names: list[str]) -> None:
    """It cuts them at 16 KiB: P begins a line, F ends it; two streams may alternate."""
    half = len(EVENT) // 2
    text = "".join(
        f"2020-11-02T06:21:14.1Z {name} {part} {piece}\n"
        for part, piece in (("P", EVENT[:half]), ("F", EVENT[half:]), ("F", EVENT))
        for name in names
    )
    assert lines(write(tmp_path / "app.log", text)) == [EVENT] * 2 * len(names)


def test_most_lines_of_kubernetes_are_cut(tmp_path: Path) -> None:
    parts = [EVENT[:9], EVENT[9:20], EVENT[20:]]
    pieces = [("F", EVENT), *zip("PPF", parts, strict=True), *zip("PPF", parts, strict=True)]
    text = "".join(f"2020-11-02T06:21:14.1Z stdout {part} {piece}\n" for part, piece in pieces)
    assert lines(write(tmp_path / "app.log", text)) == [EVENT] * 3


def test_bytes_in_parquet_are_text_or_hexadecimal_digits(tmp_path: Path) -> None:
    rows = {"event": b"registered", "timestamp": b"2020-11-02T06:21:14Z"}
    uuid = bytes(range(0xF0, 0x100))
    for value, shown in ((b"u-1", "u-1"), (uuid, "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")):
        table = pa.table({name: [v] for name, v in (rows | {"initiator_id": value}).items()})
        pq.write_table(table, tmp_path / "log.parquet")
        (line,) = lines(tmp_path / "log.parquet")
        assert json.loads(line)["initiator_id"] == shown


@pytest.mark.parametrize("mark", ["_delta_log/0.json", ".hoodie/x", "metadata/v1.metadata.json"])
def test_a_table_of_a_lake_is_not_the_sum_of_its_files(tmp_path: Path, mark: str) -> None:
    write(tmp_path / "table" / "a.json", EVENT)
    write(tmp_path / "table" / mark, "{}")
    with pytest.raises(InputError, match=r"is a table of (Delta Lake|Hudi|Iceberg)"):
        find_files([str(tmp_path)])


def test_what_is_excluded(tmp_path: Path) -> None:
    for name in ("a.json", "test/b.json", "c.tmp", "deep/test/d.json", "lost+found/x"):
        write(tmp_path / name, EVENT)
    found = find_files([str(tmp_path)], exclude=["test", "*.tmp"])
    assert names(found, tmp_path) == ["a.json"]
    found = find_files([str(tmp_path)], exclude=["deep/*"])
    assert names(found, tmp_path) == ["a.json", "c.tmp", "test/b.json"]
