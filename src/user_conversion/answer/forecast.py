"""The rate that an unfinished week will have, and how good such forecasts have been.

Pure functions over conversions by day of a week's window. docs/explanation/forecasts.md has the
formulas.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from user_conversion.answer.beta_binomial import BetaBinomial, Share, next_share

# Complete weeks that a forecast needs, and the most it looks at: rates drift.
FEWEST_WEEKS = 4
MOST_WEEKS = 26
# The registration week is over after its seventh day.
LAST_DAY_TO_REGISTER = 6


@dataclass(frozen=True)
class Curve:
    """The conversions of a registration week: their number by the end of each day of its window."""

    registration_week: str
    total_registered: int
    converted_by: tuple[int, ...]

    @classmethod
    def of(cls, week: str, total_registered: int, by_day: Mapping[int, int], days: int) -> Curve:
        """From the conversions on each day of the window, the first being day 0."""
        counts = [by_day.get(day, 0) for day in range(days)]
        return cls(week, total_registered, tuple(sum(counts[: n + 1]) for n in range(days)))


@dataclass(frozen=True)
class Forecast:
    """The rate that a week will have, in percent, and the 95 % interval."""

    conversion_rate: float
    interval: tuple[float, float]

    def as_json(self) -> dict[str, Any]:
        """The key `forecast` of a week."""
        return {"conversion_rate": self.conversion_rate, "interval": list(self.interval)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Forecast:
        """The inverse of `as_json`."""
        low, high = document["interval"]
        return cls(document["conversion_rate"], (low, high))


@dataclass(frozen=True)
class PastForecast:
    """The forecast of a complete week as of a day of its window, and the rate that it has."""

    registration_week: str
    day: int
    forecast: Forecast
    conversion_rate: float

    @property
    def covered(self) -> bool:
        """Whether the rate is within the interval."""
        low, high = self.forecast.interval
        return low <= self.conversion_rate <= high

    def as_json(self) -> dict[str, Any]:
        """One entry of `past_forecasts`."""
        return {
            "registration_week": self.registration_week,
            "day": self.day,
            "forecast": self.forecast.as_json(),
            "conversion_rate": self.conversion_rate,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> PastForecast:
        """The inverse of `as_json`."""
        return cls(**{**document, "forecast": Forecast.from_json(document["forecast"])})


def forecast(week: Curve, day: int, complete: Sequence[Curve]) -> Forecast | None:
    """The rate of a week that was observed to the end of a day of its window.

    `complete` are complete weeks before it, in order. Conversions after that day are not used,
    but those of a week that is not over are the least that it will have. None if the week cannot
    be judged: users can still register, or there are fewer than four complete weeks.
    """
    return _forecast(week, day, complete, least=week.converted_by[-1])


def _forecast(week: Curve, day: int, complete: Sequence[Curve], least: int = 0) -> Forecast | None:
    last_day = len(week.converted_by) - 1
    if len(complete) < FEWEST_WEEKS or not LAST_DAY_TO_REGISTER <= day < last_day:
        return None
    users, so_far = week.total_registered, week.converted_by[day]
    if not users:
        return None
    to_come = BetaBinomial(users - so_far, _share_to_come(week, day, complete[-MOST_WEEKS:]))
    low, high = to_come.interval()
    expected, low, high = (
        round(100 * max(so_far + number, least) / users, 2) for number in (to_come.mean, low, high)
    )
    return Forecast(expected, (low, high))


def _share_to_come(week: Curve, day: int, complete: Sequence[Curve]) -> Share:
    """The share of the users without a conversion who will still convert.

    The rate and the share of conversions that have come by this day are as in complete weeks,
    corrected by the conversions so far as far as these are more certain (a linear Bayes estimate).
    """
    rate = next_share([(each.converted_by[-1], each.total_registered) for each in complete])
    early = next_share([(each.converted_by[day], each.converted_by[-1]) for each in complete])
    if not any(each.converted_by[day] for each in complete):
        # Nobody can convert as early as this, so the week itself says nothing yet.
        return rate
    users, expected = week.total_registered, rate.mean * early.mean
    surprise = week.converted_by[day] / users - expected
    variance = expected * (1 - expected) / users
    variance += early.mean**2 * rate.variance + rate.mean**2 * early.variance
    rate_gain = rate.variance * early.mean / variance
    early_gain = early.variance * rate.mean / variance
    p = min(max(rate.mean + rate_gain * surprise, 1e-9), 1 - 1e-9)
    f = min(max(early.mean + early_gain * surprise, 1e-9), 1 - 1e-9)
    p_variance = rate.variance * (1 - rate_gain * early.mean)
    f_variance = early.variance * (1 - early_gain * rate.mean)
    # The more of the surprise is due to the rate, the less is due to the delay.
    covariance = -rate_gain * early_gain * variance
    late = p * (1 - f) - covariance
    late_variance = (1 - f) ** 2 * p_variance + p**2 * f_variance - 2 * (1 - f) * p * covariance
    left = 1 - p * f
    return Share(late / left, late_variance / left**2)


def past_forecasts(complete: Sequence[Curve]) -> Iterator[PastForecast]:
    """Each complete week, forecast as of each earlier day from the complete weeks before it."""
    for place, week in enumerate(complete):
        rate = round(100 * week.converted_by[-1] / (week.total_registered or 1), 2)
        for day in range(LAST_DAY_TO_REGISTER, len(week.converted_by) - 1):
            found = _forecast(week, day, complete[:place])
            if found:
                yield PastForecast(week.registration_week, day, found, rate)
