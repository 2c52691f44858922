"""An input file as it was found, and which names in a folder or store are no input."""

from __future__ import annotations

import stat
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

import xxhash

from user_conversion.rules.addresses import is_address
from user_conversion.rules.errors import InputError

# Hadoop and Spark do not read files and folders with such names either.
HIDDEN = ("_", ".")
STANDARD_INPUT = "-"
# What is in the folder of a table that has a log of its own.
LAKES = {"_delta_log": "Delta Lake", ".hoodie": "Hudi"}


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file of raw events as it was when the run began; `name` is what people call it.

    It is at the path `where`. If it is an object in a store, `name` is its address, `tag` changes
    with its content, and `where` is the folder that it is fetched to.
    """

    where: str = field(compare=False)
    size: int
    modified_ns: int
    name: str
    tag: str = ""

    @classmethod
    def at(cls, path: Path) -> InputFile:
        """The file at a path. Raises `InputError` if there is none that can be read twice."""
        try:
            status = path.stat()
        except OSError as error:
            raise InputError(f"Cannot read '{path}': {error.strerror}.") from None
        if not stat.S_ISREG(status.st_mode):
            # A pipe can be read only once, and a log is read several times.
            raise InputError(
                f"'{path}' is not a regular file; write the events to one first, or pipe them "
                "into --input -."
            )
        return cls(str(path), status.st_size, status.st_mtime_ns, str(path))

    @property
    def path(self) -> Path:
        """Where it is on this machine, an object when it is fetched."""
        if not self.is_object:
            return Path(self.where)
        return Path(self.where, xxhash.xxh3_128_hexdigest(f"{self.name} {self.tag}".encode()))

    @property
    def is_object(self) -> bool:
        """Whether it is an object in a store."""
        return is_address(self.name)

    def is_unchanged(self) -> bool:
        """Whether the file still is as it was; of an object there is a copy here."""
        try:
            now = InputFile.at(self.path)
            return self.is_object or (now.modified_ns == self.modified_ns and now.size == self.size)
        except InputError:
            return False


@dataclass(frozen=True)
class SkippedFile:
    """A file in a folder, or in a zip file, that is not a log, and why."""

    path: str
    reason: str


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is ignored in a folder."""
    return name.startswith(HIDDEN)


def is_excluded(path: str, exclude: Sequence[str]) -> bool:
    """Whether a path below an input, or its last part, matches a glob of those."""
    both = (path.rpartition("/")[2], path)
    return any(fnmatchcase(each, glob) for glob in exclude for each in both)


def require_no_lake(folder: str, names: Collection[str]) -> None:
    """Raise `InputError` for a table whose own log says which of its files count.

    `names` are those in the folder, and in its folder `metadata`.
    """
    kinds = [kind for mark, kind in LAKES.items() if mark in names]
    if any(fnmatchcase(name, "metadata/*.metadata.json") for name in names):
        kinds.append("Iceberg")
    if kinds:
        raise InputError(
            f"'{folder}' is a table of {kinds[0]}, which is not the sum of its files: export it to "
            "Parquet or JSON first, with a tool that reads such tables."
        )
