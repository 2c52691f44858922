"""Where the datasets are in an output folder.

Every dataset is Hive-partitioned snappy Parquet below `<output>/<name>/format=parquet/`.
"""

from __future__ import annotations

from pathlib import Path

from user_conversion.rules.datasets import Dataset

LEDGER, RUN_RECORD, PAGE, STATE = "ledger.json", "run.json", "report.html", "state.json"
DATASETS = (
    "user_registration",
    "app_loaded",
    "rejected_events",
    "user_conversion",
    "weekly_summary",
    "_users_without_registration",
)


def folder_of(dataset: Dataset, output: Path) -> Path:
    """The folder of a dataset below an output folder."""
    return output / dataset.name / "format=parquet"


def partitions_of(dataset: Dataset, output: Path) -> dict[str, Path]:
    """The folders of a dataset's partitions by their value, in order.

    A dataset without partitions has one folder, with the value "".
    """
    folder = folder_of(dataset, output)
    if not folder.is_dir():
        return {}
    if dataset.partition is None:
        return {"": folder}
    prefix = f"{dataset.partition}="
    found = (path for path in folder.iterdir() if path.name.startswith(prefix))
    return {path.name.removeprefix(prefix): path for path in sorted(found)}


def parquet_files(folder: Path) -> list[Path]:
    """The Parquet files of one folder, in order; unlike a glob it leaves none out silently."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix == ".parquet")
