"""The answer of a run, in figures that explain themselves. The JSON of `--format json`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from user_conversion.engines import EventCounts
from user_conversion.statistics import is_small_sample, percent, wilson_interval
from user_conversion.weeks import monday_of

# Days from a registration week's Monday to the last day that can still change its answer.
DAYS_UNTIL_COMPLETE = {"next-week": 13, "same-week": 6, "any-load-next-week": 13}


@dataclass(frozen=True)
class Figures:
    """Registered users and how many of them converted."""

    total_registered: int
    total_converted: int

    @property
    def conversion_rate(self) -> float | None:
        """Percent with two decimals, rounded half up; None where nobody registered."""
        return percent(self.total_converted, self.total_registered)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % Wilson interval in percent; None where nobody registered."""
        return wilson_interval(self.total_converted, self.total_registered)

    @property
    def small_sample(self) -> bool:
        """Whether there are too few users to read much into the rate."""
        return is_small_sample(self.total_registered)

    @classmethod
    def pooled(cls, figures: Iterable[Figures]) -> Figures:
        """All users together; never an average of rates."""
        figures = list(figures)
        return cls(
            sum(each.total_registered for each in figures),
            sum(each.total_converted for each in figures),
        )

    def as_json(self) -> dict[str, Any]:
        """The four figures of the contract."""
        return {
            "total_registered": self.total_registered,
            "total_converted": self.total_converted,
            "conversion_rate": self.conversion_rate,
            "interval": list(self.interval) if self.interval else None,
        }


@dataclass(frozen=True)
class WeekResult:
    """One registration week; `complete` if nothing can change its answer any more."""

    registration_week: str
    figures: Figures
    complete: bool

    def as_json(self) -> dict[str, Any]:
        """One entry of `weeks`."""
        return {
            "registration_week": self.registration_week,
            "week_start": monday_of(self.registration_week).isoformat(),
            **self.figures.as_json(),
            "complete": self.complete,
            "small_sample": self.figures.small_sample,
        }


@dataclass(frozen=True)
class Segment:
    """The users of one value of an attribute, over complete weeks."""

    by: str
    value: str | None
    figures: Figures

    @property
    def name(self) -> str:
        """The value for people."""
        return "(none)" if self.value is None else self.value

    def as_json(self) -> dict[str, Any]:
        """One entry of `segments`."""
        return {
            "by": self.by,
            "value": self.name,
            **self.figures.as_json(),
            "small_sample": self.figures.small_sample,
        }


@dataclass(frozen=True)
class Cohort:
    """One registration week by week offset of the first load.

    `offsets[n]` counts the users whose first load was n weeks after; None where week n has not
    ended by `observed_through`, so that nobody can know yet.
    """

    registration_week: str
    registered: int
    offsets: tuple[int | None, ...]
    never: int

    def as_json(self) -> dict[str, Any]:
        """One entry of `cohorts`."""
        return {
            "registration_week": self.registration_week,
            "total_registered": self.registered,
            "offsets": list(self.offsets),
            "never": self.never,
        }


@dataclass(frozen=True)
class Gaps:
    """UTC days between the first and the last event that have none, of any or of one kind."""

    events: tuple[date, ...] = ()
    registered: tuple[date, ...] = ()
    app_loaded: tuple[date, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.events or self.registered or self.app_loaded)

    def as_json(self) -> dict[str, list[str]]:
        """The key `gaps`."""
        return {
            "no_events": [day.isoformat() for day in self.events],
            "no_registered": [day.isoformat() for day in self.registered],
            "no_app_loaded": [day.isoformat() for day in self.app_loaded],
        }


@dataclass(frozen=True)
class Quality:
    """Counts of events that say how far the logs can be trusted."""

    duplicate_registrations: int = 0
    loads_without_registration: int = 0
    loads_before_registration: int = 0
    events_after_as_of: int = 0


@dataclass(frozen=True)
class ConversionResult:
    """The metric under one definition, with all that is needed to read it rightly."""

    definition: str
    timezone: str
    observed_through: date | None
    weeks: tuple[WeekResult, ...]
    cohorts: tuple[Cohort, ...]
    gaps: Gaps
    quality: Quality
    events: EventCounts | None
    by: str | None = None
    segments: tuple[Segment, ...] = ()
    segment_test: dict[str, Any] | None = None
    daily: dict[date, dict[str, int]] = field(default_factory=dict)

    @property
    def total(self) -> Figures:
        """All registrations: the metric as it was first asked for."""
        return Figures.pooled(week.figures for week in self.weeks)

    @property
    def complete(self) -> Figures:
        """Registrations of complete weeks only."""
        return Figures.pooled(week.figures for week in self.weeks if week.complete)

    def as_json(self) -> dict[str, Any]:
        """The object that `--format json` prints."""
        return {
            "definition": self.definition,
            "timezone": self.timezone,
            "observed_through": self.observed_through and self.observed_through.isoformat(),
            **self.total.as_json(),
            "complete": self.complete.as_json(),
            "weeks": [week.as_json() for week in self.weeks],
            "segments": [segment.as_json() for segment in self.segments],
            "segment_test": self.segment_test,
            "cohorts": [cohort.as_json() for cohort in self.cohorts],
            "gaps": self.gaps.as_json(),
            "quality": vars(self.quality),
            "events": self.events and counts_as_json(self.events),
        }


def counts_as_json(counts: EventCounts) -> dict[str, Any]:
    """The key `events`: what became of the lines."""
    return {
        "lines": counts.lines,
        "registered": counts.registered,
        "app_loaded": counts.app_loaded,
        "other": counts.other,
        "blank": counts.blank,
        "rejected": counts.rejected,
        "rejected_by_reason": dict(counts.rejected_by_reason),
    }


def is_complete(registration_week: str, definition: str, observed_through: date) -> bool:
    """Whether the last day that could change a week's answer has been observed."""
    last_day = monday_of(registration_week) + timedelta(days=DAYS_UNTIL_COMPLETE[definition])
    return last_day <= observed_through


def cohort_triangle(rows: Sequence[dict[str, Any]], observed_through: date) -> tuple[Cohort, ...]:
    """The retention triangle from the rows of `conversion.cohort_table`."""
    counts: dict[str, dict[int | None, int]] = {}
    for row in rows:
        counts.setdefault(row["registration_week"], {})[row["week_offset"]] = row["users"]
    # A week is known when its Sunday has been observed.
    ended = {
        week: (observed_through - monday_of(week) + timedelta(days=1)).days // 7 for week in counts
    }
    offsets = (offset for week in counts.values() for offset in week if offset is not None)
    width = max(offsets, default=-1) + 1
    return tuple(
        Cohort(
            week,
            sum(counts[week].values()),
            tuple(counts[week].get(n, 0) if n < ended[week] else None for n in range(width)),
            counts[week].get(None, 0),
        )
        for week in sorted(counts)
    )


def find_gaps(daily: dict[date, dict[str, int]]) -> Gaps:
    """The days that are missing between the first and the last day with events."""
    if not daily:
        return Gaps()
    first, last = min(daily), max(daily)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return Gaps(
        tuple(day for day in days if day not in daily),
        tuple(day for day in days if day in daily and "registered" not in daily[day]),
        tuple(day for day in days if day in daily and "app_loaded" not in daily[day]),
    )
