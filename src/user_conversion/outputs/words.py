"""Figures and days as people read them, and the definitions in everyday words."""

from __future__ import annotations

from datetime import UTC, date, datetime

from user_conversion.engines import EventCounts
from user_conversion.results import Figures

LONGEST_NAME = 300
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# What the users counted as converted did; completes "6.84 % of new users …".
CONVERTED = {
    "next-week": "first came back in the week after they registered",
    "same-week": "came back within the week they registered",
    "any-load-next-week": "used the app in the week after they registered",
}
DEFINITIONS = {
    "next-week": (
        "A user counts if the first time they loaded the app after registering lies in the "
        "calendar week directly after the week of registration."
    ),
    "same-week": (
        "A user counts if the first time they loaded the app after registering lies in the same "
        "calendar week as the registration."
    ),
    "any-load-next-week": (
        "A user counts if they loaded the app at all in the calendar week directly after the week "
        "of registration, whether or not they had been back before."
    ),
}


def count(number: int) -> str:
    """7317 as 7,317."""
    return f"{number:,}"


def rate(percent: float | None) -> str:
    """Percent with two decimals; a dash where there is nobody to take a share of."""
    return "–" if percent is None else f"{percent:.2f}\N{NO-BREAK SPACE}%"


def bounds(interval: tuple[float, float] | None) -> str:
    """The two ends of an interval, in percent but for a cell whose heading says so."""
    return "–" if interval is None else f"{interval[0]:.2f}–{interval[1]:.2f}"


def percent_interval(interval: tuple[float, float] | None) -> str:
    """The two ends of an interval in percent."""
    return f"{bounds(interval)}\N{NO-BREAK SPACE}%" if interval else "–"


def users(figures: Figures) -> str:
    """Who a rate is about."""
    return f"{figures.total_converted:,} of {figures.total_registered:,} users"


def number_of(number: int, singular: str, plural: str | None = None) -> str:
    """A count with its noun: 1 week, 2 weeks."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def day(when: date) -> str:
    """2019-12-30 as 30 Dec 2019, whatever the machine's language."""
    return f"{day_and_month(when)} {when.year}"


def day_and_month(when: date) -> str:
    """2019-12-30 as 30 Dec."""
    return f"{when.day} {MONTHS[when.month - 1]}"


def moment(text: str) -> str:
    """An instant of `run.json`, 2020-01-07T08:03:10+00:00, as 7 Jan 2020, 08:03 UTC."""
    when = datetime.fromisoformat(text).astimezone(UTC)
    return f"{day(when.date())}, {when:%H:%M} UTC"


def month(when: date) -> str:
    """2019-12-30 as Dec 2019."""
    return f"{MONTHS[when.month - 1]} {when.year}"


def days(listed: tuple[date, ...], most: int = 5) -> str:
    """The first few days by name and how many more there are."""
    named = ", ".join(day(each) for each in listed[:most])
    return f"{named} and {len(listed) - most:,} more" if len(listed) > most else named


def weeks_after(offset: int) -> str:
    """A week offset in words."""
    return "Same week" if offset == 0 else f"{number_of(offset, 'week')} after"


def name(text: str, longest: int = LONGEST_NAME) -> str:
    """A name from the logs, cut and without characters that could disturb the page's text."""
    if not text:
        return "(empty)"
    shown = "".join(
        char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text[: longest + 1]
    )
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def reconciliation(counts: EventCounts) -> list[tuple[str, int, str]]:
    """What became of the lines: name, lines, meaning. The first is the sum of the others."""
    return [
        ("Lines read", counts.lines, "every line of every input file"),
        ("registered", counts.registered, "registrations"),
        ("app_loaded", counts.app_loaded, "loads of the app"),
        ("Other events", counts.other, "events with another name; not needed here"),
        ("Blank", counts.blank, "empty lines"),
        ("Rejected", counts.rejected, "lines that cannot be an event, kept in rejected_events"),
    ]
