"""Which of the input files are new, by their content, and from where they have to be read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from user_conversion.inputs.compression import NONE, compression_at
from user_conversion.inputs.files import InputFile, SkippedFile
from user_conversion.inputs.identity import Identity
from user_conversion.rules.log_format import LogFormat


class KnownFile(msgspec.Struct, frozen=True):
    """A file that was read before, as it was then.

    `beginning` and `end` are those of its identity. `can_grow` says that lines can be added to it.
    If its last line was not finished, the line began at `unfinished_at` and was rejected.
    """

    path: Path
    size: int = msgspec.field(name="bytes")
    modified_ns: int
    beginning: str
    end: str
    can_grow: bool = False
    unfinished_at: int | None = None

    @classmethod
    def of(
        cls, file: InputFile, identity: Identity, can_grow: bool, unfinished_at: int | None
    ) -> KnownFile:
        """What is remembered of a file that is read."""
        return cls(
            *(file.path, file.size, file.modified_ns),
            *(identity.beginning, identity.end),
            *(can_grow, unfinished_at),
        )

    @property
    def file(self) -> InputFile:
        """The file as it was found."""
        return InputFile(self.path, self.size, self.modified_ns)

    @property
    def identity(self) -> Identity:
        """Its content."""
        return Identity(self.size, self.beginning, self.end)

    @property
    def next_byte(self) -> int:
        """Where to go on reading if the file has grown."""
        return self.size if self.unfinished_at is None else self.unfinished_at


@dataclass(frozen=True)
class FileToRead:
    """A file with content that was not read before; what `known` had of it was."""

    file: InputFile
    identity: Identity
    known: KnownFile | None = None


@dataclass
class ReadingPlan:
    """The files to read, those whose content another file has, and those that are missing.

    `grown` is a file of a kind that has to be read again as a whole because it grew.
    """

    to_read: list[FileToRead] = field(default_factory=list)
    skipped: list[SkippedFile] = field(default_factory=list)
    missing: list[KnownFile] = field(default_factory=list)
    grown: Path | None = None


def plan_reading(
    files: Iterable[InputFile], log_format: LogFormat, known: Sequence[KnownFile] = ()
) -> ReadingPlan:
    """Compare files with those that were read before.

    A file of the same path, size and time is taken to be unchanged; of others the content is
    compared. Raises `InputError` if a file cannot be read.
    """
    unchanged = {each.file for each in known}
    plan = ReadingPlan()
    found: dict[_Content, Path] = {}
    for file in files:
        if file not in unchanged:
            identity = Identity.of(file.path, file.size)
            content = identity, log_format.kind_of_file(file.path)
            if content in found and file.size:
                reason = f"same content as '{found[content]}'"
                plan.skipped.append(SkippedFile(str(file.path), reason))
            else:
                plan.to_read.append(FileToRead(file, identity))
            found.setdefault(content, file.path)
        unchanged.discard(file)
    plan.missing = [each for each in known if each.file in unchanged]
    _recognise_moved(plan, log_format, known)
    _recognise_grown(plan)
    plan.missing = [each for each in plan.missing if each.identity.size]
    return plan


# A content, and the kind of event that the log format says a file of this name has.
_Content = tuple[Identity, str | None]


def _recognise_moved(plan: ReadingPlan, log_format: LogFormat, known: Sequence[KnownFile]) -> None:
    """Drop files whose whole content was read before, under another name or not compressed."""
    before = {_content(each, log_format) for each in known}
    has_plain = any(each.can_grow for each in known)
    new, given = [], set()
    for each in plan.to_read:
        content = _content(each, log_format)
        if content not in before and has_plain and compression_at(each.file.path) != NONE:
            content = Identity.of_content(each.file.path), content[1]
        if content in before:
            given.add(content)
        else:
            new.append(each)
    plan.to_read = new
    plan.missing = [each for each in plan.missing if _content(each, log_format) not in given]


def _content(each: KnownFile | FileToRead, log_format: LogFormat) -> _Content:
    return each.identity, log_format.kind_of_file(each.file.path)


def _recognise_grown(plan: ReadingPlan) -> None:
    """Find the files that begin with the content of a missing one, decompressed if need be."""
    for number, new in enumerate(plan.to_read):
        for old in sorted(plan.missing, key=lambda each: -each.identity.size):
            if old.identity.size and old.identity.begins(new.file.path):
                plan.missing.remove(old)
                if old.can_grow:
                    plan.to_read[number] = FileToRead(new.file, new.identity, old)
                else:
                    plan.grown = new.file.path
                break
