"""The tooltips of the charts. `script.js` splits them into lines at `BETWEEN_LINES`."""

from __future__ import annotations

from datetime import date, timedelta

from user_conversion.answer.cohorts import FirstLoadDay
from user_conversion.answer.figures import Figures
from user_conversion.answer.segments import Segment
from user_conversion.answer.weeks import WeekResult
from user_conversion.outputs import words
from user_conversion.outputs.folding import Period
from user_conversion.rules.weeks import week_label

BETWEEN_LINES = " · "


def week(result: WeekResult) -> str:
    """A registration week."""
    label = f"{result.registration_week}, from {words.day(result.week_start)}"
    return _lines(label, *_of(result))


def no_week(monday: date) -> str:
    """A week without registrations."""
    return _lines(f"{week_label(monday)}, from {words.day(monday)}", "no registrations")


def segment(each: Segment) -> str:
    """A segment."""
    return _lines(words.segment(each), *_of(each))


def first_load(each: FirstLoadDay) -> str:
    """A day after the registration."""
    label = "within 24 hours" if each.day == 0 else f"{words.number_of(each.day, 'day')} after"
    users = f"{each.loaded:,} of {each.observed:,} users"
    return _lines(f"First load {label}", words.rate(each.share), users)


def period(each: Period) -> str:
    """A day or a week of events."""
    label = words.day(each.first)
    if each.length > 1:
        label += f" to {words.day(each.first + timedelta(days=each.length - 1))}"
    return _lines(
        label,
        words.number_of(each.registered, "registration"),
        words.number_of(each.app_loaded, "load"),
        gaps(each),
    )


def gaps(each: Period, named: int = 7) -> str:
    """The kinds of events that are missing in a period; up to `named` days by name."""
    both = tuple(day for day in each.registered_gaps if day in each.app_loaded_gaps)
    only = {
        "registrations": tuple(day for day in each.registered_gaps if day not in both),
        "loads": tuple(day for day in each.app_loaded_gaps if day not in both),
        "events": both,
    }
    missing = []
    for kind, days in only.items():
        if days:
            when = words.days(days) if len(days) <= named else words.number_of(len(days), "day")
            missing.append(f"no {kind}" if each.length == 1 else f"no {kind} on {when}")
    return "; ".join(missing)


def _of(figures: Figures) -> list[str]:
    return [
        f"{words.rate(figures.conversion_rate)}, {words.users(figures)}",
        f"{words.INTERVAL} {words.percent_interval(figures.interval)}",
        *words.marks(figures),
    ]


def _lines(*lines: str) -> str:
    return BETWEEN_LINES.join(line for line in lines if line)
