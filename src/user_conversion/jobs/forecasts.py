"""Forecasts of the unfinished weeks of an answer, from conversions by local day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date

from user_conversion.answer.finality import Finality
from user_conversion.answer.forecast import (
    FEWEST_WEEKS,
    Curve,
    PastForecast,
    forecast,
    past_forecasts,
)
from user_conversion.answer.results import Row, WeekResult
from user_conversion.rules.definitions import Definition
from user_conversion.rules.weeks import DAY, WEEK

# Two years, as in the charts.
MOST_WEEKS = 104


def can_be_judged(weeks: Sequence[WeekResult], window: Definition) -> bool:
    """Whether any week can have a forecast, now or in the past."""
    # With a window of one week, users can register as long as they can convert.
    return window.window_days > WEEK.days and sum(week.complete for week in weeks) >= FEWEST_WEEKS


def local_days(weeks: Sequence[WeekResult], window: Definition) -> tuple[date, date]:
    """The first and the last local day whose conversions forecasts need."""
    latest = weeks[-MOST_WEEKS:]
    return latest[0].week_start, window.last_day(latest[-1].registration_week)


def curves(weeks: Sequence[WeekResult], rows: Iterable[Row], window: Definition) -> list[Curve]:
    """The conversions of the latest weeks, from the rows of `conversion.conversion_days`."""
    by_day: dict[str, dict[int, int]] = {}
    starts = {week.registration_week: week.week_start for week in weeks}
    for row in rows:
        week = row["registration_week"]
        by_day.setdefault(week, {})[(row["day"] - starts[week]).days] = row["conversions"]
    return [
        Curve.of(
            week.registration_week,
            week.figures.total_registered,
            by_day.get(week.registration_week, {}),
            window.window_days,
        )
        for week in weeks[-MOST_WEEKS:]
    ]


def with_forecasts(
    weeks: Sequence[WeekResult], found: Sequence[Curve], observed: date, finality: Finality
) -> tuple[WeekResult, ...]:
    """The weeks, those that are unfinished with a forecast if they can be judged."""
    known = {curve.registration_week: curve for curve in found}
    complete: list[Curve] = []
    results = []
    for week in weeks:
        curve = known.get(week.registration_week)
        expected = None
        if curve and week.complete:
            complete.append(curve)
        # Conversions of missing days would look like conversions that are still to come.
        elif curve and not finality.has_missing_days(week.registration_week):
            expected = forecast(curve, (observed - week.week_start) // DAY, complete)
        results.append(replace(week, forecast=expected))
    return tuple(results)


def past(weeks: Sequence[WeekResult], found: Sequence[Curve]) -> tuple[PastForecast, ...]:
    """The forecasts of complete weeks as of earlier days."""
    complete = {week.registration_week for week in weeks if week.complete}
    return tuple(past_forecasts([each for each in found if each.registration_week in complete]))
