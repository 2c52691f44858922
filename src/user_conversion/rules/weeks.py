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
    near = [cities[wanted]] if wanted in cities else []
    for names in () if near else (known, cities):
        near += [names[match] for match in difflib.get_close_matches(wanted, names, 3)]
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
    """The instant (UTC) at which a local day begins.

    Midnight may not exist because the clock is set forward, or come twice because it is set back
    shortly after midnight; then the day begins with the second one. A day that a zone skipped
    begins with the next one.
    """
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
