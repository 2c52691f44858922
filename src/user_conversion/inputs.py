"""Which files hold the raw events, and the lines in them as bytes."""

from __future__ import annotations

import glob
import gzip
import io
import os
import stat
import zlib
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import IO, Any, cast

from user_conversion.errors import InputError

SUFFIXES = (".json", ".jsonl", ".ndjson")
COMPRESSIONS = (".gz", ".zst")
CHUNK = 1 << 18
# Small, as its data can be a thousand times larger.
COMPRESSED_CHUNK = 1 << 15
LINE_FEED = ord("\n")
# NumPy counts three times as fast; below this size its import takes longer.
NUMPY_PAYS = 256 << 20


@dataclass(frozen=True)
class InputFile:
    """A file of raw events as it was when the run began."""

    path: Path
    size: int
    modified_ns: int

    @classmethod
    def at(cls, path: Path) -> InputFile:
        """The file at a path; raises `InputError` if it cannot be read."""
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                # A pipe can be read only once, and a log is read twice where it has bad lines.
                raise InputError(f"'{path}' is not a regular file; write the events to one first.")
            path.open("rb").close()
        except OSError as error:
            raise InputError(f"Cannot read '{path}': {error.strerror}.") from None
        return cls(path, status.st_size, status.st_mtime_ns)

    @property
    def modified(self) -> datetime:
        """When it was last written, to the microsecond."""
        return datetime.fromtimestamp(self.modified_ns // 1000 / 1e6, UTC)

    def is_unchanged(self) -> bool:
        """Whether the file still is as it was."""
        try:
            return InputFile.at(self.path) == self
        except InputError:
            return False


def is_log(path: Path) -> bool:
    """Whether a file name in a folder looks like a log of events."""
    name = path.name.lower()
    for compression in COMPRESSIONS:
        name = name.removesuffix(compression)
    return name.endswith(SUFFIXES) and not name.startswith((".", "_"))


def find_files(inputs: Sequence[str], apart_from: Collection[Path] = ()) -> list[InputFile]:
    """The files that `--input` names: files, folders (recursively) and globs, each file once.

    Raises `InputError` where a path does not exist or no file is found.
    """
    found = {path.resolve() for text in inputs for path in _expand(text)}
    found -= {path.resolve() for path in apart_from}
    if not found:
        raise InputError(
            f"No event logs in {_listed(inputs)}: expected files that end in "
            f"{', '.join(SUFFIXES)}, plain or compressed ({', '.join(COMPRESSIONS)})."
        )
    return [InputFile.at(path) for path in sorted(found)]


def _listed(inputs: Sequence[str]) -> str:
    return ", ".join(f"'{text}'" for text in inputs)


def _expand(text: str) -> Iterable[Path]:
    path = Path(text)
    if path.is_dir():
        return _walk(path)
    if path.exists():
        return [path]
    if glob.has_magic(text):
        matches = [Path(match) for match in glob.glob(text, recursive=True)]  # noqa: PTH207
        if matches:
            files = [match for match in matches if match.is_file()]
            return files or [file for match in matches for file in _walk(match)]
        raise InputError(f"Nothing matches '{text}'.")
    raise InputError(f"'{text}' does not exist.")


def _walk(folder: Path) -> list[Path]:
    files = []
    # Links may lead to the same folder in many ways, and in circles.
    seen = {folder.resolve()}
    try:
        for parent, folders, names in os.walk(folder, followlinks=True, onerror=_fail):
            new = {Path(parent, name).resolve(): name for name in folders if name[0] != "."}
            folders[:] = [name for real, name in new.items() if real not in seen]
            seen |= new.keys()
            files += [Path(parent, name) for name in names if is_log(Path(name))]
    except OSError as error:
        raise InputError(f"Cannot read '{error.filename}': {error.strerror}.") from None
    return files


def _fail(error: OSError) -> None:
    raise error


@contextmanager
def _reading(path: Path) -> Iterator[IO[bytes]]:
    """Open a log, decompressed, and turn what may go wrong with it into `InputError`."""
    try:
        with _open(path) as file:
            yield file
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"'{path}' is damaged or cut short ({error}); replace it or leave it out."
        ) from None
    except OSError as error:
        raise InputError(f"Cannot read '{path}': {error.strerror or error}.") from None


def _open(path: Path) -> IO[bytes]:
    if path.suffix.lower() == ".gz":
        return cast("IO[bytes]", gzip.open(path, "rb"))
    if path.suffix.lower() == ".zst":
        return cast("IO[bytes]", _ZstandardFile(path))
    return path.open("rb", buffering=0)


class _ZstandardFile(io.RawIOBase):
    """All frames of a file; raises EOFError where it ends within one, or is something else.

    The package's own reader ends silently with the file, or with the first frame.
    """

    def __init__(self, path: Path) -> None:
        import zstandard

        self._file = path.open("rb", buffering=0)
        self._error = zstandard.ZstdError
        self._new_frame = zstandard.ZstdDecompressor().decompressobj
        self._frame: Any = None
        self._compressed = b""
        self._data = memoryview(b"")

    def close(self) -> None:
        self._file.close()
        super().close()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._data and self._refill():
            pass
        size = min(len(buffer), len(self._data))
        memoryview(buffer).cast("B")[:size] = self._data[:size]
        self._data = self._data[size:]
        return size

    def _refill(self) -> bool:
        """Decompress some more; False at the end."""
        compressed = self._compressed or self._file.read(COMPRESSED_CHUNK)
        if not compressed:
            if self._frame:
                raise EOFError("it ends within a frame")
            return False
        self._frame = self._frame or self._new_frame()
        try:
            self._data = memoryview(self._frame.decompress(compressed))
        except self._error as error:
            raise EOFError(error) from None
        self._compressed = self._frame.unused_data if self._frame.eof else b""
        if self._frame.eof:
            self._frame = None
        return True


def _chunks(path: Path) -> Iterator[bytes]:
    with _reading(path) as file:
        while chunk := file.read(CHUNK):
            yield chunk


def count_lines(files: Sequence[InputFile]) -> list[int]:
    """The lines of each file; a last one without a line end counts."""
    count_feeds = _feed_counter(sum(file.size for file in files))
    buffer = bytearray(CHUNK)  # only one, which stays in the processor's cache
    counts = []
    for file in files:
        lines, last = 0, LINE_FEED
        with _reading(file.path) as opened:
            while size := opened.readinto(buffer):  # type: ignore[attr-defined]
                lines += count_feeds(buffer, size)
                last = buffer[size - 1]
        counts.append(lines + (last != LINE_FEED))
    return counts


def _feed_counter(size: int) -> Callable[[bytearray, int], int]:
    """What counts the line feeds in the first bytes of a buffer, for so many bytes in all."""
    if size < NUMPY_PAYS:
        return lambda buffer, size: buffer.count(LINE_FEED, 0, size)
    import numpy as np

    is_feed = np.empty(CHUNK, dtype=bool)

    def count(buffer: bytearray, size: int) -> int:
        np.equal(np.frombuffer(buffer, np.uint8, size), LINE_FEED, out=is_feed[:size])
        return int(np.count_nonzero(is_feed[:size]))

    return count


def longest_line(path: Path) -> int:
    """The length in bytes of the longest line."""
    longest = 0
    length = 0
    for chunk in _chunks(path):
        first, *rest = chunk.split(b"\n")
        length += len(first)
        for part in rest:
            longest, length = max(longest, length), len(part)
    return max(longest, length)


def line_batches(path: Path) -> Iterator[list[bytes]]:
    """The lines of a file in order, without their line feeds, many at a time."""
    parts: list[bytes] = []
    for chunk in _chunks(path):
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
        with _reading(file.path) as opened:
            if file.path.suffix.lower() not in COMPRESSIONS:
                opened.seek(position - (ends[number] - file.size))
            sampled.append(opened.read(size))
    return b"\n".join(sampled)
