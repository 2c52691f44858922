"""A place where small documents are read and written: a folder, or an address in a store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Union

from user_conversion.rules.addresses import is_address
from user_conversion.rules.errors import StoreError

if TYPE_CHECKING:
    from user_conversion.places.stores.store import Store

Place: TypeAlias = Union["Folder", "Store"]


@dataclass(frozen=True)
class Folder:
    """A folder as a place. Raises `OSError` for what cannot be read or written."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def read(self, name: str) -> bytes | None:
        """The content of a file, None if there is none."""
        try:
            return (self.path / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all."""
        replace_file(self.path / name, content)

    def of(self, name: str) -> str:
        """What people call a file."""
        return str(self.path / name)


def place_at(where: str) -> Place:
    """The place at a path or address."""
    return store_at(where) if is_address(where) else Folder(Path(where))


def store_at(address: str) -> Store:
    """The place at an address. Raises `StoreError` if it cannot be opened."""
    try:
        from user_conversion.places.stores.store import Store
    except ImportError:
        raise StoreError(
            f"'{address}' is in an object store, which needs a package: pip install obstore."
        ) from None
    return Store(address)


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
