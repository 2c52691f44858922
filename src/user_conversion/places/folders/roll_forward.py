"""The manifest of a publication, `publish.json`, carried out by renaming.

All renames are within one file system. Each can be repeated after it was interrupted.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from user_conversion.places.documents import Document
from user_conversion.places.layout import DATASETS
from user_conversion.rules.errors import OutputError

SINGLE_FILE = "part-0.parquet"
TOP = "."
AT_FDCWD = -100
RENAME_EXCHANGE = 2


class Manifest(Document, frozen=True, tag=1):
    """The names of the new files by folder, and the folders to remove.

    Folders are relative to the output folder. The files of a folder replace all that is in it,
    except in the output folder itself.
    """

    folders: dict[str, list[str]]
    drops: list[str]

    @classmethod
    def of(
        cls, staged: Path, files: Iterable[Path], drops: Iterable[str], output: Path
    ) -> Manifest:
        """The manifest of staged files by their relative paths; some of the files are renamed."""
        folders: dict[str, list[str]] = {}
        for file in sorted(files):
            folders.setdefault(str(file.parent), []).append(file.name)
        for folder, names in folders.items():
            if folder != TOP and not (
                names == [SINGLE_FILE] and _names_in(output / folder) <= {SINGLE_FILE}
            ):
                folders[folder] = _rename_apart(staged / folder, names)
        return cls(folders=folders, drops=sorted(drops))


def _rename_apart(folder: Path, names: list[str]) -> list[str]:
    """Give the files unique names, so that a half-finished swap can be recognised after a crash."""
    token = os.urandom(8).hex()
    new_names = [f"part-{number:05}-{token}.parquet" for number in range(len(names))]
    for old, new in zip(names, new_names, strict=True):
        (folder / old).rename(folder / new)
    return new_names


def _names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def roll_forward(manifest: Manifest, staging: Path, output: Path) -> None:
    """Move what is staged into place. Can be repeated after it was interrupted."""
    dropped = staging / "dropped"
    dropped.mkdir(exist_ok=True)
    _move_new_folders(staging / "new", output)
    for folder, names in manifest.folders.items():
        staged, live = staging / "new" / folder, output / folder
        if folder == TOP or names == [SINGLE_FILE]:
            for name in names:
                _move_file(staged / name, live / name)
        elif sorted(path.name for path in live.iterdir()) != names:
            exchange(staged, live, dropped / folder.replace("/", "."))
    for folder in manifest.drops:
        # In one step, so that no reader finds half of a partition.
        if (output / folder).exists():
            (output / folder).rename(dropped / folder.replace("/", "."))


def _move_new_folders(staged: Path, live: Path) -> None:
    """Move folders that were not there before whole: a new dataset takes one step."""
    for folder in [path for path in staged.iterdir() if path.is_dir()]:
        target = live / folder.name
        if target.exists():
            _move_new_folders(folder, target)
        else:
            folder.rename(target)


def _move_file(staged: Path, live: Path) -> None:
    """Put a file in the place of another one, unless an interrupted run has done so."""
    if staged.exists() or not live.exists():
        staged.replace(live)


def exchange(staged: Path, live: Path, aside: Path) -> None:
    """Put a folder in the place of another one, in one step (renameat2 of Linux).

    Elsewhere, and on file systems without it, `live` is missing between two renames.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    paths = os.fsencode(staged), os.fsencode(live)
    renameat2 = getattr(libc, "renameat2", None)
    if not renameat2 or renameat2(AT_FDCWD, paths[0], AT_FDCWD, paths[1], RENAME_EXCHANGE):
        live.rename(aside)
        staged.rename(live)


def require_possible(output: Path, staging: Path) -> None:
    """Raise `OutputError` if a folder of the datasets cannot be moved, `OSError` without rights.

    Nothing is moved: a folder cannot replace one that is not empty, but a mount point, a link, and
    a folder of a lower layer of an overlay file system are refused for another reason.
    """
    taken = staging / "taken"
    (taken / "in use").mkdir(parents=True, exist_ok=True)
    for folder in _folders(output):
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        try:
            folder.rename(taken)
        except OSError as error:
            if error.errno in (errno.EXDEV, errno.EBUSY, errno.EISDIR):
                raise OutputError(
                    f"'{folder}' is a mount point, a link, or on another file system: a whole "
                    "output must be on one. Move it there, or choose another --output."
                ) from None
        else:
            taken.rename(folder)  # a file system that does replace it


def _folders(output: Path) -> Iterator[Path]:
    """The folders of the datasets in an output folder."""
    for top in (output / name for name in DATASETS):
        if top.exists():
            yield top
        for here, folders, _ in os.walk(top):
            yield from (Path(here, folder) for folder in folders)
