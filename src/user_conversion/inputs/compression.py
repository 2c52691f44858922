"""The bytes of a file as they were before it was compressed; its name does not matter."""

from __future__ import annotations

import bz2
import gzip
import io
import mmap
import re
import sys
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from user_conversion.rules.errors import InputError

if TYPE_CHECKING or sys.version_info < (3, 14):
    from backports import zstd
else:
    from compression import zstd

NONE, GZIP, ZSTD, BZIP2 = "none", "gzip", "zstd", "bzip2"
SUPPORTED = (NONE, GZIP, ZSTD, BZIP2)

MAGIC_NUMBERS = (
    (re.compile(rb"\x1f\x8b"), GZIP),
    (re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"), ZSTD),
    (re.compile(rb"BZh[1-9](?:1AY&SY|\x17\x72\x45\x38\x50\x90)"), BZIP2),
    (re.compile(rb"\xfd7zXZ\x00"), "xz"),
    (re.compile(rb"\x04\x22\x4d\x18"), "lz4"),
    (re.compile(rb"\xff\x06\x00\x00sNaPpY"), "snappy"),
    (re.compile(rb"\x1f\x9d"), "compress (.Z)"),
    (re.compile(rb"7z\xbc\xaf\x27\x1c"), "7z"),
)

# What begins like a gzip member has flags that few readers know: text, header checksum, comment.
# The extra flags and the operating system behind them leave next to no chance of a false alarm.
ODD_GZIP_HEADER = re.compile(
    rb"\x1f\x8b\x08(?![\x00\x04\x08\x0c]).{5}[\x00\x02\x04][\x00-\x0d\xff]", re.DOTALL
)
GZIP_MEMBER = b"\x1f\x8b\x08"
# Readers other than Python's refuse windows above 128 MiB.
USUAL_WINDOW = 1 << 27
ANY_WINDOW: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 31}


def compression_of(head: bytes) -> str:
    """What a file that begins with these bytes is compressed with: `none`, `gzip`, ...

    Raises nothing: a compression that cannot be read has a name, too.
    """
    return next((name for magic, name in MAGIC_NUMBERS if magic.match(head)), NONE)


def is_compressed(path: Path) -> bool:
    """Whether a file is compressed in a way that can be read."""
    with path.open("rb") as file:
        return compression_of(file.read(64)) in (GZIP, ZSTD, BZIP2)


def is_plain(path: Path, compression: str) -> bool:
    """Whether every reader of the compression can be expected to read the file.

    DuckDB refuses gzip headers with some flags, and zeros behind the last gzip member.
    """
    if compression == GZIP:
        return _is_plain_gzip(path)
    if compression == ZSTD:
        with path.open("rb") as file:
            return _zstd_window(file.read(18)) <= USUAL_WINDOW
    return True


def _is_plain_gzip(path: Path) -> bool:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = data.find(GZIP_MEMBER)
        while at >= 0:
            if ODD_GZIP_HEADER.match(data, at):
                return False
            at = data.find(GZIP_MEMBER, at + 1)
        return data[-8:] != bytes(8)


def _zstd_window(head: bytes) -> int:
    """The bytes of memory that the first frame asks for (RFC 8878, section 3.1.1.1)."""
    if compression_of(head) != ZSTD or head[0] != 0x28 or len(head) < 6:
        return 0
    if head[4] & 0x20:  # a single segment: its window is its content
        size = (1, 2, 4, 8)[head[4] >> 6]
        at = 5 + (0, 1, 2, 4)[head[4] & 3]
        return int.from_bytes(head[at : at + size], "little")
    base: int = 1 << (10 + (head[5] >> 3))
    return base + base // 8 * (head[5] & 7)


class LogStream(io.RawIOBase):
    """The decompressed bytes of a file.

    What goes wrong in reading them is an `InputError` that names the file; what goes wrong with
    whatever is done with them is not.
    """

    def __init__(self, path: Path, compression: str | None = None, name: str | None = None) -> None:
        self._name = name or str(path)
        try:
            self._file = _open(path, compression)
        except OSError as error:
            raise self._unreadable(error) from None

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """Whether `seek` is quick, which it is if the file is not compressed."""
        return isinstance(self._file, io.FileIO)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a place in the decompressed bytes."""
        return self._file.seek(offset, whence)

    def readinto(self, buffer: Any) -> int:
        """Read some bytes; 0 at the end."""
        try:
            return cast("int", self._file.readinto(buffer))  # type: ignore[attr-defined]
        except (EOFError, zlib.error, zstd.ZstdError, OSError) as error:
            raise self._unreadable(error) from None

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._file.close()
        super().close()

    def sentence(self, what: str) -> str:
        """What is wrong with the file, and what to do about it."""
        return f"'{self._name}' {what}; replace it or exclude it."

    def _unreadable(self, error: Exception) -> InputError:
        if isinstance(error, OSError) and error.strerror:
            return InputError(f"Cannot read '{self._name}': {error.strerror}.")
        return InputError(self.sentence(f"is corrupt or truncated ({error})"))


def _open(path: Path, compression: str | None) -> IO[bytes]:
    if compression is None:
        with path.open("rb") as file:
            compression = compression_of(file.read(16))
    if compression == GZIP:
        return cast("IO[bytes]", gzip.open(path, "rb"))
    if compression == ZSTD:
        return cast("IO[bytes]", zstd.ZstdFile(path, options=ANY_WINDOW))
    if compression == BZIP2:
        return cast("IO[bytes]", bz2.open(path, "rb"))
    return path.open("rb", buffering=0)
