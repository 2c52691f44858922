"""How accurate forecasts were: complete weeks as they would have been forecast earlier."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from user_conversion.answer.figures import Count, Percent
from user_conversion.answer.forecast import (
    LAST_DAY_TO_REGISTER,
    MOST_WEEKS,
    Curve,
    Forecast,
    early_forecast,
)
from user_conversion.answer.statistics import percent


class Accuracy(Struct, frozen=True):
    """The forecasts of complete weeks as of one `day` of their window, the first being day 0.

    Of so many `weeks`, the interval of `within_interval` had the actual rate; `share_within` is
    their share in percent. `mean_error` is that of the rate and `mean_width` that of the interval,
    in percentage points. Raises `ValueError` for more intervals than weeks.
    """

    day: Count
    weeks: Count
    within_interval: Count
    share_within: Percent | None
    mean_error: Percent
    mean_width: Percent

    def __post_init__(self) -> None:
        if self.within_interval > self.weeks:
            raise ValueError("more intervals than weeks")


def accuracy(complete: Sequence[Curve]) -> tuple[Accuracy, ...]:
    """How accurate forecasts of the latest complete weeks were, as of each day of their window.

    Each is made from the complete weeks before it only.
    """
    days = len(complete[0].converted_by) if complete else 0
    first = max(0, len(complete) - MOST_WEEKS)
    found = []
    for day in range(LAST_DAY_TO_REGISTER, days - 1):
        forecasts = [
            (complete[place], expected)
            for place in range(first, len(complete))
            if (expected := early_forecast(complete[place], day, complete[:place]))
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
