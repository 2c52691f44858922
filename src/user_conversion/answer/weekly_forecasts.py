"""The forecasts of the unfinished weeks of an answer, and how accurate such forecasts were."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from user_conversion.answer.figures import Count, Percent
from user_conversion.answer.finality import Finality
from user_conversion.answer.forecast import (
    FEWEST_WEEKS,
    LAST_DAY_TO_REGISTER,
    MOST_WEEKS,
    Curve,
    Forecast,
    forecast,
)
from user_conversion.answer.statistics import percent
from user_conversion.answer.weeks import WeekResult
from user_conversion.rules.definitions import Definition
from user_conversion.rules.weeks import DAY, WEEK

Weeks = tuple[WeekResult, ...]


class Accuracy(Struct, frozen=True):
    """The forecasts of complete weeks as of one `day` of their window, the first being day 0.

    Of so many `weeks`, the interval of `within_interval` had the actual rate; `share_within` is
    their share in percent. `mean_error` is that of the rate and `mean_width` that of the interval,
    in percentage points.
    """

    day: Count
    weeks: Count
    within_interval: Count
    share_within: Percent | None
    mean_error: Percent
    mean_width: Percent


def with_forecasts(
    weeks: Weeks,
    rows: Iterable[Mapping[str, Any]],
    window: Definition,
    observed: date | None,
    finality: Finality,
) -> tuple[Weeks, tuple[Accuracy, ...]]:
    """The weeks, those that can be judged with a forecast; and how accurate earlier ones were.

    `rows` are those of `conversion.conversion_days`.
    """
    # With a window of one week, users can register as long as they can convert.
    if observed is None or window.window_days == WEEK.days:
        return weeks, ()
    by_day: dict[str, dict[int, int]] = {}
    for row in rows:
        by_day.setdefault(row["registration_week"], {})[row["day"]] = row["conversions"]
    complete: list[Curve] = []
    results = []
    for week in weeks:
        label, expected = week.registration_week, None
        curve = Curve.of(label, week.total_registered, by_day.get(label, {}), window.window_days)
        if week.complete:
            complete.append(curve)
        # Conversions of missing days would look like conversions that are still to come.
        elif not finality.has_missing_days(label):
            day, least = (observed - week.week_start) // DAY, curve.converted_by[-1]
            expected = forecast(curve, day, complete, least)
        results.append(replace(week, forecast=expected))
    return tuple(results), accuracy(complete)


def accuracy(complete: Sequence[Curve]) -> tuple[Accuracy, ...]:
    """How accurate forecasts of the latest complete weeks were, as of each day of their window.

    Each is made from the complete weeks before it only.
    """
    if len(complete) <= FEWEST_WEEKS:
        return ()
    first, found = max(0, len(complete) - MOST_WEEKS), []
    for day in range(LAST_DAY_TO_REGISTER, len(complete[0].converted_by) - 1):
        forecasts = [
            (complete[place], expected)
            for place in range(first, len(complete))
            if (expected := forecast(complete[place], day, complete[:place]))
        ]
        if forecasts:
            found.append(_accuracy(day, forecasts))
    return tuple(found)


def _accuracy(day: int, forecasts: Sequence[tuple[Curve, Forecast]]) -> Accuracy:
    weeks, within, errors, widths = len(forecasts), 0, 0.0, 0.0
    for week, expected in forecasts:
        rate = percent(week.converted_by[-1], week.total_registered) or 0.0
        low, high = expected.interval
        within += low <= rate <= high
        errors += abs(expected.conversion_rate - rate)
        widths += high - low
    means = round(errors / weeks, 2), round(widths / weeks, 2)
    return Accuracy(day, weeks, within, percent(within, weeks), *means)
