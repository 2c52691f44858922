"""The work that a run does, counted instead of timed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

import user_conversion
from user_conversion.engines.duckdb import session
from user_conversion.inputs.compression import LogStream

DAYS = 40


class Recorder:
    """A connection that records the statements it executes."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, statements: list[str]) -> None:
        self._connection = connection
        self._statements = statements

    def execute(self, sql: str, *parameters: Any) -> duckdb.DuckDBPyConnection:
        self._statements.append(" ".join(sql.split()))
        return self._connection.execute(sql, *parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    executed: list[str] = []
    connect = duckdb.connect
    monkeypatch.setattr(session.duckdb, "connect", lambda *args: Recorder(connect(*args), executed))
    return executed


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of input files that Python opened for reading lines."""
    names: list[str] = []
    create = LogStream.__init__

    def recording(stream: LogStream, path: Path, *arguments: Any) -> None:
        names.append(path.name)
        create(stream, path, *arguments)

    monkeypatch.setattr(LogStream, "__init__", recording)
    return names


def events(days: int) -> Iterator[str]:
    """Two events a day, in a form that DuckDB reads at once."""
    for day in range(days):
        time = f"2020-{1 + day // 28:02}-{1 + day % 28:02}T12:00:00.000Z"
        for event in ("registered", "app_loaded"):
            yield json.dumps({"event": event, "timestamp": time, "initiator_id": day})


def run(folder: Path, **options: Any) -> None:
    user_conversion.run(folder / "in", folder / "out", **options)


def log(folder: Path, name: str, lines: list[str]) -> None:
    (folder / "in").mkdir(exist_ok=True)
    (folder / "in" / name).write_text("\n".join(lines) + "\n")


def of_kind(statements: list[str], *words: str) -> list[str]:
    return [sql for sql in statements if all(word in sql for word in words)]


def of_weeks(statements: list[str]) -> list[str]:
    """Those that write one week of users, in the order of their ids."""
    return of_kind(statements, "COPY", "FROM in_order")


def test_json_is_parsed_once(tmp_path: Path, statements: list[str], opened: list[str]) -> None:
    log(tmp_path, "a.json", list(events(DAYS)))
    run(tmp_path)
    assert len(of_kind(statements, "read_json(")) == 1
    # Once for all its content; the others are beginnings: for its compression twice, for its kind
    # and for the form of its timestamps.
    assert len(opened) == 5


def test_statements_do_not_grow_with_the_days(tmp_path: Path, statements: list[str]) -> None:
    log(tmp_path, "a.json", list(events(DAYS)))
    run(tmp_path)
    few = len(statements) - len(of_weeks(statements))
    (tmp_path / "more").mkdir()
    log(tmp_path / "more", "a.json", list(events(8 * DAYS)))
    statements.clear()
    run(tmp_path / "more")
    assert len(statements) - len(of_weeks(statements)) == few
    assert len(of_kind(statements, "COPY")) - len(of_weeks(statements)) == 5
    assert few < 75


def test_bad_lines_are_read_without_parsing_all_again(
    tmp_path: Path, statements: list[str], opened: list[str]
) -> None:
    log(tmp_path, "a.json", [*events(DAYS), "nonsense"])
    log(tmp_path, "b.json", list(events(DAYS)))
    run(tmp_path)
    assert len(of_kind(statements, "read_json(")) == 1
    assert opened.count("a.json") <= 5 + 2


def test_a_new_day_reads_and_writes_that_day_only(
    tmp_path: Path, statements: list[str], opened: list[str]
) -> None:
    log(tmp_path, "a.json", list(events(DAYS)))
    run(tmp_path)
    before = {path: path.stat().st_ino for path in (tmp_path / "out").glob("[au]*/*/d*/*.parquet")}
    new = list(events(DAYS + 1))[-2:]
    log(tmp_path, "b.json", new)
    opened.clear()
    run(tmp_path)
    assert set(opened) == {"b.json"}
    after = {path: path.stat().st_ino for path in (tmp_path / "out").glob("[au]*/*/d*/*.parquet")}
    assert len(after) == 2 * (DAYS + 1)
    assert {path for path in after if before.get(path) != after[path]} == after.keys() - before


def test_nothing_new_reads_no_input(
    tmp_path: Path, statements: list[str], opened: list[str]
) -> None:
    log(tmp_path, "a.json", list(events(DAYS)))
    run(tmp_path)
    opened.clear()
    statements.clear()
    run(tmp_path)
    assert opened == []
    assert of_kind(statements, "read_json(") == []


def test_rows_out_are_rows_in(tmp_path: Path) -> None:
    log(tmp_path, "a.json", list(events(DAYS)))
    run(tmp_path)
    for dataset in ("user_registration", "app_loaded"):
        files = str(tmp_path / "out" / dataset / "*" / "*" / "*.parquet")
        ((rows, files_found),) = duckdb.execute(
            "SELECT count(*), count(DISTINCT filename) FROM read_parquet(?, filename = true)",
            [files],
        ).fetchall()
        assert (rows, files_found) == (DAYS, DAYS)
