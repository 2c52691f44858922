"""A new engine needs only its own methods: the base reads the lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.command import command
from support.datasets import read_dataset
from support.engines import EngineUnderTest
from support.logs import WORKED_EXAMPLE, registered, write_log

from user_conversion.engines import (
    ENGINES,
    Engine,
    EngineDescription,
    EngineOptions,
    open_engine,
)
from user_conversion.engines.duckdb.session import duckdb_errors
from user_conversion.rules.datasets import Columns, Dataset


class ToyEngine(Engine):
    """The least that an engine has to do, on a database in memory."""

    def __init__(self, options: EngineOptions, scratch: Path | None = None) -> None:
        self._database = duckdb.connect()
        self._database.execute("SET TimeZone = 'UTC'")

    def close(self) -> None:
        self._database.close()

    def versions(self) -> dict[str, str]:
        return {"toy": "1"}

    def read_parquet(
        self, table: str, columns: Columns, files: Sequence[Path], partition: str | None = None
    ) -> None:
        columns = columns | ({partition: "VARCHAR"} if partition else {})
        self.create_table(table, columns, [])
        for file in files:
            names = ", ".join(map(self.quoted, columns))
            self._database.execute(f"INSERT INTO {table} SELECT {names} FROM '{file}'")

    def create_table(self, table: str, columns: Columns, rows: Iterable[Sequence[Any]]) -> None:
        typed = ", ".join(f"{self.quoted(name)} {kind}" for name, kind in columns.items())
        self._database.execute(f"CREATE OR REPLACE TABLE {table} ({typed})")
        for row in rows:
            places = ", ".join("?" for _ in row)
            self._database.execute(f"INSERT INTO {table} VALUES ({places})", row)

    def materialize(self, table: str, sql: str) -> None:
        self._database.execute(f"CREATE OR REPLACE TABLE {table} AS {sql}")

    def create_view(self, table: str, sql: str) -> None:
        self._database.execute(f"CREATE OR REPLACE VIEW {table} AS {sql}")

    def rows(self, sql: str) -> list[dict[str, Any]]:
        found = self._database.execute(sql)
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def write(self, sql: str, dataset: Dataset, folder: Path) -> None:
        folder.mkdir(parents=True)
        names = ", ".join(
            f"{name}::TIMESTAMPTZ AS {name}" if kind == "timestamp" else self.quoted(name)
            for name, kind in [*dataset.columns.items(), (dataset.partition, "string")]
            if name
        )
        by = f", PARTITION_BY ({dataset.partition})" if dataset.partition else ""
        target = folder if by else folder / "part-0.parquet"
        self._database.execute(
            f"COPY (SELECT {names} FROM ({sql})) TO '{target}' (FORMAT parquet{by})"
        )

    def struct(self, values: Mapping[str, str]) -> str:
        return "{" + ", ".join(f"'{name}': {value}" for name, value in values.items()) + "}"


def test_an_engine_that_cannot_read_logs_runs_both_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = f"{__name__}:{ToyEngine.__name__}"
    monkeypatch.setitem(ENGINES, "toy", EngineDescription("toy", home, "duckdb"))
    log = write_log(tmp_path / "log.json", [*WORKED_EXAMPLE, "nonsense"])
    toy = EngineUnderTest("toy", 1)
    (week,) = toy.run(tmp_path / "out", log).weeks
    assert (
        week.registration_week,
        week.total_registered,
        week.total_converted,
    ) == (
        "2020-45",
        3,
        1,
    )
    users = read_dataset(tmp_path / "out", "user_conversion")
    assert [user.initiator_id for user in users if user.converted] == [2]
    (rejected,) = read_dataset(tmp_path / "out", "rejected_events")
    assert (rejected.line_number, rejected.raw) == (8, "nonsense")


def test_ctrl_c_in_a_query_is_an_interruption() -> None:
    with pytest.raises(KeyboardInterrupt), duckdb_errors():
        raise RuntimeError("Query interrupted")  # what DuckDB 2.0 raises
    with pytest.raises(RuntimeError), duckdb_errors():
        raise RuntimeError("anything else")


def test_a_line_that_is_too_long_is_an_error_with_its_file(tmp_path: Path) -> None:
    long = registered("2020-11-02T06:21:14Z", 1, "x" * (65 << 20))
    log = write_log(tmp_path / "log.json", [registered("2020-11-02T06:21:14Z", 2), long])
    done = command("events-split", "--input", log, "--output", tmp_path / "out")
    assert done.status == 1
    assert "a line is longer than 32 MiB" in done.err and str(log) in done.err
    assert len(done.err.splitlines()) == 1


def test_a_name_of_files_can_be_given_again(engine: EngineUnderTest, tmp_path: Path) -> None:
    """To other files, and to none."""
    pq.write_table(pa.table({"n": [1, 2]}), tmp_path / "a.parquet")
    with engine.open(tmp_path) as opened:
        for files, rows in (([], 0), ([tmp_path / "a.parquet"], 2), ([], 0)):
            opened.read_parquet("numbers", {"n": "bigint"}, files)
            assert len(opened.rows("SELECT n FROM numbers")) == rows


@pytest.mark.parametrize("ids", ["bigint", "string"])
def test_rows_of_a_partition_are_in_the_order_of_their_ids(
    engine: EngineUnderTest, ids: str, tmp_path: Path
) -> None:
    """Of many partitions at once, and of one that is larger than a row group."""
    dataset = Dataset("users", {"id": ids, "time": "timestamp"}, "week", "time", "id")
    kind = "VARCHAR(9)" if ids == "string" else "BIGINT"
    # Each number once, in no order.
    query = (
        f"SELECT CAST(n * 7919 % 409609 AS {kind}) AS id, TIMESTAMP '2020-11-02 00:00:00' AS time, "
        "CASE WHEN n % 2 = 0 THEN '2020-45' ELSE concat('2021-', CAST(n % 41 + 10 AS VARCHAR(9))) "
        "END AS week FROM (SELECT a.n * 640 + b.n AS n FROM numbers AS a CROSS JOIN numbers AS b)"
    )
    with open_engine(engine.name, EngineOptions(), tmp_path / "scratch") as opened:
        opened.create_table("numbers", {"n": "bigint"}, [(n,) for n in range(640)])
        opened.write(query, dataset, tmp_path / "written")
    files = sorted((tmp_path / "written").glob("week=*/*.parquet"))
    found = {file: pq.read_table(file, partitioning=None)["id"].to_pylist() for file in files}
    assert len({file.parent for file in files}) == 42
    assert sum(map(len, found.values())) == 409_600
    assert not [file for file, rows in found.items() if rows != sorted(rows)]
