"""The first records of files, before it is known what their fields mean."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from user_conversion.inputs import archives, tables
from user_conversion.inputs.compression import LogStream
from user_conversion.inputs.content import Content, Kind
from user_conversion.inputs.kinds import recognise
from user_conversion.inputs.records import lines_of_records
from user_conversion.rules.log_format import FieldPath, LogFormat

RECORDS = 2_000
FILES = 20
DEFAULT = LogFormat()


@dataclass(frozen=True)
class Sample:
    """The first records of a file. `has_columns_of` is the log format that named its columns."""

    source: str
    content: Content
    records: list[dict[str, Any]]
    has_columns_of: str | None = None
    embedded: FieldPath | None = None


def samples(paths: Iterable[Path], headless: Iterable[LogFormat]) -> list[Sample]:
    """The first records of some files; of the files in zip files instead of these.

    `headless` has the log formats whose tables have no header. Raises `InputError` if a file
    cannot be read.
    """
    formats = [DEFAULT, *headless]
    with tempfile.TemporaryDirectory() as folder:
        found = (_sample(path, str(path), formats, Path(folder)) for path in paths)
        return list(islice((sample for group in found for sample in group), FILES))


def _sample(
    path: Path, source: str, formats: list[LogFormat], folder: Path, is_member: bool = False
) -> Iterator[Sample]:
    content, log_format = _recognised(path, source, formats)
    if content.kind is Kind.ZIP and not is_member:
        yield from _members(path, source, formats, folder)
        return
    records: list[dict[str, Any]] = []
    if content.kind is Kind.PARQUET:
        records = _parquet_rows(path, source, folder)
    elif content.kind not in (Kind.UNKNOWN, Kind.ZIP):
        with LogStream(path, content.compression, source) as stream:
            lines = islice(lines_of_records(stream, content, log_format), RECORDS)
            records = [record for record in map(parsed, lines) if record is not None]
    named = log_format.name if log_format.columns else None
    yield _with_events(Sample(source, content, _unfolded(content, records), named))


def _recognised(path: Path, source: str, formats: list[LogFormat]) -> tuple[Content, LogFormat]:
    content = recognise(path, DEFAULT, source=source)
    for log_format in formats if content.kind is Kind.UNKNOWN else ():
        found = recognise(path, log_format, source=source)
        if log_format.columns and found.kind is Kind.TABLE:
            return found, log_format
    if content.kind is Kind.UNKNOWN and content.delimiter:
        return replace(content, kind=Kind.TABLE), DEFAULT
    return content, DEFAULT


def _members(path: Path, source: str, formats: list[LogFormat], folder: Path) -> Iterator[Sample]:
    with archives.opened(path, source) as archive:
        for member in archives.members(archive)[:FILES]:
            name = f"{source}/{member.filename}"
            archives.extract(archive, member, folder / "member", name)
            yield from _sample(folder / "member", name, formats, folder, is_member=True)


def _parquet_rows(path: Path, source: str, folder: Path) -> list[dict[str, Any]]:
    from user_conversion.inputs import parquet

    columns = parquet.column_types(path, source)
    parquet.to_json(path, folder / "rows", columns, columns, source, RECORDS)
    with (folder / "rows").open("rb") as rows:
        return [record for record in map(parsed, rows) if record is not None]


def _unfolded(content: Content, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a table with JSON instead of the text of it."""
    if content.kind is not Kind.TABLE:
        return records
    return [
        {name: json.loads(cell) if tables.is_nested(cell) else cell for name, cell in row.items()}
        for row in records
    ]


def _with_events(sample: Sample) -> Sample:
    """The sample with the events that its records hold as text, if they do."""
    for name in sample.records[0] if sample.records else ():
        texts = [record.get(name) for record in sample.records]
        events = [parsed(text.encode()) for text in texts if isinstance(text, str)]
        found = [event for event in events if event is not None]
        if 2 * len(found) > len(texts):
            return replace(sample, records=found, embedded=(name,))
    return sample


def parsed(line: bytes) -> dict[str, Any] | None:
    """The object that a line is, None if it is anything else."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
