"""The seven lines of the design page: not only how many converted, but who."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.command import command
from support.datasets import read_dataset
from support.engines import EngineUnderTest
from support.logs import WORKED_EXAMPLE, write_log


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write_log(tmp_path / "dataset.json", WORKED_EXAMPLE)


def test_who_converted(engine: EngineUnderTest, log: Path, output: Path) -> None:
    who = {"next-week": 2, "same-week": 1, "any-load-next-week": 2, "within-7-days": 1}
    words: tuple[object, ...] = ("run", "--input", log)
    for definition, user in who.items():
        done = engine.command(
            *words, "--output", output, "--definition", definition, "--format", "json"
        )
        words = ("conversion-rate",)
        answer = done.json()
        assert answer["definition"] == definition
        assert (answer["total_registered"], answer["total_converted"]) == (3, 1)
        assert answer["conversion_rate"] == 33.33
        (week,) = read_dataset(output, "weekly_summary")
        assert (week.registration_week, week.total_registered) == ("2020-45", 3)
        assert (week.total_converted, week.conversion_rate) == (1, 33)
        users = read_dataset(output, "user_conversion")
        assert {each.initiator_id for each in users if each.converted} == {user}
        assert {each.initiator_id: each.week_offset for each in users} == {1: 0, 2: 1, 3: 2}


def test_events_lie_in_their_days(engine: EngineUnderTest, log: Path, output: Path) -> None:
    assert engine.command("events-split", "--input", log, "--output", output).status == 0
    registrations = read_dataset(output, "user_registration")
    assert {(row.derived_tstamp_day, row.initiator_id) for row in registrations} == {
        ("2020-11-02", 1),
        ("2020-11-02", 2),
        ("2020-11-03", 3),
    }
    assert {row.time for row in registrations if row.initiator_id == 1} == {
        datetime(2020, 11, 2, 6, 21, 14, tzinfo=UTC)
    }
    loads = read_dataset(output, "app_loaded")
    assert sorted((row.derived_tstamp_day, row.initiator_id) for row in loads) == [
        ("2020-11-03", 1),
        ("2020-11-11", 2),
        ("2020-11-12", 2),
        ("2020-11-17", 3),
    ]
    assert {row.event for row in registrations} == {"registered"}
    assert {row.event for row in loads} == {"app_loaded"}
    assert read_dataset(output, "rejected_events") == []


def test_the_metric_is_printed_in_words(log: Path, output: Path) -> None:
    done = command("run", "--input", log, "--output", output)
    assert done.status == 0, done.err
    assert "Conversion rate: 33.33 % (1 of 3 users)" in done.out
    assert "next-week" in done.out
    assert "UTC" in done.out
    assert "2020-45" in done.out
