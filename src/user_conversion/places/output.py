"""The output at a path or address: for a run that publishes, and for programs that only read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from user_conversion.places.folders.output import OutputFolder
from user_conversion.places.layout import folder_of, parquet_files, partitions_of
from user_conversion.places.place import Folder, place_at
from user_conversion.places.processes import scratch_folder
from user_conversion.rules.datasets import Dataset

if TYPE_CHECKING:
    from user_conversion.places.stores.output import OutputStore


def output_at(
    where: str, command: str, *, rebuild: bool, on_cluster: bool
) -> OutputFolder | OutputStore:
    """The output for a run of a command, which may use a cluster."""
    place = place_at(where)
    if isinstance(place, Folder):
        return OutputFolder(place.path, command, rebuild=rebuild)
    from user_conversion.places.stores.output import OutputStore

    return OutputStore(place, command, rebuild=rebuild, on_cluster=on_cluster)


@contextmanager
def published_files(where: str, dataset: Dataset) -> Iterator[list[Path]]:
    """The Parquet files of a dataset of an output; those from a store last as long as the block."""
    place = place_at(where)
    if isinstance(place, Folder):
        yield _files(dataset, place.path)
        return
    with scratch_folder() as scratch:
        below = folder_of(dataset, scratch).relative_to(scratch)
        place.bring(place.list(str(below)), scratch)
        yield _files(dataset, scratch)


def _files(dataset: Dataset, output: Path) -> list[Path]:
    folders = partitions_of(dataset, output).values()
    return [file for folder in folders for file in parquet_files(folder)]
