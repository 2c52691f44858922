"""Which files hold the raw events."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from user_conversion.rules.errors import InputError

# Hadoop and Spark do not read files and folders with such names either.
HIDDEN = ("_", ".")


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
                # A pipe can be read only once, and a log is read several times.
                raise InputError(f"'{path}' is not a regular file; write the events to one first.")
            path.open("rb").close()
        except OSError as error:
            raise InputError(f"Cannot read '{path}': {error.strerror}.") from None
        return cls(path, status.st_size, status.st_mtime_ns)

    def is_unchanged(self) -> bool:
        """Whether the file still is as it was."""
        try:
            return InputFile.at(self.path) == self
        except InputError:
            return False


@dataclass(frozen=True)
class SkippedFile:
    """A file in a folder, or in a zip file, that is not a log, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Found:
    """The files that `--input` names, each once, in order of their paths.

    `named` has those that were named themselves and not only found in a folder.
    """

    files: list[InputFile]
    skipped: list[SkippedFile]
    named: frozenset[Path]

    def only(self, files: list[InputFile]) -> Found:
        """The same with fewer files."""
        return replace(self, files=files)


def find_files(inputs: Sequence[str], apart_from: Collection[Path] = ()) -> Found:
    """The files, the files in folders (recursively) and the matches of globs.

    `apart_from` has files that are never read, and folders that are not looked into. Raises
    `InputError` if a path does not exist or there is no file.
    """
    named, in_folders = set(), set()
    excluded = {path.resolve() for path in apart_from}
    for path in (path for text in inputs for path in _matches(text)):
        if path.is_dir():
            in_folders |= {file.resolve() for file in _walk(path, excluded)}
        else:
            named.add(path.resolve())
    named -= excluded
    in_folders -= excluded | named
    special = {path for path in in_folders if _is_special(path)}
    found = sorted(named | (in_folders - special))
    if not found:
        raise InputError(
            f"No files in {', '.join(map(repr, inputs))}; names that begin with '_' or '.' are "
            "ignored."
        )
    return Found(
        [InputFile.at(path) for path in found],
        [SkippedFile(str(path), "not a regular file") for path in sorted(special)],
        frozenset(named),
    )


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is ignored in a folder."""
    return name.startswith(HIDDEN)


def _is_special(path: Path) -> bool:
    return path.exists() and not path.is_file()


def _matches(text: str) -> list[Path]:
    # A path that exists is never taken for a glob, whatever characters it has.
    if os.path.lexists(text):
        return [Path(text)]
    if not glob.has_magic(text):
        raise InputError(f"'{text}' does not exist.")
    matches = [Path(match) for match in glob.glob(text, recursive=True)]  # noqa: PTH207
    if not matches:
        raise InputError(f"Nothing matches '{text}'.")
    return matches


def _walk(folder: Path, excluded: Collection[Path]) -> Iterator[Path]:
    # Links may lead to the same folder in many ways, and in circles.
    seen = {folder.resolve(), *excluded}
    try:
        for parent, folders, names in os.walk(folder, followlinks=True, onerror=_fail):
            new = {Path(parent, name).resolve(): name for name in folders if not is_hidden(name)}
            folders[:] = [name for real, name in new.items() if real not in seen]
            seen |= new.keys()
            yield from (Path(parent, name) for name in names if not is_hidden(name))
    except OSError as error:
        raise InputError(f"Cannot read '{error.filename}': {error.strerror}.") from None


def _fail(error: OSError) -> None:
    raise error
