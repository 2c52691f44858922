"""The memory limit of DuckDB."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.command import assert_refused, command, process
from support.datasets import assert_no_litter, everything
from support.engines import DUCKDB
from support.logs import app_loaded, registered, write_log

from user_conversion.engines.duckdb import lines


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Sixty days, out of order, with a bad line and times in several forms."""
    days = [date(2020, 1, 1) + timedelta(days=n * 37 % 60) for n in range(60)]
    lines = [registered(f"{day}T06:00:00Z", n, "invite") for n, day in enumerate(days)]
    lines += [app_loaded(f"{day}T08:00:00.5Z", n, "phone") for n, day in enumerate(days)]
    lines += [app_loaded(f"{day}T08:00:00+01:00", n) for n, day in enumerate(days)]
    return write_log(tmp_path / "log.json", [*lines, "nonsense"])


@pytest.mark.parametrize("limit", ["SHARE_FOR_TABLES", "LARGEST_IN_MEMORY"])
def test_log_that_grows_while_tables_are_on_disk_is_read_again(
    tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    move_to_disk, moved = lines.move_to_disk, []

    def grow_and_move(*args: Any) -> None:
        with log.open("a") as file:
            file.write("a line that was added\n")
        moved.append(args)
        move_to_disk(*args)

    monkeypatch.setattr(lines, limit, 0)
    monkeypatch.setattr(lines, "move_to_disk", grow_and_move)
    options = ("--input", log, "--output", tmp_path / "output", "--max-rejected", 1)
    done = command("events-split", *options, "--memory-limit", "200MB", "--format", "json")
    counts = done.json()["events"]
    assert len(moved) == 2
    assert (counts["lines"], counts["registered"], counts["app_loaded"]) == (181, 60, 120)


@pytest.mark.parametrize("size", ["3", "2 apples", "80%"])
def test_impossible_memory_limit_is_wrong_usage(tmp_path: Path, log: Path, size: str) -> None:
    done = command("run", "--input", log, "--output", tmp_path / "o", f"--memory-limit={size}")
    assert (done.status, done.out) == (2, "")
    assert "--memory-limit" in done.err and "2GiB" in done.err


def test_memory_limit_is_no_option_of_spark(tmp_path: Path, log: Path) -> None:
    options = ("--input", log, "--output", tmp_path / "o", "--memory-limit", "2GiB")
    done = command("run", *options, "--engine", "spark")
    assert done.status == 2
    assert "spark.driver.memory" in done.err
    assert command("run", *options, "--max-rejected", 1).status == 0


def test_too_little_memory_fails_the_run_in_one_sentence(tmp_path: Path, log: Path) -> None:
    output = tmp_path / "output"
    DUCKDB.run(output, log)
    before = everything(output)
    options = ("--input", log, "--output", output, "--full-refresh", "--max-rejected", 1)
    done = process("run", *options, "--memory-limit", "5MB")
    assert_refused(done, "--memory-limit")
    assert everything(output) == before
    assert_no_litter(output)


def test_the_limit_is_also_that_of_converting_json_documents(tmp_path: Path) -> None:
    """The document has 40 MB, of which DuckDB needs a multiple."""
    event = {"event": "registered", "timestamp": "2020-01-01T12:00:00Z", "initiator_id": 1}
    document = tmp_path / "document.json"
    document.write_text(json.dumps({"events": [{**event, "note": "x" * 2000}] * 20_000}))
    options = ("events-split", "--input", document, "--output", tmp_path / "output")
    assert_refused(command(*options, "--memory-limit", "200MB"), "does not fit into memory")
    assert command(*options).status == 0
