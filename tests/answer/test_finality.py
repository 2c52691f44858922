"""When a week is final: missing days and unfinished weeks, judged by hand and by the oracle."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from support import finality_oracle, oracle
from support.engines import DUCKDB
from support.logs import app_loaded, registered, write_log
from support.strategies import RUN_STARTED, definitions, zones

from user_conversion.answer.finality import (
    Finality,
    Gaps,
    last_observed_day,
    missing_days,
    runs,
)
from user_conversion.rules.definitions import definition

UTC_ZONE = ZoneInfo("UTC")
DAY = timedelta(days=1)
NOVEMBER = [date(2020, 11, day) for day in range(1, 31)]


def november(*days: int) -> tuple[date, ...]:
    return tuple(NOVEMBER[day - 1] for day in days)


# ---------------------------------------------------------------- by hand


@pytest.mark.parametrize(
    ("counts", "until", "missing"),
    [
        ({}, 30, ()),
        ({3: 1}, 3, ()),
        ({3: 1}, 2, ()),
        # One event on a Tuesday says little about 27 further days: 1/4 on three more Tuesdays.
        ({3: 1}, 30, ()),
        # Five events on it do: (1/5) ** 5 with the four Tuesdays of 4 to 30 November.
        ({3: 5}, 30, tuple(range(4, 31))),
        # Mondays to Fridays only: no weekend is a gap, a Wednesday is ((2/3) ** 20).
        (dict.fromkeys((2, 3, 4, 5, 6, 9, 10, 12, 13, 16, 17, 18, 19, 20), 10), 22, (11,)),
        # Exactly (1/2) ** 10, which is 0.00098; with one event less it is 0.00195.
        (dict.fromkeys(range(2, 11), 2), 15, (11, 12, 13, 14, 15)),
        ({day: 2 - (day == 4) for day in range(2, 11)}, 15, ()),
    ],
)
def test_missing_days(counts: dict[int, int], until: int, missing: tuple[int, ...]) -> None:
    by_day = {NOVEMBER[day - 1]: events for day, events in counts.items()}
    log = (min(by_day, default=NOVEMBER[0]), max(by_day, default=NOVEMBER[0]))
    assert missing_days(by_day, log, NOVEMBER[until - 1]) == november(*missing)


def test_a_kind_of_event_can_begin_after_the_log() -> None:
    """Registrations from 2 November, loads from 16 November, each (8/22) ** 80 or less."""
    loads = dict.fromkeys(NOVEMBER[15:], 10)
    log = (NOVEMBER[1], NOVEMBER[-1])
    assert missing_days(loads, log, NOVEMBER[-1]) == november(*range(2, 16))


def test_a_stray_timestamp_is_far_from_the_log() -> None:
    by_day = {date(1970, 1, 1): 1} | dict.fromkeys(NOVEMBER, 20)
    missing = missing_days(by_day, (date(1970, 1, 1), NOVEMBER[-1]), NOVEMBER[-1])
    assert (missing[0], missing[-1]) == (date(1970, 1, 2), date(2020, 10, 31))


def test_runs_of_days() -> None:
    assert list(runs(november())) == []
    assert list(runs(november(3))) == [november(3, 3)]
    assert list(runs(november(1, 2, 4, 7, 8, 9))) == [
        november(1, 2),
        november(4, 4),
        november(7, 9),
    ]


@pytest.mark.parametrize(
    ("gaps", "name", "reason"),
    [
        # Week 2020-45 is 2 to 8 November, the week after ends on the 15th.
        (Gaps(no_events=november(1)), "next-week", None),
        (Gaps(no_events=november(2)), "next-week", "missing_days"),
        (Gaps(no_app_loaded=november(15)), "next-week", "missing_days"),
        (Gaps(no_app_loaded=november(16)), "next-week", None),
        (Gaps(no_app_loaded=november(9)), "same-week", None),
        # Nobody can register for this week after its Sunday.
        (Gaps(no_registered=november(9, 10)), "next-week", None),
        (Gaps(no_registered=november(8, 9)), "any-load-next-week", "missing_days"),
        (Gaps(no_app_loaded=november(15)), "within-7-days", "missing_days"),
        (Gaps(no_app_loaded=november(16)), "within-7-days", None),
    ],
)
def test_gaps_within_the_window(gaps: Gaps, name: str, reason: str | None) -> None:
    finality = Finality(definition(name), NOVEMBER[19], gaps, UTC_ZONE)
    assert finality.incomplete_because("2020-45") == reason
    # A window that is not over says enough.
    early = Finality(definition(name), NOVEMBER[6], gaps, UTC_ZONE)
    assert early.incomplete_because("2020-45") == "unfinished"


def test_a_utc_day_touches_the_local_week() -> None:
    """Monday 9 November begins in Tokyo at 15:00 on Sunday in UTC."""
    gaps = Gaps(no_registered=november(8))
    for zone, reason in (("UTC", None), ("Asia/Tokyo", "missing_days")):
        finality = Finality(definition("next-week"), NOVEMBER[29], gaps, ZoneInfo(zone))
        assert finality.incomplete_because("2020-46") == reason


def test_the_running_day_is_not_observed() -> None:
    latest = datetime(2020, 11, 15, 3, tzinfo=UTC)
    later = latest + 30 * DAY
    assert last_observed_day(None, latest, later, UTC_ZONE) == date(2020, 11, 14)
    new_york = ZoneInfo("America/New_York")
    assert last_observed_day(None, latest, later, new_york) == date(2020, 11, 13)
    assert last_observed_day(date(2020, 11, 15), latest, later, UTC_ZONE) == date(2020, 11, 15)
    assert last_observed_day(None, None, later, UTC_ZONE) is None


def test_today_is_not_observed_whatever_the_clock_of_a_phone_says() -> None:
    now = datetime(2020, 11, 15, 21, tzinfo=UTC)
    tomorrow = datetime(2020, 11, 16, 20, tzinfo=UTC)
    for as_of in (None, date(2020, 11, 15), date(2020, 12, 1)):
        assert last_observed_day(as_of, tomorrow, now, UTC_ZONE) == date(2020, 11, 14)
    tokyo = ZoneInfo("Asia/Tokyo")  # where it is the 16th already
    assert last_observed_day(None, tomorrow, now, tokyo) == date(2020, 11, 15)


# ---------------------------------------------------------------- reports from other tools


def test_a_sunday_that_has_only_begun(tmp_path: Path) -> None:
    """A load at Sunday 00:00:00 leaves the users of the week before 24 hours."""
    lines = [registered("2020-11-02T06:21:14Z", user, "invite") for user in (1, 2)]
    lines += [app_loaded("2020-11-10T06:00:00Z", 1), app_loaded("2020-11-15T00:00:00Z", 1)]
    answer = DUCKDB.run(tmp_path / "output", write_log(tmp_path / "a.json", lines)).as_json()
    (week,) = answer["weeks"]
    assert answer["observed_through"] == "2020-11-14"
    assert (week["complete"], week["incomplete_because"]) == (False, "unfinished")


def test_as_of_past_what_was_delivered(tmp_path: Path) -> None:
    """The logs end on the 10th; the window of the first week ends on the 15th."""
    lines = [registered(f"2020-11-{day:02}T06:00:00Z", day) for day in range(2, 11)]
    lines += [app_loaded(f"2020-11-{day:02}T07:00:00Z", 100 + day) for day in range(2, 11)]
    log, as_of = write_log(tmp_path / "a.json", lines), date(2020, 11, 15)
    answer = DUCKDB.run(tmp_path / "output", log, as_of=as_of).as_json()
    first, second = answer["weeks"]
    assert (first["complete"], first["incomplete_because"]) == (False, "missing_days")
    assert second["incomplete_because"] == "unfinished"
    assert answer["gaps"]["no_events"] == [f"2020-11-{day}" for day in range(11, 16)]
    # Of each kind alone there are too few: (1/2) ** 5.
    assert answer["gaps"]["no_registered"] == answer["gaps"]["no_app_loaded"] == []


def test_where_the_logs_begin(tmp_path: Path) -> None:
    """On Tuesday; user 1 was there before."""
    lines = [app_loaded("2020-11-03T06:00:00Z", 1), registered("2020-11-04T06:00:00Z", 1)]
    lines += [registered("2020-11-09T06:00:00Z", 2)]
    log = write_log(tmp_path / "a.json", lines)
    weeks = DUCKDB.run(tmp_path / "output", log).as_json()["weeks"]
    assert [(week["logs_begin"], week["seen_before"]) for week in weeks] == [(True, 1), (False, 0)]


# ---------------------------------------------------------------- the oracle


@st.composite
def delivered_logs(draw: st.DrawFn) -> list[tuple[str, datetime]]:
    """Events of some weeks: a rate per weekday, whole days left out, stray timestamps."""
    first = draw(st.sampled_from([date(2020, 3, 2), date(2020, 12, 21), date(2011, 12, 19)]))
    length = draw(st.integers(1, 50))
    hours = st.integers(0, 23)
    events = []
    for kind in ("registered", "app_loaded"):
        rates = draw(st.lists(st.sampled_from((0, 1, 2, 5)), min_size=7, max_size=7))
        holes = draw(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 9)), max_size=3))
        left_out = set(chain(*(range(start, start + size) for start, size in holes)))
        for number in set(range(length)) - left_out:
            day = datetime.combine(first + number * DAY, datetime.min.time(), UTC)
            events += [(kind, day + timedelta(hours=draw(hours)))] * rates[day.weekday()]
    strays = draw(st.lists(st.integers(-400, 100), max_size=2))
    start = datetime.combine(first, datetime.min.time(), UTC)
    return events + [("app_loaded", start + number * DAY) for number in strays]


@given(
    delivered_logs(),
    zones(),
    definitions(),
    st.none() | st.integers(-3, 80),
    st.integers(0, 60 * 24),
)
def test_finality_is_the_oracles(
    log: list[tuple[str, datetime]],
    zone: str,
    name: oracle.Definition,
    as_of: int | None,
    hours: int,
) -> None:
    days = [time.date() for _, time in log] or [RUN_STARTED.date()]
    now = max((time for _, time in log), default=RUN_STARTED) + timedelta(hours=hours - 24)
    last = None if as_of is None else min(days) + as_of * DAY
    events = [oracle.Event(kind, time, user) for user, (kind, time) in enumerate(log)]
    expected = oracle.measure(events, zone, name, last, now)
    place = ZoneInfo(zone)
    counted = [(k, t) for k, t in log if last is None or t.astimezone(place).date() <= last]
    daily: dict[date, Counter[str]] = {}
    for kind, time in counted:
        daily.setdefault(time.date(), Counter())[kind] += 1
    observed = last_observed_day(last, max((t for _, t in counted), default=None), now, place)
    gaps = Gaps.of(daily, observed, place)
    assert observed == expected.observed_through
    assert structs.astuple(gaps) == tuple(vars(expected.gaps).values())
    finality = Finality(definition(name), observed, gaps, place)
    for week in expected.weeks:
        assert finality.incomplete_because(week.registration_week) == week.incomplete_because


@given(st.dates(date(1994, 12, 20), date(1995, 1, 10)), zones())
def test_the_last_instant_of_a_local_day(day: date, zone: str) -> None:
    """A gap until the end of what was observed: its last day is the oracle's."""
    place = ZoneInfo(zone)
    daily = {day - 40 * DAY: {"registered": 1000}}
    gaps = Gaps.of(daily, day, place)
    assert gaps.no_events[-1] == finality_oracle.utc_day_of_the_last_instant(day, place)


def test_the_oracle_by_hand() -> None:
    counts = Counter(dict.fromkeys(NOVEMBER[1:10], 2))
    (run,) = finality_oracle.runs_without_an_event(counts, NOVEMBER[1], NOVEMBER[14])
    assert run == NOVEMBER[10:15]
    assert finality_oracle.likelihood(run, counts, list(counts)) == finality_oracle.Fraction(
        1, 1024
    )
