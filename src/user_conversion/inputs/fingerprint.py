"""What is in a file, from one pass over it: its lines, and a hash of its whole content.

A content is what a file has when it is decompressed, so a log that is compressed later is still
known. The hash (XXH3, 128 bits) tells contents apart; it is no protection against forgery.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import xxhash

from user_conversion.inputs.compression import CHUNK, NONE, LogStream, compression_at

LINE_FEED = b"\n"
# So many first bytes tell whether a file can begin with a content that is known.
BEGINNING = 256


class Content(msgspec.Struct, frozen=True):
    """The identity of a content: its size in bytes, a hash of it, and one of its beginning."""

    size: int
    hash: str
    beginning: str


@dataclass(frozen=True)
class Mark:
    """The hash of a content up to a place, and the line feeds before it."""

    hash: str
    line_feeds: int


@dataclass(frozen=True)
class Fingerprint:
    """A content, its number of lines, and where its last line begins.

    `ends_in_line` is false if the last line has no line end. `marks` has what was asked for.
    """

    content: Content
    lines: int
    last_line_at: int
    ends_in_line: bool
    marks: dict[int, Mark] = field(default_factory=dict)


def beginning_of(path: Path) -> bytes:
    """The first bytes of a file's content."""
    with LogStream(path) as stream:
        return io.BufferedReader(stream, CHUNK).read(BEGINNING)


def hash_of(content: bytes) -> str:
    """The hash of a content in memory."""
    return xxhash.xxh3_128_hexdigest(content)


def fingerprint(path: Path, size: int, places: Collection[int] = ()) -> Fingerprint:
    """Read a file of `size` bytes, or what it had when it had that size, once.

    `places` are bytes of the content up to which hashes are wanted, too. Raises `InputError`.
    """
    whole, read, line_feeds, last_line_at = xxhash.xxh3_128(), 0, 0, 0
    beginning, last = b"", LINE_FEED
    marks: dict[int, Mark] = {}
    for part in _parts(path, size, sorted({place for place in places if place})):
        whole.update(part)
        last = part[-1:]
        found = len(io.BytesIO(part).readlines()) - (last != LINE_FEED)
        if found:
            last_line_at = read + part.rindex(LINE_FEED) + 1
        if read < BEGINNING:
            beginning += part[: BEGINNING - read]
        line_feeds, read = line_feeds + found, read + len(part)
        if read in places:
            marks[read] = Mark(whole.hexdigest(), line_feeds)
    content = Content(read, whole.hexdigest(), hash_of(beginning))
    ends_in_line = last == LINE_FEED
    return Fingerprint(content, line_feeds + (not ends_in_line), last_line_at, ends_in_line, marks)


def _parts(path: Path, size: int, places: list[int]) -> Iterator[bytes]:
    """The content in parts, of which one ends at each of the places."""
    read, left = 0, deque(places)
    compression = compression_at(path)
    with LogStream(path, compression) as stream:
        while True:
            wanted = min(CHUNK, left[0] - read) if left else CHUNK
            part = stream.read(min(wanted, size - read) if compression == NONE else wanted)
            if not part:
                return
            yield part
            read += len(part)
            if left and read == left[0]:
                left.popleft()
