"""Time zones by their names."""

from __future__ import annotations

import shutil
import zoneinfo
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import tzdata
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import ZONES

from user_conversion.rules.errors import SettingsError
from user_conversion.rules.weeks import (
    WEEK,
    WEEKDAYS,
    first_day_of,
    start_of_day,
    week_label,
    weeks_between,
)
from user_conversion.rules.zones import time_zone


def test_utc_needs_no_file_of_zones(tmp_path: Path) -> None:
    """Images have overwritten it with another zone."""
    berlin = Path(tzdata.__file__).with_name("zoneinfo") / "Europe" / "Berlin"
    shutil.copy(berlin, tmp_path / "UTC")
    zoneinfo.reset_tzpath([tmp_path])
    zoneinfo.ZoneInfo.clear_cache()
    try:
        assert time_zone("UTC") is UTC
    finally:
        zoneinfo.reset_tzpath([])
        zoneinfo.ZoneInfo.clear_cache()


@pytest.mark.parametrize("name", ["localtime", "posixrules", "Factory", "right/UTC", "../UTC", ""])
def test_a_zone_that_differs_by_machine_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=f"Unknown time zone '{name}'"):
        time_zone(name)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("UTC+2", "did you mean Etc/GMT-2? It is 2 hours ahead of UTC: its sign is reversed."),
        ("GMT-05:00", "did you mean Etc/GMT+5? It is 5 hours behind UTC: its sign is reversed."),
        ("+1", "did you mean Etc/GMT-1? It is 1 hour ahead of UTC: its sign is reversed."),
    ],
)
def test_an_unknown_zone_has_a_hint(name: str, hint: str) -> None:
    with pytest.raises(SettingsError) as error:
        time_zone(name)
    assert str(error.value) == (
        f"Unknown time zone '{name}'; {hint} Use an IANA name such as Europe/Berlin."
    )


def test_an_unknown_zone_is_told_the_nearest_names() -> None:
    with pytest.raises(SettingsError, match=r"'Berlin'; did you mean .*Europe/Berlin.*\?"):
        time_zone("Berlin")


@pytest.mark.parametrize(
    ("zone", "day", "start"),
    [
        ("Asia/Kathmandu", date(2020, 11, 9), datetime(2020, 11, 8, 18, 15)),
        # The clock goes from 23:59 to 01:00.
        ("America/Sao_Paulo", date(2018, 11, 4), datetime(2018, 11, 4, 3)),
        # 00:01 becomes 23:01 of the day before, so that all of that day but a minute is before.
        ("America/St_Johns", date(2006, 10, 29), datetime(2006, 10, 29, 3, 30)),
        # Two hours at once.
        ("America/St_Johns", date(1988, 10, 30), datetime(1988, 10, 30, 3, 30)),
        # 30 December did not happen.
        ("Pacific/Apia", date(2011, 12, 30), datetime(2011, 12, 30, 10)),
        ("Pacific/Apia", date(2011, 12, 31), datetime(2011, 12, 30, 10)),
    ],
)
def test_the_start_of_a_day(zone: str, day: date, start: datetime) -> None:
    assert start_of_day(day, time_zone(zone)) == start.replace(tzinfo=UTC)


@given(
    st.datetimes(datetime(1971, 1, 1), datetime(2090, 1, 1)),
    st.sampled_from(ZONES),
    st.sampled_from(WEEKDAYS),
)
def test_any_instant_is_in_the_one_week_that_begins_before_it(
    instant: datetime, zone: str, week_start: str
) -> None:
    instant, of_zone = instant.replace(tzinfo=UTC), time_zone(zone)
    week, following = weeks_between(instant, instant + WEEK, of_zone, week_start)
    assert week.starts_at <= instant < week.ends_at == following.starts_at
    assert WEEKDAYS[week.first_day.weekday()] == week_start
    assert 0 <= (instant.astimezone(of_zone).date() - week.first_day).days < 7
    assert following.number == week.number + 1
    assert first_day_of(week.label) == week.first_day


def test_labels_of_weeks_from_another_day_are_days() -> None:
    assert week_label(date(2020, 12, 28)) == "2020-53"
    assert week_label(date(2021, 1, 3)) == "2021-01-03"
