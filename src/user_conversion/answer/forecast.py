"""The rate that an unfinished week will have.

Pure functions over conversions by day of a week's window. docs/explanation/forecasts.md has the
formulas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msgspec import Struct

from user_conversion.answer.beta_binomial import BetaBinomial, Share, next_share
from user_conversion.answer.figures import Interval, Percent
from user_conversion.answer.statistics import rounded

# Complete weeks that a forecast needs, and the most it looks at: rates drift.
FEWEST_WEEKS = 4
MOST_WEEKS = 26
# The registration week is over after its seventh day.
LAST_DAY_TO_REGISTER = 6


@dataclass(frozen=True)
class Curve:
    """The conversions of a registration week: their number by the end of each day of its window.

    Days have 24 hours and are counted from the start of the week.
    """

    registration_week: str
    total_registered: int
    converted_by: tuple[int, ...]

    @classmethod
    def of(cls, week: str, total_registered: int, by_day: Mapping[int, int], days: int) -> Curve:
        """From the conversions on each day of the window, the first being day 0.

        If the clock was set back, the window has an hour more, which is part of its last day.
        """
        found = (sum(n for day, n in by_day.items() if day <= last) for last in range(days - 1))
        return cls(week, total_registered, (*found, sum(by_day.values())))


class Forecast(Struct, frozen=True):
    """The rate that a week will have, in percent, and the 95 % interval."""

    conversion_rate: Percent
    interval: Interval


def forecast(week: Curve, day: int, complete: Sequence[Curve], least: int = 0) -> Forecast | None:
    """The rate of a week that was observed to the end of a day of its window.

    `complete` are complete weeks before it, in order. Conversions after that day are not used; at
    `least` so many users will convert. None if the week cannot be judged: users can still register,
    or there are fewer than four complete weeks.
    """
    last_day = len(week.converted_by) - 1
    if len(complete) < FEWEST_WEEKS or not LAST_DAY_TO_REGISTER <= day < last_day:
        return None
    users, so_far = week.total_registered, week.converted_by[day]
    if not users:
        return None
    to_come = BetaBinomial(users - so_far, _share_to_come(week, day, complete[-MOST_WEEKS:]))
    low, high = to_come.interval()
    # Of very skew distributions the mean can be beyond a quantile.
    numbers = to_come.mean, min(low, to_come.mean), max(high, to_come.mean)
    expected, low, high = (rounded(100 * max(so_far + number, least) / users) for number in numbers)
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
    # A linear estimate may leave the possible. It goes half of the way there at most.
    room = (1 - early.mean if surprise > 0 else early.mean) / 2
    early_gain *= min(1.0, room / max(early_gain * abs(surprise), 1e-9))
    p = min(max(rate.mean + rate_gain * surprise, 1e-9), 1 - 1e-9)
    f = early.mean + early_gain * surprise
    p_variance = rate.variance * (1 - rate_gain * early.mean)
    f_variance = early.variance * (1 - early_gain * rate.mean)
    # The more of the surprise is due to the rate, the less is due to the delay.
    covariance = -rate_gain * early_gain * variance
    late = p * (1 - f) - covariance
    late_variance = (1 - f) ** 2 * p_variance + p**2 * f_variance - 2 * (1 - f) * p * covariance
    left = 1 - p * f
    return Share(min(1.0, late / left), late_variance / left**2)
