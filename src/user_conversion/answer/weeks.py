"""The answer by registration week."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from msgspec import Struct

from user_conversion.answer.figures import Count, Figures, Group
from user_conversion.answer.finality import Finality, Incomplete
from user_conversion.answer.forecast import Forecast
from user_conversion.rules.weeks import WEEK, first_day_of


class WeekResult(Group, frozen=True, kw_only=True):
    """One registration week; `complete` if no event can change its figures any more.

    `week_start` is its first day. `incomplete_because` is None for a complete week. `forecast` is
    the rate that an unfinished week will have, if it can be judged. `logs_begin` says that the
    logs begin within the week, so that registrations of its first days are missing. `seen_before`
    counts users with loads before their registration. Raises `ValueError` for another one.
    """

    registration_week: str
    week_start: date
    complete: bool
    incomplete_because: Incomplete | None
    forecast: Forecast | None = None
    logs_begin: bool
    seen_before: Count

    def __post_init__(self) -> None:
        super().__post_init__()
        if first_day_of(self.registration_week) != self.week_start:
            raise ValueError("week_start is not the first day of registration_week")


def week_results(
    rows: Iterable[Mapping[str, Any]],
    seen_before: Mapping[str, int],
    finality: Finality,
    first_day: date | None,
) -> tuple[WeekResult, ...]:
    """The weeks, in order, from the rows of `conversion.weekly_summary`.

    `seen_before` is by week; `first_day` is the local day of the earliest event.
    """
    weeks = []
    for row in sorted(rows, key=lambda row: row["registration_week"]):
        label = row["registration_week"]
        start, reason = first_day_of(label), finality.incomplete_because(label)
        week = WeekResult.of(
            row["total_registered"],
            row["total_converted"],
            registration_week=label,
            week_start=start,
            complete=reason is None,
            incomplete_because=reason,
            logs_begin=first_day is not None and start < first_day < start + WEEK,
            seen_before=seen_before[label],
        )
        weeks.append(week)
    return tuple(weeks)


class Restated(Struct, frozen=True):
    """A week that was called complete, with its figures `before` and `after`."""

    registration_week: str
    before: Figures
    after: Figures


def restated(before: Iterable[WeekResult], after: Iterable[WeekResult]) -> tuple[Restated, ...]:
    """The weeks that were complete and have other figures now; a week that is gone has none."""
    now = {week.registration_week: Figures.pooled([week]) for week in after}
    found = []
    for week in before:
        was, is_now = Figures.pooled([week]), now.get(week.registration_week, Figures.of(0, 0))
        if week.complete and was != is_now:
            found.append(Restated(week.registration_week, was, is_now))
    return tuple(found)
