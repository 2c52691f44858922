"""JSON of every layout: objects on lines, in arrays, one behind the other, in documents."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from user_conversion.inputs import duckdb_reader
from user_conversion.inputs.kinds.content import Lines, Sample, Wanted
from user_conversion.places.duckdb_text import literal, path_literal, quoted
from user_conversion.rules.log_format import needed_fields
from user_conversion.rules.paths import FieldPath, path_text, value_at

# Numbers stay text: they are not needed, and a very long one is an error in Python.
DECODER = json.JSONDecoder(strict=False, parse_int=str, parse_float=str)
LINE_ENDS = str.maketrans("\r\n", "  ")
LINES_TO_LOOK_AT = 100
# Where the list of a document that is longer than the sample may be closed.
PLACES_TO_CLOSE = 20
# What begins like an object, also like one that is not quite JSON.
OBJECT = re.compile(r"\{\s*(?:[\"'}\w]|$)")
ARRAY_OF_OBJECTS = re.compile(r"\[\s*\{\s*[\"}]")
LARGEST_RECORD, LARGEST_DOCUMENT = 1 << 25, (1 << 32) - 1


@dataclass(frozen=True)
class Values:
    """A file of JSON values: one array of them, or one behind the other.

    Each is a record, or has a list of records at a path; the empty path is the value itself.
    """

    records: FieldPath | None = None
    is_array: bool = False

    @property
    def name(self) -> str:
        """What people call files of this kind."""
        if self.is_array:
            return "JSON array"
        return "JSON document" if self.records else "JSON objects one behind the other"

    def write_lines(self, path: Path, target: Path, source: str, wanted: Wanted) -> None:
        """See `Kind`. Raises `InputError` also if there is no list at the path."""
        value, kind, largest = "value", "JSON", LARGEST_RECORD
        if self.records is not None:
            there = "value" + "".join(map(_step, self.records))
            missing = literal(f"no list of records at {path_text(self.records)}")
            value = f"unnest(CASE WHEN {there} IS NULL THEN error({missing}) ELSE {there} END)"
            kind = _type_with_list_at(self.records)
            # A document is read as a whole.
            largest = min(max(path.stat().st_size + 1, largest), LARGEST_DOCUMENT)
        query = f"""
            SELECT coalesce({value}, 'null')
            FROM read_json(
                {path_literal(path)},
                format = '{"array" if self.is_array else "unstructured"}', records = false,
                columns = {{value: {literal(kind)}}}, maximum_object_size = {largest}
            )
            LIMIT {wanted.limit or "ALL"}"""
        duckdb_reader.write_lines(query, target, source)


def _step(step: object) -> str:
    return f"[{step + 1}]" if isinstance(step, int) else f".{quoted(str(step))}"


def _type_with_list_at(path: FieldPath) -> str:
    """The SQL type of JSON values that have a list at a path."""
    if not path:
        return "JSON[]"
    inner = _type_with_list_at(path[1:])
    return f"{inner}[]" if isinstance(path[0], int) else f"STRUCT({quoted(str(path[0]))} {inner})"


ARRAY = Values(is_array=True)


def recognise(sample: Sample, wanted: Wanted) -> Lines | Values | None:
    """Which layout of JSON a file has, if it is JSON; a blank file has lines."""
    text = sample.text.lstrip()
    if not text:
        return Lines()
    has_lines = _has_object_line(text, sample.is_whole)
    if wanted.log_format.input.columns and not has_lines:
        return None  # cells can begin with a brace
    found: Lines | Values | None = None
    if OBJECT.match(text):
        found = _kind_of_objects(text, sample.is_whole, has_lines, wanted)
    elif text[0] == "[":
        found = _kind_of_array(text, has_lines)
    return found or (Lines() if has_lines else None)


def is_foreign(sample: Sample, wanted: Wanted) -> bool:
    """Whether a file is JSON in which no key is that of a field that an event needs."""
    text = sample.text.strip()
    if wanted.log_format.input.columns or any(key in text for key in wanted.keys):
        return False
    if not sample.is_whole:
        return False
    return _has_object_line(text, is_whole=True) or bool(_first_value(text)[0])


def as_object(text: str | bytes) -> dict[str, Any] | None:
    """The object that a JSON text is, None if it is anything else."""
    try:
        value = json.loads(text if isinstance(text, str) else text.decode(), strict=False)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def one_line(text: str) -> str:
    """JSON text without line ends, which can only be between its tokens."""
    return text.translate(LINE_ENDS) if "\n" in text or "\r" in text else text


def first_lines(text: str, is_whole: bool) -> list[str]:
    """The first lines of a text which are complete."""
    lines = text.split("\n", LINES_TO_LOOK_AT)
    return lines if is_whole and len(lines) <= LINES_TO_LOOK_AT else lines[:-1]


def _has_object_line(text: str, is_whole: bool) -> bool:
    """Whether one of the first lines is an object."""
    lines = (line for line in first_lines(text, is_whole) if line.lstrip()[:1] == "{")
    return any(as_object(line) is not None for line in lines)


def _first_value(text: str) -> tuple[Any, int]:
    """The first value of a text and its end; (None, 0) if it is broken or cut off."""
    try:
        return DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return None, 0


def _kind_of_array(text: str, has_lines: bool) -> Lines | Values | None:
    _, end = _first_value(text)
    behind = text[end:].lstrip()[:1] if end else None
    if behind == "":
        return ARRAY
    if behind == "[":
        return Values(records=())
    is_array = ARRAY_OF_OBJECTS.match(text) and not (end and has_lines)
    return ARRAY if is_array else None


def _kind_of_objects(text: str, is_whole: bool, has_lines: bool, wanted: Wanted) -> Lines | Values:
    first, end = _first_value(text)
    line, line_end, _ = text.partition("\n")
    if first is None:
        is_broken_line = has_lines or (is_whole and not text[len(line) :].strip())
        if is_broken_line:
            return Lines()
        return Values(None if is_whole else _records_of_cut_off(text, wanted))
    is_only = is_whole and not text[end:].strip()
    records = _place_of_records(first, wanted, is_only)
    if records or end > len(line):
        return Values(records)
    is_sequence = line[end:].lstrip()[:1] == "{" and (not line_end or _is_sequence(line))
    return Values() if is_sequence else Lines()


def _is_sequence(line: str) -> bool:
    """Whether a line has JSON values one behind the other and nothing else."""
    while line := line.lstrip():
        _, end = _first_value(line)
        if not end:
            return False
        line = line[end:]
    return True


def _records_of_cut_off(text: str, wanted: Wanted) -> FieldPath | None:
    """Where a document that is longer than a text has its records.

    The text is closed behind what may be the last complete element of a list.
    """
    if wanted.log_format.records:
        return wanted.log_format.records
    for end in [match.end() for match in re.finditer("}", text)][-PLACES_TO_CLOSE:]:
        first, _ = _first_value(text[:end] + "]}")
        if first is not None:
            return _place_of_records(first, wanted, is_only=True)
    return None


def _place_of_records(first: dict[str, Any], wanted: Wanted, is_only: bool) -> FieldPath | None:
    """Where a document has its records, None if it is a record itself."""
    log_format = wanted.log_format
    if log_format.records:
        return log_format.records if isinstance(value_at(first, log_format.records), list) else None
    name = needed_fields(log_format, wanted.event)[0]
    paths = log_format.fields.get(name, ())
    if not is_only or any(value_at(first, path) is not None for path in paths):
        return None
    key = list_of_objects(first)
    return (key,) if key else None


def list_of_objects(document: dict[str, Any]) -> str | None:
    """The key of the only list of objects in a document."""
    lists = [key for key, value in document.items() if _is_list_of_objects(value)]
    return lists[0] if len(lists) == 1 else None


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)
