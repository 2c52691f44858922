"""An output in an object store: a folder in scratch, which mirrors it, and a push.

A run pulls only what it needs of the published files, and pushes only what differs from them. A
cluster reads and writes the objects itself, and of Parquet only the footers are in the folder.
"""

from __future__ import annotations

import hashlib
import os
import socket
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import xxhash

from user_conversion.places.footers import Partitions, row_counts
from user_conversion.places.layout import folder_of
from user_conversion.places.processes import scratch_folder
from user_conversion.places.progress import watched
from user_conversion.places.publication import Publication, output_errors
from user_conversion.places.stores.commit import Content
from user_conversion.places.stores.lease import Lease
from user_conversion.places.stores.remote import Remote
from user_conversion.places.stores.store import Store
from user_conversion.rules.datasets import Dataset
from user_conversion.rules.errors import REBUILD, DatasetError


class OutputStore:
    """An output in a store while one run holds it; see `OutputFolder`.

    `on_cluster` says that the engine reads and writes objects where they are. Raises `DatasetError`
    if it does not hold what was published, unless this run rebuilds it.
    """

    def __init__(
        self, place: Store, command: str, *, rebuild: bool = False, on_cluster: bool = False
    ) -> None:
        self.place = place
        self._on_cluster = on_cluster
        self._remote: Remote | None = None
        holder = f"{command} (process {os.getpid()} on {socket.gethostname()})"
        self._lease = Lease(self.place, holder, rebuild=rebuild)
        self._rebuild = rebuild

    def __enter__(self) -> OutputStore:
        with ExitStack() as stack:
            stack.enter_context(self._lease)
            self._folder = stack.enter_context(scratch_folder())
            self._staging = self._lease.staging
            if self._on_cluster:
                self._remote = Remote(self.place, self._mirror)
                stack.callback(self._remote.clear, self.scratch)
            if not self._rebuild:
                self._require_published()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    @property
    def scratch(self) -> Path:
        """A folder for an engine's temporary files, gone when the run ends."""
        return self._mirror / f"{self._staging}-scratch"

    @property
    def _mirror(self) -> Path:
        return self._folder / "published"

    @contextmanager
    def publication(self) -> Iterator[Publication]:
        """Stage files, and publish them when the block ends without an error."""
        remote = self._remote
        publication = StorePublication(self.place, self._mirror, self._lease, remote)
        publication.folder = self._mirror / self._staging
        with output_errors(self._folder, "TMPDIR"):
            publication.folder.mkdir(parents=True)
            yield publication
            files = {str(path): publication.folder / path for path in publication.files}
            rows = row_counts([path for path in files.values() if path.suffix == ".parquet"])
            written = remote.written if remote else {}
            contents: dict[str, tuple[Path | None, Content]] = {
                name: (None, Content(there.size, there.tag, rows[path]))
                if (there := written.get(path))
                else (path, _content(path, rows.get(path, 0)))
                for name, path in files.items()
            }
        changed = {
            name: each for name, each in contents.items() if not self._is_there(name, each[1])
        }
        with watched("Publishing"):
            self._lease.publish(changed, self._drops(publication, contents.keys()))
        if remote:
            remote.clear(publication.folder)

    def _is_there(self, name: str, content: Content) -> bool:
        there, known = self._lease.listed.get(name), self._lease.published.get(name)
        if not there or not known:
            return False
        return (there.tag, content.hash) == (known.tag, known.hash)

    def _drops(self, publication: Publication, staged: Iterable[str]) -> list[str]:
        """The objects of folders that are dropped, and those that are replaced by others."""
        names = set(staged)
        folders = publication.drops | {name.rpartition("/")[0] for name in names} - {""}
        listed = self._lease.listed.keys() - names
        return sorted(name for name in listed if name.rpartition("/")[0] in folders)

    def _require_published(self) -> None:
        """Compare the listing with what was published; documents may be written anew."""
        known, there = (
            {(name, each.tag) for name, each in objects.items() if "/format=" in name}
            for objects in (self._lease.published, self._lease.listed)
        )
        if differ := known ^ there:
            name, _ = min(differ)
            raise DatasetError(f"'{self.place.of(name)}' is not as it was published; {REBUILD}.")


class StorePublication(Publication):
    """What a run is about to publish into a store.

    `files_in` brings published files, or their footers if the engine reads them where they are.
    """

    def __init__(self, place: Store, mirror: Path, lease: Lease, remote: Remote | None) -> None:
        super().__init__(place, mirror, mirror)
        self.remote = remote
        self._store = place
        self._lease = lease

    def has(self, name: str) -> bool:
        """See `Publication.has`."""
        return name in self._lease.listed

    def published(self, dataset: Dataset) -> dict[str, Path]:
        """See `Publication.published`."""
        top = folder_of(dataset, self.mirror)
        below = f"{top.relative_to(self.mirror)}/"
        names = [name.removeprefix(below) for name in self._lease.listed if name.startswith(below)]
        if dataset.partition is None:
            return {"": top} if names else {}
        prefix = f"{dataset.partition}="
        folders = {name.partition("/")[0] for name in names if name.startswith(prefix)}
        return {folder.removeprefix(prefix): top / folder for folder in sorted(folders)}

    def files_in(self, folders: Iterable[Path]) -> list[Path]:
        """See `Publication.files_in`."""
        wanted = list(folders)
        absent = {str(each.relative_to(self.mirror)) for each in wanted if not each.exists()}
        listed = self._lease.listed.items()
        objects = [each for name, each in listed if name.rpartition("/")[0] in absent]
        if self.remote:
            self.remote.bring_footers(objects)
        else:
            self._store.bring(objects, self.mirror)
        return super().files_in(wanted)

    def count_rows(self, partitions: Partitions) -> dict[str, dict[str, int]]:
        """See `Publication.count_rows`. Of what is not here, they are known since it was pushed."""
        known: Counter[Path] = Counter()
        copied = set()
        for name, content in self._lease.published.items():
            folder = (self.mirror / name).parent
            known[folder] += content.rows
            if content.rows < 0:
                copied.add(folder)
        asked = {folder for folders in partitions.values() for folder in folders.values()}
        self.files_in(asked & copied)
        counted = super().count_rows(partitions)
        for name, folders in partitions.items():
            absent = {v: known[folder] for v, folder in folders.items() if not folder.exists()}
            counted[name] = dict(sorted((counted[name] | absent).items()))
        return counted


def _content(path: Path, rows: int) -> Content:
    with path.open("rb") as file:
        whole = hashlib.file_digest(file, xxhash.xxh3_128)
    return Content(path.stat().st_size, whole.hexdigest(), rows)
