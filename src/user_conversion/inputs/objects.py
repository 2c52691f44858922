"""Logs in object stores: which objects there are, and the new ones as files in a scratch folder."""

from __future__ import annotations

import glob
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache
from itertools import takewhile, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from user_conversion.inputs.input_file import (
    LAKES,
    InputFile,
    is_excluded,
    is_hidden,
    require_no_lake,
)
from user_conversion.places.place import store_at
from user_conversion.places.progress import watched
from user_conversion.places.stores.parallel import all_of
from user_conversion.rules.addresses import split_address
from user_conversion.rules.errors import InputError, StoreError

if TYPE_CHECKING:
    from user_conversion.places.stores.store import StoredObject

MB = 1e6
# One request for so many bytes: a request that takes longer than its time-out is begun again.
PART = 16 << 20
# Objects that are here at the same time take at most this share of the free disk: those of a batch
# that is read, and of the next one.
SHARE_OF_DISK = 1 / 2
# Small batches are soon here; of large deliveries they are larger, since each is a table.
BATCH = 1 << 29
MOST_BATCHES = 256
# A cluster has much to do at once.
BATCH_OF_CLUSTER = 1 << 36


class Objects:
    """Objects as files below a folder: each has its path there before it is fetched."""

    def __init__(self, folder: Path, on_cluster: bool = False) -> None:
        self._folder = folder
        self._on_cluster = on_cluster
        self._ahead = ThreadPoolExecutor(1)
        self._store = cache(store_at)

    def find(
        self, address: str, apart_from: Collection[str] = (), exclude: Sequence[str] = ()
    ) -> list[InputFile]:
        """The object at an address, those below it, or those that it matches as a glob; in order.

        Left out is what is hidden or excluded, or is below one of the addresses `apart_from`.
        Raises `InputError` if there is nothing.
        """
        bucket, name = split_address(address)
        name, store = name.rstrip("/"), self._store(bucket)
        listed, below = store.list(name), f"{name}/" if name else ""
        found: Iterable[tuple[StoredObject, Sequence[str]]]
        found = ((each, each.name.removeprefix(below).split("/")) for each in listed)
        if not listed:
            pattern = name.split("/")
            # An address that exists is never taken for a glob, whatever characters it has.
            if name and (single := store.find(name)):
                return [] if is_excluded(pattern[-1], exclude) else [self._file(bucket, single)]
            if not glob.has_magic(name):
                raise InputError(f"'{address}' does not exist.")
            fixed = "/".join(takewhile(lambda part: not glob.has_magic(part), pattern))
            listed = [each for each, _ in _matches(pattern, store.list(fixed), ())]
            if not listed:
                raise InputError(f"Nothing matches '{address}'.")
            found = _matches(pattern, listed, exclude)
        apart, empty = tuple(f"{each.rstrip('/')}/" for each in apart_from), _folders(listed)
        return [
            self._file(bucket, each)
            for each, parts in found
            if not f"{bucket}/{each.name}".startswith(apart)
            and each.name not in empty
            and not _is_left_out(f"{bucket}/{each.name}", parts, exclude)
        ]

    def batches(self, files: Collection[InputFile]) -> Iterator[tuple[list[InputFile], bool]]:
        """Files in order, some at a time with their objects here, and whether they are the last.

        What is here is removed when more is asked for, which is fetched meanwhile if there is room.
        Raises `StoreError` if an object changes, and `InputError` if one is larger than the bound.
        """
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        bound = int(SHARE_OF_DISK * shutil.disk_usage(self._folder).free)
        smallest = BATCH_OF_CLUSTER if self._on_cluster else BATCH
        most = max(smallest, _size(files) // MOST_BATCHES)
        batches = _batches(files, min(most, bound // 2))
        for file in files:
            if file.is_object and file.size > bound:
                raise InputError(
                    f"'{file.name}' has {file.size / MB:,.0f} MB, and objects may take "
                    f"{bound / MB:,.0f} MB of '{self._folder}', {SHARE_OF_DISK:.0%} of what is "
                    "free: free some space, or name another folder with TMPDIR."
                )
        fetched = self._fetched(batches[0])
        for batch, following in zip_longest(batches, batches[1:]):
            fetched()
            is_room = following and _size(batch) + _size(following) <= bound
            if is_room:
                fetched = self._fetched(following)
            yield batch, following is None
            if following:
                for file in batch:
                    if file.is_object:
                        file.path.unlink(missing_ok=True)
                if not is_room:
                    fetched = self._fetched(following)

    def _fetched(self, files: Sequence[InputFile]) -> Callable[[], None]:
        """Begin to bring the objects among the files here; what is returned waits for them.

        If the folder is removed, that ends, too.
        """
        size, arrived = _size(files), 0
        wanted = [file for file in files if file.is_object]
        for file in wanted:
            file.path.touch()
        if not size:
            return lambda: None

        def part(task: tuple[InputFile, int]) -> None:
            nonlocal arrived
            file, start = task
            end = min(file.size, start + PART)
            self._fetch(file, start, end)
            arrived += end - start

        parts = ((file, at) for file in wanted for at in range(0, file.size, PART))
        fetching = self._ahead.submit(all_of, part, parts)

        def wait() -> None:
            with watched("Fetching", size, lambda: 100 * arrived / size):
                fetching.result()

        return wait

    def require_unchanged(self, files: Iterable[InputFile]) -> None:
        """Raise `StoreError` if an object is not the one that was listed any more."""

        def check(file: InputFile) -> None:
            bucket, name = split_address(file.name)
            now = self._store(bucket).find(name)
            if now is None or (now.tag, now.size) != (file.tag, file.size):
                raise StoreError(f"'{file.name}' changed while it was read; run again.")

        all_of(check, files)

    def fetch_beginning(self, file: InputFile, size: int) -> bool:
        """Bring the first bytes of a large object here; returns whether there are more."""
        if not file.is_object or file.size <= size:
            return False
        self._folder.mkdir(parents=True, exist_ok=True)
        file.path.touch()
        self._fetch(file, 0, size)
        return True

    def _fetch(self, file: InputFile, start: int, end: int) -> None:
        bucket, name = split_address(file.name)
        self._store(bucket).fetch(name, file.tag, file.path, start, end)

    def here(self, file: InputFile) -> InputFile:
        """A file with the path that it has when it was fetched, if it is an object."""
        return replace(file, where=str(self._folder)) if file.is_object else file

    def _file(self, bucket: str, stored: StoredObject) -> InputFile:
        where, name = str(self._folder), f"{bucket}/{stored.name}"
        return InputFile(where, stored.size, 0, name, stored.tag)


def _size(files: Iterable[InputFile]) -> int:
    return sum(file.size for file in files if file.is_object)


def _batches(files: Iterable[InputFile], most: int) -> list[list[InputFile]]:
    """The files in order, in batches with that many bytes of objects, or one object."""
    batches: list[list[InputFile]] = [[]]
    room = most
    for file in files:
        size = _size([file])
        if size > room and batches[-1]:
            batches.append([])
            room = most
        batches[-1].append(file)
        room -= size
    return batches


def _matches(
    pattern: Sequence[str], listed: Iterable[StoredObject], exclude: Sequence[str]
) -> Iterator[tuple[StoredObject, Sequence[str]]]:
    """The objects that a glob matches, or whose folder it matches, with what is below that."""
    for each in listed:
        parts = each.name.split("/")
        below = _below(pattern, parts)
        if below is not None and not is_excluded(parts[-len(below) - 1], exclude):
            yield each, below or parts[-1:]


def _below(pattern: Sequence[str], parts: Sequence[str]) -> Sequence[str] | None:
    if not pattern:
        return parts
    if not parts:
        return None
    first, *rest = pattern
    if first == "**":
        dotted = (at for at, part in enumerate(parts) if part.startswith("."))
        ends = range(next(dotted, len(parts)) + 1)
        found = (_below(rest, parts[end:]) for end in ends)
        return next((each for each in found if each is not None), None)
    if parts[0].startswith(".") and not first.startswith("."):
        return None
    return _below(rest, parts[1:]) if fnmatchcase(parts[0], first) else None


def _is_left_out(name: str, below: Sequence[str], exclude: Sequence[str]) -> bool:
    for number, part in enumerate(below):
        if part in (*LAKES, "metadata"):
            rest = "/".join(below[number:])
            require_no_lake(name.removesuffix(rest).rstrip("/"), [part, rest])
        if is_hidden(part):
            return True
        if exclude and is_excluded("/".join(below[: number + 1]), exclude):
            return True
    return False


def _folders(listed: Sequence[StoredObject]) -> set[str]:
    """The names of empty objects that some tools put where a folder would be."""
    empty = {each.name for each in listed if not each.size}
    names = (each.name for each in listed if empty)
    return {name[:at] for name in names for at, char in enumerate(name) if char == "/"} & empty
