"""Rows by dataset and partition."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from user_conversion.places.footers import row_counts
from user_conversion.places.layout import parquet_files

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
