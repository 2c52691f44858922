"""The tooltips of the charts. `script.js` splits them into lines at `BETWEEN_LINES`."""

from __future__ import annotations

from datetime import date

from user_conversion.answer.cohorts import FirstLoadDay
from user_conversion.answer.figures import Figures, Segment
from user_conversion.answer.weeks import WeekResult
from user_conversion.outputs import words
from user_conversion.outputs.folding import Period
from user_conversion.rules.log_format import APP_LOADED, REGISTERED
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
    return _lines(
        words.day_range(each.first, each.last),
        words.number_of(each.events[REGISTERED], "registration"),
        words.number_of(each.events[APP_LOADED], "load"),
        gaps(each),
    )


def gaps(each: Period, named: int = 7) -> str:
    """The kinds of events that are missing in a period; up to `named` days by name."""
    registered, loaded = each.missing[REGISTERED], each.missing[APP_LOADED]
    missing = []
    for kind, days in (
        ("registrations", [day for day in registered if day not in loaded]),
        ("loads", [day for day in loaded if day not in registered]),
        ("events", [day for day in registered if day in loaded]),
    ):
        if days:
            when = words.days(days) if len(days) <= named else words.number_of(len(days), "day")
            missing.append(f"no {kind}" if each.is_day else f"no {kind} on {when}")
    return "; ".join(missing)


def _of(figures: Figures) -> list[str]:
    return [
        f"{words.rate(figures.conversion_rate)}, {words.users(figures)}",
        f"{words.INTERVAL} {words.percent_interval(figures.interval)}",
        *words.marks(figures),
    ]


def _lines(*lines: str) -> str:
    return BETWEEN_LINES.join(line for line in lines if line)
