"""The first records of files, before it is known what their fields mean."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from user_conversion.inputs.compression import NONE, PARQUET, SUPPORTED, LogStream
from user_conversion.inputs.convert import Conversion
from user_conversion.inputs.input_file import InputFile, SkippedFile
from user_conversion.inputs.kinds.batches import Batches
from user_conversion.inputs.kinds.content import ANYTHING, Content, Lines, NotALogError, Wanted
from user_conversion.inputs.kinds.delimited import Table
from user_conversion.inputs.kinds.json_files import Values, as_object
from user_conversion.inputs.kinds.parquet import Parquet
from user_conversion.inputs.lines import LineFile
from user_conversion.inputs.objects import Objects
from user_conversion.rules.errors import InputError
from user_conversion.rules.log_format import REQUIRED_FIELDS, LogFormat
from user_conversion.rules.paths import FieldPath

RECORDS = 2_000
FILES = 20
# So many bytes of an object have enough records, as a rule.
BEGINNING = 8 << 20
NOT_A_LOG = "not a log"

T = TypeVar("T")
Records = list[dict[str, Any]]


@dataclass(frozen=True)
class Sample:
    """The first records of a file.

    `kind` is the kind and compression of the file, or why it is no log; `list_at` is where a
    document has its records, `embedded` the field that holds events as text, `has_columns_of` the
    log format that named the columns.
    """

    kind: str
    records: Records = field(default_factory=list)
    list_at: FieldPath | None = None
    embedded: FieldPath | None = None
    has_columns_of: str | None = None


class _Conversions:
    """How files are read if their log format may be any of some."""

    def __init__(self, formats: Collection[LogFormat], scratch: Path) -> None:
        def conversion(log_format: LogFormat) -> Conversion:
            return Conversion(log_format, frozenset(SUPPORTED), scratch, RECORDS)

        self._headless = [conversion(each) for each in formats if each.input.columns]
        self._anything = conversion(ANYTHING)
        paths = {
            name: tuple(path for each in formats for path in each.fields[name])
            for name in REQUIRED_FIELDS
        }
        self._any_of_them = conversion(LogFormat(fields=paths))

    def recognise(self, file: InputFile) -> tuple[Conversion, Content]:
        """How a file is read, and what it is. Raises `NotALogError`."""
        for each in self._headless:
            with suppress(NotALogError):
                content = each.recognise(file.path, file.name)
                if isinstance(content.kind, Table):
                    return each, content
        content = self._anything.recognise(file.path, file.name)
        if isinstance(content.kind, Lines):
            # Lines may be batches of events; it takes the names of fields to tell.
            content = self._any_of_them.recognise(file.path, file.name)
        return self._anything, content


def samples(
    files: Sequence[InputFile], formats: Collection[LogFormat], objects: Objects
) -> list[Sample]:
    """The first records of files from all over the list; those within a zip file count one by one.

    Their log format may be one of `formats`. Raises `InputError` if a file cannot be read.
    """
    with tempfile.TemporaryDirectory() as folder:
        conversions = _Conversions(formats, Path(folder))
        found = (
            sample for file in spread(files) for sample in _samples(file, objects, conversions)
        )
        return list(islice(found, FILES))


def spread(files: Sequence[T]) -> Sequence[T]:
    """At most `FILES` of the files, at even distances from the first to the last."""
    last, most = len(files) - 1, FILES - 1
    return files if last <= most else [files[last * n // most] for n in range(FILES)]


def records_of(files: Sequence[LineFile]) -> Records:
    """The first records of some of the files."""
    return [record for file in spread(files) for record in first_records(file)]


def first_records(file: LineFile) -> Records:
    """The objects on the first lines of a file; bytes that are not UTF-8 are replaced."""
    if file.compression == PARQUET:
        with tempfile.TemporaryDirectory() as folder:
            lines = Path(folder, "lines")
            Parquet().write_lines(file.path, lines, file.source, Wanted(ANYTHING, limit=RECORDS))
            return first_records(replace(file, path=lines, compression=NONE))
    with io.BufferedReader(LogStream(file.path, file.compression, file.source)) as stream:
        found = (as_object(line.decode(errors="replace")) for line in islice(stream, RECORDS))
        return [record for record in found if record is not None]


def _samples(file: InputFile, objects: Objects, conversions: _Conversions) -> Iterator[Sample]:
    if objects.fetch_beginning(file, BEGINNING):
        with suppress(InputError):
            found = list(_samples_here(file, conversions))
            if all(sample.kind.startswith(Lines.name) for sample in found):
                yield from found
                return
    # Other kinds cannot be read without their ends.
    for _ in objects.batches([file]):
        yield from _samples_here(file, conversions)


def _samples_here(file: InputFile, conversions: _Conversions) -> Iterator[Sample]:
    try:
        conversion, content = conversions.recognise(file)
        for each in conversion.files(file.path, file.name, content):
            if isinstance(each, SkippedFile):
                yield Sample(f"{NOT_A_LOG}: {each.reason}")
            else:
                yield _sample(*each, conversion.log_format)
    except NotALogError as error:
        yield Sample(f"{NOT_A_LOG}: {error.reason}")


def _sample(file: LineFile, content: Content, log_format: LogFormat) -> Sample:
    packed = "" if content.compression == NONE else f", {content.compression}"
    kind = content.kind
    list_at = (kind.key,) if isinstance(kind, Batches) else None
    sample = Sample(
        kind.name + packed,
        first_records(file),
        kind.records if isinstance(kind, Values) else list_at,
        has_columns_of=log_format.name if log_format.input.columns else None,
    )
    for name in sample.records[0] if sample.records else ():
        texts = [record.get(name) for record in sample.records]
        events = [as_object(text) for text in texts if isinstance(text, str)]
        found = [event for event in events if event is not None]
        if 2 * len(found) > len(texts):
            return replace(sample, records=found, embedded=(name,))
    return sample
