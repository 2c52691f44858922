"""The section *Complete weeks* of the design page in plain Python: which days were not delivered.

Written from the text: it imports no product code and goes day by day. `oracle.measure` uses it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)


def utc_day_of_the_last_instant(local_day: date, zone: ZoneInfo) -> date:
    """The latest UTC day that begins when it is not yet after the local day."""
    candidates = (local_day + number * DAY for number in range(-3, 4))
    return max(day for day in candidates if midnight(day).astimezone(zone).date() <= local_day)


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def runs_without_an_event(counts: Counter[date], first: date, until: date) -> list[list[date]]:
    """Maximal runs of days that have no event, from the log's first day to a last day."""
    runs: list[list[date]] = [[]]
    day = first
    while day <= until:
        if counts[day]:
            runs.append([])
        else:
            runs[-1].append(day)
        day += DAY
    return [run for run in runs if run]


def likelihood(run: Sequence[date], counts: Counter[date], log: Sequence[date]) -> Fraction:
    """The product over the weekdays of (near / (near + inside)) ** events."""
    product = Fraction(1)
    around = [run[0] - n * DAY for n in range(1, 29)] + [run[-1] + n * DAY for n in range(1, 29)]
    around = [day for day in around if min(log) <= day <= max(log)]
    for weekday in range(7):
        near = [day for day in around if day.isoweekday() % 7 == weekday]
        inside = [day for day in run if day.isoweekday() % 7 == weekday]
        events = sum(counts[day] for day in near)
        if events:
            product *= Fraction(len(near), len(near) + len(inside)) ** events
    return product


def missing_days(
    times: Iterable[datetime], log: Iterable[datetime], until: date
) -> tuple[date, ...]:
    """All days of the runs that are gaps in a series; `log` has the times of all events."""
    counts = Counter(time.astimezone(UTC).date() for time in times)
    days = [time.astimezone(UTC).date() for time in log]
    if not counts:
        return ()
    runs = runs_without_an_event(counts, min(days), until)
    gaps = [run for run in runs if likelihood(run, counts, days) < Fraction(1, 1000)]
    return tuple(day for run in gaps for day in run)


def touches(missing: Iterable[date], first: date, last: date, zone: ZoneInfo) -> bool:
    """Whether a missing UTC day has an instant on one of the local days from first to last."""
    for day in missing:
        begins = midnight(day).astimezone(zone).date()
        ends = (midnight(day + DAY) - datetime.resolution).astimezone(zone).date()
        if begins <= last and ends >= first:
            return True
    return False
