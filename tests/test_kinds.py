"""What a file is, recognised by its content and never by its name."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zipfile
from pathlib import Path

import duckdb
import pytest
from backports import zstd

from user_conversion.inputs import compression, kinds
from user_conversion.inputs.content import Kind
from user_conversion.inputs.kinds import recognise
from user_conversion.rules.errors import InputError
from user_conversion.rules.log_format import LogFormat, log_format, parse_path

DEFAULT = LogFormat()
EVENT = '{"event":"registered","timestamp":"2020-11-02T06:21:14Z","initiator_id":1}'
OTHER = '{"event":"app_loaded","timestamp":"2020-11-09T06:21:14Z","initiator_id":1}'
PRETTY = json.dumps(json.loads(EVENT), indent=2)
WRAPPED = f'{{"Records":[{EVENT},{OTHER}],"next":null}}'


def kind(path: Path, content: str | bytes, log_format: LogFormat = DEFAULT) -> Kind:
    """The kind of a file with this content."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return recognise(path, log_format).kind


def reason(path: Path, content: bytes, log_format: LogFormat = DEFAULT) -> str:
    path.write_bytes(content)
    found = recognise(path, log_format)
    assert found.kind is Kind.UNKNOWN
    return found.reason


TEXTS: dict[str, tuple[Kind, str]] = {
    "lines": (Kind.LINES, f"{EVENT}\n{OTHER}\n"),
    "lines with CR LF": (Kind.LINES, f"{EVENT}\r\n{OTHER}\r\n"),
    "one line": (Kind.LINES, EVENT),
    "one line with its end": (Kind.LINES, EVENT + "\n"),
    "byte order mark": (Kind.LINES, f"\ufeff{EVENT}\n"),
    "empty": (Kind.LINES, ""),
    "blank": (Kind.LINES, " \n\t\r\n"),
    "blank lines first": (Kind.LINES, f"\n\n{EVENT}\n"),
    "broken first line": (Kind.LINES, f'{{"event":"regis\n{EVENT}\n'),
    "first line cut off at a comma": (Kind.LINES, f'{{"event":"registered",\n{EVENT}\n{OTHER}\n'),
    "text before the first object": (Kind.LINES, f"# exported today\n{EVENT}\n"),
    "array as the first line": (Kind.LINES, f"[1]\n{EVENT}\n{OTHER}\n"),
    "text behind an object": (Kind.LINES, f"{EVENT} x\n{OTHER}\n"),
    "a line cut off behind an object": (Kind.LINES, f'{EVENT}{{"ev\n{OTHER}\n{OTHER}\n'),
    "commas behind objects": (Kind.LINES, f"{EVENT},\n{OTHER},\n"),
    "single quotes": (Kind.LINES, "{'event': 'registered'}\n"),
    "only the beginning of an object": (Kind.LINES, '{"event":"regis'),
    "a wrapper on each line": (Kind.LINES, f"{WRAPPED}\n{WRAPPED}\n"),
    "an event with a list": (Kind.LINES, EVENT[:-1] + ',"items":[{"id":1}]}\n'),
    "one broken line": (Kind.LINES, "{broken\n"),
    "array": (Kind.ARRAY, f"[{EVENT},{OTHER}]"),
    "pretty array": (Kind.ARRAY, f"[\n  {EVENT},\n  {OTHER}\n]\n"),
    "very pretty array": (Kind.ARRAY, json.dumps([json.loads(EVENT)], indent=4)),
    "array with a byte order mark": (Kind.ARRAY, f"\ufeff[{EVENT}]"),
    "empty array": (Kind.ARRAY, "[]\n"),
    "array of numbers": (Kind.ARRAY, "[1, 2]"),
    "an array on each line": (Kind.ARRAY, f"[{EVENT}]\n[{OTHER}]\n"),
    "array that breaks off": (Kind.ARRAY, f"[\n{EVENT},\n{OTHER}"),
    "array that is broken": (Kind.ARRAY, f"[{EVENT},{OTHER},oops]"),
    "objects without spaces": (Kind.OBJECTS, EVENT + OTHER),
    "objects, now and then with line ends": (Kind.OBJECTS, f"{EVENT}{OTHER}\n{EVENT}\n"),
    "objects with spaces": (Kind.OBJECTS, f"{EVENT} {OTHER}\n"),
    "pretty objects": (Kind.OBJECTS, f"{PRETTY}\n{PRETTY}\n"),
    "one pretty object": (Kind.OBJECTS, PRETTY),
    "pretty object that breaks off": (Kind.OBJECTS, PRETTY[:-10]),
    "objects with CR": (Kind.OBJECTS, f"{EVENT}\r{OTHER}\r"),
    "document": (Kind.DOCUMENT, WRAPPED),
    "pretty document": (Kind.DOCUMENT, json.dumps(json.loads(WRAPPED), indent=1)),
    "document with an event a line": (Kind.DOCUMENT, f'{{"rows": [\n{EVENT},\n{OTHER}\n]}}'),
    "two lists of objects": (Kind.LINES, '{"a":[{"b":1}],"c":[{"d":1}]}'),
    "CSV": (Kind.TABLE, "event,timestamp,initiator_id\nregistered,2020-11-02,1\n"),
    "CSV with quotation marks": (Kind.TABLE, '"initiator_id","event","timestamp"\n'),
    "TSV": (Kind.TABLE, "event\ttimestamp\tinitiator_id\n"),
    "semicolons": (Kind.TABLE, "\ufeffevent;timestamp;initiator_id\nregistered;2020-11-02;1\n"),
    "prose": (Kind.UNKNOWN, "# Read me\n\nOur logs, all of them, are here.\n"),
    "settings": (Kind.UNKNOWN, "[section]\nname = value\n"),
    "text in brackets": (Kind.UNKNOWN, "[12] a line of text\n"),
    "a number": (Kind.UNKNOWN, "12\n"),
    "another table": (Kind.UNKNOWN, "Filename,Minimum Timestamp\n1.json,2\n"),
    "rich text": (Kind.UNKNOWN, "{\\rtf1\\ansi hello}"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_kind_of_a_text(tmp_path: Path, name: str) -> None:
    expected, text = TEXTS[name]
    assert kind(tmp_path / "file", text) is expected


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, zstd.compress])
def test_kind_of_compressed_text_under_any_name(tmp_path: Path, compress: object) -> None:
    assert callable(compress)
    for number, (expected, text) in enumerate(TEXTS.values()):
        path = tmp_path / f"{number}.json"
        path.write_bytes(compress(text.encode()))
        found = recognise(path, DEFAULT)
        assert (found.kind, found.compression) == (
            expected,
            {gzip.compress: "gzip", bz2.compress: "bzip2"}.get(compress, "zstd"),  # type: ignore[call-overload]
        )


@pytest.mark.parametrize("size", [1 << 12, 1 << 16])
def test_kind_where_the_sample_ends_within_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(kinds, "SAMPLE", size)
    many = [json.dumps({**json.loads(EVENT), "number": number}) for number in range(2_000)]
    separators = {Kind.LINES: "\n", Kind.OBJECTS: ""}
    for expected, separator in separators.items():
        assert kind(tmp_path / "file", separator.join(many)) is expected
    array = "[" + ",".join(many) + "]"
    assert kind(tmp_path / "file", array) is Kind.ARRAY
    assert kind(tmp_path / "file", json.dumps(json.loads(array), indent=1)) is Kind.ARRAY
    assert kind(tmp_path / "file", f'{{"rows":{array}}}') is Kind.DOCUMENT
    assert kind(tmp_path / "file", f'{{"more":true,\n"rows":{array}}}') is Kind.DOCUMENT


def test_a_first_line_that_is_longer_than_the_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinds, "SAMPLE", 100)
    long = EVENT[:-1] + ',"text":"' + "x" * 1000 + '"}'
    assert kind(tmp_path / "file", f"{long}\n{EVENT}\n") is Kind.LINES
    assert kind(tmp_path / "file", long + EVENT) is Kind.OBJECTS
    monkeypatch.setattr(kinds, "LARGE_SAMPLE", 200)
    # Read as objects, which may also be on lines of their own.
    assert kind(tmp_path / "file", f"{long}\n{EVENT}\n") is Kind.OBJECTS


def test_binary_kinds(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a", "w") as archive:
        archive.writestr("a.json", EVENT)
    duckdb.sql("SELECT 1 AS event").write_parquet(str(tmp_path / "b"))
    assert recognise(tmp_path / "a", DEFAULT).kind is Kind.ZIP
    assert recognise(tmp_path / "b", DEFAULT).kind is Kind.PARQUET


def test_reasons_of_unknown_files(tmp_path: Path) -> None:
    lines = EVENT.encode() * 3
    assert reason(tmp_path / "a", lines.decode().encode("utf-16")) == "UTF-16 text"
    assert reason(tmp_path / "a", lines.decode().encode("utf-16-be")) == "UTF-16 text"
    assert reason(tmp_path / "a", lzma.compress(lines)) == "compressed with xz"
    assert reason(tmp_path / "a", b"\x04\x22\x4d\x18" + bytes(9)) == "compressed with lz4"
    assert reason(tmp_path / "a", gzip.compress(gzip.compress(lines))) == "compressed twice"
    assert reason(tmp_path / "a", b"\x89PNG\r\n\x1a\n\x00\x00\x00") == "not text"
    assert reason(tmp_path / "a.json.br", b"\x8b\x05\x80\xff\xfe{\x03") == "compressed with brotli"
    assert reason(tmp_path / "a", b"Obj\x01" + bytes(9)) == "Avro"
    assert reason(tmp_path / "a", b"Hello, world.\n") == "neither JSON nor a table"
    table = b"event,time,user\nregistered,1,2\n"
    assert reason(tmp_path / "a", table) == "a table without a column for timestamp"


def test_columns_that_a_table_needs_depend_on_the_log_format(tmp_path: Path) -> None:
    paths = {"timestamp": ["at", "time"], "initiator_id": "user.id"}
    table = b"event,time,user\nregistered,1,2\n"
    path = tmp_path / "users.csv"
    assert kind(path, table, log_format(fields=paths)) is Kind.TABLE
    table = b"time,user\n1,2\n"
    assert reason(path, table, log_format(fields=paths)) == "a table without a column for event"
    path.write_bytes(table)
    assert recognise(path, log_format(fields=paths), event="registered").kind is Kind.TABLE
    assert recognise(
        path, LogFormat(fields=log_format(fields=paths).fields, unnamed=True)
    ).kind is (Kind.TABLE)
    wanted = reason(path, b"a,b\n1,2\n", log_format(fields={**paths, "event": ["x", "y.z"]}))
    assert wanted == "a table without a column for event (x or y)"


def test_a_table_without_a_header(tmp_path: Path) -> None:
    format_ = LogFormat(columns=("event", "timestamp", "initiator_id", "channel"))
    path = tmp_path / "file"
    assert kind(path, "registered\t2020-11-02\t1\t\n", format_) is Kind.TABLE
    assert kind(path, "\t2020-11-02\t1\t\n", format_) is Kind.TABLE
    assert kind(path, '{"a":1}\t2020-11-02\t1\t\n', format_) is Kind.TABLE
    assert kind(path, "registered,2020-11-02,1,\n", format_) is Kind.TABLE
    assert kind(path, '{"a":1,"b":2,"c":3,"d":4}\n', format_) is Kind.LINES
    assert reason(path, b"one\ttwo\n", format_) == "no row of a table with 4 columns"


def test_the_place_of_the_records_of_a_document(tmp_path: Path) -> None:
    (tmp_path / "file").write_text(WRAPPED)
    assert recognise(tmp_path / "file", DEFAULT).records == ("Records",)
    nested = LogFormat(records=parse_path("data.events"))
    assert kind(tmp_path / "file", '{"data":{"events":[]}}', nested) is Kind.DOCUMENT
    assert kind(tmp_path / "file", '{"data":{"events":[]}}\n' * 2, nested) is Kind.DOCUMENT
    assert kind(tmp_path / "file", WRAPPED, nested) is Kind.LINES
    # With another name for the event, what looked like a record is a wrapper.
    text = '{"event":"x","rows":[{"name":"registered"}]}'
    assert kind(tmp_path / "file", text) is Kind.LINES
    assert kind(tmp_path / "file", text, log_format(fields={"event": "name"})) is Kind.DOCUMENT


def gzip_with(flags: int, extra: bytes) -> bytes:
    packed = gzip.compress(EVENT.encode() + b"\n")
    return packed[:3] + bytes([flags]) + packed[4:10] + extra + packed[10:]


def test_gzip_headers_that_every_reader_knows(tmp_path: Path) -> None:
    path = tmp_path / "file.gz"
    plain, named = gzip_with(0, b""), gzip_with(8, b"a.json\0")
    odd = [gzip_with(1, b""), gzip_with(16, b"comment\0"), gzip_with(2, b"\0\0")]
    expected = [(plain, True), (named + plain, True), (plain + named, True)]
    expected += [(packed, False) for packed in odd]
    expected += [(plain + packed, False) for packed in odd]
    expected += [(plain + bytes(512), False)]
    for content, is_plain in expected:
        path.write_bytes(content)
        assert compression.is_plain(path, "gzip") is is_plain


def test_zstd_windows_that_every_reader_knows(tmp_path: Path) -> None:
    path = tmp_path / "file.zst"
    for window_log, is_plain in [(20, True), (27, True), (28, False), (31, False)]:
        compressor = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: window_log})
        path.write_bytes(compressor.compress(EVENT.encode()) + compressor.flush())
        assert compression.is_plain(path, "zstd") is is_plain
        assert recognise(path, DEFAULT).kind is Kind.LINES
    path.write_bytes(zstd.compress(EVENT.encode()))
    assert compression.is_plain(path, "zstd")


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, zstd.compress])
def test_a_truncated_file_is_named(tmp_path: Path, compress: object) -> None:
    assert callable(compress)
    path = tmp_path / "log"
    path.write_bytes(compress(EVENT.encode())[:-3])
    with pytest.raises(InputError, match=r"/log' is corrupt or truncated .*; replace it or exclu"):
        recognise(path, DEFAULT)
