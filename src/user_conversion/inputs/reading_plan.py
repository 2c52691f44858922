"""Which of the input files are new, by their content, and from where they have to be read.

A file of the same path, size and time of change is not opened. Of others the whole content is
compared: what is known is not read again, wherever it is now. A content that begins with a known
one which is nowhere else has grown. If lines can be added to it, these are read; else, as a table,
it replaces its shorter form. A file with another content that is at the path of a known one which
is nowhere else replaces it, but for standard input; so does a file with the content of one which is
nowhere else if its name says another kind of event. Known files that are not found are gone; their
events stay for good, even if another content comes to their path later.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec

from user_conversion.inputs.fingerprint import (
    BEGINNING,
    Content,
    Fingerprint,
    beginning_of,
    fingerprint,
    hash_of,
)
from user_conversion.inputs.input_file import STANDARD_INPUT, InputFile, SkippedFile
from user_conversion.rules.counts import EventCounts
from user_conversion.rules.log_format import LogFormat


class KnownFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was read: where it was seen last, and what came of it.

    `sources` are its names when its lines were read, which rejected lines have. `event` is the kind
    of event that the log format says it holds. If lines can be added, it `can_grow`; if its last
    line was not finished, that line began at `unfinished_at` and was rejected. `days` are the UTC
    days of its events. `read_at` is the run that read it last. `tag` is that of an object. What was
    `gone` once keeps its events, whatever is at its path later. `members` are the logs in a zip.
    """

    path: str
    size: int
    modified_ns: int
    tag: str = ""
    sources: tuple[str, ...]
    read_at: str = ""
    content: Content
    event: str | None = None
    can_grow: bool = False
    ends_in_line: bool = True
    unfinished_at: int | None = None
    counts: EventCounts = msgspec.field(default_factory=EventCounts)
    days: tuple[date, ...] = ()
    gone: bool = False
    members: tuple[Content, ...] = ()

    @property
    def file(self) -> InputFile:
        """The file as it was seen last."""
        return InputFile(self.path, self.size, self.modified_ns, self.path, self.tag)

    @property
    def next_byte(self) -> int:
        """Where the lines begin that were not accepted."""
        return self.content.size if self.unfinished_at is None else self.unfinished_at

    def at(self, file: InputFile) -> KnownFile:
        """The same content where it is now."""
        return msgspec.structs.replace(
            self,
            path=file.name,
            size=file.size,
            modified_ns=file.modified_ns,
            tag=file.tag,
            gone=False,
        )


@dataclass
class FileToRead:
    """A file with content that was not read before.

    What `known` had of it was read. `names` are the files that have it. It `replaces` those that
    were at their paths before, its shorter form, and the one that had its content as another kind
    of event.
    """

    file: InputFile
    fingerprint: Fingerprint
    event: str | None
    names: list[str]
    known: KnownFile | None = None
    replaces: tuple[KnownFile, ...] = ()

    @property
    def start(self) -> int:
        """The byte of the content from which it is read."""
        if self.known is None:
            return 0
        # If the last line was read without its line end, that is not one more, blank, line.
        ended_since = not self.known.ends_in_line and self.known.unfinished_at is None
        return self.known.next_byte + ended_since

    @property
    def lines(self) -> int:
        """The number of lines to read."""
        before = self.fingerprint.marks[self.start].line_feeds if self.start else 0
        return self.fingerprint.lines - before


# A content, and the kind of event that the log format says a file of this name has.
_Key = tuple[Content, str | None]


class ReadingPlan:
    """Compares files with those that were read before, some at a time, each once.

    `to_read` are new so far, `skipped` have the content of another one, `present` are the known
    files that were found, where they are now. When all are decided, `gone` were not.
    """

    def __init__(self, log_format: LogFormat, known: Sequence[KnownFile] = ()) -> None:
        self._format = log_format
        self._left = dict(enumerate(known))
        self._files = {each.file: number for number, each in self._left.items()}
        self._contents = {(each.content, each.event): n for n, each in self._left.items()}
        self._beginnings: dict[tuple[int, str], list[int]] = {}
        for number, each in self._left.items():
            # Blank lines, or a header alone, can begin any file. What is replaced was there before.
            if each.counts.lines > each.counts.blank and (each.can_grow or not each.gone):
                length = min(each.content.size, BEGINNING)
                self._beginnings.setdefault((length, each.content.beginning), []).append(number)
        self._lengths = {length for length, _ in self._beginnings}
        self._paths = {each.path for each in known}
        self._known = {each.content for each in known if each.content.size}
        self._found: dict[_Key, FileToRead] = {}
        self._undecided: list[FileToRead] = []
        self.to_read: list[FileToRead] = []
        self.skipped: list[SkippedFile] = []
        self.present: list[KnownFile] = []

    @property
    def gone(self) -> list[KnownFile]:
        """The known files that were not found."""
        left = (each for each in self._left.values() if each.content.size)
        return [msgspec.structs.replace(each, gone=True) for each in left]

    def changed(self, files: Iterable[InputFile]) -> list[InputFile]:
        """Those of all files that are not as they were when they were seen last."""
        # What did not change stays what it was, even if another file has its content, too.
        return [file for file in files if not self._take(self._files.get(file), file)]

    def compare(self, files: Iterable[InputFile]) -> list[FileToRead]:
        """Those of changed files that are new whatever the others are.

        Raises `InputError` if one is unreadable.
        """
        new: list[FileToRead] = []
        for file in files:
            event = self._format.kind_of_file(Path(file.name))
            print_ = fingerprint(file.path, file.size, self._places_in(file))
            key = print_.content, event
            if self._take(self._contents.get(key), file):
                continue
            if print_.content.size and (same := self._found.get(key)):
                self.skipped.append(SkippedFile(file.name, f"same content as '{same.file.name}'"))
                same.names.append(file.name)
                continue
            found = FileToRead(file, print_, event, [file.name])
            self._found[key] = found
            # The longer form of a known file, or its replacement, if that is not found elsewhere.
            is_undecided = print_.marks or file.name in self._paths or print_.content in self._known
            (self._undecided if is_undecided else new).append(found)
        self.to_read += new
        return new

    def decide(self) -> list[FileToRead]:
        """Those that are new and may have grown or replace others, after all were compared."""
        for each in self._undecided:
            shorter = self._shorter(each)
            if shorter and shorter.can_grow:
                each.known = shorter
            elif shorter:
                each.replaces = (shorter,)
        self.to_read += self._undecided
        left: dict[str | Content, list[int]] = defaultdict(list)
        for number, known in self._left.items():
            if known.content.size and not known.gone and known.path != STANDARD_INPUT:
                left[known.path].append(number)
                left[known.content].append(number)
        for each in self.to_read:
            shorter = each.known or next(iter(each.replaces), None)
            # A log that was rotated did not overwrite what had its name before.
            is_moved = shorter and shorter.path not in each.names
            keys = () if is_moved else (*each.names, each.fingerprint.content)
            numbers = dict.fromkeys(n for key in keys if key in left for n in left[key])
            replaced = [self._left.pop(n, None) for n in numbers]
            each.replaces += tuple(known for known in replaced if known)
        return self._undecided

    def _take(self, number: int | None, file: InputFile) -> bool:
        """Whether a file is a known one, which is found once."""
        if number is not None and (known := self._left.pop(number, None)):
            self.present.append(known.at(file))
        return number is not None

    def _places_in(self, file: InputFile) -> set[int]:
        """The places in a file's content where a known content that it begins with would end."""
        if not self._lengths:
            return set()
        beginning = beginning_of(file.path)
        keys = ((n, hash_of(beginning[:n])) for n in self._lengths)
        numbers = (number for key in keys for number in self._beginnings.get(key, ()))
        ends = [(each.content.size, each.next_byte) for n in numbers if (each := self._left.get(n))]
        return {place for size, next_byte in ends for place in (size, size + 1, next_byte)}

    def _shorter(self, new: FileToRead) -> KnownFile | None:
        """The known file of which one is the longer form, if that is nowhere else."""
        candidates = [
            number
            for number, known in self._left.items()
            if known.event == new.event and _has_grown(known, new.fingerprint)
        ]
        longest = max(candidates, key=lambda n: self._left[n].content.size, default=None)
        return None if longest is None else self._left.pop(longest)


def _has_grown(known: KnownFile, new: Fingerprint) -> bool:
    """Whether a content begins with a known one; if lines are added, where a line ends."""
    size = known.content.size
    there = new.marks.get(size)
    if not size or there is None or there.hash != known.content.hash:
        return False
    if not known.can_grow or known.ends_in_line or known.unfinished_at is not None:
        return True
    after = new.marks.get(size + 1)
    return after is not None and after.line_feeds > there.line_feeds
