"""The files in a zip file, one after the other."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from user_conversion.inputs.compression import CHUNK, damaged, require_no_bomb
from user_conversion.inputs.input_file import is_hidden
from user_conversion.inputs.kinds.content import Sample, Wanted, Zip
from user_conversion.rules.errors import InputError

BROKEN = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError),
    NotImplementedError,  # a compression that Python does not know
)
ENCRYPTED = 1
MAGIC = (b"PK\3\4", b"PK\5\6")


def recognise(sample: Sample, wanted: Wanted) -> Zip | None:
    """Whether a file is a zip file."""
    return Zip() if sample.data.startswith(MAGIC) else None


def opened(path: Path, source: str) -> zipfile.ZipFile:
    """The zip file at a path; raises `InputError` if it cannot be read."""
    try:
        return zipfile.ZipFile(path)
    except BROKEN as error:
        raise damaged(source, error) from None


def members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The files in it that are not hidden, in order; `__MACOSX` is a hidden folder."""
    return [
        member
        for member in archive.infolist()
        if not member.is_dir() and not any(map(is_hidden, PurePosixPath(member.filename).parts))
    ]


def extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, source: str) -> None:
    """Write a file of a zip file to `target`.

    Raises `InputError` if it is encrypted, or much larger than it seems.
    """
    require_no_bomb(source, member.file_size, member.compress_size)
    if member.flag_bits & ENCRYPTED:
        raise InputError(f"'{source}' is encrypted; decrypt it or exclude it.")
    with target.open("wb") as unpacked:
        for chunk in _chunks(archive, member, source):
            unpacked.write(chunk)


def _chunks(archive: zipfile.ZipFile, member: zipfile.ZipInfo, source: str) -> Iterator[bytes]:
    try:
        with archive.open(member) as packed:
            while chunk := packed.read(CHUNK):
                yield chunk
    except BROKEN as error:
        raise damaged(source, error) from None
