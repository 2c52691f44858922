"""The forecasts of the unfinished weeks of an answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from msgspec.structs import replace

from user_conversion.answer.finality import Finality
from user_conversion.answer.forecast import FEWEST_WEEKS, Curve, forecast
from user_conversion.answer.weeks import WeekResult
from user_conversion.rules.definitions import Definition
from user_conversion.rules.weeks import DAY, WEEK


def can_be_judged(weeks: Sequence[WeekResult], window: Definition) -> bool:
    """Whether any week can have a forecast, now or in the past."""
    # With a window of one week, users can register as long as they can convert.
    return window.window_days > WEEK.days and sum(week.complete for week in weeks) >= FEWEST_WEEKS


def curves(
    weeks: Sequence[WeekResult], rows: Iterable[Mapping[str, Any]], window: Definition
) -> list[Curve]:
    """The conversions of each week, from the rows of `conversion.conversion_days`."""
    by_day: dict[str, dict[int, int]] = {}
    for row in rows:
        by_day.setdefault(row["registration_week"], {})[row["day"]] = row["conversions"]
    return [
        Curve.of(week.registration_week, week.total_registered, found, window.window_days)
        for week in weeks
        for found in [by_day.get(week.registration_week, {})]
    ]


def with_forecasts(
    weeks: Sequence[WeekResult], found: Sequence[Curve], observed: date, finality: Finality
) -> tuple[WeekResult, ...]:
    """The weeks, those that are unfinished with a forecast if they can be judged."""
    complete: list[Curve] = []
    results = []
    for week, curve in zip(weeks, found, strict=True):
        expected = None
        if week.complete:
            complete.append(curve)
        # Conversions of missing days would look like conversions that are still to come.
        elif not finality.has_missing_days(week.registration_week):
            expected = forecast(curve, (observed - week.week_start) // DAY, complete)
        results.append(replace(week, forecast=expected))
    return tuple(results)
