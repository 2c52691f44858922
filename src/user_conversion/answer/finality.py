"""When a figure is final: what was observed, which days are missing, which weeks are complete.

Pure functions over the number of events per UTC day. docs/explanation/weeks.md has
the rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, tzinfo
from itertools import groupby, pairwise
from typing import Final, Literal

from msgspec import Struct

from user_conversion.answer.figures import Count
from user_conversion.rules.definitions import Definition
from user_conversion.rules.log_format import APP_LOADED, REGISTERED
from user_conversion.rules.weeks import DAY, WEEK, first_day_of, start_of_day

# Why a week is not complete.
Incomplete = Literal["unfinished", "missing_days"]
UNFINISHED: Final = "unfinished"
MISSING_DAYS: Final = "missing_days"
# Events by UTC day and kind; a kind without events is left out.
Daily = dict[date, dict[str, Count]]

# Days on either side of a run without events that say how many events to expect in it.
NEAR = 28 * DAY
# A run that is as unlikely as this was not delivered.
UNLIKELY = 0.001


def last_observed_day(
    as_of: date | None, latest: datetime | None, now: datetime, zone: tzinfo
) -> date | None:
    """The last local day that was seen whole; None without events and without `as_of`.

    The day of the latest event may have only begun, so it is the day before. Today is not over,
    whatever `as_of` or the clock of a phone says; `now` is when the run began.
    """
    observed = as_of or (latest and latest.astimezone(zone).date() - DAY)
    return observed and min(observed, now.astimezone(zone).date() - DAY)


def is_late(latest_day: date | None, max_age: int, now: datetime) -> bool:
    """Whether the UTC day of the latest event is more than `max_age` days ago, or none is."""
    return latest_day is None or (now.astimezone(UTC).date() - latest_day).days > max_age


def runs(days: Iterable[date]) -> Iterator[tuple[date, date]]:
    """The first and last day of each run of consecutive days; the days are in order."""
    for _, numbered in groupby(enumerate(days), key=lambda each: each[1].toordinal() - each[0]):
        run = [day for _, day in numbered]
        yield run[0], run[-1]


def missing_days(
    counts: Mapping[date, int], log: tuple[date, date], until: date
) -> tuple[date, ...]:
    """The days of a series that were probably not delivered, in order.

    `counts` has the number of events of each UTC day with events, `log` the UTC days of the first
    and the latest event of any kind; `until` is the last UTC day that is looked at.
    """
    days = [day for day in sorted(counts) if day <= until]
    missing: list[date] = []
    for before, after in pairwise([log[0] - DAY, *days, until + DAY]):
        length = (after - before).days - 1
        if length > 0 and _chance(before + DAY, length, counts, log) < UNLIKELY:
            missing += (before + n * DAY for n in range(1, length + 1))
    return tuple(missing)


def _chance(
    first: date, length: int, counts: Mapping[date, int], bounds: tuple[date, date]
) -> float:
    """How likely a run of days without events is if the events are spread evenly.

    Each weekday is compared with the same weekday near the run, so quiet weekends are expected.
    """
    end = first + length * DAY
    near = [
        *_days(max(bounds[0], first - NEAR), first),
        *_days(end, min(bounds[1] + DAY, end + NEAR)),
    ]
    days, events = [0] * 7, [0] * 7
    for day in near:
        days[day.weekday()] += 1
        events[day.weekday()] += counts.get(day, 0)
    chance = 1.0
    for weekday in range(7):
        inside = length // 7 + ((weekday - first.weekday()) % 7 < length % 7)
        if days[weekday]:
            chance *= (days[weekday] / (days[weekday] + inside)) ** events[weekday]
    return chance


def _days(start: date, end: date) -> Iterator[date]:
    return (start + n * DAY for n in range((end - start).days))


class Gaps(Struct, frozen=True):
    """UTC days that were probably not delivered: without any event, and without each kind."""

    no_events: tuple[date, ...] = ()
    no_registered: tuple[date, ...] = ()
    no_app_loaded: tuple[date, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.no_events or self.no_registered or self.no_app_loaded)

    @classmethod
    def of(cls, daily: Daily, observed_through: date | None, zone: tzinfo) -> Gaps:
        """The gaps in the events per day, up to the end of the last observed local day."""
        if observed_through is None or not daily:
            return cls()
        until = (start_of_day(observed_through + DAY, zone) - datetime.resolution).date()
        log = min(daily), max(daily)

        def missing(*kinds: str) -> tuple[date, ...]:
            series = {day: sum(n.get(kind, 0) for kind in kinds) for day, n in daily.items()}
            return missing_days({day: n for day, n in series.items() if n}, log, until)

        return cls(missing(REGISTERED, APP_LOADED), missing(REGISTERED), missing(APP_LOADED))


class Finality:
    """Judges registration weeks by what was observed of the logs."""

    def __init__(
        self, window: Definition, observed_through: date | None, gaps: Gaps, zone: tzinfo
    ) -> None:
        self._window = window
        self._observed_through = observed_through
        self._zone = zone
        self._any_loads = [*_instants(gaps.no_events), *_instants(gaps.no_app_loaded)]
        self._registered = list(_instants(gaps.no_registered))

    def incomplete_because(self, registration_week: str) -> Incomplete | None:
        """Why the figures of a week are not final: `UNFINISHED`, `MISSING_DAYS`, or None."""
        last = self._window.last_day(registration_week, self._zone)
        if self._observed_through is None or last > self._observed_through:
            return UNFINISHED
        return MISSING_DAYS if self.has_missing_days(registration_week) else None

    def has_missing_days(self, registration_week: str) -> bool:
        """Whether a gap touches a week's window, as far as it was observed."""
        first = first_day_of(registration_week)
        after = self._window.last_day(registration_week, self._zone) + DAY
        # Users can only register in the week itself, so later days without registrations do not
        # change the figures.
        return self._touches(self._any_loads, first, after) or self._touches(
            self._registered, first, first + WEEK
        )

    def _touches(self, gaps: Sequence[tuple[datetime, datetime]], first: date, after: date) -> bool:
        if not gaps:
            return False
        start, end = start_of_day(first, self._zone), start_of_day(after, self._zone)
        return any(begins < end and ends > start for begins, ends in gaps)


def _instants(days: Iterable[date]) -> Iterator[tuple[datetime, datetime]]:
    """The instants between which each run of UTC days lies."""
    for first, last in runs(days):
        begins, ends = (datetime.combine(day, time.min, UTC) for day in (first, last + DAY))
        yield begins, ends
