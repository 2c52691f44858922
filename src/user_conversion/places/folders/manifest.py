"""The manifest of a publication, `publish.json`: what has to be moved into place."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from user_conversion.places.documents import Document

SINGLE_FILE = "part-0.parquet"
TOP = "."


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
