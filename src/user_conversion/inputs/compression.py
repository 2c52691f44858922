"""The bytes of a file as they were before it was compressed; its name does not matter."""

from __future__ import annotations

import bz2
import gzip
import io
import re
import shutil
import sys
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from user_conversion.rules.errors import InputError

if TYPE_CHECKING or sys.version_info < (3, 14):
    from backports import zstd
else:
    from compression import zstd

# Bytes that are read at once.
CHUNK = 1 << 18

NONE, GZIP, ZSTD, BZIP2 = "none", "gzip", "zstd", "bzip2"
# Not a compression, but as one: an engine reads the rows itself, or they are made lines first.
PARQUET = "parquet"
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

# Logs compress to a tenth or a hundredth, zeros to a thousandth.
BOMB_RATIO = 1_000
BOMB_SIZE = 1 << 30

# Logs may have been compressed with a window of up to 2 GiB.
ANY_WINDOW: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 31}


def compression_of(head: bytes) -> str:
    """What a file that begins with these bytes is compressed with: `none`, `gzip`, ...

    Raises nothing: a compression that cannot be read has a name, too.
    """
    return next((name for magic, name in MAGIC_NUMBERS if magic.match(head)), NONE)


def compression_at(path: Path, source: str | None = None) -> str:
    """What a file is compressed with; `source` is its name in errors. Raises `InputError`."""
    with LogStream(path, NONE, source) as file:
        return compression_of(file.read(64) or b"")


def decompress(path: Path, target: Path, compression: str, source: str) -> None:
    """Write the content of a file; `source` is its name in errors. Raises `InputError`."""
    with LogStream(path, compression, source) as stream, target.open("wb") as out:
        shutil.copyfileobj(stream, out, CHUNK)


def recode(path: Path, target: Path, encoding: str, source: str) -> None:
    """Write a text in another encoding as UTF-8. Raises `InputError` if it is not in that one.

    Bytes that stand for no character stay, so their line is rejected.
    """
    with read_text(path, source, "", encoding) as text, utf_8_file(target) as out:
        try:
            shutil.copyfileobj(text, out, CHUNK)
        except UnicodeError as error:
            raise damaged(source, error) from None


def read_text(
    path: Path, source: str, newline: str, encoding: str = "utf-8-sig"
) -> io.TextIOWrapper:
    """The text of a file that is not compressed; bytes of no character are surrogates."""
    buffered = io.BufferedReader(LogStream(path, NONE, source), CHUNK)
    return io.TextIOWrapper(buffered, encoding, "surrogateescape", newline=newline)


def utf_8_file(target: Path) -> io.TextIOWrapper:
    """A new text file. What `read_text` made surrogates becomes the same bytes again."""
    return target.open("w", encoding="utf-8", errors="surrogateescape", newline="")


def require_no_bomb(source: str, size: int, packed_size: int) -> None:
    """Raise `InputError` if a file of `packed_size` bytes grows beyond measure when unpacked."""
    if size > BOMB_SIZE and size > BOMB_RATIO * packed_size:
        raise InputError(
            f"'{source}' is {size >> 20:,} MiB or more of almost nothing, packed into "
            f"{packed_size >> 10:,} KiB (a bomb); exclude it."
        )


def damaged(source: str, reason: object) -> InputError:
    """The error of a file whose content is broken."""
    return InputError(f"'{source}' is corrupt or truncated ({reason}); replace it or exclude it.")


class LogStream(io.RawIOBase):
    """The decompressed bytes of a file.

    What goes wrong in reading them is an `InputError` that names the file; what goes wrong with
    whatever is done with them is not.
    """

    def __init__(self, path: Path, compression: str | None = None, name: str | None = None) -> None:
        self._name = name or str(path)
        self._read = 0
        try:
            self._packed_size = path.stat().st_size
            self._file = _open(path, compression or compression_at(path, name))
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
            size = cast("int", self._file.readinto(buffer))  # type: ignore[attr-defined]
        except (EOFError, zlib.error, zstd.ZstdError, OSError) as error:
            raise self._unreadable(error) from None
        self._read += size
        if not self.seekable():
            require_no_bomb(self._name, self._read, self._packed_size)
        return size

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._file.close()
        super().close()

    def _unreadable(self, error: Exception) -> InputError:
        if isinstance(error, OSError) and error.strerror:
            return InputError(f"Cannot read '{self._name}': {error.strerror}.")
        return damaged(self._name, error)


def _open(path: Path, compression: str) -> IO[bytes]:
    if compression == GZIP:
        return cast("IO[bytes]", gzip.open(path, "rb"))
    if compression == ZSTD:
        return cast("IO[bytes]", zstd.ZstdFile(path, options=ANY_WINDOW))
    if compression == BZIP2:
        return cast("IO[bytes]", bz2.open(path, "rb"))
    return path.open("rb", buffering=0)
