"""Turns files of any kind into newline-delimited JSON."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from user_conversion.inputs.compression import (
    NONE,
    PARQUET,
    LogStream,
    decompress,
    read_text,
    recode,
    utf_8_file,
)
from user_conversion.inputs.input_file import SkippedFile
from user_conversion.inputs.kinds import archives, recognise
from user_conversion.inputs.kinds.content import Content, Lines, NotALogError, Wanted, Zip
from user_conversion.inputs.kinds.json_files import as_object, one_line
from user_conversion.inputs.kinds.parquet import Parquet, require_columns
from user_conversion.inputs.lines import LineFile, bytes_between
from user_conversion.rules.log_format import UTF_8, LogFormat
from user_conversion.rules.paths import FieldPath, value_at

# Writes the file at the second path from the one at the first.
Step = Callable[[Path, Path], None]
# What each record of Docker has.
DOCKER = {"log", "stream", "time"}
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

    def added_lines(self, path: Path, source: str, start: int, end: int | None) -> LineFile:
        """The lines of a file, decompressed, that begin at a byte and end before another."""
        added = self._written(path, partial(_cut, source=source, start=start, end=end))
        return self._line_file(added, source, PLAIN_LINES, (path, start))

    def _line_file(
        self, path: Path, source: str, content: Content, begins_at: tuple[Path, int] | None = None
    ) -> LineFile:
        event = self.log_format.kind_of_file(Path(source))
        if self._is_read_as_table(content):
            require_columns(path, source, self._wanted(source))
            return LineFile(path, source, PARQUET, event, path.stat().st_size)
        steps = self._steps(source, content)
        compression = NONE if steps else content.compression
        if not _is_utf_8(path):
            steps.insert(0, _link)
        for step in steps:
            before, path = path, self._written(path, step)
            if before.parent == self.scratch:
                before.unlink()
        return LineFile(path, source, compression, event, path.stat().st_size, begins_at)

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

    def _steps(self, source: str, content: Content) -> list[Step]:
        """What makes lines of a file; nothing if the engine reads the file itself."""
        steps: list[Step] = []
        if not isinstance(content.kind, Lines | Zip):
            wanted = self._wanted(source)
            steps.append(partial(content.kind.write_lines, source=source, wanted=wanted))
        if self.log_format.embedded:
            steps.append(partial(_unpack, source=source, at=self.log_format.embedded))
        is_read_by_engine = content.compression in (NONE, *self.engine_compressions)
        if content.encoding != UTF_8:
            steps.insert(0, partial(recode, encoding=content.encoding, source=source))
        if content.compression != NONE and (steps or not is_read_by_engine):
            unpacked = partial(decompress, compression=content.compression, source=source)
            steps.insert(0, unpacked)
        return steps

    def _wanted(self, source: str) -> Wanted:
        return Wanted(self.log_format, self.log_format.kind_of_file(Path(source)), self.limit)

    def _written(self, path: Path, step: Step) -> Path:
        """A new file that a step has written."""
        target = self._new_file()
        step(path, target)
        return target

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
                    yield self._line_file(extracted, name, content), content
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


def _unpack(path: Path, target: Path, source: str, at: FieldPath) -> None:
    """Write the text that each record has in a field, or the record if the field has no text.

    Docker cuts long lines: a text of its records without a line end goes on in the next one.
    """
    with read_text(path, source, newline="\n") as lines, utf_8_file(target) as out:
        begun: dict[Any, str] = defaultdict(str)
        for line in lines:
            record = as_object(line)
            event = text = value_at(record, at)
            if not isinstance(text, str):
                event = line
            elif record and record.keys() >= DOCKER:
                begun[record["stream"]] += text
                if not text.endswith("\n"):
                    continue
                event = begun.pop(record["stream"])
            out.write(one_line(event.rstrip("\r\n")) + "\n")
        out.writelines(one_line(event) + "\n" for event in begun.values())


def _link(path: Path, target: Path) -> None:
    target.unlink()
    target.symlink_to(path)


def _is_utf_8(path: Path) -> bool:
    """Whether engines can be given the path of a file."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True
