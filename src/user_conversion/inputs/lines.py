"""The lines of files as bytes, decompressed."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path

from user_conversion.inputs.compression import LogStream
from user_conversion.inputs.files import InputFile

CHUNK = 1 << 18
LINE_FEED = ord("\n")


def chunks(path: Path, compression: str | None = None) -> Iterator[bytes]:
    """The decompressed bytes of a file, some at a time."""
    with LogStream(path, compression) as file:
        while chunk := file.read(CHUNK):
            yield chunk


def count_lines(files: Sequence[InputFile]) -> list[int]:
    """The lines of each file; a last one without a line end counts."""
    buffer = bytearray(CHUNK)  # only one, which stays in the processor's cache
    counts = []
    for file in files:
        lines, last = 0, LINE_FEED
        with LogStream(file.path) as opened:
            while size := opened.readinto(buffer):
                lines += buffer.count(LINE_FEED, 0, size)
                last = buffer[size - 1]
        counts.append(lines + (last != LINE_FEED))
    return counts


def longest_line(path: Path) -> int:
    """The length in bytes of the longest line."""
    longest = 0
    length = 0
    for chunk in chunks(path):
        first, *rest = chunk.split(b"\n")
        length += len(first)
        for part in rest:
            longest, length = max(longest, length), len(part)
    return max(longest, length)


def line_batches(path: Path) -> Iterator[list[bytes]]:
    """The lines of a file in order, without their line feeds, many at a time."""
    parts: list[bytes] = []
    for chunk in chunks(path):
        first, *lines = chunk.split(b"\n")
        parts.append(first)
        if lines:
            *complete, begun = lines
            yield [b"".join(parts), *complete]
            parts = [begun]
    if last := b"".join(parts):
        yield [last]


def sample(files: Sequence[InputFile], pieces: int = 8, size: int = 1 << 19) -> bytes:
    """Some of the bytes of the logs, from the first to places all over them, to guess by.

    Of a compressed file it can only be the beginning.
    """
    ends = list(accumulate(file.size for file in files))
    total = ends[-1] if ends else 0
    sampled = []
    for position in range(0, total, max(size, -(-total // pieces))):
        number = bisect_right(ends, position)
        file = files[number]
        with io.BufferedReader(LogStream(file.path)) as opened:
            if opened.seekable():
                opened.seek(position - (ends[number] - file.size))
            sampled.append(opened.read(size))
    return b"\n".join(sampled)
