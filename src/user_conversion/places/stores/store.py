"""Object stores (`s3://`, `gs://`, `az://`, `abfss://`): list, fetch, put, copy, delete.

A store is opened by its address; `store_access` has its credentials. What goes wrong is one
sentence, which `store_errors` writes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import obstore
from obstore.exceptions import BaseError, GenericError, PreconditionError
from obstore.store import ObjectStore

from user_conversion.places.stores.access import opened
from user_conversion.places.stores.errors import CODES, code_of, is_final, reason_of
from user_conversion.places.stores.parallel import all_of
from user_conversion.rules.addresses import split_address
from user_conversion.rules.errors import StoreError

# One request for so many bytes: a request that takes longer than its time-out is begun again.
PART = 16 << 20
TRIES = 4
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as a listing has it; `tag` changes with its content."""

    name: str
    size: int
    tag: str


class Store:
    """A place in an object store. Names of objects are relative to its address."""

    def __init__(self, address: str, raw: ObjectStore | None = None) -> None:
        self.address = address.rstrip("/")
        self._bucket, prefix = split_address(self.address)
        self._prefix = f"{prefix}/" if prefix else ""
        self._raw = raw or opened(self._bucket)

    def list(self, below: str = "") -> list[StoredObject]:
        """The objects below a name, which ends where a part of a path ends; in order."""
        start = (self._prefix + below).rstrip("/")

        def pages() -> list[StoredObject]:
            found = obstore.list(self._raw, start or None, chunk_size=1000)
            return [self._stored(meta) for page in found for meta in page]

        with self._errors("list", below):
            return sorted(_again(pages), key=lambda each: each.name)

    def find(self, name: str = "") -> StoredObject | None:
        """One object, None if there is none."""
        try:
            with self._errors("read", name):
                return self._stored(_again(lambda: obstore.head(self._raw, self._key(name))))
        except FileNotFoundError:
            return None

    def __str__(self) -> str:
        return self.address

    def read(self, name: str) -> bytes | None:
        """See `Folder.read`."""
        found = self.read_version(name)
        return found[0] if found else None

    def read_version(self, name: str) -> tuple[bytes, dict[str, str]] | None:
        """The content of a small object and its version, None if there is none."""

        def get() -> tuple[bytes, dict[str, str]]:
            found = obstore.get(self._raw, self._key(name))
            content = bytes(found.bytes())
            _require_size(len(content), found.meta["size"])
            return content, _version(found.meta)

        try:
            with self._errors("read", name):
                return _again(get)
        except FileNotFoundError:
            return None

    def fetch(self, name: str, tag: str, target: Path, start: int, end: int) -> None:
        """Write some bytes of an object to their place in a file that exists.

        Raises `StoreError` if the object is not the one that was listed any more.
        """
        options: Any = {"range": (start, end), "if_match": tag or None}

        def get() -> None:
            part = obstore.get(self._raw, self._key(name), options=options).bytes()
            # Some stores and proxies end an answer early without an error.
            _require_size(len(part), end - start)
            with target.open("r+b") as file:
                file.seek(start)
                file.write(part)

        try:
            with self._errors("read", name):
                _again(get)
        except (FileNotFoundError, PreconditionError):
            raise StoreError(f"'{self.of(name)}' changed while it was read; run again.") from None

    def bring(self, objects: Iterable[StoredObject], folder: Path) -> None:
        """Write objects to files of their names below a folder. Raises as `fetch`."""
        wanted = list(objects)
        for each in wanted:
            (folder / each.name).parent.mkdir(parents=True, exist_ok=True)
            (folder / each.name).touch()

        def part(task: tuple[StoredObject, int]) -> None:
            each, start = task
            end = min(start + PART, each.size)
            self.fetch(each.name, each.tag, folder / each.name, start, end)

        all_of(part, ((each, at) for each in wanted for at in range(0, each.size, PART)))

    def write(self, name: str, content: bytes | Path) -> None:
        """See `Folder.write`. Writing an object again makes no difference."""
        with self._errors("write", name):
            _again(lambda: obstore.put(self._raw, self._key(name), content))

    def swap(self, name: str, content: bytes, version: Mapping[str, str] | None) -> dict[str, str]:
        """Write an object if its version still is this one, or if there is none.

        It is not repeated: the caller has to look at what is there. Raises obstore's errors.
        """
        mode: Any = dict(version) if version else "create"
        return _version(obstore.put(self._raw, self._key(name), content, mode=mode))

    def copy(self, source: str, target: str) -> None:
        """Copy an object within the store. Raises `FileNotFoundError` if there is no source."""
        with self._errors("write", target):
            _again(lambda: obstore.copy(self._raw, self._key(source), self._key(target)))

    def delete(self, names: Sequence[str]) -> None:
        """Delete objects; if one is gone already, that makes no difference."""
        keys = [self._key(name) for name in names]
        if keys:
            with self._errors("delete", names[0]):
                try:
                    _again(lambda: obstore.delete(self._raw, keys))
                except FileNotFoundError:
                    for key in keys:
                        with suppress(FileNotFoundError):
                            _again(partial(obstore.delete, self._raw, key))

    def of(self, name: str) -> str:
        """The address of an object."""
        return f"{self.address}/{name}" if name else self.address

    def refusal(self, action: str, name: str, error: Exception) -> StoreError:
        """What went wrong, as one sentence."""
        return StoreError(f"Cannot {action} '{self.of(name)}': {reason_of(error)}.")

    @contextmanager
    def _errors(self, action: str, name: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            if code_of(error) in CODES:
                raise self.refusal(action, name, error) from None
            raise
        except PreconditionError:
            raise
        except (BaseError, ConnectionError, ValueError) as error:
            raise self.refusal(action, name, error) from None

    def _key(self, name: str) -> str:
        return self._prefix + name if name else self._prefix.rstrip("/")

    def _stored(self, meta: Mapping[str, Any]) -> StoredObject:
        tag = meta.get("e_tag") or meta.get("version") or ""
        return StoredObject(meta["path"].removeprefix(self._prefix), meta["size"], tag)


def _again(request: Callable[[], T]) -> T:
    """Do a request that can be repeated until it works; obstore does not repeat all."""
    for attempt in range(TRIES - 1):
        try:
            return request()
        except (GenericError, ConnectionError) as error:
            if is_final(error):
                raise
            time.sleep(0.1 * 4**attempt)
    return request()


def _require_size(arrived: int, size: int) -> None:
    if arrived != size:
        raise ConnectionError(f"{arrived:,} of {size:,} bytes arrived")


def _version(meta: Mapping[str, Any]) -> dict[str, str]:
    # Google's store compares its own generation, the others the ETag.
    return {key: meta[key] for key in ("e_tag", "version") if meta.get(key)}
