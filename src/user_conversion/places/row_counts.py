"""Rows by dataset and partition: what is found must be what was published."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from user_conversion.places.footers import row_counts
from user_conversion.places.layout import parquet_files
from user_conversion.rules.datasets import Dataset
from user_conversion.rules.errors import REBUILD, DatasetError

if TYPE_CHECKING:
    from user_conversion.places.publication import Publication

# The number of rows by the name of the dataset and the value of the partition column, which is ""
# in a dataset without partitions.
Rows = Mapping[str, Mapping[str, int]]
# The folders of partitions, likewise.
Partitions = Mapping[str, Mapping[str, Path]]


def count_rows(partitions: Partitions) -> dict[str, dict[str, int]]:
    """The rows of datasets, from the footers of the files in the folders of their partitions.

    Partitions without files are left out. Raises `DatasetError` if a file cannot be read.
    """
    files = {
        name: {value: parquet_files(folder) for value, folder in folders.items()}
        for name, folders in partitions.items()
    }
    rows = row_counts(
        [file for by_value in files.values() for part in by_value.values() for file in part]
    )
    return {
        name: {value: sum(rows[file] for file in part) for value, part in by_value.items() if part}
        for name, by_value in files.items()
    }


def require_rows(
    dataset: Dataset,
    publication: Publication,
    published: Rows,
    among: Collection[str] | None = None,
) -> None:
    """Raise `DatasetError` if a partition has more or fewer rows than were published.

    If `among` some partitions, the files of others are not opened if they are where they should.
    """
    right, folders = published.get(dataset.name, {}), publication.partitions_of(dataset)
    opened = {
        value: folder
        for value, folder in folders.items()
        if among is None or value in among or value not in right
    }
    there = publication.count_rows({dataset.name: opened})[dataset.name]
    for value in sorted(opened.keys() | right.keys() - folders.keys()):
        if there.get(value, 0) != right.get(value, 0):
            where = f", {dataset.partition}={value}," if dataset.partition else ""
            raise DatasetError(
                f"The dataset {dataset.name}{where} in '{publication.output}' has "
                f"{there.get(value, 0):,} rows, but {right.get(value, 0):,} were published; "
                f"{REBUILD}."
            )
