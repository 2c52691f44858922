"""What a file is, recognised by its content and never by its name."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from backports import zstd

from user_conversion.inputs import kinds
from user_conversion.inputs.kinds.batches import Batches
from user_conversion.inputs.kinds.content import AnyKind, Lines, NotALogError, Wanted, Zip
from user_conversion.inputs.kinds.delimited import Table
from user_conversion.inputs.kinds.json_files import ARRAY, Values
from user_conversion.inputs.kinds.parquet import Parquet
from user_conversion.rules.log_format import Input, LogFormat
from user_conversion.rules.presets import log_format

DEFAULT = LogFormat()
EVENT = '{"event":"registered","timestamp":"2020-11-02T06:21:14Z","initiator_id":1}'
OTHER = '{"event":"app_loaded","timestamp":"2020-11-09T06:21:14Z","initiator_id":1}'
PRETTY = json.dumps(json.loads(EVENT), indent=2)
WRAPPED = f'{{"Records":[{EVENT},{OTHER}],"next":null}}'


def recognised(
    path: Path, content: str | bytes, log_format: LogFormat = DEFAULT, event: str | None = None
) -> AnyKind | str:
    """The kind of a file with this content, or the reason why it has none."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    try:
        return kinds.recognise(path, Wanted(log_format, event), str(path)).kind
    except NotALogError as error:
        return error.reason


LINES, OBJECTS = Lines(), Values()
NO_LOG = "neither JSON nor a table"


TEXTS: dict[str, tuple[AnyKind | str, str]] = {
    "lines": (LINES, f"{EVENT}\n{OTHER}\n"),
    "lines with CR LF": (LINES, f"{EVENT}\r\n{OTHER}\r\n"),
    "one line": (LINES, EVENT),
    "one line with its end": (LINES, EVENT + "\n"),
    "byte order mark": (LINES, f"\ufeff{EVENT}\n"),
    "empty": (LINES, ""),
    "blank": (LINES, " \n\t\r\n"),
    "blank lines first": (LINES, f"\n\n{EVENT}\n"),
    "broken first line": (LINES, f'{{"event":"regis\n{EVENT}\n'),
    "first line cut off at a comma": (LINES, f'{{"event":"registered",\n{EVENT}\n{OTHER}\n'),
    "text before the first object": (LINES, f"# exported today\n{EVENT}\n"),
    "array as the first line": (LINES, f"[1]\n{EVENT}\n{OTHER}\n"),
    "text behind an object": (LINES, f"{EVENT} x\n{OTHER}\n"),
    "a line cut off behind an object": (LINES, f'{EVENT}{{"ev\n{OTHER}\n{OTHER}\n'),
    "commas behind objects": (LINES, f"{EVENT},\n{OTHER},\n"),
    "single quotes": (LINES, "{'event': 'registered'}\n"),
    "only the beginning of an object": (LINES, '{"event":"regis'),
    "a wrapper on each line": (Batches("Records"), f"{WRAPPED}\n{WRAPPED}\n"),
    "a wrapper and a broken line": (Batches("Records"), f"{WRAPPED}\n{WRAPPED}\n{{broken\n"),
    "a wrapper and more events": (LINES, f"{WRAPPED}\n{EVENT}\n{EVENT}\n"),
    "a wrapper of something else on each line": (LINES, '{"a":[{"b":1}]}\n' * 2),
    "an event with a list": (LINES, EVENT[:-1] + ',"items":[{"id":1}]}\n'),
    "one broken line": (LINES, "{broken\n"),
    "array": (ARRAY, f"[{EVENT},{OTHER}]"),
    "pretty array": (ARRAY, f"[\n  {EVENT},\n  {OTHER}\n]\n"),
    "very pretty array": (ARRAY, json.dumps([json.loads(EVENT)], indent=4)),
    "array with a byte order mark": (ARRAY, f"\ufeff[{EVENT}]"),
    "empty array": (ARRAY, "[]\n"),
    "array of numbers": (ARRAY, "[1, 2]"),
    "an array on each line": (Values(()), f"[{EVENT}]\n[{OTHER}]\n"),
    "array that breaks off": (ARRAY, f"[\n{EVENT},\n{OTHER}"),
    "array that is broken": (ARRAY, f"[{EVENT},{OTHER},oops]"),
    "objects without spaces": (OBJECTS, EVENT + OTHER),
    "objects, now and then with line ends": (OBJECTS, f"{EVENT}{OTHER}\n{EVENT}\n"),
    "objects with spaces": (OBJECTS, f"{EVENT} {OTHER}\n"),
    "pretty objects": (OBJECTS, f"{PRETTY}\n{PRETTY}\n"),
    "one pretty object": (OBJECTS, PRETTY),
    "pretty object that breaks off": (OBJECTS, PRETTY[:-10]),
    "objects with CR": (OBJECTS, f"{EVENT}\r{OTHER}\r"),
    "document on a line": (Batches("Records"), WRAPPED),
    "pretty document": (Values(("Records",)), json.dumps(json.loads(WRAPPED), indent=1)),
    "document with an event a line": (Values(("rows",)), f'{{"rows": [\n{EVENT},\n{OTHER}\n]}}'),
    "two lists of objects": (LINES, '{"a":[{"b":1}],"c":[{"d":1}]}'),
    "CSV": (Table(","), "event,timestamp,initiator_id\nregistered,2020-11-02,1\n"),
    "CSV with quotation marks": (Table(","), '"initiator_id","event","timestamp"\n'),
    "TSV": (Table("\t"), "event\ttimestamp\tinitiator_id\n"),
    "semicolons": (Table(";"), "\ufeffevent;timestamp;initiator_id\nregistered;2020-11-02;1\n"),
    "prose": (NO_LOG, "# Read me\n\nOur logs, all of them, are here.\n"),
    "settings": (NO_LOG, "[section]\nname = value\n"),
    "text in brackets": (NO_LOG, "[12] a line of text\n"),
    "a number": (NO_LOG, "12\n"),
    "another table": (
        "a table without a column for event",
        "Filename,Minimum Timestamp\n1.json,2\n",
    ),
    "rich text": (NO_LOG, "{\\rtf1\\ansi hello}"),
}


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, zstd.compress])
def test_kind_of_a_text_under_any_name_and_compression(
    tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    found = {
        name: recognised(tmp_path / "a.csv", compress(text.encode()))
        for name, (_, text) in TEXTS.items()
    }
    assert found == {name: kind for name, (kind, _) in TEXTS.items()}


@pytest.mark.parametrize("size", [1 << 12, 1 << 16])
def test_kind_where_the_sample_ends_within_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(kinds, "SAMPLE", size)
    many = [json.dumps({**json.loads(EVENT), "number": number}) for number in range(2_000)]
    array = "[" + ",".join(many) + "]"
    expected = {
        "\n".join(many): LINES,
        "".join(many): OBJECTS,
        array: ARRAY,
        json.dumps(json.loads(array), indent=1): ARRAY,
        f'{{"rows":{array}}}': Values(("rows",)),
        f'{{"more":true,\n"rows":{array}}}': Values(("rows",)),
    }
    found = {text: recognised(tmp_path / "file", text) for text in expected}
    assert list(found.values()) == list(expected.values())


def test_a_first_line_that_is_longer_than_the_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read as objects, which may also be on lines of their own."""
    monkeypatch.setattr(kinds, "SAMPLE", 100)
    long = EVENT[:-1] + ',"text":"' + "x" * 1000 + '"}'
    assert recognised(tmp_path / "file", f"{long}\n{EVENT}\n") == OBJECTS
    assert recognised(tmp_path / "file", long + EVENT) == OBJECTS


def test_binary_kinds(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a", "w") as archive:
        archive.writestr("a.json", EVENT)
    duckdb.sql("SELECT 1 AS event").write_parquet(str(tmp_path / "b"))
    assert recognised(tmp_path / "c", (tmp_path / "a").read_bytes()) == Zip()
    assert recognised(tmp_path / "c", (tmp_path / "b").read_bytes()) == Parquet()


def test_reasons_of_unknown_files(tmp_path: Path) -> None:
    text = EVENT * 3
    reasons = {
        text.encode("utf-16"): "UTF-16 text, see input.encoding",
        text.encode("utf-16-be"): "UTF-16 text, see input.encoding",
        lzma.compress(text.encode()): "compressed with xz",
        b"\x04\x22\x4d\x18" + bytes(9): "compressed with lz4",
        gzip.compress(gzip.compress(text.encode())): "compressed twice",
        b"\x89PNG\r\n\x1a\n\x00\x00\x00": "not text",
        b"Obj\x01" + bytes(9): "Avro",
        b"event,time,user\nregistered,1,2\n": "a table without a column for timestamp",
    }
    found = {content: recognised(tmp_path / "a", content) for content in reasons}
    assert found == reasons
    brotli = recognised(tmp_path / "a.json.br", b"\x8b\x05\x80\xff\xfe{\x03")
    assert brotli == "compressed with brotli"


def test_columns_that_a_table_needs_depend_on_the_log_format(tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    format_ = log_format(fields={"timestamp": ["at", "time"], "initiator_id": "user.id"})
    assert recognised(path, "event,time,user\nregistered,1,2\n", format_) == Table(",")
    table = "time,user\n1,2\n"
    assert recognised(path, table, format_) == "a table without a column for event"
    assert recognised(path, table, format_, event="registered") == Table(",")
    assert recognised(
        path, table, LogFormat(fields=format_.fields, input=Input(unnamed=True))
    ) == Table(",")
    wanted = LogFormat(fields={**format_.fields, "event": (("x",), ("y", "z"))})
    assert recognised(path, "a,b\n1,2\n", wanted) == "a table without a column for event (x or y)"


def test_a_table_without_a_header(tmp_path: Path) -> None:
    format_ = LogFormat(input=Input(columns=("event", "timestamp", "initiator_id", "channel")))
    path = tmp_path / "file"
    assert recognised(path, "registered\t2020-11-02\t1\t\n", format_) == Table("\t")
    assert recognised(path, "\t2020-11-02\t1\t\n", format_) == Table("\t")
    assert recognised(path, '{"a":1}\t2020-11-02\t1\t\n', format_) == Table("\t")
    assert recognised(path, "registered,2020-11-02,1,\n", format_) == Table(",")
    assert recognised(path, '{"a":1,"b":2,"c":3,"d":4}\n', format_) == LINES
    in_last = 'registered|2020-11-02|1|{"event":"app_loaded"}\n'
    assert recognised(path, in_last, format_) == Table("|")
    assert recognised(path, "one\ttwo\n", format_) == "no row of a table with 4 columns"


def test_the_place_of_the_records_of_a_document(tmp_path: Path) -> None:
    path = tmp_path / "file"
    nested = LogFormat(input=Input(records="data.events"))
    assert recognised(path, '{"data":{"events":[]}}', nested) == Values(("data", "events"))
    assert recognised(path, '{"data":{"events":[]}}\n' * 2, nested) == Values(("data", "events"))
    assert recognised(path, WRAPPED, nested) == LINES
    # With another name for the event, what looked like a record is a wrapper.
    text = '{"event":"x","rows":[{"name":"registered"}]}'
    assert recognised(path, text) == LINES
    assert recognised(path, text, log_format(fields={"event": "name"})) == Batches("rows")
