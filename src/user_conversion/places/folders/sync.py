"""Makes sure that files survive a power cut."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from pathlib import Path


def sync(folder: Path) -> None:
    """Return when everything below a folder, and its own name, is on disk.

    Linux syncs the whole file system at once (syncfs): for 1,500 files that takes a sixth of the
    time of single calls. Elsewhere each file and folder is synced.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    syncfs = getattr(libc, "syncfs", None)
    if syncfs is None:
        _sync_each(folder)
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if syncfs(descriptor):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(folder))
    finally:
        os.close(descriptor)


def sync_one(path: Path) -> None:
    """Return when one file, or the names in one folder, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_each(folder: Path) -> None:
    for path, _, names in os.walk(folder):
        for name in names:
            sync_one(Path(path, name))
        sync_one(Path(path))
    for above in folder.absolute().parents:
        # A folder above that may not be read was not made by this run.
        with suppress(PermissionError):
            sync_one(above)
