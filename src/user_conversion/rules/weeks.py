"""Calendar weeks in a time zone, from Monday or another weekday, as a table of instants.

The calendar is a date dimension made from Python's zone data, so that no engine's own idea of
time zones takes part: assigning an instant to a week is a comparison of instants.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

from user_conversion.rules.errors import SettingsError

DAY = timedelta(days=1)
WEEK = timedelta(days=7)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONDAY = WEEKDAYS[0]
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
    """One calendar week: its first day, and the instants between which it lies."""

    first_day: date
    starts_at: datetime
    ends_at: datetime
    next_week_ends_at: datetime

    @property
    def label(self) -> str:
        """The name of the week in all outputs."""
        return week_label(self.first_day)

    @property
    def number(self) -> int:
        """Weeks since the one of 1970-01-01; consecutive weeks differ by one."""
        return (self.first_day - date(1969, 12, 29)).days // 7


def week_label(first_day: date) -> str:
    """The label of the week that begins on a day.

    From a Monday it is the ISO week-year and week, 2020-53 for 2020-12-28; else the day itself.
    """
    year, week, weekday = first_day.isocalendar()
    return f"{year:04}-{week:02}" if weekday == 1 else first_day.isoformat()


def first_day_of(label: str) -> date:
    """The first day of the week with a label. Raises `ValueError` for another text."""
    year, week, *more = label.split("-")
    return date.fromisoformat(label) if more else date.fromisocalendar(int(year), int(week), 1)


def require_weekday(name: str) -> None:
    """Raise `SettingsError` if this is no weekday's name."""
    if name not in WEEKDAYS:
        raise SettingsError(f"--week-start {name}: choose one of {', '.join(WEEKDAYS)}.")


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


def weeks_between(
    first: datetime, last: datetime, zone: tzinfo, week_start: str = MONDAY
) -> Iterator[Week]:
    """The calendar weeks from that of one instant to that of another, in order."""
    day = first.astimezone(zone).date()
    day -= (day.weekday() - WEEKDAYS.index(week_start)) % 7 * DAY
    starts = [start_of_day(day + n * WEEK, zone) for n in range(3)]
    while starts[0] <= last:
        yield Week(day, *starts)
        day += WEEK
        starts = [*starts[1:], start_of_day(day + 2 * WEEK, zone)]


def calendar_rows(
    first: datetime, last: datetime, zone: tzinfo, week_start: str = MONDAY
) -> list[tuple[date, str, int, datetime, datetime, datetime]]:
    """The calendar between two instants: one row per UTC day and week that overlap.

    Columns as in `CALENDAR_COLUMNS`, instants without a zone, in UTC. A UTC day in which a week
    begins has two rows, so join on the day and compare the instants.
    """
    rows = []
    for week in weeks_between(first, last, zone, week_start):
        day = week.starts_at.date()
        bounds = [
            instant.replace(tzinfo=None)
            for instant in (week.starts_at, week.ends_at, week.next_week_ends_at)
        ]
        while datetime(day.year, day.month, day.day, tzinfo=UTC) < week.ends_at:
            rows.append((day, week.label, week.number, bounds[0], bounds[1], bounds[2]))
            day += DAY
    return rows
