"""All files of a run as newline-delimited JSON."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from user_conversion.inputs.compression import NONE, LogStream, compression_at
from user_conversion.inputs.content import Content, NotALogError
from user_conversion.inputs.convert import Conversion
from user_conversion.inputs.files import SkippedFile
from user_conversion.inputs.identity import unfinished_line
from user_conversion.inputs.json_files import Lines, as_object
from user_conversion.inputs.lines import LineFile, bytes_between
from user_conversion.inputs.reading_plan import FileToRead, KnownFile
from user_conversion.rules.errors import InputError
from user_conversion.rules.log_format import LogFormat

EXAMPLES = 3


@dataclass(frozen=True)
class Prepared:
    """The lines to read in order, the files they come from, and the files that are not logs."""

    files: list[LineFile]
    inputs: list[KnownFile]
    skipped: list[SkippedFile]


def prepare(
    to_read: Sequence[FileToRead],
    log_format: LogFormat,
    engine_compressions: frozenset[str],
    scratch: Path,
    named: Collection[Path] = (),
    copied: Collection[Path] = (),
) -> Prepared:
    """Files as newline-delimited JSON; those that are converted or `copied` are in `scratch`.

    A file is read up to the size that it has in `to_read`. Raises `InputError` if a file cannot
    be read, or one of those `named` is not a log.
    """
    conversion = Conversion(log_format, engine_compressions, scratch)
    prepared = Prepared([], [], [])
    for each in to_read:
        try:
            prepared.inputs.append(_add(prepared, conversion, each, each.file.path in copied))
        except NotALogError as error:
            if each.file.path in named:
                raise
            prepared.skipped.append(SkippedFile(error.source, error.reason))
    return prepared


def _add(prepared: Prepared, conversion: Conversion, new: FileToRead, is_copied: bool) -> KnownFile:
    path, size = new.file.path, new.file.size
    source = source_name(path)
    if new.known is None and not is_copied:
        content = conversion.recognise(path, source)
        for found in conversion.files(path, source, content):
            if isinstance(found, SkippedFile):
                prepared.skipped.append(found)
            else:
                prepared.files.append(found[0])
    else:
        content = Content(Lines(), compression_at(path, source))
        start = _first_new_byte(path, new.known) if new.known else 0
        end = size if content.compression == NONE else None
        prepared.files.append(conversion.added_lines(path, source, start, end))
    can_grow = isinstance(content.kind, Lines) and content.compression == NONE
    unfinished = unfinished_line(path, size) if can_grow else None
    if unfinished is not None and as_object(_bytes(path, unfinished, size)) is not None:
        unfinished = None
    return KnownFile.of(new.file, new.identity, can_grow, unfinished)


def source_name(path: Path) -> str:
    """What people call a file. Bytes that are not UTF-8 are replaced."""
    return str(path).encode("utf-8", "replace").decode()


def _first_new_byte(path: Path, known: KnownFile) -> int:
    """Where the lines begin that were not read before."""
    at = known.next_byte
    around = _bytes(path, at - 1, at + 1) if at else b""
    # If the last line was read without its line end, that is not one more, blank, line.
    has_line_end_now = around[1:] == b"\n" != around[:1]
    return at + 1 if has_line_end_now else at


def _bytes(path: Path, start: int, end: int) -> bytes:
    with LogStream(path) as stream:
        return b"".join(bytes_between(stream, start, end))


def unfinished_text(known: KnownFile, path: Path) -> bytes:
    """The unfinished last line of a file as it was read; `path` is where the file is now."""
    assert known.unfinished_at is not None
    return _bytes(path, known.unfinished_at, known.identity.size)


def require_logs(prepared: Prepared) -> None:
    """Raise `InputError` if no file is a log."""
    if prepared.files:
        return
    skipped = prepared.skipped
    examples = ", ".join(f"'{each.path}' ({each.reason})" for each in skipped[:EXAMPLES])
    raise InputError(
        f"No file is a log of events, of {len(skipped):,} in all, for example {examples}; "
        "describe them with --log-format."
    )
