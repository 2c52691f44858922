"""The identity of a file is its content, so that it is known under any name and in any place."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from user_conversion.inputs.compression import CHUNK, LogStream
from user_conversion.rules.errors import InputError

PIECE = 1 << 16
LINE_FEED = b"\n"


@dataclass(frozen=True)
class Identity:
    """The size of a content in bytes, and hashes of its first and its last `PIECE` bytes."""

    size: int
    beginning: str
    end: str

    @classmethod
    def of(cls, path: Path, size: int) -> Identity:
        """The identity of the first `size` bytes of a file. Raises `InputError`."""
        try:
            with path.open("rb") as file:
                beginning = file.read(min(PIECE, size))
                file.seek(max(0, size - PIECE))
                return cls(size, _hash(beginning), _hash(file.read(min(PIECE, size))))
        except OSError as error:
            raise InputError(f"Cannot read '{path}': {error.strerror}.") from None

    @classmethod
    def of_content(cls, path: Path) -> Identity:
        """The identity of the content of a file, decompressed. Raises `InputError`."""
        beginning, end, size = b"", b"", 0
        with io.BufferedReader(LogStream(path), CHUNK) as stream:
            while chunk := stream.read(CHUNK):
                beginning = beginning or chunk[:PIECE]
                end, size = (end + chunk)[-PIECE:], size + len(chunk)
        return cls(size, _hash(beginning), _hash(end))

    def begins(self, path: Path) -> bool:
        """Whether the content of a file, decompressed, begins with this content."""
        with io.BufferedReader(LogStream(path), CHUNK) as stream:
            beginning = stream.read(min(PIECE, self.size))
            if len(beginning) < min(PIECE, self.size) or _hash(beginning) != self.beginning:
                return False
            end = _last_bytes(cast("IO[bytes]", stream), beginning, self.size)
        return len(end) == min(PIECE, self.size) and _hash(end) == self.end


def _last_bytes(stream: IO[bytes], beginning: bytes, size: int) -> bytes:
    """The last `PIECE` of the first `size` bytes of a stream, of which `beginning` is read."""
    last, read = beginning, len(beginning)
    while read < size and (chunk := stream.read(min(CHUNK, size - read))):
        last, read = (last + chunk)[-PIECE:], read + len(chunk)
    return last if read == size else b""


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def unfinished_line(path: Path, size: int) -> int | None:
    """Where the last line of a plain file begins if it has no line end, else None."""
    with path.open("rb") as file:
        at = size
        while at:
            at = max(0, at - CHUNK)
            file.seek(at)
            chunk = file.read(min(CHUNK, size - at))
            if chunk.endswith(LINE_FEED) and at + len(chunk) == size:
                return None
            if LINE_FEED in chunk:
                return at + chunk.rindex(LINE_FEED) + 1
    return 0 if size else None
