"""What a run is about to publish, by relative paths, whatever carries it out."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from user_conversion.places.documents import write_document
from user_conversion.places.layout import parquet_files, partitions_of
from user_conversion.places.place import Place
from user_conversion.rules.datasets import Dataset
from user_conversion.rules.errors import REBUILD, DatasetError, OutputError

if TYPE_CHECKING:
    from user_conversion.places.footers import Partitions, Rows
    from user_conversion.places.stores.remote import Remote


class Publication:
    """What a run is about to publish: staged files, and published folders to remove.

    `folder` holds the staged files and mirrors `output`, as does `mirror`, which has the published
    files; `drops` are relative to both. If there is a `remote`, a cluster reads and writes Parquet
    there, and in the folders are only the footers.
    """

    remote: Remote | None = None

    def __init__(self, output: Place, mirror: Path, folder: Path) -> None:
        self.output = output
        self.mirror = mirror
        self.folder = folder
        self.drops: set[str] = set()

    @property
    def files(self) -> list[Path]:
        """The staged files, relative to the output folder."""
        return [
            Path(here, name).relative_to(self.folder)
            for here, _, names in os.walk(self.folder, onerror=_fail)
            for name in names
        ]

    def has(self, name: str) -> bool:
        """Whether a document is published."""
        return (self.mirror / name).exists()

    def published(self, dataset: Dataset) -> dict[str, Path]:
        """The folders of the published partitions of a dataset, by their value.

        `files_in` has their files.
        """
        return partitions_of(dataset, self.mirror)

    def files_in(self, folders: Iterable[Path]) -> list[Path]:
        """The Parquet files of some of these folders, in order, which can be read then."""
        return [file for folder in folders for file in parquet_files(folder)]

    def count_rows(self, partitions: Partitions) -> dict[str, dict[str, int]]:
        """The rows of datasets; see `row_counts.count_rows`."""
        from user_conversion.places.footers import count_rows

        return count_rows(partitions)

    def require_rows(
        self, dataset: Dataset, published: Rows, among: Collection[str] | None = None
    ) -> None:
        """Raise `DatasetError` if a partition has more or fewer rows than were published.

        If `among` some partitions, the files of others are not opened if they are where they
        should.
        """
        right, folders = published.get(dataset.name, {}), self.partitions_of(dataset)
        opened = {
            value: folder
            for value, folder in folders.items()
            if among is None or value in among or value not in right
        }
        there = self.count_rows({dataset.name: opened})[dataset.name]
        for value in sorted(opened.keys() | right.keys() - folders.keys()):
            if there.get(value, 0) != right.get(value, 0):
                where = f", {dataset.partition}={value}," if dataset.partition else ""
                raise DatasetError(
                    f"The dataset {dataset.name}{where} in '{self.output}' has "
                    f"{there.get(value, 0):,} rows, but {right.get(value, 0):,} were published; "
                    f"{REBUILD}."
                )

    def staged(self, dataset: Dataset) -> dict[str, Path]:
        """The folders of the staged partitions of a dataset, by their value."""
        return partitions_of(dataset, self.folder)

    def partitions_of(self, dataset: Dataset) -> dict[str, Path]:
        """The folders of all partitions of a dataset as they will be published, by their value."""
        published = self.published(dataset).items()
        stays = {v: path for v, path in published if self._name(path) not in self.drops}
        return stays | self.staged(dataset)

    def files_of(self, dataset: Dataset, among: Collection[str] | None = None) -> list[Path]:
        """The Parquet files of a dataset as they will be published, of all partitions or some."""
        partitions = self.partitions_of(dataset)
        return self.files_in(partitions[v] for v in partitions if among is None or v in among)

    def drop_others(self, dataset: Dataset, among: Collection[str] | None = None) -> None:
        """Remove the published partitions of a dataset that are not staged, all or some."""
        published, staged = self.published(dataset), self.staged(dataset)
        values = published.keys() - staged.keys()
        if among is not None:
            values &= set(among)
        self.drops |= {self._name(published[value]) for value in values}

    def dropped(self, dataset: Dataset) -> set[str]:
        """The values of the partitions of a dataset that will be removed."""
        published = self.published(dataset)
        return {value for value, path in published.items() if self._name(path) in self.drops}

    def _name(self, published: Path) -> str:
        return str(published.relative_to(self.mirror))

    def follow_umask(self) -> None:
        """Give what is staged the permissions of its folder: DuckDB and Java have their own."""
        mode = stat.S_IMODE(self.folder.stat().st_mode)
        for here, _, names in os.walk(self.folder, onerror=_fail):
            # Executors of a cluster may be another user.
            with suppress(PermissionError):
                os.chmod(here, mode)  # noqa: PTH101
                for name in names:
                    os.chmod(f"{here}/{name}", mode & 0o666)  # noqa: PTH101

    def write_json(self, name: str, document: Any) -> None:
        """Stage a JSON document for the top of the output folder."""
        write_document(self.folder / name, document)

    def write_text(self, name: str, text: str) -> None:
        """Stage a text for the top of the output folder."""
        (self.folder / name).write_text(text, encoding="utf-8")


@contextmanager
def output_errors(path: Path, option: str = "--output") -> Iterator[None]:
    """Turn the operating system's refusals into `OutputError`; `option` named the path."""
    try:
        yield
    except OSError as error:
        advice = {
            errno.ENOSPC: "free some space",
            errno.EACCES: f"choose a folder you may write to with {option}",
            errno.EROFS: f"choose a folder you may write to with {option}",
        }.get(error.errno or 0, f"choose another {option}")
        reason = error.strerror or str(error)
        # A file is named as it was given, not as it is called until it is complete.
        where = error.filename if error.filename and path.is_dir() else path
        raise OutputError(f"Cannot write '{where}': {reason}; {advice}.") from None


def _fail(error: OSError) -> None:
    raise error
