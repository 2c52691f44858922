"""The manifest of a publication, `publish.json`: what has to be moved into place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from user_conversion.documents import read_document, write_document

VERSION = 1


@dataclass(frozen=True)
class Manifest:
    """The names of the new files by folder, and the folders to remove.

    Folders are relative to the output folder.
    """

    folders: Mapping[str, list[str]]
    drops: list[str]

    @classmethod
    def load(cls, path: Path) -> Manifest:
        """The manifest in a file. Raises `ValueError` if it cannot be carried out."""
        document = read_document(path, VERSION)
        folders, drops = document.get("folders"), document.get("drops")
        if not isinstance(folders, dict) or not all(map(_are_texts, [*folders.values(), drops])):
            raise ValueError(f"'{path}' is not a manifest")
        return cls(folders, document["drops"])

    def save(self, path: Path) -> None:
        """Write the manifest to a file."""
        write_document(path, {"version": VERSION, **asdict(self)})


def _are_texts(names: Any) -> bool:
    return isinstance(names, list) and all(isinstance(name, str) for name in names)
