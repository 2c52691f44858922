"""Turns files of any kind into newline-delimited JSON."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from user_conversion.inputs import archives, compression, tables
from user_conversion.inputs.compression import LogStream
from user_conversion.inputs.content import Content, Kind, NotALogError
from user_conversion.inputs.files import InputFile, SkippedFile
from user_conversion.inputs.kinds import recognise
from user_conversion.inputs.lines import LineFile, bytes_between
from user_conversion.inputs.records import lines_of_records
from user_conversion.rules.errors import InputError, OutputError
from user_conversion.rules.log_format import LogFormat

CHUNK = 1 << 18


def as_lines(
    file: InputFile, log_format: LogFormat, engine_compressions: frozenset[str], scratch: Path
) -> list[LineFile]:
    """A file as newline-delimited JSON, itself or converted in `scratch`; several for a zip file.

    Raises `NotALogError` if it is of no kind that holds events.
    """
    conversion = Conversion(log_format, engine_compressions, scratch)
    conversion.add(file.path, str(file.path))
    return conversion.files


class Conversion:
    """Files of newline-delimited JSON, made from files of any kind that are added in order.

    `skipped` has the files in zip files that are of no kind that holds events.
    """

    def __init__(
        self, log_format: LogFormat, engine_compressions: frozenset[str], scratch: Path
    ) -> None:
        self.files: list[LineFile] = []
        self.skipped: list[SkippedFile] = []
        self._format = log_format
        self._engine_compressions = engine_compressions
        self._scratch = scratch

    def add(self, path: Path, source: str, is_member: bool = False) -> Content:
        """Add a file; raises `NotALogError` if it is of no kind that holds events."""
        event = self._format.kind_of_file(Path(source))
        content = recognise(path, self._format, event, source)
        if content.kind is Kind.UNKNOWN:
            raise NotALogError(source, content.reason)
        packed_with = "zip" if is_member and content.kind is Kind.ZIP else content.compression
        if content.kind in (Kind.PARQUET, Kind.ZIP) and packed_with != compression.NONE:
            raise NotALogError(source, f"{content.kind.value} inside {packed_with}")
        if content.kind is Kind.ZIP:
            self._add_members(path, source)
            return content
        if not _is_utf_8(path):
            path, original = self._new_file(), path
            path.symlink_to(original)
        if not self._is_read_as_it_is(path, content):
            path, packed_with = self._converted(path, source, content, event), compression.NONE
        self.files.append(LineFile(path, source, packed_with, event, path.stat().st_size))
        return content

    def add_lines(self, path: Path, source: str, start: int, end: int | None) -> None:
        """Add the lines of a file, decompressed, that begin at a byte and end before another."""
        event = self._format.kind_of_file(Path(source))
        part = self._new_file()
        with LogStream(path, name=source) as stream, _writing(part), part.open("wb") as out:
            out.writelines(bytes_between(stream, start, end))
        if self._format.embedded:
            part = self._converted(part, source, Content(Kind.LINES), event)
        size = part.stat().st_size
        self.files.append(LineFile(part, source, compression.NONE, event, size, (path, start)))

    def _is_read_as_it_is(self, path: Path, content: Content) -> bool:
        if content.kind is not Kind.LINES or self._format.embedded:
            return False
        if content.compression == compression.NONE:
            return True
        return content.compression in self._engine_compressions and compression.is_plain(
            path, content.compression
        )

    def _new_file(self) -> Path:
        """A path in the scratch folder that is not in use."""
        with _writing(self._scratch):
            self._scratch.mkdir(parents=True, exist_ok=True)
        number = len(self.files)
        while (path := self._scratch / f"{number:06}.json").exists():
            number += 1
        return path

    def _converted(self, path: Path, source: str, content: Content, event: str | None) -> Path:
        target = self._new_file()
        if content.kind is Kind.PARQUET:
            self._write_parquet(path, source, target, event)
            if self._format.embedded:
                rows, target = target, self._new_file()
                self._write_lines(rows, source, target, Content(Kind.LINES))
                rows.unlink()
        else:
            self._write_lines(path, source, target, content)
        return target

    def _write_lines(self, path: Path, source: str, target: Path, content: Content) -> None:
        with (
            LogStream(path, content.compression, source) as stream,
            _writing(target),
            target.open("wb") as out,
        ):
            if content.kind is Kind.LINES and not self._format.embedded:
                shutil.copyfileobj(stream, out, CHUNK)
            else:
                out.writelines(lines_of_records(stream, content, self._format))

    def _write_parquet(self, path: Path, source: str, target: Path, event: str | None) -> None:
        from user_conversion.inputs import parquet

        columns = parquet.column_types(path, source)
        embedded = self._format.embedded
        missing = None if embedded else tables.missing_field(columns, self._format, event)
        if embedded and embedded[0] not in columns:
            missing = str(embedded[0])
        if missing:
            raise InputError(
                f"'{source}' has no column for {missing}; name the column with --field, or "
                "exclude the file."
            )
        wanted = {embedded[0]} if embedded else {path[0] for path in self._format.paths}
        columns = {name: kind for name, kind in columns.items() if name in wanted}
        parquet.to_json(path, target, columns, tables.nested_columns(self._format), source)

    def _add_members(self, path: Path, source: str) -> None:
        skipped: list[SkippedFile] = []
        before = len(self.files)
        with archives.opened(path, source) as archive:
            for member in archives.members(archive):
                try:
                    self._add_member(archive, member, f"{source}/{member.filename}")
                except NotALogError as error:
                    skipped.append(SkippedFile(error.source, error.reason))
        if len(self.files) == before:
            reasons = [f"'{each.path}' is {each.reason}" for each in skipped[:1]]
            raise NotALogError(source, ", ".join(["a zip file without logs", *reasons]))
        self.skipped += skipped

    def _add_member(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo, source: str) -> None:
        extracted = self._new_file()
        with _writing(extracted):
            archives.extract(archive, member, extracted, source)
        try:
            self.add(extracted, source, is_member=True)
        finally:
            if extracted not in [file.path for file in self.files[-1:]]:
                extracted.unlink()


def _is_utf_8(path: Path) -> bool:
    """Whether engines can be given the path of a file."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn what may go wrong with the scratch folder into `OutputError`."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"Cannot write '{path}': {error.strerror or error}.") from None
