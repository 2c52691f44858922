"""When users first loaded the app: by week of the registration, and by days since it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from msgspec import Struct

from user_conversion.answer.figures import Count
from user_conversion.answer.statistics import percent
from user_conversion.rules.weeks import DAY, first_day_of


class Cohort(Struct, frozen=True):
    """One registration week by week offset of the first load.

    `offsets[n]` counts the users whose first load was n weeks later; None if that week had not
    ended by the last observed day. `never` counts the users without a load. Raises `ValueError`
    for a label that is not a week's.
    """

    registration_week: str
    total_registered: Count
    offsets: tuple[Count | None, ...]
    never: Count

    def __post_init__(self) -> None:
        first_day_of(self.registration_week)


def cohort_triangle(
    rows: Sequence[Mapping[str, Any]], observed_through: date
) -> tuple[Cohort, ...]:
    """The retention triangle from the rows of `conversion.cohort_table`."""
    counts: dict[str, dict[int | None, int]] = {}
    for row in rows:
        counts.setdefault(row["registration_week"], {})[row["week_offset"]] = row["users"]
    # A week has ended if its last day has been observed.
    ended = {week: (observed_through - first_day_of(week) + DAY).days // 7 for week in counts}
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


class FirstLoadDay(Struct, frozen=True):
    """One of the days of 24 hours after the registration, the first being day 0.

    `observed` users registered early enough to be observed through it; `loaded` of them first
    loaded the app on it, `loaded_by_then` on it or before.
    """

    day: Count
    observed: Count
    loaded: Count
    loaded_by_then: Count

    @property
    def share(self) -> float | None:
        """First loads on the day, in percent of the users observed through it."""
        return percent(self.loaded, self.observed)

    @property
    def share_by_then(self) -> float | None:
        """First loads until the end of the day, likewise."""
        return percent(self.loaded_by_then, self.observed)


class FirstLoads(Struct, frozen=True):
    """When users first loaded the app; counts of those who did `later`, or not yet."""

    days: tuple[FirstLoadDay, ...] = ()
    later: Count = 0
    not_yet: Count = 0

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]]) -> FirstLoads:
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
