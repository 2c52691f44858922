"""Which of the ways to write records as JSON the beginning of a file shows."""

from __future__ import annotations

import re
from typing import Any

from user_conversion.inputs.content import Content, Kind
from user_conversion.inputs.json_text import DECODER, WHITESPACE, as_object, value_at
from user_conversion.rules.log_format import FieldPath, LogFormat, needed_fields

LINES_TO_LOOK_AT = 100
LINES = Content(Kind.LINES)

TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+("?)|[{}\[\],]', re.DOTALL)
CLOSING = {"{": "}", "[": "]"}
# What follows the brace of an object, also one that is not quite JSON or has only begun.
OBJECT = re.compile(r"\{\s*(?:[\"'}\w]|$)")


def recognise(
    text: str, is_whole: bool, log_format: LogFormat, event: str | None
) -> Content | None:
    """The kind of JSON that a text is, None if it is no JSON; `is_whole` if it was not cut off."""
    text = text.lstrip()
    found = None
    if text[0] == "{":
        found = _kind_of_objects(text, is_whole, log_format, event)
    elif text[0] == "[":
        found = _kind_of_array(text, is_whole)
    return found or (LINES if has_object_line(text, is_whole) else None)


def has_object_line(text: str, is_whole: bool) -> bool:
    """Whether one of the first lines is a JSON object."""
    lines = text.split("\n", LINES_TO_LOOK_AT)
    complete = lines if is_whole and len(lines) <= LINES_TO_LOOK_AT else lines[:-1]
    return any(as_object(line) is not None for line in complete if line.lstrip()[:1] == "{")


def _kind_of_objects(
    text: str, is_whole: bool, log_format: LogFormat, event: str | None
) -> Content | None:
    try:
        first, end = DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return _kind_of_begun_object(text, is_whole, log_format, event)
    rest = text[end:]
    is_only = is_whole and not rest.strip()
    if records := _records(first, log_format, event, is_only):
        return Content(Kind.DOCUMENT, records=records)
    behind = rest.lstrip(" \t\r")[:1]
    if "\n" in text[:end]:
        return Content(Kind.OBJECTS)
    if behind == "{":
        is_broken = has_object_line(rest, is_whole) and not _is_sequence(text.partition("\n")[0])
        return LINES if is_broken else Content(Kind.OBJECTS)
    return Content(Kind.LINES, is_certain=is_whole or behind != "")


def _is_sequence(line: str) -> bool:
    """Whether a line has JSON values one behind the other and nothing else."""
    at = 0
    try:
        while at < len(line):
            _, at = DECODER.raw_decode(line, at)
            at = WHITESPACE.match(line, at).end()  # type: ignore[union-attr]
    except (ValueError, RecursionError):
        return False
    return True


def _kind_of_begun_object(
    text: str, is_whole: bool, log_format: LogFormat, event: str | None
) -> Content | None:
    """The kind of a text whose first object is broken or longer than the text."""
    begun = as_object(completed(text))
    if begun is None or (is_whole and has_object_line(text, is_whole)):
        return LINES if OBJECT.match(text) else None
    records = _records(begun, log_format, event, True) or (None if is_whole else log_format.records)
    is_certain = "\n" in text.strip()
    if records:
        return Content(Kind.DOCUMENT, records=records, is_certain=is_certain)
    if is_certain or not is_whole:
        return Content(Kind.OBJECTS, is_certain=is_certain)
    return LINES


def _kind_of_array(text: str, is_whole: bool) -> Content | None:
    is_array = _begins_with_object(text)
    try:
        _, end = DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        end = len(text)
    else:
        is_array = is_array or text[end:].lstrip()[:1] in ("", "[")
    if "\n" not in text[:end] and has_object_line(text[end:], is_whole):
        return LINES
    return Content(Kind.ARRAY) if is_array else None


def _begins_with_object(array: str) -> bool:
    element = array[1:].lstrip()
    return element[:1] == "{" and as_object(completed(element)) is not None


def _records(
    first: dict[str, Any], log_format: LogFormat, event: str | None, is_only: bool
) -> FieldPath | None:
    """Where a document has its records, None if it is a record itself."""
    if log_format.records:
        return log_format.records if isinstance(value_at(first, log_format.records), list) else None
    name = needed_fields(log_format, event)[0]
    if not is_only or any(value_at(first, path) is not None for path in log_format.fields[name]):
        return None
    lists = [key for key, value in first.items() if _is_list_of_objects(value)]
    return (lists[0],) if len(lists) == 1 else None


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def completed(text: str) -> str:
    """The first value of a JSON text that was cut off, closed behind its last complete part."""
    open_brackets: list[str] = []
    end, closing = 0, ""
    for token in TOKEN.finditer(text):
        if token[1] == "":
            break  # the text ends within a string
        if token[0] in CLOSING:
            open_brackets.append(CLOSING[token[0]])
            end, closing = token.end(), "".join(reversed(open_brackets))
        elif token[0] == ",":
            end, closing = token.start(), "".join(reversed(open_brackets))
        elif token[0] in "}]":
            if len(open_brackets) == 1:
                return text[: token.end()]
            open_brackets.pop()
    return text[:end] + closing
