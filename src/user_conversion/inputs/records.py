"""The records in a file that is not newline-delimited JSON, or holds events as text in a field."""

from __future__ import annotations

import io
from collections.abc import Iterator

from user_conversion.inputs import json_text, tables
from user_conversion.inputs.compression import LogStream
from user_conversion.inputs.content import Content, Kind
from user_conversion.inputs.json_text import Cursor
from user_conversion.rules.log_format import FieldPath, LogFormat

CHUNK = 1 << 18


def lines_of_records(stream: LogStream, content: Content, log_format: LogFormat) -> Iterator[bytes]:
    """Each record as a line of JSON with its line end, in the text that it has in the file.

    Raises `InputError` if the file breaks off in a record.
    """
    records = _records(stream, content, log_format)
    if log_format.embedded:
        records = (embedded_event(record, log_format.embedded) for record in records)
    for record in records:
        yield (json_text.one_line(record) + "\n").encode("utf-8", "surrogateescape")


def _records(stream: LogStream, content: Content, log_format: LogFormat) -> Iterator[str]:
    if content.kind is Kind.TABLE:
        return tables.records(stream, log_format, content.delimiter)
    if content.kind is Kind.LINES:
        return _lines(stream)
    if content.kind is Kind.ARRAY:
        return json_text.elements_of_arrays(Cursor(stream))
    if content.records:
        return json_text.records_of_documents(Cursor(stream), content.records)
    return json_text.concatenated(Cursor(stream))


def _lines(stream: LogStream) -> Iterator[str]:
    buffered = io.BufferedReader(stream, CHUNK)
    text = io.TextIOWrapper(buffered, "utf-8-sig", "surrogateescape", newline="\n")
    return (line.removesuffix("\n") for line in text)


def embedded_event(record: str, path: FieldPath) -> str:
    """The text in a field of a record, or the record where the field has no text."""
    text = json_text.value_at(json_text.as_object(record), path)
    return text.rstrip("\r\n") if isinstance(text, str) else record
