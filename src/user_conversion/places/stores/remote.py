"""A folder here that stands for a place in a store, where a cluster reads and writes.

Of a Parquet file only the footer is here, as the end of a sparse file of the same size.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from user_conversion.places.stores.parallel import all_of
from user_conversion.places.stores.store import Store, StoredObject
from user_conversion.rules.addresses import split_address
from user_conversion.rules.errors import StoreError

# Most footers are shorter.
END = 1 << 16
# What follows a footer: its length in four bytes, and four letters.
AFTER_FOOTER = 8


class Remote:
    """The files below a folder are the objects of the same names in a store.

    `written` has the objects that the cluster has written, by their files.
    """

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self.written: dict[Path, StoredObject] = {}

    def address(self, path: Path) -> str:
        """The address of a file or folder for Hadoop's file systems."""
        return self.hadoop_address(self._store.of(self._name(path)))

    @staticmethod
    def hadoop_address(address: str) -> str:
        """The address of an object for Hadoop's file systems."""
        bucket, name = split_address(address)
        bucket = re.sub("^s3:", "s3a:", bucket)
        if bucket.startswith("az:"):
            account = os.environ.get("AZURE_STORAGE_ACCOUNT_NAME", "")
            bucket = f"abfss:{bucket.removeprefix('az:')}@{account}.dfs.core.windows.net"
        return f"{bucket}/{name}"

    def put(self, files: Mapping[Path, Path]) -> None:
        """Write whole files as the objects of others, by these."""
        all_of(lambda target: self._store.write(self._name(target), files[target]), files)

    def take_over(self, source: Path, folder: Path) -> None:
        """Move Parquet that was written, to names that do not change with each run."""
        top, parts = self._name(source), defaultdict(list)
        found = [each.name for each in self._store.list(top)]
        for name in found:
            inner, _, file = name.removeprefix(f"{top}/").rpartition("/")
            # What is below `_temporary` was left by a task that failed.
            if file.endswith(".parquet") and not inner.startswith("_"):
                parts[inner].append(name)
        targets = {
            name: self._name(folder / inner / f"part-{number}.parquet")
            for inner, names in parts.items()
            for number, name in enumerate(names)
        }
        all_of(lambda name: self._store.copy(name, targets[name]), targets)
        self._store.delete(found)
        folder.mkdir(parents=True, exist_ok=True)
        self.written |= self.bring_footers(self._store.list(self._name(folder)))

    def bring_footers(self, objects: Iterable[StoredObject]) -> dict[Path, StoredObject]:
        """Bring the footers of Parquet objects here; return the objects by their files."""
        files = {self._folder / each.name: each for each in objects}
        for path, each in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            os.truncate(path, each.size)

        def bring(path: Path) -> None:
            each = files[path]
            self._store.fetch(each.name, each.tag, path, max(0, each.size - END), each.size)
            if (length := _footer_size(path)) > END:
                self._store.fetch(each.name, each.tag, path, max(0, each.size - length), each.size)

        all_of(bring, files)
        return files

    def clear(self, *folders: Path) -> None:
        """Delete the objects below folders. What is left is deleted by the next run."""
        with suppress(StoreError):
            for folder in folders:
                self._store.delete([each.name for each in self._store.list(self._name(folder))])

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._folder))


def _footer_size(path: Path) -> int:
    with path.open("rb") as file:
        file.seek(-AFTER_FOOTER, os.SEEK_END)
        return int.from_bytes(file.read(4), "little") + AFTER_FOOTER
