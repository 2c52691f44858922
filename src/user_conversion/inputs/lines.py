"""Files of newline-delimited JSON, which every engine reads, and their lines as bytes."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from user_conversion.inputs.compression import CHUNK, LogStream
from user_conversion.inputs.fingerprint import Content

SAMPLE = 1 << 16
LINE_FEED = ord("\n")


@dataclass(frozen=True)
class LineFile:
    """A file of newline-delimited JSON, one record a line.

    `path` is what the engine reads, `source` what people call the file, `event` the kind of event
    that every record is, None if the records say it, `size` the bytes at `path`, `lines` how many
    lines they are. If earlier lines of the source were read before, `begins_at` is the file and the
    byte where these lines begin. If a text goes on behind their end, it begins at the byte
    `goes_on_at` of them. `origin` is the place of its input among those that are read. If the lines
    are a whole object as it is, `address` is that. `member` is the content of a file in a zip.
    """

    path: Path
    source: str
    compression: str
    event: str | None
    size: int
    begins_at: tuple[Path, int] | None = None
    goes_on_at: int | None = None
    lines: int = 0
    origin: int = 0
    address: str | None = None
    member: Content | None = None


def chunks(file: LineFile) -> Iterator[bytes]:
    """The decompressed bytes of a file, some at a time."""
    with LogStream(file.path, file.compression, file.source) as stream:
        while chunk := stream.read(CHUNK):
            yield chunk


def beginning(file: LineFile) -> bytes:
    """The first bytes of a file."""
    with io.BufferedReader(LogStream(file.path, file.compression, file.source)) as stream:
        return stream.read(SAMPLE)


def count_lines(files: Sequence[LineFile]) -> list[int]:
    """The lines of each file; a last one without a line end counts."""
    buffer = bytearray(CHUNK)  # only one, which stays in the processor's cache
    counts = []
    for file in files:
        lines, last = 0, LINE_FEED
        with LogStream(file.path, file.compression, file.source) as stream:
            while size := stream.readinto(buffer):
                lines += buffer.count(LINE_FEED, 0, size)
                last = buffer[size - 1]
        counts.append(lines + (last != LINE_FEED))
    return counts


def bytes_between(stream: LogStream, start: int, end: int | None) -> Iterator[bytes]:
    """The bytes of a stream from one place to another, or to its end, some at a time."""
    if stream.seekable():
        at = stream.seek(start)
    else:
        at = 0
        while at < start and (skipped := stream.read(min(CHUNK, start - at))):
            at += len(skipped)
    while (end is None or at < end) and (
        chunk := stream.read(min(CHUNK, (end or at + CHUNK) - at))
    ):
        at += len(chunk)
        yield chunk


@lru_cache(maxsize=16)
def lines_before(file: LineFile) -> int:
    """The number of lines of the source before those of a file; it reads them."""
    if file.begins_at is None:
        return 0
    path, start = file.begins_at
    with LogStream(path, name=file.source) as stream:
        return sum(chunk.count(b"\n") for chunk in bytes_between(stream, 0, start))


def line_batches(file: LineFile) -> Iterator[list[bytes]]:
    """The lines of a file in order, without their line feeds, many at a time."""
    parts: list[bytes] = []
    for chunk in chunks(file):
        first, *lines = chunk.split(b"\n")
        parts.append(first)
        if lines:
            *complete, begun = lines
            yield [b"".join(parts), *complete]
            parts = [begun]
    if last := b"".join(parts):
        yield [last]
