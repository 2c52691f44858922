"""The answer of a run: figures, and everything needed to read them correctly.

`ConversionResult.as_json` is the JSON of `--format json`; docs/reference/json.md documents it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from user_conversion.answer.change import Change
from user_conversion.answer.finality import Gaps
from user_conversion.answer.forecast import Forecast, PastForecast
from user_conversion.answer.statistics import (
    IndependenceTest,
    independence_test,
    is_small_sample,
    percent,
    wilson_interval,
)
from user_conversion.rules.counts import EventCounts
from user_conversion.rules.definitions import Definition, definition
from user_conversion.rules.weeks import DAY, monday_of

DEVICE_TYPE = "device_type"

Row = Mapping[str, Any]
# Events by UTC day and kind.
Daily = dict[date, dict[str, int]]


@dataclass(frozen=True)
class Figures:
    """Registered users and how many of them converted."""

    total_registered: int
    total_converted: int

    @property
    def conversion_rate(self) -> float | None:
        """Percent with two decimals, rounded half up; None without registered users."""
        return percent(self.total_converted, self.total_registered)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % Wilson interval in percent; None without registered users."""
        return wilson_interval(self.total_converted, self.total_registered)

    @property
    def small_sample(self) -> bool:
        """Whether the rate is of so few users that it needs a warning."""
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

    @classmethod
    def from_json(cls, document: Row) -> Figures:
        """The inverse of `as_json`; rate and interval are computed from the counts."""
        return cls(document["total_registered"], document["total_converted"])


@dataclass(frozen=True)
class WeekResult:
    """One registration week; `complete` if no event can change its figures any more.

    `incomplete_because` is a reason of `finality`, None for a complete week. `logs_begin` says
    that the logs begin within the week, so that registrations of its first days are missing.
    `seen_before` counts users with loads before their registration. `forecast` is the rate that
    an unfinished week will have, if it can be judged.
    """

    registration_week: str
    figures: Figures
    complete: bool
    incomplete_because: str | None = None
    logs_begin: bool = False
    seen_before: int = 0
    forecast: Forecast | None = None

    @property
    def week_start(self) -> date:
        """The Monday of the week."""
        return monday_of(self.registration_week)

    def as_json(self) -> dict[str, Any]:
        """One entry of `weeks`."""
        return {
            "registration_week": self.registration_week,
            "week_start": self.week_start.isoformat(),
            **self.figures.as_json(),
            "complete": self.complete,
            "incomplete_because": self.incomplete_because,
            "logs_begin": self.logs_begin,
            "forecast": self.forecast and self.forecast.as_json(),
            "seen_before": self.seen_before,
            "small_sample": self.figures.small_sample,
        }

    @classmethod
    def from_json(cls, document: Row) -> WeekResult:
        """The inverse of `as_json`."""
        figures = Figures.from_json(document)
        names = ("complete", "incomplete_because", "logs_begin", "seen_before")
        values = {name: document[name] for name in names}
        expected = document["forecast"]
        return cls(
            document["registration_week"],
            figures,
            **values,
            forecast=Forecast.from_json(expected) if expected else None,
        )


@dataclass(frozen=True)
class Segment:
    """The users of one value of a field, over complete weeks; None for users without a value."""

    value: str | None
    figures: Figures


@dataclass(frozen=True)
class Segmentation:
    """All segments by one field, the largest first, and the test of whether they differ.

    Small samples are left out of the test. There is no test by device type: it splits the
    converted users, not the registered ones.
    """

    by: str
    segments: tuple[Segment, ...] = ()
    test: IndependenceTest | None = None

    @classmethod
    def of(cls, by: str, rows: Iterable[Row]) -> Segmentation:
        """The segments from the rows of `conversion.segment_counts` of complete weeks."""
        figures: dict[str | None, list[Figures]] = {}
        for row in rows:
            figures.setdefault(row["value"], []).append(Figures.from_json(row))
        pooled = {value: Figures.pooled(each) for value, each in figures.items()}
        if by == DEVICE_TYPE:
            everyone = Figures.pooled(pooled.values()).total_registered
            pooled = {
                value: Figures(everyone, each.total_converted)
                for value, each in pooled.items()
                if each.total_converted
            }
        segments = [Segment(value, each) for value, each in pooled.items()]
        segments.sort(key=_largest_first)
        # A segment of a few users would make the test impossible for all the others.
        counts = [
            (each.figures.total_converted, each.figures.total_registered)
            for each in segments
            if not each.figures.small_sample
        ]
        return cls(by, tuple(segments), None if by == DEVICE_TYPE else independence_test(counts))

    def as_json(self) -> list[dict[str, Any]]:
        """The entries of `segments`."""
        return [
            {
                "by": self.by,
                "value": each.value,
                **each.figures.as_json(),
                "small_sample": each.figures.small_sample,
            }
            for each in self.segments
        ]

    @classmethod
    def from_json(cls, by: str, entries: Iterable[Row], test: Row | None) -> Segmentation:
        """The inverse of `as_json`."""
        segments = (Segment(each["value"], Figures.from_json(each)) for each in entries)
        return cls(by, tuple(segments), IndependenceTest(**test) if test else None)


def _largest_first(segment: Segment) -> tuple[int, int, bool, str]:
    figures, value = segment.figures, segment.value
    return -figures.total_registered, -figures.total_converted, value is None, value or ""


@dataclass(frozen=True)
class Cohort:
    """One registration week by week offset of the first load.

    `offsets[n]` counts the users whose first load was n weeks later; None if that week had not
    ended by `observed_through`. `never` counts the users without a load.
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

    @classmethod
    def from_json(cls, document: Row) -> Cohort:
        """The inverse of `as_json`."""
        return cls(
            document["registration_week"],
            document["total_registered"],
            tuple(document["offsets"]),
            document["never"],
        )


@dataclass(frozen=True)
class FirstLoadDay:
    """One of the days of 24 hours after the registration, the first being day 0.

    `observed` users registered early enough to be observed through it; `loaded` of them first
    loaded the app on it, `loaded_by_then` on it or before.
    """

    day: int
    observed: int
    loaded: int
    loaded_by_then: int

    @property
    def figures(self) -> Figures:
        """First loads on the day, of the users observed through it."""
        return Figures(self.observed, self.loaded)

    @property
    def figures_by_then(self) -> Figures:
        """First loads until the end of the day, of the users observed through it."""
        return Figures(self.observed, self.loaded_by_then)


@dataclass(frozen=True)
class FirstLoads:
    """When users first loaded the app; counts of those who did `later`, or not yet."""

    days: tuple[FirstLoadDay, ...] = ()
    later: int = 0
    not_yet: int = 0

    @classmethod
    def of(cls, rows: Sequence[Row]) -> FirstLoads:
        """The distribution from the rows of `conversion.first_load_days`."""

        def users(through: int, *days: int) -> int:
            return sum(
                row["users"]
                for row in rows
                if row["days_observed"] > through and (not days or row["day"] in days)
            )

        longest = max((row["days_observed"] for row in rows), default=0)
        loaded = [row for row in rows if row["day"] is not None]
        return cls(
            tuple(
                FirstLoadDay(day, users(day), users(day, day), users(day, *range(day + 1)))
                for day in range(longest)
            ),
            later=sum(row["users"] for row in loaded if row["day"] >= longest),
            not_yet=sum(row["users"] for row in rows if row["day"] is None),
        )

    def as_json(self) -> dict[str, Any]:
        """The key `first_loads`."""
        return {**asdict(self), "days": [asdict(day) for day in self.days]}

    @classmethod
    def from_json(cls, document: Row) -> FirstLoads:
        """The inverse of `as_json`."""
        days = tuple(FirstLoadDay(**day) for day in document["days"])
        return cls(days, document["later"], document["not_yet"])


@dataclass(frozen=True)
class Quality:
    """Counts of events that say how far the logs can be trusted."""

    duplicate_registrations: int = 0
    loads_without_registration: int = 0
    loads_before_registration: int = 0
    events_after_as_of: int = 0


@dataclass(frozen=True)
class ConversionResult:
    """The metric under one definition: the whole answer, from which every output is made.

    `channels` are the segments by channel, `segmentation` those that were asked for, if any.
    """

    definition: str
    timezone: str
    observed_through: date | None
    weeks: tuple[WeekResult, ...]
    channels: Segmentation
    segmentation: Segmentation | None
    cohorts: tuple[Cohort, ...]
    first_loads: FirstLoads
    gaps: Gaps
    quality: Quality
    events: EventCounts | None
    daily: Daily = field(default_factory=dict)
    past_forecasts: tuple[PastForecast, ...] = ()
    change: Change = field(default_factory=Change)

    @property
    def counted_as(self) -> Definition:
        """The definition in force."""
        return definition(self.definition)

    @property
    def total(self) -> Figures:
        """All registrations: the metric as it was first asked for."""
        return Figures.pooled(week.figures for week in self.weeks)

    @property
    def complete(self) -> Figures:
        """Registrations of complete weeks only."""
        return Figures.pooled(week.figures for week in self.weeks if week.complete)

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The segments that were asked for."""
        return self.segmentation.segments if self.segmentation else ()

    def as_json(self) -> dict[str, Any]:
        """The object that `--format json` prints."""
        asked = self.segmentation
        return {
            "definition": self.definition,
            "timezone": self.timezone,
            "observed_through": self.observed_through and self.observed_through.isoformat(),
            **self.total.as_json(),
            "complete": self.complete.as_json(),
            "weeks": [week.as_json() for week in self.weeks],
            "by": asked and asked.by,
            "segments": asked.as_json() if asked else [],
            "segment_test": asdict(asked.test) if asked and asked.test else None,
            "channels": self.channels.as_json(),
            "channel_test": asdict(self.channels.test) if self.channels.test else None,
            "cohorts": [cohort.as_json() for cohort in self.cohorts],
            "first_loads": self.first_loads.as_json(),
            "gaps": self.gaps.as_json(),
            "quality": asdict(self.quality),
            "events": self.events and self.events.as_json(),
            "change": self.change.as_json(),
            "past_forecasts": [each.as_json() for each in self.past_forecasts],
            "daily": {day.isoformat(): counts for day, counts in self.daily.items()},
        }

    @classmethod
    def from_json(cls, document: Row) -> ConversionResult:
        """The inverse of `as_json`."""
        observed, by = document["observed_through"], document["by"]
        segments = document["segments"], document["segment_test"]
        return cls(
            definition=document["definition"],
            timezone=document["timezone"],
            observed_through=date.fromisoformat(observed) if observed else None,
            weeks=tuple(map(WeekResult.from_json, document["weeks"])),
            channels=Segmentation.from_json(
                "channel", document["channels"], document["channel_test"]
            ),
            segmentation=Segmentation.from_json(by, *segments) if by else None,
            cohorts=tuple(map(Cohort.from_json, document["cohorts"])),
            first_loads=FirstLoads.from_json(document["first_loads"]),
            gaps=Gaps.from_json(document["gaps"]),
            quality=Quality(**document["quality"]),
            events=EventCounts.from_json(document["events"]) if document["events"] else None,
            change=Change.from_json(document["change"]),
            past_forecasts=tuple(map(PastForecast.from_json, document["past_forecasts"])),
            daily={date.fromisoformat(day): counts for day, counts in document["daily"].items()},
        )


def is_complete(registration_week: str, definition_name: str, observed_through: date) -> bool:
    """Whether the last day that can change a week's figures has been observed.

    It does not look for missing days; `finality.Finality` does.
    """
    return definition(definition_name).last_day(registration_week) <= observed_through


def cohort_triangle(rows: Sequence[Row], observed_through: date) -> tuple[Cohort, ...]:
    """The retention triangle from the rows of `conversion.cohort_table`."""
    counts: dict[str, dict[int | None, int]] = {}
    for row in rows:
        counts.setdefault(row["registration_week"], {})[row["week_offset"]] = row["users"]
    # A week has ended if its Sunday has been observed.
    ended = {week: (observed_through - monday_of(week) + DAY).days // 7 for week in counts}
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
