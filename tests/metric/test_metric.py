"""The metric on every engine: cases by hand, the oracle's judgement, and what must not matter.

The cases by hand are put to the oracle, too: an oracle that errs would be believed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import product
from math import sqrt
from pathlib import Path
from random import Random
from statistics import NormalDist
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import ibis
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support import oracle
from support.command import assert_refused, command
from support.datasets import read_dataset, row_counts
from support.engines import DUCKDB, EngineUnderTest
from support.logs import app_loaded, registered, write_log
from support.repository import SAMPLE
from support.strategies import RUN_STARTED, Question, event_line, event_logs, questions

from user_conversion.answer.results import ConversionResult
from user_conversion.metric import conversion
from user_conversion.rules.job_names import CONVERSION


def oracle_events(lines: Sequence[str]) -> list[oracle.Event]:
    events, _ = oracle.read([line.encode() for line in lines], RUN_STARTED)
    return events


# ---------------------------------------------------------------- one user per case

# Zone, then cases: registration, first load or None, registration week, week offset.
Case = tuple[str, str | None, str, int | None]
WEEKS: dict[str, list[Case]] = {
    "UTC": [
        # Sunday's last microsecond and Monday's first.
        ("2020-11-08T23:59:59.999999Z", "2020-11-09T00:00:00Z", "2020-45", 1),
        ("2020-11-09T00:00:00Z", "2020-11-15T23:59:59.999999Z", "2020-46", 0),
        ("2020-11-09T00:00:00Z", "2020-11-16T00:00:00Z", "2020-46", 1),
        ("2020-11-09T00:00:00Z", "2020-11-22T23:59:59.999999Z", "2020-46", 1),
        ("2020-11-09T00:00:00Z", "2020-11-23T00:00:00Z", "2020-46", 2),
        # 2020 has 53 weeks; week 53 ends on 2021-01-03.
        ("2020-12-31T12:00:00Z", "2021-01-04T00:00:00Z", "2020-53", 1),
        ("2021-01-03T23:59:59.999999Z", "2021-01-03T23:59:59.999999Z", "2020-53", 0),
        ("2021-01-04T00:00:00Z", "2021-01-11T00:00:00Z", "2021-01", 1),
        ("2020-12-27T12:00:00Z", "2021-01-04T12:00:00Z", "2020-52", 2),
        ("2019-12-30T00:00:00Z", "2021-01-03T12:00:00Z", "2020-01", 52),
        # The first days of a year in the week of the year before, and the other way round.
        ("2017-01-01T12:00:00Z", "2017-01-02T12:00:00Z", "2016-52", 1),
        ("2018-12-31T12:00:00Z", None, "2019-01", None),
        ("2024-12-30T00:00:00Z", "2025-01-06T00:00:00Z", "2025-01", 1),
        ("2010-01-03T12:00:00Z", "2010-01-04T12:00:00Z", "2009-53", 1),
        ("1970-01-01T00:00:00Z", "1970-01-05T00:00:00Z", "1970-01", 1),
        # Leap day.
        ("2020-02-29T12:00:00Z", "2020-03-02T00:00:00Z", "2020-09", 1),
    ],
    "America/New_York": [
        # Clocks go forward on Sunday 2020-03-08: that week has 167 hours, 05:00Z to 04:00Z.
        ("2020-03-02T05:00:00Z", "2020-03-09T03:59:59.999999Z", "2020-10", 0),
        ("2020-03-02T05:00:00Z", "2020-03-09T04:00:00Z", "2020-10", 1),
        ("2020-03-02T04:59:59.999999Z", "2020-03-02T05:00:00Z", "2020-09", 1),
        # Back on Sunday 2020-11-01: 169 hours, 04:00Z to 05:00Z.
        ("2020-10-26T04:00:00Z", "2020-11-02T04:59:59.999999Z", "2020-44", 0),
        ("2020-10-26T04:00:00Z", "2020-11-02T05:00:00Z", "2020-44", 1),
        # The repeated hour itself: 05:30Z and 06:30Z are both 01:30 on Sunday.
        ("2020-11-01T05:30:00Z", "2020-11-01T06:30:00Z", "2020-44", 0),
        # New year is at 05:00Z.
        ("2021-01-04T04:59:59Z", "2021-01-04T05:00:00Z", "2020-53", 1),
    ],
    "Australia/Lord_Howe": [
        # Half an hour: back on Sunday 2021-04-04, from +11:00 to +10:30.
        ("2021-03-28T13:00:00Z", "2021-04-04T13:29:59.999999Z", "2021-13", 0),
        ("2021-03-28T13:00:00Z", "2021-04-04T13:30:00Z", "2021-13", 1),
        # Forward on Sunday 2021-10-03.
        ("2021-09-26T13:30:00Z", "2021-10-03T12:59:59.999999Z", "2021-39", 0),
        ("2021-09-26T13:30:00Z", "2021-10-03T13:00:00Z", "2021-39", 1),
    ],
    "Pacific/Kiritimati": [
        # 14 hours ahead: Monday begins at 10:00Z on Sunday.
        ("2021-01-03T09:59:59.999999Z", "2021-01-03T10:00:00Z", "2020-53", 1),
        ("2021-01-03T10:00:00Z", "2021-01-10T10:00:00Z", "2021-01", 1),
        # 1994-12-31 did not happen there: the week from 1994-12-26 has six days.
        ("1994-12-26T10:40:00Z", "1995-01-01T09:59:59Z", "1994-52", 0),
        ("1994-12-26T10:40:00Z", "1995-01-01T10:00:00Z", "1994-52", 1),
    ],
    "Asia/Kathmandu": [
        ("2020-11-08T18:14:59.999999Z", "2020-11-08T18:15:00Z", "2020-45", 1),
        ("2020-11-08T18:15:00Z", "2020-11-15T18:14:59.999999Z", "2020-46", 0),
    ],
    "America/Phoenix": [
        ("2020-11-09T06:59:59Z", "2020-11-09T07:00:00Z", "2020-45", 1),
        ("2020-03-09T06:59:59Z", "2020-03-09T07:00:00Z", "2020-10", 1),
    ],
    "Asia/Tokyo": [("2020-11-08T14:59:59Z", "2020-11-08T15:00:00Z", "2020-45", 1)],
    "America/Sao_Paulo": [
        # Sunday 2018-11-04 has no midnight: clocks go from 23:59 to 01:00.
        ("2018-10-29T03:00:00Z", "2018-11-05T01:59:59Z", "2018-44", 0),
        ("2018-10-29T03:00:00Z", "2018-11-05T02:00:00Z", "2018-44", 1),
    ],
    "Pacific/Apia": [
        # 2011-12-30 did not happen there: from UTC-10 to UTC+14.
        ("2011-12-26T10:00:00Z", "2012-01-01T09:59:59Z", "2011-52", 0),
        ("2011-12-26T10:00:00Z", "2012-01-01T10:00:00Z", "2011-52", 1),
    ],
}


@pytest.fixture(scope="module")
def users_of_all_zones(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, list[oracle.Event]]:
    """Every case of every zone as a user: 1000 times the zone's place, plus the case's."""
    folder = tmp_path_factory.mktemp("zones")
    lines = []
    for place, cases in enumerate(WEEKS.values()):
        for user, (registration, load, _, _) in enumerate(cases, 1000 * place):
            lines.append(registered(registration, user))
            lines += [app_loaded(load, user)] if load else []
    DUCKDB.split(folder / "output", write_log(folder / "log.json", lines))
    return folder / "output", oracle_events(lines)


@pytest.mark.parametrize("zone", WEEKS)
def test_calendar_weeks(users_of_all_zones: tuple[Path, list[oracle.Event]], zone: str) -> None:
    output, events = users_of_all_zones
    DUCKDB.convert(output, timezone=zone)
    users = {user.initiator_id: user for user in read_dataset(output, "user_conversion")}
    judged = {user.initiator_id: user for user in oracle.measure(events, zone).users}
    cases = enumerate(WEEKS[zone], 1000 * list(WEEKS).index(zone))
    for (user, case), found_by in product(cases, (users, judged)):
        registration, load, week, offset = case
        found = found_by[user]
        assert (found.registration_week, found.week_offset) == (week, offset), case
        assert found.registered_at == datetime.fromisoformat(registration)
        assert found.first_loaded_at == (load and datetime.fromisoformat(load))
        assert found.converted == (offset == 1)
        assert found.loaded_next_week == (offset == 1)


LARGEST, SMALLEST = 2**63 - 1, -(2**63)
# What, the user's lines, then channel, week, device type of the first load, offset.
USERS: list[tuple[str, list[str], tuple[str | None, str, str | None, int | None]]] = [
    (
        "the earliest of duplicates counts, with its own channel",
        [
            registered("2020-11-09T08:00:01Z", 1, "a"),
            registered("2020-11-08T08:00:00Z", 1, "z"),
            registered("2020-11-08T08:00:01Z", 1, "b"),
        ],
        ("z", "2020-45", None, None),
    ),
    (
        "the earliest has no channel",
        [registered("2020-11-03T08:00:00Z", 2), registered("2020-11-03T08:00:00.000001Z", 2, "a")],
        (None, "2020-45", None, None),
    ),
    (
        "at one instant the first channel of the alphabet",
        [registered("2020-11-03T08:00:00Z", 3, channel) for channel in ("b", None, "a", "é")],
        ("a", "2020-45", None, None),
    ),
    (
        "at one instant any channel before none",
        [registered("2020-11-03T08:00:00Z", 4, channel) for channel in (None, "z")],
        ("z", "2020-45", None, None),
    ),
    (
        "one instant in two notations",
        [
            registered("2020-11-03T09:00:00+01:00", 5, "b"),
            registered("2020-11-03T08:00:00Z", 5, "a"),
        ],
        ("a", "2020-45", None, None),
    ),
    (
        "a load before the registration does not count",
        [
            app_loaded("2020-11-03T07:59:59.999999Z", 6, "early"),
            registered("2020-11-03T08:00:00Z", 6),
            app_loaded("2020-11-10T08:00:00Z", 6, "late"),
        ],
        (None, "2020-45", "late", 1),
    ),
    (
        "a load at the instant of the registration does",
        [app_loaded("2020-11-03T08:00:00Z", 7, "phone"), registered("2020-11-03T08:00:00Z", 7)],
        (None, "2020-45", "phone", 0),
    ),
    (
        "the first load takes the first device of the alphabet",
        [registered("2020-11-03T08:00:00Z", 8)]
        + [app_loaded("2020-11-10T08:00:00Z", 8, device) for device in ("b", None, "a")],
        (None, "2020-45", "a", 1),
    ),
    (
        "a first load without a device, a second with one",
        [
            registered("2020-11-03T08:00:00Z", 9),
            app_loaded("2020-11-10T08:00:00Z", 9),
            app_loaded("2020-11-10T08:00:00.000001Z", 9, "a"),
        ],
        (None, "2020-45", None, 1),
    ),
    (
        "between a first and a second registration",
        [
            registered("2020-11-03T08:00:00Z", 10, "a"),
            app_loaded("2020-11-10T08:00:00Z", 10, "phone"),
            registered("2020-11-11T08:00:00Z", 10, "b"),
        ],
        ("a", "2020-45", "phone", 1),
    ),
    # Ids that one float stands for, and the ends of 64 bits.
    ("2^53", [registered("2020-11-03T08:00:00Z", 2**53)], (None, "2020-45", None, None)),
    (
        "2^53 + 1",
        [
            registered("2020-11-03T08:00:00Z", str(2**53 + 1)),
            app_loaded("2020-11-10T08:00:00Z", 2**53 + 1),
        ],
        (None, "2020-45", None, 1),
    ),
    (
        "the largest id",
        [registered("2020-11-03T08:00:00Z", LARGEST)],
        (None, "2020-45", None, None),
    ),
    (
        "the smallest id",
        [
            registered("2020-11-03T08:00:00Z", SMALLEST),
            app_loaded("2020-11-12T08:00:00Z", SMALLEST),
        ],
        (None, "2020-45", None, 1),
    ),
    ("id 0", [registered("2020-11-03T08:00:00Z", 0)], (None, "2020-45", None, None)),
    ("an empty channel", [registered("2020-11-03T08:00:00Z", 11, "")], ("", "2020-45", None, None)),
]


def test_users_one_by_one(engine: EngineUnderTest, tmp_path: Path, output: Path) -> None:
    stranger = app_loaded("2020-11-10T08:00:00Z", 999, "phone")
    lines = [stranger, *(line for _, lines, _ in USERS for line in lines)]
    result = engine.run(output, write_log(tmp_path / "log.json", lines))
    for rows in (
        read_dataset(output, "user_conversion"),
        oracle.measure(oracle_events(lines)).users,
    ):
        users = {user.initiator_id: user for user in rows}
        for what, (first, *_), expected in USERS:
            user = users.pop(int(json.loads(first)["initiator_id"]))
            found = (user.channel, user.registration_week, user.device_type, user.week_offset)
            assert found == expected, what
        assert not users
    assert result.quality.loads_without_registration == 1
    assert result.quality.loads_before_registration == 1
    # Second and later registered events of users 1 to 5 and 10.
    assert result.quality.duplicate_registrations == 2 + 1 + 3 + 1 + 1 + 1


def test_definitions_part_where_users_load_in_both_weeks(tmp_path: Path, output: Path) -> None:
    lines = [registered("2020-11-02T12:00:00Z", user) for user in (1, 2, 3, 4)]
    lines += [app_loaded("2020-11-03T12:00:00Z", user) for user in (1, 2)]
    lines += [app_loaded("2020-11-10T12:00:00Z", user) for user in (2, 3)]
    DUCKDB.split(output, write_log(tmp_path / "log.json", lines))
    for definition, who in (
        ("next-week", {3}),
        ("same-week", {1, 2}),
        ("any-load-next-week", {2, 3}),
    ):
        result = DUCKDB.convert(output, definition=definition)
        rows = read_dataset(output, "user_conversion")
        judged = oracle.measure(oracle_events(lines), definition=definition).users
        for users in (rows, judged):
            assert {user.initiator_id for user in users if user.converted} == who
        assert {row.initiator_id for row in rows if row.next_week_loaded_at} == {2, 3}
        assert result.total_converted == len(who)


def test_whole_percent_is_rounded_half_up(
    engine: EngineUnderTest, tmp_path: Path, output: Path
) -> None:
    # Week: registered, converted, whole percent, percent with two decimals.
    weeks = {
        "2020-01-06": (200, 1, 1, 0.5),
        "2020-01-20": (201, 1, 0, 0.5),  # 0.4975...
        "2020-02-03": (8, 1, 13, 12.5),
        "2020-02-17": (8, 3, 38, 37.5),
        "2020-03-02": (3, 1, 33, 33.33),
        "2020-03-16": (3, 2, 67, 66.67),
        "2020-03-30": (7, 7, 100, 100.0),
        "2020-04-13": (5, 0, 0, 0.0),
        "2020-04-27": (200, 199, 100, 99.5),
        "2020-05-11": (800, 1, 0, 0.13),  # 0.125
    }
    lines = []
    for monday, (users, converted, _, _) in weeks.items():
        start = int(monday.replace("-", "")) * 1000
        next_monday = date.fromisoformat(monday) + timedelta(days=7)
        lines += [registered(f"{monday}T00:00:00Z", start + user) for user in range(users)]
        lines += [app_loaded(f"{next_monday}T00:00:00Z", start + user) for user in range(converted)]
    result = engine.run(output, write_log(tmp_path / "log.json", lines))
    rows = read_dataset(output, "weekly_summary")
    figures = [(row.total_registered, row.total_converted, row.conversion_rate) for row in rows]
    assert figures == [(users, converted, whole) for users, converted, whole, _ in weeks.values()]
    in_json = result.as_json()["weeks"]
    assert [week["week_start"] for week in in_json] == list(weeks)
    assert [week["conversion_rate"] for week in in_json] == [each[3] for each in weeks.values()]


# ---------------------------------------------------------------- weeks that are not over


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Registrations in two weeks, seen until Sunday 2020-11-22 in UTC."""
    folder = tmp_path_factory.mktemp("unfinished")
    lines = [registered("2020-11-03T12:00:00Z", user, "ad") for user in (1, 2, 3)]
    lines += [registered("2020-11-10T12:00:00Z", user, "mail") for user in (4, 5)]
    lines += [app_loaded("2020-11-09T12:00:00Z", 1, "phone")]
    lines += [app_loaded("2020-11-20T12:00:00Z", 4, "phone")]
    lines += [app_loaded("2020-11-22T03:00:00Z", 5, "tablet")]
    DUCKDB.split(folder / "output", write_log(folder / "log.json", lines))
    return folder / "output"


@pytest.mark.parametrize(
    ("options", "observed", "complete", "left_out"),
    [
        # The day of the latest event may have only begun.
        ({}, "2020-11-21", ["2020-45"], 0),
        # The last load was on Saturday evening in New York.
        ({"timezone": "America/New_York"}, "2020-11-20", ["2020-45"], 0),
        ({"as_of": date(2020, 11, 22)}, "2020-11-22", ["2020-45", "2020-46"], 0),
        ({"as_of": date(2020, 11, 21)}, "2020-11-21", ["2020-45"], 1),
        ({"as_of": date(2020, 11, 15)}, "2020-11-15", ["2020-45"], 2),
        ({"as_of": date(2020, 11, 14)}, "2020-11-14", [], 2),
        ({"as_of": date(2020, 11, 14), "definition": "same-week"}, "2020-11-14", ["2020-45"], 2),
        ({"as_of": date(2020, 11, 7), "definition": "same-week"}, "2020-11-07", [], 5),
        (
            {"as_of": date(2020, 11, 15), "definition": "any-load-next-week"},
            "2020-11-15",
            ["2020-45"],
            2,
        ),
        # No registrations from the 11th on: five on two Tuesdays, none on 15 more Tuesdays.
        ({"as_of": date(2021, 3, 1)}, "2021-03-01", ["2020-45"], 0),
        ({"as_of": date(2020, 11, 1)}, "2020-11-01", [], 8),
    ],
)
def test_complete_weeks(
    unfinished: Path,
    options: dict[str, Any],
    observed: str,
    complete: list[str],
    left_out: int,
) -> None:
    answer = DUCKDB.convert(unfinished, **options).as_json()
    assert answer["observed_through"] == observed
    weeks = [week["registration_week"] for week in answer["weeks"] if week["complete"]]
    assert weeks == complete
    assert answer["quality"]["events_after_as_of"] == left_out
    users = {"2020-45": 3, "2020-46": 2}
    assert answer["complete"]["total_registered"] == sum(users[week] for week in complete)


@pytest.mark.parametrize("definition", ["next-week", "within-7-days"])
def test_weeks_from_sunday_are_those_from_monday_a_day_earlier(
    tmp_path: Path, definition: str
) -> None:
    """Nothing but the labels changes if all events move by the same days as the weeks."""
    random, answers = Random(7), []
    users = [(7 * random.random(), 21 * random.random()) for _ in range(200)]
    for start, week_start in (datetime(2020, 11, 1), "sunday"), (datetime(2020, 11, 2), "monday"):
        lines = []
        for user, (at, after) in enumerate(users):
            time = start + timedelta(days=2 * at)
            lines.append(registered(f"{time:%Y-%m-%dT%H:%M:%SZ}", user))
            lines.append(app_loaded(f"{time + timedelta(days=after):%Y-%m-%dT%H:%M:%SZ}", user))
        output = tmp_path / week_start
        DUCKDB.split(output, write_log(tmp_path / f"{week_start}.json", lines))
        answer = DUCKDB.convert(output, week_start=week_start, definition=definition)
        answers.append(
            [
                (week.week_start - start.date(), week.total_converted, week.complete)
                for week in answer.weeks
            ]
        )
        labels = {row.registration_week for row in read_dataset(output, "weekly_summary")}
        expected = {"sunday": {"2020-11-01", "2020-11-08"}, "monday": {"2020-45", "2020-46"}}
        assert labels == expected[week_start]
    assert answers[0] == answers[1]


def test_weeks_of_another_start_are_not_mixed(tmp_path: Path, output: Path) -> None:
    lines = [registered("2020-11-03T12:00:00Z", 1), app_loaded("2020-12-03T12:00:00Z", 1)]
    log = write_log(tmp_path / "log.json", lines)
    options = ["--input", log, "--output", output]
    assert command("run", *options).status == 0
    before = (output / "run.json").read_bytes()
    refused = command("run", *options, "--week-start", "sunday")
    assert_refused(refused, "begin on monday, not on sunday", output, status=2)
    assert (output / "run.json").read_bytes() == before
    rebuilt = command("run", *options, "--week-start", "sunday", "--full-refresh")
    assert "weeks from Sunday in UTC" in rebuilt.out
    rate = json.loads((output / "run.json").read_text())["jobs"][CONVERSION]
    assert rate["result"]["restated"] == []
    assert "2020-11-01" in command("report", "--output", output, "--format", "csv").out
    page = (output / "report.html").read_text()
    assert "Weeks run from Sunday to Saturday." in page


def test_gaps_cohorts_and_segments(unfinished: Path) -> None:
    answer = DUCKDB.convert(unfinished, by="channel", as_of=date(2020, 11, 22)).as_json()
    # Events on the 3rd, 9th, 10th, 20th and 22nd: too few to miss any.
    assert answer["gaps"] == {"no_events": [], "no_registered": [], "no_app_loaded": []}
    first, second = answer["cohorts"]
    assert (first["registration_week"], first["offsets"]) == ("2020-45", [0, 1])
    assert (second["registration_week"], second["offsets"]) == ("2020-46", [0, 2])
    assert (first["never"], second["never"]) == (2, 0)
    assert figures_by_value(answer["segments"]) == [("ad", 3, 1), ("mail", 2, 2)]
    # On Saturday nobody can know how many will have loaded in the week that ends on Sunday.
    first, second = DUCKDB.convert(unfinished, as_of=date(2020, 11, 21)).as_json()["cohorts"]
    assert (first["offsets"], second["offsets"]) == ([0, 1], [0, None])


def figures_by_value(segments: list[dict[str, Any]]) -> list[tuple[str, int, int]]:
    return [(s["value"], s["total_registered"], s["total_converted"]) for s in segments]


def test_segments_are_pooled_over_complete_weeks(tmp_path: Path, output: Path) -> None:
    """An average of weekly rates would say 52.5 %; the users say 100 of 1,000."""
    lines = [registered("2020-11-03T12:00:00Z", user, "ad") for user in range(950)]
    lines += [app_loaded("2020-11-10T12:00:00Z", user) for user in range(50)]
    lines += [registered("2020-11-10T12:00:00Z", 1000 + user, "ad") for user in range(50)]
    lines += [app_loaded("2020-11-17T12:00:00Z", 1000 + user, "tv") for user in range(50)]
    lines += [registered("2020-11-10T18:00:00Z", 2000 + user) for user in range(18)]
    # Users of before load the app in the first week, too: no day of loads is missing.
    lines += [app_loaded("2020-11-03T12:00:00Z", 9000 + user) for user in range(50)]
    lines += [registered("2020-11-17T12:00:00Z", 3000, "unfinished")]
    lines += [registered("2020-11-23T12:00:00Z", 3001, "unfinished")]
    DUCKDB.split(output, write_log(tmp_path / "log.json", lines))
    ad, none = DUCKDB.convert(output, by="channel").as_json()["segments"]
    assert (ad["by"], ad["value"]) == ("channel", "ad")
    assert (ad["total_registered"], ad["total_converted"], ad["conversion_rate"]) == (1000, 100, 10)
    assert not ad["small_sample"]
    # Wilson's interval for 0 of 18, as published.
    assert (none["value"], none["interval"], none["small_sample"]) == (None, [0, 17.59], True)
    devices = DUCKDB.convert(output, by="device_type").as_json()["segments"]
    # It splits the converted users, so each rate is of everybody.
    assert figures_by_value(devices) == [("tv", 1018, 50), (None, 1018, 50)]


# ---------------------------------------------------------------- nothing to measure


@pytest.mark.parametrize(
    ("lines", "observed"),
    [
        ([], None),
        ([app_loaded("2020-11-03T12:00:00Z", 1)], "2020-11-02"),
    ],
    ids=["no line", "loads only"],
)
def test_nobody_registered(
    engine: EngineUnderTest, tmp_path: Path, output: Path, lines: list[str], observed: str | None
) -> None:
    log = write_log(tmp_path / "log.json", lines)
    answer = engine.run(output, log, by="channel").as_json()
    nobody = {
        "total_registered": 0,
        "total_converted": 0,
        "conversion_rate": None,
        "interval": None,
    }
    assert {key: answer[key] for key in nobody} == answer["complete"] == nobody
    assert answer["weeks"] == answer["segments"] == answer["cohorts"] == []
    assert answer["observed_through"] == observed
    assert read_dataset(output, "weekly_summary") == read_dataset(output, "user_conversion") == []


def test_run_without_any_event_of_the_two_kinds_fails(tmp_path: Path, output: Path) -> None:
    log = write_log(tmp_path / "log.json", ['{"event":"page_viewed"}'] * 3)
    done = command("run", "--input", log, "--output", output)
    assert done.status == 1
    assert "'page_viewed' (3)" in done.err
    assert "--registered" in done.err
    assert not (output / "app_loaded").exists()


def test_weeks_that_are_gone_leave_the_datasets(unfinished: Path) -> None:
    DUCKDB.convert(unfinished)
    assert {row.registration_week for row in read_dataset(unfinished, "weekly_summary")} == {
        "2020-45",
        "2020-46",
    }
    DUCKDB.convert(unfinished, as_of=date(2020, 11, 8))
    for name in ("weekly_summary", "user_conversion"):
        assert {row.registration_week for row in read_dataset(unfinished, name)} == {"2020-45"}


def test_values_beyond_the_most_frequent_are_added_up() -> None:
    users = ibis.table(
        {"registration_week": "string", "value": "string", "converted": "boolean"}, name="users"
    )
    sql = ibis.to_sql(conversion.segment_counts(users, most=2), dialect="duckdb")
    with duckdb.connect() as database:
        database.execute("""
            CREATE TABLE users AS FROM (VALUES
                ('2020-01', 'a', true), ('2020-01', 'a', false), ('2020-02', 'a', false),
                ('2020-01', NULL, true), ('2020-02', NULL, true),
                ('2020-01', 'b', true), ('2020-01', 'c', false), ('2020-02', 'd', true)
            ) AS users(registration_week, value, converted)
        """)
        assert set(database.execute(sql).fetchall()) == {
            ("2020-01", False, "a", 2, 1),
            ("2020-02", False, "a", 1, 0),
            ("2020-01", False, None, 1, 1),
            ("2020-02", False, None, 1, 1),
            ("2020-01", True, None, 2, 1),
            ("2020-02", True, None, 1, 1),
        }


# ---------------------------------------------------------------- the oracle


@pytest.mark.property
def test_every_answer_is_the_oracles(engine: EngineUnderTest) -> None:
    """Random logs in random zones, under every definition, with and without an as-of date."""

    @engine.examples(140)
    @given(questions())
    def check(question: Question) -> None:
        with TemporaryDirectory() as name:
            folder = Path(name)
            log = write_log(folder / "log.json", map(event_line, question.events))
            asked: dict[str, Any] = dict(vars(question))
            events = asked.pop("events")
            result = engine.run(folder / "output", log, by="channel", **asked)
            expected = oracle.measure(events, **asked, run_started=RUN_STARTED)
            assert_users(folder / "output", expected)
            assert_result(result, expected)
            assert_quality(result, question)
            assert_events(folder / "output", events)

    check()


def assert_events(output: Path, events: Sequence[oracle.Event]) -> None:
    for name, kind, text in (
        ("user_registration", "registered", "channel"),
        ("app_loaded", "app_loaded", "device_type"),
    ):
        assert row_counts(output, name) == Counter(
            (kind, event.time, event.initiator_id, getattr(event, text), f"{event.time:%Y-%m-%d}")
            for event in events
            if event.kind == kind
        )


def assert_users(output: Path, expected: oracle.Conversion) -> None:
    assert row_counts(output, "user_conversion") == Counter(
        (
            user.initiator_id,
            user.registered_at,
            user.channel,
            user.first_loaded_at,
            user.device_type,
            user.week_offset,
            user.loaded_next_week,
            user.next_week_loaded_at,
            user.loads_before_registration,
            user.converted,
            user.registration_week,
        )
        for user in expected.users
    )
    assert row_counts(output, "weekly_summary") == Counter(
        (
            week.total_registered,
            week.total_converted,
            week.conversion_rate,
            week.registration_week,
        )
        for week in expected.weeks
    )


def assert_result(result: ConversionResult, expected: oracle.Conversion) -> None:
    answer = result.as_json()
    observed = expected.observed_through
    assert answer["observed_through"] == (observed and observed.isoformat())
    assert_figures(answer, expected.total)
    assert_figures(answer["complete"], expected.complete)
    assert len(answer["weeks"]) == len(expected.weeks)
    for found, week in zip(answer["weeks"], expected.weeks, strict=True):
        assert found["registration_week"] == week.registration_week
        assert found["week_start"] == week.week_start.isoformat()
        assert found["complete"] == week.complete
        assert found["incomplete_because"] == week.incomplete_because
        assert found["seen_before"] == week.seen_before
        assert found["small_sample"] == (week.total_registered < 30)
        assert_figures(found, oracle.Totals(week.total_registered, week.total_converted))
    assert answer["quality"]["events_after_as_of"] == expected.events_after_as_of
    gaps = {key: [day.isoformat() for day in days] for key, days in vars(expected.gaps).items()}
    assert answer["gaps"] == gaps
    assert_cohorts(answer["cohorts"], expected.cohorts)
    assert_segments(answer["segments"], expected)


def assert_quality(result: ConversionResult, question: Question) -> None:
    zone = ZoneInfo(question.timezone)
    last = question.as_of or date.max
    counted = [e for e in question.events if e.time.astimezone(zone).date() <= last]
    first: dict[int, datetime] = {}
    for event in counted:
        if event.kind == "registered":
            first[event.initiator_id] = min(event.time, first.get(event.initiator_id, event.time))
    loads = [event for event in counted if event.kind == "app_loaded"]
    known = [load for load in loads if load.initiator_id in first]
    quality = result.quality
    assert quality.duplicate_registrations == len(counted) - len(loads) - len(first)
    assert quality.loads_without_registration == len(loads) - len(known)
    before = [load for load in known if load.time < first[load.initiator_id]]
    assert quality.loads_before_registration == len(before)


def assert_figures(found: dict[str, Any], expected: oracle.Totals) -> None:
    users, converted = expected.total_registered, expected.total_converted
    assert (found["total_registered"], found["total_converted"]) == (users, converted)
    if not users:
        assert found["conversion_rate"] is None
        assert found["interval"] is None
        return
    exact = Decimal(100 * converted) / Decimal(users)
    assert found["conversion_rate"] == float(exact.quantize(Decimal("0.01"), ROUND_HALF_UP))
    assert found["interval"] == pytest.approx(wilson(converted, users), abs=0.006)


def wilson(converted: int, users: int) -> list[float]:
    """As the textbooks give it: (p + z²/2n ± z √(p(1 - p)/n + z²/4n²)) / (1 + z²/n)."""
    z = NormalDist().inv_cdf(0.975)
    p, n = converted / users, users
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return [100 * (p + z * z / (2 * n) + sign * half) / (1 + z * z / n) for sign in (-1, 1)]


def assert_cohorts(found: Sequence[dict[str, Any]], expected: Sequence[oracle.Cohort]) -> None:
    """Tables may be of different widths: beyond an edge nobody loaded, or nobody can know yet."""
    assert len(found) == len(expected)
    for row, cohort in zip(found, expected, strict=True):
        assert row["registration_week"] == cohort.registration_week
        assert row["total_registered"] == cohort.total_registered
        assert row["never"] == cohort.never
        common = min(len(row["offsets"]), len(cohort.first_loads))
        assert tuple(row["offsets"][:common]) == cohort.first_loads[:common]
        assert not any(row["offsets"][common:])
        assert not any(cohort.first_loads[common:])


def assert_segments(found: Sequence[dict[str, Any]], expected: oracle.Conversion) -> None:
    complete = {week.registration_week for week in expected.weeks if week.complete}
    counted = [user for user in expected.users if user.registration_week in complete]
    assert len(found) == len({user.channel for user in counted})
    figures = Counter((s["value"], s["total_registered"], s["total_converted"]) for s in found)
    assert figures == Counter(
        (
            channel,
            sum(user.channel == channel for user in counted),
            sum(user.channel == channel and user.converted for user in counted),
        )
        for channel in {user.channel for user in counted}
    )


# ---------------------------------------------------------------- what must not matter


def answer_of(engine: EngineUnderTest, folder: Path, files: Sequence[Iterable[bytes]]) -> str:
    """All that comes of a log in some files: the JSON and every row of every dataset."""
    output = folder / "output"
    for number, lines in enumerate(files):
        write_log(folder / "logs" / f"{number}.json", lines)
    answer = engine.run(output, folder / "logs", by="channel").as_json()
    for count in ("lines", "other", "registered", "app_loaded"):
        del answer["events"][count]
    datasets = {
        name: sorted(map(repr, row_counts(output, name)))
        for name in ("user_conversion", "weekly_summary")
    }
    return json.dumps([answer, datasets])


@pytest.mark.property
def test_order_files_duplicates_and_other_events_do_not_matter() -> None:
    change = st.sampled_from(("shuffled", "split", "others", "twice"))

    @DUCKDB.examples(25)
    @given(event_logs(max_size=12), change, st.randoms(use_true_random=False))
    def check(events: tuple[oracle.Event, ...], change: str, random: Random) -> None:
        assume(events or change != "others")
        lines = [event_line(event) for event in events]
        shuffled = random.sample(lines, len(lines))
        middle = random.randint(0, len(lines))
        others = [b'{"event":"page_viewed","initiator_id":1}'] * 3
        changed = {
            "shuffled": [shuffled],
            "split": [shuffled[middle:], [], shuffled[:middle]],
            "others": [random.sample(lines + others, len(lines) + 3)],
            "twice": [lines, lines],
        }[change]
        with TemporaryDirectory() as name:
            before = answer_of(DUCKDB, Path(name, "before"), [lines])
            after = answer_of(DUCKDB, Path(name, "after"), changed)
            if change == "twice":
                # A line sent again is one more event, which can make a quiet day a missing one,
                # but it changes no user.
                before, after = (json.loads(answer)[1] for answer in (before, after))
            assert after == before

    check()


def test_the_json_is_the_same_to_the_byte(engine: EngineUnderTest, tmp_path: Path) -> None:
    random = Random(7)
    start = datetime(2020, 11, 2, tzinfo=UTC)
    lines = []
    for user in range(300):
        moment = start + timedelta(minutes=random.randrange(60 * 24 * 30))
        lines.append(registered(moment.isoformat(), user, random.choice([None, "a", "b", "ü"])))
        moment += timedelta(minutes=random.randrange(60 * 24 * 20))
        lines.append(app_loaded(moment.isoformat(), user, random.choice([None, "x", "y"])))
    lines += ["nonsense", "{}"]
    options = ["--format", "json", "--by", "channel", "--timezone", "Asia/Kathmandu"]
    printed = set()
    for number_of_files in (1, 2, 7):
        random.shuffle(lines)
        folder = tmp_path / str(number_of_files)
        for number in range(number_of_files):
            write_log(folder / f"{number}.json", lines[number::number_of_files])
        done = engine.command(
            "run", "--input", folder, "--output", folder / "output", *options, "--max-rejected", 1
        )
        assert done.status == 0, done.err
        printed.add(done.out)
    assert len(printed) == 1


def test_the_zone_of_the_machine_does_not_matter(
    engine: EngineUnderTest, tmp_path: Path, machine_zone: Any
) -> None:
    case = WEEKS["America/New_York"]
    lines = [registered(time, user) for user, (time, *_) in enumerate(case)]
    log = write_log(tmp_path / "log.json", lines)
    machine_zone("Pacific/Kiritimati")
    output = tmp_path / "output"
    engine.run(output, log, timezone="America/New_York")
    users = {row.initiator_id: row for row in read_dataset(output, "user_conversion")}
    for user, (time, _, week, _) in enumerate(case):
        assert users[user].registration_week == week
        assert users[user].registered_at == datetime.fromisoformat(time)


# ---------------------------------------------------------------- a month of data


def test_the_published_figures_of_a_month(engine: EngineUnderTest, output: Path) -> None:
    """January 2020, as published for real data; the committed sample is made to agree."""
    found = engine.run(output, SAMPLE).as_json()
    assert (found["total_registered"], found["total_converted"]) == (7317, 375)
    assert found["conversion_rate"] == 5.13
    assert found["quality"]["duplicate_registrations"] == 1
    assert found["events"]["registered"] == 7318
    assert found["observed_through"] == "2020-01-30"
    assert [week["logs_begin"] for week in found["weeks"]] == [True, False, False, False, False]
    assert [week["complete"] for week in found["weeks"]] == [True, True, True, False, False]
    # One Sunday short of five whole weeks: 28.03 % had loaded at all.
    users = read_dataset(output, "user_conversion")
    assert sum(user.first_loaded_at is not None for user in users) == 2051
    same_week = engine.convert(output, definition="same-week").as_json()
    assert (same_week["total_converted"], same_week["conversion_rate"]) == (1498, 20.47)
    channels = Counter(user.channel for user in users)
    assert channels == {"invite": 2159, "direct": 18, None: 5140}
    loaded = Counter(user.channel for user in users if user.first_loaded_at)
    assert loaded == {"invite": 761, None: 1290}
