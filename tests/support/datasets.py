"""The published datasets, read by PyArrow and held against the contract.

Nothing here asks the product for the columns of a dataset: `CONTRACT` is written by hand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

TIME, ID, TEXT, YES = pa.timestamp("us", tz="UTC"), pa.int64(), pa.string(), pa.bool_()

# Partition column, then the columns in order, as on the design page.
CONTRACT: dict[str, tuple[str | None, dict[str, pa.DataType]]] = {
    "user_registration": (
        "derived_tstamp_day",
        {"event": TEXT, "time": TIME, "initiator_id": ID, "channel": TEXT},
    ),
    "app_loaded": (
        "derived_tstamp_day",
        {"event": TEXT, "time": TIME, "initiator_id": ID, "device_type": TEXT},
    ),
    "weekly_summary": (
        "registration_week",
        dict.fromkeys(("total_registered", "total_converted", "conversion_rate"), pa.int64()),
    ),
    "user_conversion": (
        "registration_week",
        {
            "initiator_id": ID,
            "registered_at": TIME,
            "channel": TEXT,
            "first_loaded_at": TIME,
            "device_type": TEXT,
            "week_offset": pa.int64(),
            "loaded_next_week": YES,
            "next_week_loaded_at": TIME,
            "loads_before_registration": pa.int64(),
            "converted": YES,
        },
    ),
    "rejected_events": (
        None,
        {"source": TEXT, "line_number": pa.int64(), "reason": TEXT, "raw": TEXT},
    ),
}
Row = SimpleNamespace


def read_dataset(output: Path, name: str, *attributes: str) -> list[Row]:
    """The rows of a published dataset, its partition as the last column, read by pyarrow.

    Fails where a file lies elsewhere or has other columns, types or compression than agreed.
    """
    return [Row(**row) for row in _rows(output, name, attributes)]


def users(output: Path) -> list[int]:
    """The ids of all published registrations, in order."""
    return sorted(row.initiator_id for row in read_dataset(output, "user_registration"))


def everything(output: Path) -> dict[str, Counter[tuple[Any, ...]]]:
    """All datasets as multisets of rows."""
    return {name: row_counts(output, name) for name in CONTRACT}


def contents(output: Path) -> dict[Path, bytes]:
    """Every file but the lock, to the byte."""
    files = (path for path in output.rglob("*") if path.is_file() and path.name != ".lock")
    return {path: path.read_bytes() for path in files}


def row_counts(
    output: Path, name: str, *attributes: str, ids: pa.DataType = ID
) -> Counter[tuple[Any, ...]]:
    """The same rows as a multiset, to compare datasets."""
    return Counter(tuple(row.values()) for row in _rows(output, name, attributes, ids))


def _rows(
    output: Path, name: str, attributes: tuple[str, ...], ids: pa.DataType = ID
) -> Iterator[dict[str, Any]]:
    partition, columns = CONTRACT[name]
    if "initiator_id" in columns:
        columns = columns | {"initiator_id": ids}
    if attributes and "channel" in columns:
        at = list(columns).index("channel") + 1
        named = dict.fromkeys(sorted(attributes), TEXT)
        columns = dict([*[*columns.items()][:at], *named.items(), *[*columns.items()][at:]])
    folder = output / name / "format=parquet"
    for path in sorted(folder.rglob("*")) if folder.exists() else []:
        if path.is_dir():
            continue
        assert path.suffix == ".parquet", f"{path} is litter"
        *folders, _ = path.relative_to(folder).parts
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            groups = [file.metadata.row_group(n) for n in range(file.num_row_groups)]
            chunks = [group.column(n) for group in groups for n in range(group.num_columns)]
            assert dict(zip(schema.names, schema.types, strict=True)) == columns, path
            assert list(schema.names) == list(columns), path
            assert {chunk.compression for chunk in chunks} <= {"SNAPPY"}, path
            rows = file.read().to_pylist()
        if name == "user_conversion":
            ids_in_order = [row["initiator_id"] for row in rows]
            assert ids_in_order == sorted(ids_in_order, key=_in_bytes), path
        if partition is None:
            assert not folders, path
            yield from rows
            continue
        (folder_name,) = folders
        key, value = folder_name.split("=")
        assert key == partition, path
        if key == "derived_tstamp_day":
            assert {row["time"].date() for row in rows} == {date.fromisoformat(value)}, path
        yield from (row | {partition: value} for row in rows)


def _in_bytes(value: Any) -> Any:
    """Texts in the order of their UTF-8 bytes, numbers as they are."""
    return value.encode() if isinstance(value, str) else value


DOCUMENTS = {"ledger.json", "run.json", "state.json", "report.html"}
TOP_LEVEL = {*CONTRACT, *DOCUMENTS, "_users_without_registration", ".lock"}


def assert_no_litter(output: Path) -> None:
    """Nothing but datasets, the documents and the lock lies in an output folder."""
    assert {path.name for path in output.iterdir()} <= TOP_LEVEL
    for name in CONTRACT:
        files = [path for path in (output / name).rglob("*") if not path.is_dir()]
        assert {path.suffix for path in files} <= {".parquet"}, files
        folders = [path for path in (output / name / "format=parquet").glob("*") if path.is_dir()]
        assert all(any(folder.iterdir()) for folder in folders), "an empty partition"
