"""What a file is, recognised by its content: its compression, and how its records are written."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

from user_conversion.inputs import compression, json_kinds, tables
from user_conversion.inputs.compression import LogStream, compression_of
from user_conversion.inputs.content import Content, Kind
from user_conversion.rules.events import BYTE_ORDER_MARK
from user_conversion.rules.log_format import LogFormat

SAMPLE = 1 << 18
# Read if the first record is longer than the sample.
LARGE_SAMPLE = 1 << 24
NOT_TEXT = "not text"

BINARY = (
    (re.compile(rb"PAR1"), Kind.PARQUET),
    (re.compile(rb"PK\x03\x04|PK\x05\x06"), Kind.ZIP),
)
UNSUPPORTED = (
    (re.compile(rb"PARE"), "encrypted Parquet"),
    (re.compile(rb"Obj\x01"), "Avro"),
    (re.compile(rb"ORC"), "ORC"),
    (re.compile(rb".{257}ustar", re.DOTALL), "a tar archive"),
    (re.compile(rb"\xff\xfe|\xfe\xff"), "UTF-16 text"),
    (re.compile(rb"[^\x00]\x00[^\x00]\x00|\x00[^\x00]\x00[^\x00]"), "UTF-16 text"),
)


def recognise(
    path: Path, log_format: LogFormat, event: str | None = None, source: str | None = None
) -> Content:
    """What a file is; `event` is the kind of event that the log format says it holds.

    Raises `InputError` with the name `source` if the file cannot be read or decompressed.
    """
    with LogStream(path, compression.NONE, source) as file:
        packed_with = compression_of(file.read(64) or b"")
    if packed_with not in compression.SUPPORTED:
        return Content(Kind.UNKNOWN, packed_with, reason=f"compressed with {packed_with}")
    for size in (SAMPLE, LARGE_SAMPLE):
        with io.BufferedReader(LogStream(path, packed_with, source)) as stream:
            sample = stream.read(size)
        content = _content(sample, len(sample) < size, log_format, event)
        if content.is_certain:
            break
    if content.reason == NOT_TEXT and Path(source or path).suffix.lower() == ".br":
        # Brotli has no magic number.
        content = replace(content, reason="compressed with brotli")
    return replace(content, compression=packed_with)


def _content(sample: bytes, is_whole: bool, log_format: LogFormat, event: str | None) -> Content:
    for magic, kind in BINARY:
        if magic.match(sample):
            return Content(kind)
    for magic, name in UNSUPPORTED:
        if magic.match(sample):
            return Content(Kind.UNKNOWN, reason=name)
    if compression_of(sample) != compression.NONE:
        return Content(Kind.UNKNOWN, reason="compressed twice")
    text = sample.removeprefix(BYTE_ORDER_MARK).decode("utf-8", "surrogateescape")
    if not text.strip():
        return Content(Kind.LINES)
    return _content_of_text(text, is_whole, log_format, event)


def _content_of_text(
    text: str, is_whole: bool, log_format: LogFormat, event: str | None
) -> Content:
    # Cells can begin with a brace, so columns that fit say more than the first character.
    if log_format.columns and not json_kinds.has_object_line(text, is_whole):
        table = tables.recognise(text, log_format, event)
        if table.kind is Kind.TABLE:
            return table
    found = json_kinds.recognise(text, is_whole, log_format, event)
    if found:
        return found
    if _is_binary(text):
        return Content(Kind.UNKNOWN, reason=NOT_TEXT)
    return tables.recognise(text, log_format, event)


def _is_binary(text: str) -> bool:
    """Whether a text has zeros, or a tenth of it is not UTF-8."""
    undecoded = len(text) - len(text.encode("utf-8", "ignore").decode())
    return "\0" in text or 10 * undecoded > len(text)
