"""Turns files of any kind into newline-delimited JSON."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from user_conversion.inputs import embedded
from user_conversion.inputs.compression import (
    NONE,
    PARQUET,
    LogStream,
    decompress,
    recode,
)
from user_conversion.inputs.fingerprint import fingerprint
from user_conversion.inputs.input_file import SkippedFile
from user_conversion.inputs.kinds import archives, recognise
from user_conversion.inputs.kinds.content import Content, Lines, NotALogError, Wanted, Zip
from user_conversion.inputs.kinds.parquet import Parquet, require_columns
from user_conversion.inputs.lines import LineFile, bytes_between
from user_conversion.rules.log_format import UTF_8, LogFormat

# Writes the file at the second path from the one at the first. Returns the byte of the first where
# what goes on behind its end begins.
Step = Callable[[Path, Path], int | None]
PLAIN_LINES = Content(Lines(), NONE)


@dataclass(frozen=True)
class Conversion:
    """The conversion of files into what an engine reads, in the scratch folder if need be.

    Only the first `limit` records of each file are needed, if there is a limit.
    """

    log_format: LogFormat
    engine_compressions: frozenset[str]
    scratch: Path
    limit: int | None = None

    def recognise(self, path: Path, source: str) -> Content:
        """What a file is; raises `NotALogError` if it is of no kind that holds events."""
        return recognise(path, self._wanted(source), source)

    def files(
        self, path: Path, source: str, content: Content
    ) -> Iterator[tuple[LineFile, Content] | SkippedFile]:
        """A file as newline-delimited JSON, with its content; of a zip file each file in it.

        Raises `NotALogError` if a zip file has no logs.
        """
        if not isinstance(content.kind, Zip):
            yield self._line_file(path, source, content), content
        elif content.compression == NONE:
            yield from self._members(path, source)
        else:
            raise NotALogError(source, f"zip inside {content.compression}")

    def added_lines(
        self, path: Path, source: str, start: int, end: int | None, known: int = 0
    ) -> LineFile:
        """The lines of a file, decompressed, that begin at a byte and end before another.

        Of the first of them only what goes on is read: so many lines are `known`.
        """
        added = self._new_file()
        _cut(path, added, source, start, end)
        return self._line_file(added, source, PLAIN_LINES, (path, start), known)

    def unfinished(self, content: bytes) -> tuple[list[bytes], int]:
        """What goes on behind a content, and the number of lines of it that were read whole."""
        at = self.log_format.embedded
        return embedded.unfinished(content, at) if at else ([content], 0)

    def _line_file(
        self,
        path: Path,
        source: str,
        content: Content,
        begins_at: tuple[Path, int] | None = None,
        known: int = 0,
    ) -> LineFile:
        event = self.log_format.kind_of_file(Path(source))
        if self._is_read_as_table(content):
            require_columns(path, source, self._wanted(source))
            return LineFile(path, source, PARQUET, event, path.stat().st_size)
        steps = self._steps(source, content, known)
        compression = NONE if steps else content.compression
        if not _can_be_named(path):
            steps.insert(0, _link)
        goes_on_at = None
        for step in steps:
            before, path = path, self._new_file()
            goes_on_at = step(before, path)
            if before.parent == self.scratch:
                before.unlink()
        size = path.stat().st_size
        return LineFile(path, source, compression, event, size, begins_at, goes_on_at)

    def _is_read_as_table(self, content: Content) -> bool:
        """Whether the engine reads the rows. Several names are looked for in whole columns only."""
        names, paths = self.log_format.events.values(), self.log_format.fields.get("event", ())
        are_columns = all(len(path) == 1 for path in paths)
        return (
            (content.kind, content.compression) == (Parquet(), NONE)
            and PARQUET in self.engine_compressions
            and (are_columns or all(len(each) < 2 for each in names))
            and not self.log_format.embedded
        )

    def _steps(self, source: str, content: Content, known: int) -> list[Step]:
        """What makes lines of a file; nothing if the engine reads the file itself."""
        steps: list[Step] = []
        if not isinstance(content.kind, Lines | Zip):
            wanted = self._wanted(source)
            steps.append(partial(content.kind.write_lines, source=source, wanted=wanted))
        if at := self.log_format.embedded:
            steps.append(partial(embedded.unpack, source=source, at=at, after=known))
        is_read_by_engine = content.compression in (NONE, *self.engine_compressions)
        if content.encoding != UTF_8:
            steps.insert(0, partial(recode, encoding=content.encoding, source=source))
        if content.compression != NONE and (steps or not is_read_by_engine):
            unpacked = partial(decompress, compression=content.compression, source=source)
            steps.insert(0, unpacked)
        return steps

    def _wanted(self, source: str) -> Wanted:
        return Wanted(self.log_format, self.log_format.kind_of_file(Path(source)), self.limit)

    def _new_file(self) -> Path:
        """An empty file in the scratch folder."""
        self.scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.scratch, suffix=".json", delete=False) as file:
            return Path(file.name)

    def _members(self, path: Path, source: str) -> Iterator[tuple[LineFile, Content] | SkippedFile]:
        skipped: list[SkippedFile] = []
        has_logs = False
        with archives.opened(path, source) as archive:
            for member in archives.members(archive):
                name = f"{source}/{member.filename}"
                extracted = self._new_file()
                archives.extract(archive, member, extracted, name)
                try:
                    content = self.recognise(extracted, name)
                    if isinstance(content.kind, Zip):
                        raise NotALogError(name, "zip inside zip")
                    found = fingerprint(extracted, extracted.stat().st_size).content
                    file = self._line_file(extracted, name, content)
                    yield replace(file, member=found), content
                    has_logs = True
                except NotALogError as error:
                    extracted.unlink()
                    skipped.append(SkippedFile(name, error.reason))
        if not has_logs:
            reasons = [f"'{each.path}' is {each.reason}" for each in skipped[:1]]
            raise NotALogError(source, ", ".join(["a zip file without logs", *reasons]))
        yield from skipped


def _cut(path: Path, target: Path, source: str, start: int, end: int | None) -> None:
    with LogStream(path, name=source) as stream, target.open("wb") as out:
        out.writelines(bytes_between(stream, start, end))


def _link(path: Path, target: Path) -> None:
    target.unlink()
    target.symlink_to(path)


def _can_be_named(path: Path) -> bool:
    """Whether engines can be given the path of a file: to them a backslash is a slash."""
    try:
        return "\\" not in str(path).encode().decode()
    except UnicodeEncodeError:
        return False
