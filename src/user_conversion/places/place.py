"""A place where small documents are read and written: a folder, or an address in a store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from user_conversion.rules.addresses import is_address


class Place(Protocol):
    """A folder or a store; its text is what people call it."""

    def read(self, name: str) -> bytes | None:
        """The content of a file, None if there is none."""

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all."""

    def of(self, name: str) -> str:
        """What people call a file."""


@dataclass(frozen=True)
class Folder:
    """A folder as a place. Raises `OSError` for what cannot be read or written."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def read(self, name: str) -> bytes | None:
        """See `Place.read`."""
        try:
            return (self.path / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, name: str, content: bytes) -> None:
        """See `Place.write`."""
        replace_file(self.path / name, content)

    def of(self, name: str) -> str:
        """See `Place.of`."""
        return str(self.path / name)


def place_at(where: str | Path) -> Place:
    """The place at a path or address. Raises `StoreError` if a store cannot be opened."""
    if is_address(where):
        from user_conversion.places.store import Store

        return Store(str(where))
    return Folder(Path(where))


def replace_file(target: Path, content: bytes) -> None:
    """Write a file, whole or not at all. A link stays, and what it leads to is replaced."""
    target = target.resolve()
    unfinished = target.with_name(f".{target.name}.begun")
    try:
        unfinished.unlink(missing_ok=True)
        with unfinished.open("xb") as file:
            file.write(content)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
