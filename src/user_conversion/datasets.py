"""The datasets of the output folder: names, columns, partitions and where they lie.

Every dataset is Hive-partitioned snappy Parquet below `<output>/<name>/format=parquet/`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# Column types in the words of SQL that DuckDB and Spark share; `timestamp` is an instant in UTC.
Columns = dict[str, str]


@dataclass(frozen=True)
class Dataset:
    """One dataset: its columns without the partition, and the partition column, if any.

    Partitions follow the timestamp column `instant`: of two partitions, the rows of the earlier
    one lie before those of the later one.
    """

    name: str
    columns: Columns
    partition: str | None = None
    instant: str | None = None

    def folder(self, output: Path) -> Path:
        """Where the dataset lies below an output folder."""
        return output / self.name / "format=parquet"

    def partitions(self, output: Path) -> dict[str, Path]:
        """The published partitions, by their value, in order."""
        prefix = f"{self.partition}="
        folder = self.folder(output)
        if not folder.is_dir():
            return {}
        found = (path for path in folder.iterdir() if path.name.startswith(prefix))
        return {path.name.removeprefix(prefix): path for path in sorted(found)}

    def files(self, output: Path) -> list[Path]:
        """All published Parquet files, in order."""
        folders = self.partitions(output).values() if self.partition else [self.folder(output)]
        return [file for folder in folders for file in parquet_files(folder)]


def parquet_files(folder: Path) -> list[Path]:
    """The Parquet files of one folder, in order; unlike a glob it leaves none out silently."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix == ".parquet")


def user_registration(attributes: tuple[str, ...] = ("channel",)) -> Dataset:
    """One row per `registered` event, duplicates included."""
    columns = {"event": "string", "time": "timestamp", "initiator_id": "bigint"}
    columns |= dict.fromkeys(attributes, "string")
    return Dataset("user_registration", columns, "derived_tstamp_day", "time")


APP_LOADED = Dataset(
    "app_loaded",
    {"event": "string", "time": "timestamp", "initiator_id": "bigint", "device_type": "string"},
    "derived_tstamp_day",
    "time",
)

REJECTED_EVENTS = Dataset(
    "rejected_events",
    {"source": "string", "line_number": "bigint", "reason": "string", "raw": "string"},
)


def user_conversion(attributes: tuple[str, ...] = ("channel",)) -> Dataset:
    """One row per registered user."""
    columns = {"initiator_id": "bigint", "registered_at": "timestamp"}
    columns |= dict.fromkeys(attributes, "string")
    columns |= {
        "first_loaded_at": "timestamp",
        "device_type": "string",
        "week_offset": "bigint",
        "loaded_next_week": "boolean",
        "converted": "boolean",
    }
    return Dataset("user_conversion", columns, "registration_week", "registered_at")


WEEKLY_SUMMARY = Dataset(
    "weekly_summary",
    {"total_registered": "bigint", "total_converted": "bigint", "conversion_rate": "bigint"},
    "registration_week",
)
