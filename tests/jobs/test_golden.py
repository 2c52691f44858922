"""Output folders of earlier versions are read, reported and continued by this one.

`scripts/golden.py` made them from the logs beside them, in two runs: DuckDB with integer ids,
Spark with text ids. All that is expected here was worked out by hand from the logs.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.command import command
from support.engines import EngineUnderTest
from support.outputs import Page
from support.readers import READERS, plain
from support.repository import GOLDEN

FOLDERS = sorted(GOLDEN.glob("*/*-ids"))

# The same users: their number, and their text id.
USERS = {1: "ann", 2: "Zoë", 3: "07", 5: "bob", 99: "nobody", 2**63 - 1: "o'neil"}
SAID = 'say "hi", it\'s'
UNFINISHED = (
    '{"event": "registered", "timestamp": "2021-01-06T12:00:00Z", "initiator_id": 6, '
    '"user": "kim", "channel": "ad'
)
ROWS: dict[str, list[dict[str, Any]]] = {
    name: [dict(zip(columns, row, strict=True)) for row in rows]
    for name, columns, *rows in [
        (
            "user_registration",
            ("derived_tstamp_day", "event", "time", "initiator_id", "channel", "Order"),
            ("2020-12-28", "registered", "2020-12-28T00:00:00", 1, "invite", "pro"),
            ("2020-12-28", "registered", "2020-12-28T09:00:00", 2**63 - 1, "invite", None),
            ("2021-01-03", "registered", "2021-01-03T23:59:59.999999", 2, "ad", SAID),
            ("2021-01-04", "registered", "2021-01-04T04:00:00", 2, "invite", "free"),
            ("2021-01-04", "registered", "2021-01-04T12:00:00", 3, "", None),
            ("2021-01-18", "registered", "2021-01-18T00:00:00", 5, None, None),
        ),
        (
            "app_loaded",
            ("derived_tstamp_day", "event", "time", "initiator_id", "device_type"),
            ("2021-01-04", "app_loaded", "2021-01-04T00:00:00", 1, "phone"),
            ("2021-01-05", "app_loaded", "2021-01-05T10:00:00", 2, "tablet"),
            ("2021-01-12", "app_loaded", "2021-01-12T08:30:00.500000", 3, None),
            ("2021-01-25", "app_loaded", "2021-01-25T00:00:00", 99, "phone"),
        ),
        (
            "weekly_summary",
            ("registration_week", "total_registered", "total_converted", "conversion_rate"),
            ("2020-53", 3, 2, 67),
            ("2021-01", 1, 1, 100),
            ("2021-03", 1, 0, 0),
        ),
        (
            "user_conversion",
            (
                *("registration_week", "initiator_id", "registered_at", "channel", "Order"),
                *("first_loaded_at", "device_type"),
                *("week_offset", "loaded_next_week", "next_week_loaded_at"),
                *("loads_before_registration", "converted"),
            ),
            (
                *("2020-53", 1, "2020-12-28T00:00:00", "invite", "pro"),
                *("2021-01-04T00:00:00", "phone", 1, True, "2021-01-04T00:00:00", 0, True),
            ),
            (
                *("2020-53", 2, "2021-01-03T23:59:59.999999", "ad", SAID),
                *("2021-01-05T10:00:00", "tablet", 1, True, "2021-01-05T10:00:00", 0, True),
            ),
            (
                *("2020-53", 2**63 - 1, "2020-12-28T09:00:00", "invite", None),
                *(None, None, None, False, None, 0, False),
            ),
            (
                *("2021-01", 3, "2021-01-04T12:00:00", "", None),
                *(
                    "2021-01-12T08:30:00.500000",
                    None,
                    1,
                    True,
                    "2021-01-12T08:30:00.500000",
                    0,
                    True,
                ),
            ),
            (
                *("2021-03", 5, "2021-01-18T00:00:00", None, None),
                *(None, None, None, False, None, 0, False),
            ),
        ),
        (
            "rejected_events",
            ("source", "line_number", "reason", "raw"),
            ("app.log", 4, "invalid_json", "not json"),
            ("app.log", 7, "missing_timestamp", '{"event":"registered"}'),
            ("app.log", 8, "invalid_json", UNFINISHED),
            ("late.json.gz", 8, "missing_event", "{}"),
        ),
    ]
}


@pytest.fixture(params=FOLDERS, ids=lambda path: f"{path.parent.name} {path.name}")
def golden(request: pytest.FixtureRequest) -> Path:
    """The output folders that were made by this version and by earlier ones."""
    return Path(request.param)


@pytest.fixture
def output(golden: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of such a folder, beside copies of the logs and of the log format."""
    shutil.copytree(GOLDEN / "logs", tmp_path / "logs")
    _, log_format = golden.name.split("-", 1)
    shutil.copy(GOLDEN / f"{log_format}.toml", tmp_path)
    shutil.copytree(golden, tmp_path / golden.name)
    monkeypatch.chdir(tmp_path)
    return Path(golden.name)


# ---------------------------------------------------------------- readers

MARKS = {"spark": pytest.mark.spark}


@pytest.mark.parametrize(
    "reader", [pytest.param(each, marks=MARKS.get(each, ())) for each in READERS]
)
def test_other_programs_read_every_dataset(
    golden: Path, reader: str, request: pytest.FixtureRequest
) -> None:
    if reader == "spark":
        request.getfixturevalue("spark_session")
    for name, expected in ROWS.items():
        found = READERS[reader](golden / name / "format=parquet")
        assert multiset(map(comparable, found)) == multiset(
            as_written_by(golden, row) for row in expected
        ), name


def multiset(rows: Any) -> Counter[Any]:
    return Counter(frozenset(row.items()) for row in rows)


def comparable(row: dict[str, Any]) -> dict[str, Any]:
    row = {name: plain(value) for name, value in row.items()}
    return row | {"source": Path(row["source"]).name} if "source" in row else row


def as_written_by(golden: Path, row: dict[str, Any]) -> dict[str, Any]:
    """An expected row with the ids of a folder, and without line numbers if Spark wrote it."""
    if "initiator_id" in row and golden.name.endswith("text-ids"):
        return row | {"initiator_id": USERS[row["initiator_id"]]}
    if "line_number" in row and golden.name.startswith("spark"):
        return row | {"line_number": None}
    return row


# ---------------------------------------------------------------- the program


def figures(answer: dict[str, Any]) -> dict[str, tuple[int, int, float, bool]]:
    names = ("total_registered", "total_converted", "conversion_rate", "complete")
    return {
        week["registration_week"]: tuple(week[name] for name in names) for week in answer["weeks"]
    }


FIGURES = {
    "2020-53": (3, 2, 66.67, True),
    "2021-01": (1, 1, 100.0, True),
    "2021-03": (1, 0, 0.0, False),
}


def test_conversion_is_computed_anew(output: Path) -> None:
    done = command("conversion-rate", "--output", output, "--by", "Order", "--format", "json")
    answer = done.json()
    assert figures(answer) == FIGURES
    assert (answer["total_registered"], answer["conversion_rate"]) == (5, 60.0)
    assert answer["complete"]["conversion_rate"] == 75.0
    assert answer["observed_through"] == "2021-01-24"
    assert {each["value"]: each["total_registered"] for each in answer["segments"]} == {
        "pro": 1,
        SAID: 1,
        None: 2,
    }


def test_report_is_written(output: Path) -> None:
    assert command("report", "--output", output).status == 0
    page = Page((output / "report.html").read_text("utf-8"))
    all_users = page.table("Conversion by channel over complete weeks")["All users"]
    assert all_users[:2] == ["4", "3"]
    message = command("report", "--output", output, "--format", "md").out
    assert "Weekly user conversion: 75.00 %" in message
    assert "| 2020-53 | 2020-12-28 | 3 | 2 | 66.67 % |" in message


def test_next_run_adds_what_is_new(engine: EngineUnderTest, output: Path) -> None:
    """The unfinished line is finished, and one more follows; nothing else is read again."""
    with Path("logs", "night-1", "app.log").open("a") as log:
        log.write('", "Sign-up form": {"it\'s plan": "pro"}}\n')
        load = {"event": "app_loaded", "timestamp": "2021-01-13T00:00:00Z"}
        log.write(json.dumps(load | {"initiator_id": 6, "user": "kim"}) + "\n")
    log_format = f"{output.name.split('-', 1)[1]}.toml"
    options = ["--input", "logs", "--output", output, "--log-format", log_format]
    done = engine.command("run", *options, "--max-rejected", 1, "--format", "json")
    answer = done.json()
    assert figures(answer) == FIGURES | {"2021-01": (2, 2, 100.0, True)}
    assert answer["events"]["lines"] == 17
    assert answer["events"]["rejected_by_reason"] == {
        "invalid_json": 1,
        "missing_event": 1,
        "missing_timestamp": 1,
    }
    record = json.loads((output / "run.json").read_text())["jobs"]["events-split"]
    assert (record["files_read"], record["counts"]["lines"]) == (1, 2)
