"""Moving staged files and folders into place: by renaming, else by copying.

A rename fails where the target is on another volume, is a mount point, or is a folder in a lower
layer of an overlay file system. All functions can be repeated after they were interrupted.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from user_conversion.places.sync import sync, sync_one

AT_FDCWD = -100
RENAME_EXCHANGE = 2


def move_file(staged: Path, live: Path) -> None:
    """Put a file in the place of another one, in one step for its readers."""
    if live.exists() and not staged.exists():
        return  # a run that was killed has moved it
    try:
        staged.replace(live)
    except OSError as error:
        _require_no_rename(error)
        copy = live.with_name(f".{live.name}.copying")
        shutil.copyfile(staged, copy)
        sync_one(copy)
        copy.replace(live)
        sync(live.parent)


def move_folder(staged: Path, live: Path, names: Collection[str]) -> None:
    """Put a folder with files of new names in the place of another one.

    Readers find either folder, never both; but if the folder cannot be renamed, they find the files
    of both while it is copied.
    """
    live.parent.mkdir(parents=True, exist_ok=True)
    try:
        if live.exists():
            exchange(staged, live)
        else:
            staged.rename(live)
    except OSError as error:
        _require_no_rename(error)
        live.mkdir(exist_ok=True)
        for name in names:
            move_file(staged / name, live / name)
        _remove_all_but(names, live)
        sync(live)


def remove_folder(live: Path, aside: Path) -> None:
    """Move a folder away in one step; if that is not possible, delete it."""
    # Linux says that a folder on another volume cannot be renamed, even if it is gone.
    if not live.exists():
        return
    try:
        live.rename(aside)
    except OSError as error:
        _require_no_rename(error)
        _remove_all_but((), live)
        with suppress(OSError):
            live.rmdir()  # fails for a mount point, which stays and is empty
        sync(live.parent)


def exchange(one: Path, other: Path) -> None:
    """Swap two folders of one file system, so that nobody ever finds either missing.

    Linux does this in one step (renameat2). Elsewhere, and on file systems without it, `other`
    is missing for the instant between two renames.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    paths = os.fsencode(one), os.fsencode(other)
    renameat2 = getattr(libc, "renameat2", None)
    if renameat2 and not renameat2(AT_FDCWD, paths[0], AT_FDCWD, paths[1], RENAME_EXCHANGE):
        return
    aside = one.with_name(one.name + ".aside")
    other.rename(aside)
    one.rename(other)
    aside.rename(one)


def can_rename(staging: Path, folder: Path) -> bool:
    """Whether files can be renamed from a staging folder into another folder.

    Linux compares the mounts before it looks for the file, so a file that does not exist is enough
    to ask. Comparing devices would miss a part of the same volume that is mounted again.
    """
    try:
        (staging / ".absent").rename(folder / ".absent")
    except FileNotFoundError:
        return True
    except OSError as error:
        _require_no_rename(error)
    return False


def _require_no_rename(error: OSError) -> None:
    """Raise an error again unless it says that a rename is not possible there."""
    if error.errno not in (errno.EXDEV, errno.EBUSY):
        raise error


def _remove_all_but(names: Collection[str], folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name not in names:
            path.unlink()
