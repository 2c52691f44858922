"""Which files hold the raw events."""

from __future__ import annotations

import glob
import os
import shutil
import stat
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from user_conversion.inputs.input_file import (
    STANDARD_INPUT,
    InputFile,
    SkippedFile,
    is_excluded,
    is_hidden,
    require_no_lake,
)
from user_conversion.inputs.objects import Objects
from user_conversion.rules.addresses import is_address
from user_conversion.rules.errors import InputError

# What a file system keeps for itself; only root may read it.
LOST_AND_FOUND = "lost+found"
LEADS_NOWHERE = "a link that leads to itself or nowhere"
STREAM = "/dev/stdin"


@dataclass
class Found:
    """The files that `--input` names, each once, in order of their paths.

    `named` has those that were named themselves and not only found in a folder.
    """

    files: list[InputFile] = field(default_factory=list)
    skipped: list[SkippedFile] = field(default_factory=list)
    named: set[Path] = field(default_factory=set)


def find_files(
    inputs: Sequence[str],
    apart_from: Collection[str] = (),
    exclude: Sequence[str] = (),
    objects: Objects | None = None,
) -> Found:
    """The files, the files in folders (recursively) and the matches of globs; also in stores.

    `apart_from` has places that are not looked into; `exclude` has globs of names, or of paths
    below the input, that are left out. Raises `InputError` if a path does not exist or there is no
    file.
    """
    folders = {Path(place).resolve() for place in apart_from if not is_address(place)}
    search = _Search(folders, exclude)
    for text in inputs:
        if objects and is_address(text):
            files = objects.find(text, apart_from, exclude)
            search.files.update((file.name, file) for file in files)
            search.named |= {file.path for file in files if file.name == text.rstrip("/")}
            continue
        for path in _matches(text):
            search.add(path)
    if not search.files:
        left_out = f" or match {', '.join(map(repr, exclude))}" if exclude else ""
        skipped = (f" '{each.path}' is {each.reason}." for each in search.skipped.values())
        raise InputError(
            f"No files in {', '.join(map(repr, inputs))}; names that begin with '_' or '.'"
            f"{left_out} are not read, nor is the output.{next(skipped, '')}"
        )
    return Found(
        # As by the parts of their names, which would take more memory.
        sorted(search.files.values(), key=lambda each: each.name.replace("/", "\0")),
        sorted(search.skipped.values(), key=lambda each: each.path),
        search.named,
    )


def is_standard_input(text: str) -> bool:
    """Whether an input is what is piped into the command."""
    return text in (STANDARD_INPUT, STREAM)


def spooled(stream_folder: Path) -> InputFile:
    """Standard input as a file in a folder: a log is read several times."""
    if sys.stdin is None:
        raise InputError("Cannot read standard input: it is closed.")
    stream_folder.mkdir(parents=True, exist_ok=True)
    path = stream_folder / "standard-input"
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return replace(InputFile.at(path.resolve()), name=STANDARD_INPUT)


class _Search:
    """Collects files by their real path, so that each is found once whatever leads to it."""

    def __init__(self, apart_from: Collection[Path], exclude: Sequence[str]) -> None:
        self.files: dict[str, InputFile] = {}
        self.skipped: dict[str, SkippedFile] = {}
        self.named: set[Path] = set()
        self._seen = {str(path) for path in apart_from}
        self._exclude = exclude

    def add(self, path: Path) -> None:
        """Add what an input names: a file, or all files in a folder."""
        real = _followed(path)
        if real is None:
            raise InputError(f"Cannot read '{path}': it is {LEADS_NOWHERE}.")
        if is_excluded(path.name, self._exclude):
            return
        if real.is_dir():
            self._walk(str(real), "")
        else:
            self.files[str(real)] = InputFile.at(real)
            self.named.add(real)

    def _walk(self, folder: str, below: str) -> None:
        # Links may lead to the same folder in many ways, and in circles.
        if folder in self._seen:
            return
        self._seen.add(folder)
        entries = _entries(folder)
        names = [entry.name for entry in entries]
        if "metadata" in names:
            names += [f"metadata/{path.name}" for path in Path(folder, "metadata").glob("*.json")]
        require_no_lake(folder, names)
        for entry in entries:
            name = below + entry.name
            if is_hidden(entry.name) or is_excluded(name, self._exclude):
                continue
            real = _followed(Path(entry.path)) if entry.is_symlink() else entry.path
            if entry.name == LOST_AND_FOUND:
                self._skip(entry.path, "a folder of the file system")
            elif real is None:
                self._skip(entry.path, LEADS_NOWHERE)
            else:
                self._look_at(str(real), name)

    def _look_at(self, path: str, name: str) -> None:
        """Add what is at a real path: a file, or all in a folder; once."""
        status = os.stat(path)  # noqa: PTH116
        if stat.S_ISDIR(status.st_mode):
            self._walk(path, f"{name}/")
        elif path in self._seen:
            return
        elif stat.S_ISREG(status.st_mode):
            file = InputFile(path, status.st_size, status.st_mtime_ns, path)
            self.files.setdefault(path, file)
        else:
            self._skip(path, "not a regular file")

    def _skip(self, path: str, reason: str) -> None:
        self.skipped[path] = SkippedFile(path, reason)


def _followed(path: Path) -> Path | None:
    """Where a path leads; None if that is itself or nowhere."""
    try:
        return path.resolve(strict=True)
    except (OSError, RuntimeError):  # Python before 3.13 raises the latter for circles
        return None


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(
            f"Cannot read '{error.filename}': {error.strerror}; leave it out with --exclude, or "
            "ask for the permission."
        ) from None


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
