"""Nights are merged into what was published: always as if all events were read again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest
from hypothesis import given, note
from hypothesis import strategies as st
from support.datasets import CONTRACT, read_dataset, row_counts
from support.engines import DUCKDB, EngineUnderTest, engines
from support.logs import app_loaded, registered, write_log
from support.strategies import (
    RUN_STARTED,
    as_of_dates,
    definitions,
    event_line,
    event_logs,
    zones,
)

from user_conversion.engines import Engine, open_engine
from user_conversion.jobs import context
from user_conversion.jobs.conversion_rate import job as conversion_rate
from user_conversion.jobs.conversion_rate import merge
from user_conversion.jobs.conversion_rate.state import State, last_state
from user_conversion.places.publication import Publication


class Nights:
    """A folder of logs that grows, and an output."""

    def __init__(self, engine: EngineUnderTest, folder: Path) -> None:
        self.engine, self.folder = engine, folder
        self.logs, self.output = folder / "logs", folder / "output"
        self.runs = self.delivered = 0

    def deliver(self, *lines: str | bytes) -> None:
        self.delivered += 1
        write_log(self.logs / f"{self.delivered}.json", lines)

    def run(self, **options: Any) -> dict[str, Any]:
        """One run; what it publishes and answers is that of a rebuild."""
        self.runs += 1
        now = RUN_STARTED + timedelta(seconds=self.runs)
        answer = self.engine.run(self.output, self.logs, now=now, **options).as_json()
        rebuilt = self.folder / "rebuilt"
        shutil.rmtree(rebuilt, ignore_errors=True)
        again = self.engine.run(rebuilt, self.logs, now=now, **options).as_json()
        assert {**answer, "restated": []} == again
        for name in CONTRACT:
            if name != "rejected_events":
                assert row_counts(self.output, name) == row_counts(rebuilt, name), name
        return answer

    def files(self, dataset: str) -> dict[Path, int]:
        """The files of a dataset; one that is written again has another number."""
        return {path: path.stat().st_ino for path in self.output.glob(f"{dataset}/*/*/*.parquet")}


@pytest.fixture
def merges(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each run but rebuilds went on from the state."""
    found: list[bool] = []

    def watched(*arguments: Any) -> State | None:
        state = last_state(*arguments)
        if "rebuilt" not in str(arguments[0].publication.output):
            found.append(state is not None)
        return state

    monkeypatch.setattr(conversion_rate, "last_state", watched)
    return found


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    return Nights(DUCKDB, tmp_path)


@pytest.mark.property
@pytest.mark.parametrize("engine", engines(pytest.mark.long), indirect=True)
def test_nights_in_any_order_end_like_a_rebuild(
    engine: EngineUnderTest, monkeypatch: pytest.MonkeyPatch, merges: list[bool]
) -> None:
    @engine.examples(12)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        zone, definition = data.draw(zones()), data.draw(definitions())
        log = data.draw(event_logs(zone, max_size=40))
        number = data.draw(st.integers(2, 5))
        of_night = data.draw(
            st.lists(st.integers(0, number - 1), min_size=len(log), max_size=len(log))
        )
        monkeypatch.setattr(merge, "MOST_PARTS", data.draw(st.integers(1, 3)))
        # With more values of a channel, the figures of segments do not stay.
        monkeypatch.setattr(conversion_rate, "MOST_VALUES", data.draw(st.integers(1, 3)))
        with TemporaryDirectory() as name:
            nights = Nights(engine, Path(name))
            nights.deliver(
                registered("2020-11-02T06:21:14Z", 5), app_loaded("2020-11-09T00:00:00Z", 6)
            )
            nights.run(timezone=zone, definition=definition)
            for night in range(number):
                lines = [event_line(e) for e, n in zip(log, of_night, strict=True) if n == night]
                if lines:
                    nights.deliver(*lines)
                options: dict[str, Any] = {"timezone": zone, "definition": definition}
                rare = data.draw(st.integers(0, 9))
                if rare == 0:
                    options["timezone"] = data.draw(zones())
                elif rare == 1:
                    options["as_of"] = data.draw(as_of_dates(log))
                elif rare == 2:
                    options["definition"] = data.draw(definitions())
                note(f"night {night}: {lines}, {options}")
                nights.run(**options)

    check()
    assert any(merges)


def test_only_weeks_in_which_a_row_changed_are_written(nights: Nights, merges: list[bool]) -> None:
    nights.deliver(
        registered("2020-11-02T06:00:00Z", 1),
        registered("2020-11-10T06:00:00Z", 2),
        registered("2020-11-17T06:00:00Z", 3),
        app_loaded("2020-11-17T06:00:00Z", 1),
    )
    nights.run()
    before = {name: nights.files(name) for name in ("user_conversion", "weekly_summary")}
    # The first load of user 2; a later one of user 1, which changes nothing.
    nights.deliver(app_loaded("2020-11-18T06:00:00Z", 2), app_loaded("2020-11-18T06:00:00Z", 1))
    nights.run()
    for name, files in before.items():
        after = nights.files(name)
        written = [path.parent.name for path in after if after[path] != files.get(path)]
        assert written == ["registration_week=2020-46"], name
    assert merges == [False, True]


@pytest.mark.parametrize("engine", engines(pytest.mark.long), indirect=True)
def test_history_is_read_only_from_the_days_since_a_late_registration(
    engine: EngineUnderTest, tmp_path: Path, merges: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    nights = Nights(engine, tmp_path)
    days = [f"2020-11-{day:02}" for day in range(2, 30)]
    nights.deliver(
        *(app_loaded(f"{day}T06:00:00Z", 7) for day in days), registered("2020-11-02T00:00:00Z", 1)
    )
    nights.run()
    checked: list[list[str]] = []
    require_rows = Publication.require_rows
    monkeypatch.setattr(
        Publication,
        "require_rows",
        lambda *given: (checked.append(given[-1]), require_rows(*given)),
    )
    nights.deliver(registered("2020-11-27T12:00:00Z", 7))
    answer = nights.run()
    assert ["2020-11-27", "2020-11-28", "2020-11-29"] in checked
    assert answer["quality"]["loads_before_registration"] == 26
    assert answer["quality"]["loads_without_registration"] == 0
    assert merges == [False, True]


@pytest.mark.parametrize(
    "options",
    [
        {"as_of": date(2020, 11, 20)},
        {"timezone": "Asia/Tokyo"},
        {"field": {"plan": "plan"}},
        {"full_refresh": True},
    ],
    ids=lambda options: next(iter(options)),
)
def test_what_the_state_was_not_made_for_reads_all_events(
    nights: Nights, merges: list[bool], options: dict[str, Any]
) -> None:
    nights.deliver(registered("2020-11-02T06:00:00Z", 1), app_loaded("2020-11-10T06:00:00Z", 1))
    nights.run()
    if "field" in options:
        nights.engine.run(nights.output, nights.logs, **options)
    else:
        nights.run(**options)
    nights.run()
    is_again = "full_refresh" not in options  # else nothing has changed
    nights.deliver(app_loaded("2020-11-18T06:00:00Z", 1))
    nights.run()
    assert merges == [False, False, *[False] * is_again, True]


def test_a_damaged_state_is_made_anew(nights: Nights, merges: list[bool]) -> None:
    nights.deliver(registered("2020-11-02T06:00:00Z", 1), app_loaded("2020-11-02T06:00:00Z", 9))
    nights.run()
    for damaged in damages(nights.output):
        damaged.write_bytes(b"")
        nights.run()
        assert merges[-1] is False, damaged
        nights.run()
    assert len(merges) == 1 + len([*damages(nights.output)])


def damages(output: Path) -> Iterator[Path]:
    yield output / "state.json"
    for dataset in ("user_conversion", "weekly_summary", "_users_without_registration"):
        yield from output.glob(f"{dataset}/*/*/*.parquet")


def test_a_run_with_nothing_new_starts_no_engine(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But the next day one does: the clock of a phone that is fast has shown that day already."""
    for event, days in ((registered, -9), (app_loaded, 0.9)):
        nights.deliver(event((RUN_STARTED + timedelta(days=days)).isoformat(), 1))
    first = nights.run()
    started: list[str] = []

    def watched(name: str, *rest: Any) -> Engine:
        started.append(name)
        return open_engine(name, *rest)

    monkeypatch.setattr(context, "open_engine", watched)
    run = partial(nights.engine.run, nights.output, nights.logs)
    assert run().as_json() == first
    assert not started
    tomorrow = run(now=RUN_STARTED + timedelta(days=1)).as_json()
    assert started
    assert (first["observed_through"], tomorrow["observed_through"]) == ("2025-06-14", "2025-06-15")


LATER = app_loaded("2020-11-25T06:00:00Z", 99)


def two_nights(nights: Nights, **options: Any) -> dict[str, Any]:
    """The second one reads what the first one wrote."""
    nights.deliver(
        registered("2020-11-02T06:00:00Z", 1, "invite", plan="free"),
        registered("2020-11-03T06:00:00Z", 2, plan="pro"),
        app_loaded("2020-11-10T06:00:00Z", 1, "tv"),
        LATER,
    )
    nights.run(**options)
    nights.deliver(
        registered("2020-11-04T06:00:00Z", 3, "ads", plan="pro"),
        app_loaded("2020-11-10T07:00:00Z", 3, "phone"),
    )
    return nights.run(**options)


def test_no_folder_above_the_output_is_a_week(engine: EngineUnderTest, tmp_path: Path) -> None:
    answer = two_nights(Nights(engine, tmp_path / "registration_week=2020-01" / "x"))
    assert [week["registration_week"] for week in answer["weeks"]] == ["2020-45"]
    assert (answer["total_registered"], answer["total_converted"]) == (3, 2)


@pytest.mark.parametrize(
    "above", ["channel=web", "initiator_id=7", "loads_before_registration=3", "registered_at=2020"]
)
def test_no_folder_above_the_output_is_a_column(tmp_path: Path, above: str) -> None:
    answer = two_nights(Nights(DUCKDB, tmp_path / above), by="channel")
    assert {each["value"]: each["total_registered"] for each in answer["segments"]} == {
        "ads": 1,
        "invite": 1,
        None: 1,
    }


@pytest.mark.parametrize("name", ["n", "file", "filename", "rows", "value"])
def test_a_field_may_have_the_name_of_something_within(
    tmp_path: Path, output: Path, name: str
) -> None:
    for number in range(1, 4):
        lines = [registered("2020-11-02T06:00:00Z", number, plan="pro")]
        write_log(tmp_path / "logs" / f"{number}.json", lines)
        DUCKDB.run(output, tmp_path / "logs", field={name: "plan"}, by=name)
    files = f"read_parquet('{output}/user_conversion/*/*/*.parquet', hive_partitioning = false)"
    assert duckdb.sql(f'SELECT "{name}" FROM {files}').fetchall() == [("pro",)] * 3


def test_the_answer_to_another_definition_does_not_hold(nights: Nights) -> None:
    """The record is that of a run before the last one, as if somebody had put it back."""
    nights.deliver(registered("2020-11-02T06:00:00Z", 1), app_loaded("2020-11-03T06:00:00Z", 1))
    nights.run()
    before = (nights.output / "run.json").read_bytes()
    assert nights.run(definition="same-week")["total_converted"] == 1
    (nights.output / "run.json").write_bytes(before)
    assert nights.run()["total_converted"] == 0
    (summary,) = read_dataset(nights.output, "weekly_summary")
    assert summary.total_converted == 0


def test_the_answer_of_an_earlier_run_does_not_hold(nights: Nights) -> None:
    """The record is that of the first run, as if somebody had put it back."""
    nights.deliver(registered("2020-11-02T06:00:00Z", 1))
    nights.run()
    before = (nights.output / "run.json").read_bytes()
    nights.deliver(app_loaded("2020-11-10T06:00:00Z", 1))
    nights.run()
    (nights.output / "run.json").write_bytes(before)
    assert nights.run()["total_converted"] == 1


def test_events_that_were_split_alone_are_not_forgotten(nights: Nights, merges: list[bool]) -> None:
    nights.deliver(registered("2020-11-02T06:00:00Z", 1))
    nights.run()
    nights.deliver(app_loaded("2020-11-10T06:00:00Z", 1))
    nights.engine.split(nights.output, nights.logs, now=RUN_STARTED + timedelta(minutes=1))
    nights.deliver(registered("2020-11-02T06:00:00Z", 1), registered("2020-11-03T06:00:00Z", 2))
    assert nights.run()["total_converted"] == 1
    assert merges == [False, False]
