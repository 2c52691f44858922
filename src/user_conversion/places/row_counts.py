"""Rows by dataset and partition: what is found must be what was published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from user_conversion.places.footers import row_counts
from user_conversion.places.layout import files_of, parquet_files, partitions_of
from user_conversion.rules.datasets import Dataset
from user_conversion.rules.errors import DatasetError

# The number of rows by the name of the dataset and the value of the partition column, which is ""
# in a dataset without partitions.
Rows = Mapping[str, Mapping[str, int]]


def count_rows(datasets: Iterable[Dataset], output: Path) -> dict[str, dict[str, int]]:
    """The rows of datasets below a folder, from the footers of their files.

    Partitions without files are left out. Raises `DatasetError` if a file cannot be read.
    """
    files = {dataset.name: _files(dataset, output) for dataset in datasets}
    rows = row_counts(
        [file for parts in files.values() for part in parts.values() for file in part]
    )
    return {
        name: {value: sum(rows[file] for file in part) for value, part in by_value.items() if part}
        for name, by_value in files.items()
    }


def _files(dataset: Dataset, output: Path) -> dict[str, list[Path]]:
    if dataset.partition is None:
        return {"": files_of(dataset, output)}
    return {value: parquet_files(path) for value, path in partitions_of(dataset, output).items()}


def require_rows(datasets: Iterable[Dataset], output: Path, published: Rows) -> None:
    """Raise `DatasetError` if a partition has more or fewer rows than were published."""
    datasets = list(datasets)
    found = count_rows(datasets, output)
    for dataset in datasets:
        there, right = found[dataset.name], published.get(dataset.name, {})
        for value in sorted(there.keys() | right.keys()):
            if there.get(value, 0) != right.get(value, 0):
                where = f", {dataset.partition}={value}," if dataset.partition else ""
                raise DatasetError(
                    f"The dataset {dataset.name}{where} in '{output}' has {there.get(value, 0):,} "
                    f"rows, but {right.get(value, 0):,} were published; rebuild with "
                    "events-split --full-refresh."
                )
