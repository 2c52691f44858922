"""Calendar weeks: Monday to Sunday in a time zone, as a table of instants.

The calendar is a date dimension made from Python's zone data, so that no engine's own idea of
time zones takes part: assigning an instant to a week is a comparison of instants.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, available_timezones

from user_conversion.rules.errors import SettingsError

DAY = timedelta(days=1)
WEEK = timedelta(days=7)
# Names that mean another zone on another machine, and clocks that count leap seconds.
OF_THE_MACHINE = {"localtime", "posixrules", "Factory"}
OTHER_CLOCKS = ("posix/", "right/")

CALENDAR_COLUMNS = {
    "utc_day": "date",
    "registration_week": "string",
    "week_number": "bigint",
    "starts_at": "timestamp",
    "ends_at": "timestamp",
    "next_week_ends_at": "timestamp",
}
DAY_COLUMNS = {"utc_day": "date", "day": "date", "starts_at": "timestamp", "ends_at": "timestamp"}


@dataclass(frozen=True)
class Week:
    """One calendar week: its ISO label and Monday, and the instants between which it lies."""

    label: str
    monday: date
    starts_at: datetime
    ends_at: datetime
    next_week_ends_at: datetime

    @property
    def number(self) -> int:
        """Weeks since the one of 1970-01-01; consecutive weeks differ by one."""
        return (self.monday - date(1969, 12, 29)).days // 7


def time_zone(name: str) -> tzinfo:
    """The zone of an IANA name. Raises `SettingsError` if there is none.

    UTC needs no file of zones: an image can have overwritten it.
    """
    if name in ("UTC", "Etc/UTC"):
        return UTC
    if name not in OF_THE_MACHINE and not name.startswith(OTHER_CLOCKS):
        with suppress(KeyError, ValueError, OSError):
            return ZoneInfo(name)
    raise SettingsError(
        f"Unknown time zone '{name}'{_hint(name)} Use an IANA name such as Europe/Berlin."
    )


def _hint(name: str) -> str:
    """What was probably meant."""
    if offset := re.fullmatch(
        r"(?:UTC|GMT)? ?([+-])0?([0-9]|1[0-4])(?::?00)?", name, re.IGNORECASE
    ):
        sign, way = ("-", "ahead of") if offset[1] == "+" else ("+", "behind")
        zone, hours = f"Etc/GMT{sign}{offset[2]}", f"{offset[2]} hour{'s' * (offset[2] != '1')}"
        return f"; did you mean {zone}? It is {hours} {way} UTC: its sign is reversed."
    import difflib

    known = {zone.lower(): zone for zone in available_timezones() - OF_THE_MACHINE}
    cities = {zone.rsplit("/", 1)[-1].lower(): zone for zone in known.values()}
    wanted = name.lower().replace(" ", "_")
    near = [known[match] for match in difflib.get_close_matches(wanted, known, 3)]
    near += [cities[match] for match in difflib.get_close_matches(wanted, cities, 3)]
    return f"; did you mean {', '.join(dict.fromkeys(near))}?" if near else "."


def week_label(day: date) -> str:
    """The ISO week-year and week of a day, e.g. 2020-53 for 2021-01-03."""
    year, week, _ = day.isocalendar()
    return f"{year:04}-{week:02}"


def monday_of(label: str) -> date:
    """The Monday of an ISO week label."""
    year, week = label.split("-")
    return date.fromisocalendar(int(year), int(week), 1)


def start_of_day(day: date, zone: tzinfo) -> datetime:
    """The first instant (UTC) that is on or after a local day."""
    # Midnight may not exist (a daylight-saving gap) or come twice; a day may be missing altogether.
    # Zones lie within 26 hours of UTC, so the instant is found by halving that span.
    lo = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=26)
    hi = lo + timedelta(hours=52)
    while hi - lo > timedelta(seconds=1):
        middle = (lo + (hi - lo) / 2).replace(microsecond=0)
        if middle.astimezone(zone).date() >= day:
            hi = middle
        else:
            lo = middle
    return hi


def weeks_between(first: datetime, last: datetime, zone: tzinfo) -> Iterator[Week]:
    """The calendar weeks from that of one instant to that of another, in order."""
    day = first.astimezone(zone).date()
    monday = day - day.weekday() * DAY
    starts = [start_of_day(monday + n * WEEK, zone) for n in range(3)]
    while starts[0] <= last:
        yield Week(week_label(monday), monday, *starts)
        monday += WEEK
        starts = [*starts[1:], start_of_day(monday + 2 * WEEK, zone)]


def calendar_rows(
    first: datetime, last: datetime, zone: tzinfo
) -> list[tuple[date, str, int, datetime, datetime, datetime]]:
    """The calendar between two instants: one row per UTC day and week that overlap.

    Columns as in `CALENDAR_COLUMNS`, instants without a zone, in UTC. A UTC day in which a week
    begins has two rows, so join on the day and compare the instants.
    """
    rows = []
    for week in weeks_between(first, last, zone):
        day = week.starts_at.date()
        bounds = [
            instant.replace(tzinfo=None)
            for instant in (week.starts_at, week.ends_at, week.next_week_ends_at)
        ]
        while datetime(day.year, day.month, day.day, tzinfo=UTC) < week.ends_at:
            rows.append((day, week.label, week.number, bounds[0], bounds[1], bounds[2]))
            day += DAY
    return rows


def day_rows(first: date, last: date, zone: tzinfo) -> list[tuple[date, date, datetime, datetime]]:
    """The local days from one to another: one row per local day and UTC day that overlap.

    Columns as in `DAY_COLUMNS`, instants without a zone, in UTC. A day that a zone skipped has
    no row.
    """
    rows = []
    starts_at = _midnight(first, zone)
    for number in range((last - first).days + 1):
        day = first + number * DAY
        ends_at = _midnight(day + DAY, zone)
        utc_day = starts_at.date()
        while datetime(utc_day.year, utc_day.month, utc_day.day) < ends_at:
            if starts_at < ends_at:
                rows.append((utc_day, day, starts_at, ends_at))
            utc_day += DAY
        starts_at = ends_at
    return rows


def _midnight(day: date, zone: tzinfo) -> datetime:
    """The start of a local day in UTC, without a zone; where it does not exist, the next instant.

    Twenty times faster than `start_of_day`.
    """
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC).replace(tzinfo=None)
