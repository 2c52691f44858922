"""The words for what is in a file: a sample of it, what is looked for, its kind."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol, TypeAlias

from user_conversion.rules.errors import InputError
from user_conversion.rules.events import BYTE_ORDER_MARK
from user_conversion.rules.log_format import UTF_8, LogFormat, needed_fields
from user_conversion.rules.paths import FieldPath


@dataclass(frozen=True)
class Sample:
    """The first bytes of a file, decompressed; `is_whole` if there are no more."""

    data: bytes
    is_whole: bool

    @cached_property
    def text(self) -> str:
        """The sample as text; bytes that are not UTF-8 are surrogates."""
        return self.data.removeprefix(BYTE_ORDER_MARK).decode("utf-8", "surrogateescape")

    @property
    def is_binary(self) -> bool:
        """Whether it has zeros, or a tenth of it is not UTF-8."""
        undecoded = len(self.text) - len(self.text.encode("utf-8", "ignore").decode())
        return "\0" in self.text or 10 * undecoded > len(self.text)


@dataclass(frozen=True)
class Wanted:
    """What a file is read for: the fields of a log format.

    `event` is the kind of event that every record of the file is, if the log format says so;
    `limit` the number of records after which reading may stop. A log format without fields, such as
    `ANYTHING`, wants all that there is.
    """

    log_format: LogFormat
    event: str | None = None
    limit: int | None = None

    @property
    def paths(self) -> list[FieldPath]:
        """The paths that are read in a record of the file."""
        embedded = self.log_format.embedded
        return [embedded] if embedded else self.log_format.paths

    @property
    def _needed(self) -> dict[str, Sequence[FieldPath]]:
        """The paths of what is needed, by what people call it."""
        if embedded := self.log_format.embedded:
            return {str(embedded[0]): [embedded]}
        fields = self.log_format.fields
        names = needed_fields(self.log_format, self.event) if fields else ()
        return {name: fields[name] for name in names}

    def missing(self, columns: Collection[str]) -> str | None:
        """What is needed and has none of its columns, with their names."""
        for name, paths in self._needed.items():
            wanted = [str(path[0]) for path in paths]
            if not any(column in columns for column in wanted):
                return name if wanted == [name] else f"{name} ({' or '.join(wanted)})"
        return None

    @property
    def keys(self) -> list[str]:
        """The keys of JSON, as written, at the ends of the paths of what is needed."""
        paths = (path for paths in self._needed.values() for path in paths)
        names = [[step for step in path if isinstance(step, str)] for path in paths]
        return [f'"{name[-1]}"' if name else "" for name in names] or [""]

    def is_wanted(self, column: str) -> bool:
        """Whether a path begins with a column."""
        return not self.paths or any(path[0] == column for path in self.paths)

    def is_time(self, column: str) -> bool:
        """Whether a column is the time of an event, or may be."""
        times = self.log_format.fields.get("timestamp", ())
        return not self.paths or any(path[0] == column for path in times)

    def is_nested(self, column: str) -> bool:
        """Whether a path leads into a column, which may hold JSON text then."""
        return not self.paths or any(path[0] == column and path[1:] for path in self.paths)


ANYTHING = LogFormat(fields={})


class Kind(Protocol):
    """How the records of a file are written, if they are made lines."""

    @property
    def name(self) -> str:
        """What people call files of this kind."""

    def write_lines(self, path: Path, target: Path, source: str, wanted: Wanted) -> None:
        """Write each record of a file that is not compressed as a line of JSON.

        Raises `InputError` with the name `source` if the file cannot be read.
        """


@dataclass(frozen=True)
class Lines:
    """A file with an object on each line, which every engine reads."""

    name: str = "newline-delimited JSON"


@dataclass(frozen=True)
class Zip:
    """A file of files, which are read instead of it."""

    name: str = "zip"


AnyKind: TypeAlias = Kind | Lines | Zip


@dataclass(frozen=True)
class Content:
    """What is in a file: its kind, what it is compressed with, the encoding of its text.

    `is_foreign` says that it is JSON of something else.
    """

    kind: AnyKind
    compression: str
    encoding: str = UTF_8
    is_foreign: bool = False


class NotALogError(InputError):
    """A file is of no kind that holds events; `reason` says why."""

    def __init__(self, source: str, reason: str) -> None:
        self.source = source
        self.reason = reason
        super().__init__(
            f"'{source}' is not a log of events ({reason}); exclude it, or describe it with "
            "--log-format."
        )
