"""The vocabulary of all outputs: figures, days, names and marks as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

from user_conversion.answer.change import Comparison
from user_conversion.answer.figures import Figures, Segment
from user_conversion.answer.finality import MISSING_DAYS, UNFINISHED, runs
from user_conversion.answer.forecast import Forecast
from user_conversion.answer.weeks import WeekResult
from user_conversion.rules.counts import EventCounts
from user_conversion.rules.printing import printable
from user_conversion.rules.rejected import Reason
from user_conversion.rules.weeks import WEEK, WEEKDAYS, first_day_of

TITLE = "Weekly user conversion"
SMALL_SAMPLE = "small sample"
INTERVAL = "95\N{NO-BREAK SPACE}% interval"

LONGEST_NAME = 300
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

INCOMPLETE = {UNFINISHED: "unfinished", MISSING_DAYS: "missing days"}

REASONS = {
    Reason.INVALID_JSON: "not one JSON object",
    Reason.MISSING_EVENT: "no event name",
    Reason.MISSING_TIMESTAMP: "no timestamp",
    Reason.INVALID_TIMESTAMP: "timestamp in an unknown format",
    Reason.TIMESTAMP_OUT_OF_RANGE: "timestamp before 1970 or in the future",
    Reason.MISSING_INITIATOR_ID: "no user id",
    Reason.INVALID_INITIATOR_ID: "user id of the wrong type",
}


def count(number: int) -> str:
    """7317 as 7,317."""
    return f"{number:,}"


def rate(percent: float | None) -> str:
    """Percent with two decimals; a dash if there are no users."""
    return "–" if percent is None else f"{percent:.2f}\N{NO-BREAK SPACE}%"


def bounds(interval: tuple[float, float] | None) -> str:
    """Both ends of an interval, without the % sign (for table cells)."""
    return "–" if interval is None else f"{interval[0]:.2f}–{interval[1]:.2f}"


def percent_interval(interval: tuple[float, float] | None) -> str:
    """Both ends of an interval in percent."""
    return f"{bounds(interval)}\N{NO-BREAK SPACE}%" if interval else "–"


def ordinary_spaces(text: str) -> str:
    """A text without no-break spaces, which terminals and chats may show as something else."""
    return text.replace("\N{NO-BREAK SPACE}", " ")


def users(figures: Figures) -> str:
    """The users behind a rate."""
    return f"{figures.total_converted:,} of {figures.total_registered:,} users"


def number_of(number: int, singular: str, plural: str | None = None) -> str:
    """A count with its noun: 1 week, 2 weeks, 1 day is, 2 days are."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def day(when: date) -> str:
    """2019-12-30 as 30 Dec 2019, whatever the machine's language."""
    return f"{day_and_month(when)} {when.year}"


def day_and_month(when: date) -> str:
    """2019-12-30 as 30 Dec."""
    return f"{when.day} {MONTHS[when.month - 1]}"


def moment(when: datetime) -> str:
    """An instant as 7 Jan 2020, 08:03 UTC."""
    when = when.astimezone(UTC)
    return f"{day(when.date())}, {when:%H:%M} UTC"


def month(when: date) -> str:
    """2019-12-30 as Dec 2019."""
    return f"{MONTHS[when.month - 1]} {when.year}"


def days(listed: Sequence[date], most: int = 5) -> str:
    """The first few runs of days by name and how many more days there are."""
    named = list(runs(listed))[:most]
    more = len(listed) - sum((last - first).days + 1 for first, last in named)
    text = ", ".join(day_range(first, last) for first, last in named)
    return f"{text} and {more:,} more" if more else text


def day_range(first: date, last: date) -> str:
    """One or more consecutive days: 11 to 15 Nov 2020."""
    if first == last:
        return day(first)
    if first.year != last.year:
        return f"{day(first)} to {day(last)}"
    start = str(first.day) if first.month == last.month else day_and_month(first)
    return f"{start} to {day(last)}"


def week_names(labels: Sequence[str]) -> str:
    """One or two weeks by name, more than two consecutive ones as a range, else a few by name."""
    if len(labels) < 3:
        return " and ".join(labels)
    if (first_day_of(labels[-1]) - first_day_of(labels[0])) == (len(labels) - 1) * WEEK:
        return f"{labels[0]} to {labels[-1]}"
    return ", ".join(labels[:4]) + (f" and {len(labels) - 4:,} more" if len(labels) > 4 else "")


def weekday(number: int, week_start: str) -> str:
    """A day of weeks that begin on a weekday; the first day is 0."""
    return WEEKDAYS[(WEEKDAYS.index(week_start) + number) % 7].capitalize()


def day_of_window(day: int, week_start: str) -> str:
    """A day of a registration week's window by its weekday, the first day being 0."""
    week = "the registration week" if day < 7 else "the week after"
    return f"{weekday(day, week_start)} of {week}"


def weeks_after(offset: int) -> str:
    """A week offset in words."""
    return "Same week" if offset == 0 else f"{number_of(offset, 'week')} after"


def name(text: str, longest: int = LONGEST_NAME) -> str:
    """A name from the logs, printable and cut to a length; quoted if it could be misread."""
    shown = printable(text[: longest + 1])
    if not shown.strip() or shown.startswith(("(", '"')):
        shown = f'"{shown}"'
    return cut(shown, longest)


def cut(text: str, longest: int) -> str:
    """A text of at most so many characters, with a mark if it was longer."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def segment(each: Segment | Comparison, longest: int = LONGEST_NAME) -> str:
    """The name of a segment; no text is shown as users without a value are."""
    return f"(no {each.by})" if each.value is None else name(each.value, longest)


def forecast(expected: Forecast | None) -> str:
    """The rate that a week will have, with its interval; empty without a forecast."""
    if expected is None:
        return ""
    return f"forecast {rate(expected.conversion_rate)} ({bounds(expected.interval)})"


FIGURE_HEADINGS = ("Registered", "Converted", "Rate", INTERVAL)


def cells(figures: Figures) -> tuple[str, str, str, str]:
    """The four figures of a row, under `FIGURE_HEADINGS`."""
    return (
        count(figures.total_registered),
        count(figures.total_converted),
        rate(figures.conversion_rate),
        bounds(figures.interval),
    )


def marks(figures: Figures) -> list[str]:
    """The marks of a row: why a week is not final, its forecast, and whether it is small."""
    found = [SMALL_SAMPLE] * figures.is_small
    if isinstance(figures, WeekResult):
        because = INCOMPLETE.get(figures.incomplete_because or "", "")
        begin = ["logs begin"] * figures.logs_begin
        found = [because, forecast(figures.forecast), *begin, *found]
    return [mark for mark in found if mark]


def notes(figures: Figures) -> str:
    """The marks of a row in one text."""
    return ", ".join(marks(figures))


def reason(name: str) -> str:
    """Why lines were rejected, in words; a reason of another version by its name."""
    return REASONS.get(name, name)  # type: ignore[call-overload, no-any-return]


def reconciliation(counts: EventCounts) -> list[tuple[str, int, str]]:
    """Rows of name, lines and meaning, one per outcome of a line; the first is their sum."""
    rows = [
        ("Lines read", counts.lines, "every line of every input file"),
        ("registered", counts.registered, "registrations"),
        ("app_loaded", counts.app_loaded, "loads of the app"),
        ("other", counts.other, "events with other names; not used"),
        ("anonymous", counts.anonymous, "registrations and loads without a user id; not kept"),
        ("excluded", counts.excluded, "events that [exclude] leaves out; not kept"),
        ("identified", counts.identified, "events that say which user an id became"),
        ("blank", counts.blank, "empty lines"),
        ("rejected", counts.rejected, "lines that cannot be an event; kept in rejected_events"),
    ]
    # Most log formats have none of these.
    return [row for row in rows if row[1] or row[0] not in ("anonymous", "excluded", "identified")]
