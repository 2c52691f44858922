"""Carries out the manifest of a publication, and checks beforehand that it can be."""

from __future__ import annotations

import errno
import os
from collections import Counter
from pathlib import Path

from user_conversion.places.manifest import SINGLE_FILE, TOP, Manifest
from user_conversion.places.renaming import can_rename, move_file, move_folder, remove_folder


def roll_forward(manifest: Manifest, staging: Path, output: Path) -> None:
    """Move what is staged into place. Can be repeated after it was interrupted."""
    _move_new_folders(staging / "new", output, staging)
    for folder, names in manifest.folders.items():
        staged, live = staging / "new" / folder, output / folder
        if folder == TOP or names == [SINGLE_FILE]:
            live.mkdir(parents=True, exist_ok=True)
            for name in names:
                move_file(staged / name, live / name)
        elif not live.exists() or sorted(path.name for path in live.iterdir()) != names:
            move_folder(staged, live, names)
    dropped = staging / "dropped"
    dropped.mkdir(exist_ok=True)
    for folder in manifest.drops:
        # In one step, so that no reader finds half of a partition.
        remove_folder(output / folder, dropped / folder.replace("/", "."))


def _move_new_folders(staged: Path, live: Path, staging: Path) -> None:
    """Move folders that were not there before whole: a new dataset takes one step."""
    for folder in [path for path in staged.iterdir() if path.is_dir()]:
        target = live / folder.name
        if target.exists():
            _move_new_folders(folder, target, staging)
        elif can_rename(staging, live):
            folder.rename(target)


def require_possible(manifest: Manifest, staging: Path, output: Path) -> None:
    """Raise `OSError` if a folder may not be changed, or if another volume has too little room."""
    room: Counter[Path] = Counter()
    for folder in (*manifest.folders, *manifest.drops):
        live = output / folder
        there = live if live.exists() else _nearest(live.parent)
        _require_writable(there)
        if live.exists() and manifest.folders.get(folder) != [SINGLE_FILE] and folder != TOP:
            _require_writable(live.parent)
        if not can_rename(staging, there):
            staged = (staging / "new" / folder / name for name in manifest.folders.get(folder, ()))
            room[there] += sum(file.stat().st_size for file in staged)
    _require_room(room)


def _nearest(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    return folder if folder.exists() else _nearest(folder.parent)


def _require_writable(folder: Path) -> None:
    if not os.access(folder, os.W_OK | os.X_OK):
        read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
        raise _error(errno.EROFS if read_only else errno.EACCES, folder)


def _require_room(needed: Counter[Path]) -> None:
    """Raise `OSError` unless the copies fit beside what they replace."""
    by_volume: Counter[int] = Counter()
    for folder, size in needed.items():
        by_volume[folder.stat().st_dev] += size
    for folder in needed:
        free = os.statvfs(folder)
        if by_volume[folder.stat().st_dev] > free.f_bavail * free.f_frsize:
            raise _error(errno.ENOSPC, folder)


def _error(code: int, folder: Path) -> OSError:
    return OSError(code, os.strerror(code), str(folder))
