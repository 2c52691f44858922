"""Swapping two folders in one step, where the system can do it."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

AT_FDCWD = -100
RENAME_EXCHANGE = 2


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
