"""Parquet that an engine reads as a table: the same datasets as from its lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.datasets import everything, read_dataset
from support.engines import DUCKDB, EngineUnderTest

from user_conversion.engines import ENGINES
from user_conversion.inputs.kinds.parquet import Parquet
from user_conversion.rules.errors import InputError

# Events with an odd instant and the largest ids; what a column is made of.
EVENTS = """
    FROM (VALUES
        ('registered', TIMESTAMP '2020-11-02 06:21:14.000001', 9223372036854775807, 'invite', NULL),
        ('registered', TIMESTAMP '2020-11-02 23:59:59.999999', -5, NULL, NULL),
        ('app_loaded', TIMESTAMP '2020-11-09 00:00:00', 9223372036854775807, NULL, 'phone'),
        ('screen', TIMESTAMP '2020-11-09 00:00:00', 1, NULL, NULL)
    ) AS events(event, time, id, channel, device)
"""
COLUMNS = {
    "usual": "event, time AS timestamp, id AS initiator_id, channel, device AS device_type",
    "zoned": "event, time::TIMESTAMPTZ AS timestamp, id AS initiator_id, channel",
    "nanoseconds": "event, time::TIMESTAMP_NS AS timestamp, id AS initiator_id",
    "milliseconds": "event, time::TIMESTAMP_MS AS timestamp, id AS initiator_id",
    "texts": "event, strftime(time, '%Y-%m-%dT%H:%M:%S.%fZ') AS timestamp, "
    "id::VARCHAR AS initiator_id",
    "numbers": "event, epoch_us(time) AS timestamp, id::HUGEINT::DECIMAL(38, 0) AS initiator_id",
    "days": "event, time::DATE AS timestamp, id AS initiator_id",
    "enum and bytes": "event::ENUM('registered', 'app_loaded', 'screen') AS event, "
    "time AS timestamp, id AS initiator_id, encode(channel) AS channel",
    "no day": "event, time AS timestamp, id AS initiator_id, DATE '2020-01-01' AS channel",
}
# Spark reads these as lines.
OTHER_TYPES = ("nanoseconds", "numbers", "days", "enum and bytes", "no day")
# Rows that are no events, so that all rows are made lines.
BAD = {
    "no id": "event, time AS timestamp, nullif(id, -5) AS initiator_id",
    "fraction": "event, time AS timestamp, if(id = -5, '0.5', id::VARCHAR) AS initiator_id",
    "future": "event, if(id = -5, time + INTERVAL 90 YEARS, time) AS timestamp, id AS initiator_id",
    "ancient": "event, if(id = -5, TIMESTAMPTZ '0001-01-01', time::TIMESTAMPTZ) AS timestamp, "
    "id AS initiator_id",
    "no name": "nullif(event, 'screen') AS event, time AS timestamp, id AS initiator_id",
}


@pytest.fixture
def converted(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The Parquet files of which lines were made."""
    found: list[Path] = []
    write_lines = Parquet.write_lines

    def watched(self: Parquet, path: Path, *rest: Any, **more: Any) -> None:
        found.append(path)
        write_lines(self, path, *rest, **more)

    monkeypatch.setattr(Parquet, "write_lines", watched)
    return found


@pytest.fixture
def read(
    engine: EngineUnderTest,
    tmp_path: Path,
    converted: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., int]:
    """Reads files as tables and as lines, compares, and says of how many lines were made."""

    def compare(*selected: str, folder: str = "logs", **options: Any) -> int:
        for number, columns in enumerate(selected):
            path = tmp_path / "logs" / folder / f"{number}.parquet"
            path.parent.mkdir(exist_ok=True, parents=True)
            duckdb.sql(f"SELECT {columns} {EVENTS}").write_parquet(str(path))
        engine.split(tmp_path / "table", tmp_path / "logs", **options)
        lines_were_made = len(converted)
        only_lines = replace(engine.can, compressions=engine.can.compressions - {"parquet"})
        monkeypatch.setitem(ENGINES, engine.name, only_lines)
        engine.split(tmp_path / "lines", tmp_path / "logs", **options)
        assert everything(tmp_path / "table") == everything(tmp_path / "lines")
        return lines_were_made

    return compare


@pytest.mark.parametrize("name", COLUMNS)
def test_clean_rows_are_read_as_a_table(
    read: Callable[..., int], engine: EngineUnderTest, name: str
) -> None:
    assert read(COLUMNS[name]) == (engine.name == "spark" and name in OTHER_TYPES)


def test_events_of_several_names_are_read_as_a_table(read: Callable[..., int]) -> None:
    assert read(COLUMNS["usual"], registered=("registered", "screen")) == 0


@pytest.mark.parametrize("columns", BAD.values(), ids=BAD)
def test_with_bad_rows_lines_are_made(read: Callable[..., int], columns: str) -> None:
    assert read(columns) == 1


def test_files_with_other_columns_are_read_one_by_one(read: Callable[..., int]) -> None:
    assert read(COLUMNS["usual"], COLUMNS["texts"], f"{COLUMNS['usual']}, 1 AS more") == 0


@pytest.mark.parametrize(
    "user", ["{'id': id, 'x': 1}", "'{\"id\": ' || id || '}'"], ids=["struct", "json text"]
)
def test_a_path_leads_into_a_column(
    read: Callable[..., int], engine: EngineUnderTest, user: str
) -> None:
    columns = f"event, time AS timestamp, {user} AS user, channel"
    fields = {"initiator_id": "user.id"}
    assert read(columns, field=fields, log_format={"ids": "integer"}) == (engine.name == "spark")


def test_a_field_is_the_value_of_a_folder(read: Callable[..., int]) -> None:
    fields = {"channel": "folder:country"}
    assert read(COLUMNS["usual"], folder="country=de", field=fields) == 0


@pytest.mark.parametrize("number", ["0", "1 - id % 2", "NULL::BIGINT", "7"])
def test_a_column_has_the_name_of_the_number_of_a_file(
    read: Callable[..., int], number: str
) -> None:
    columns = f"{COLUMNS['usual']}, {number} AS file_index"
    read(columns, columns, folder="country=de", field={"channel": "folder:country"})


def test_a_date_is_text_but_as_a_time(engine: EngineUnderTest, tmp_path: Path) -> None:
    path = tmp_path / "logs" / "a.parquet"
    path.parent.mkdir()
    columns = "event, time::DATE AS timestamp, id AS initiator_id, time::DATE AS channel"
    duckdb.sql(f"SELECT {columns} {EVENTS}").write_parquet(str(path))
    left_out = {"exclude": {"channel": "2020-11-09"}}
    result = engine.split(tmp_path / "out", path, log_format=left_out)
    assert (result.read.registered, result.read.app_loaded, result.read.excluded) == (2, 0, 1)
    channels = {row.channel for row in read_dataset(tmp_path / "out", "user_registration")}
    assert channels == {"2020-11-02"}


def test_columns_that_differ_in_case_are_refused(tmp_path: Path) -> None:
    event = {"event": "registered", "timestamp": "2020-11-02T06:21:14Z", "initiator_id": 1}
    rows = polars.DataFrame([event | {"Channel": "a", "channel": "b", "channel_1": "c"}])
    rows.write_parquet(tmp_path / "a.parquet")
    said = "several columns 'channel' that differ only in upper and lower case"
    with pytest.raises(InputError, match=said):
        DUCKDB.split(tmp_path / "out", tmp_path / "a.parquet")
    rows.drop("Channel").write_parquet(tmp_path / "a.parquet")
    DUCKDB.split(tmp_path / "out", tmp_path / "a.parquet")
    (row,) = read_dataset(tmp_path / "out", "user_registration")
    assert row.channel == "b"


def test_local_times_have_no_zone(read: Callable[..., int]) -> None:
    assert read(COLUMNS["usual"], log_format={"input": {"timezone": "Asia/Tokyo"}}) == 0


def test_a_column_that_spark_cannot_read_does_no_harm(
    engine: EngineUnderTest, tmp_path: Path, output: Path
) -> None:
    """Half floats are beyond Spark, and nobody has asked for them."""
    event = {"event": "registered", "timestamp": "2020-11-02T06:21:14Z", "initiator_id": 1}
    columns = {name: [value] for name, value in event.items()}
    half = pa.array([numpy.float16(1)], pa.float16())
    pq.write_table(pa.table({**columns, "x": half}), tmp_path / "a.parquet")
    assert engine.split(output, tmp_path / "a.parquet").total.registered == 1
