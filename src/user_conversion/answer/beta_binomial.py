"""How much a rate differs from week to week, beyond chance: a beta-binomial model in plain Python.

A week has a rate of its own, drawn around a common mean; its users convert independently with it.
docs/explanation/forecasts.md has the formulas.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator
from dataclasses import dataclass

from user_conversion.answer.statistics import QUANTILE, Groups

# Standard deviations of a week's log odds, and how likely each is before any data. 0.1 means that
# the odds of weeks differ by about 10 %, which at a rate of 7 % are 0.65 points.
_DEVIATIONS = (0.0, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)
_PRIOR = (1.0, 1.0, 1.0, 1.0, 1.0, 0.7, 0.4, 0.15, 0.03)
# A distribution that is wider than this, and as many deviations away from its ends, is close to a
# normal one with a little skewness.
_WIDE, _AWAY = 12.0, 4.0
# Terms below this share of the largest one do not change a quantile.
_NEGLIGIBLE = 1e-9


@dataclass(frozen=True, slots=True)
class Share:
    """What is known about a share between 0 and 1."""

    mean: float
    variance: float


def next_share(groups: Groups) -> Share:
    """The share that the next week will have, given those of earlier weeks.

    The variance is that between weeks plus that of the estimated mean. How much weeks differ is
    averaged over `_PRIOR` by its likelihood: a normal one of Pearson's statistic, scaled by the
    variance that it predicts.
    """
    totals = [total for _, total in groups if total]
    users = sum(totals)
    # Half a success and half a failure more, so that nothing is impossible.
    mean = (sum(successes for successes, _ in groups) + 0.5) / (users + 1)
    binomial = mean * (1 - mean)
    if not totals:
        return Share(mean, binomial / 2)
    squares = sum(total * total for total in totals)
    excess = sum((k - n * mean) ** 2 / n for k, n in groups if n) / binomial
    typical = (users - squares / users) / max(1, len(totals) - 1)
    # Two users of a week have this correlation if its log odds vary so much.
    correlations = [deviation**2 * binomial for deviation in _DEVIATIONS]
    likelihoods = [
        _log_likelihood(1 + (typical - 1) * correlation, excess, len(totals) - 1)
        for correlation in correlations
    ]
    weights = [
        prior * math.exp(likelihood - max(likelihoods))
        for likelihood, prior in zip(likelihoods, _PRIOR, strict=True)
    ]
    correlation = sum(map(operator.mul, weights, correlations)) / sum(weights)
    of_mean = (1 - correlation) / (users + 1) + correlation * squares / users**2
    return Share(mean, binomial * (correlation + of_mean))


def _log_likelihood(inflation: float, excess: float, freedom: int) -> float:
    """Of Pearson's statistic `excess` if the variance is `inflation` times the binomial one."""
    scale = max(inflation, 1e-9)
    return -(freedom * math.log(scale) + excess / scale) / 2


@dataclass(frozen=True, slots=True)
class BetaBinomial:
    """The number of successes of `total` users whose common share is known as `share`."""

    total: int
    share: Share

    @property
    def _shape(self) -> tuple[float, float]:
        """The parameters of the beta distribution with the share's mean and variance."""
        mean = min(max(self.share.mean, 1e-9), 1 - 1e-9)
        largest = mean * (1 - mean)
        size = largest / min(max(self.share.variance, largest * 1e-9), largest * 0.9) - 1
        return mean * size, (1 - mean) * size

    @property
    def mean(self) -> float:
        """The expected number."""
        return self.total * self.share.mean

    def interval(self) -> tuple[float, float]:
        """The 2.5 % and the 97.5 % quantile."""
        a, b = self._shape
        n, size = self.total, a + b
        deviation = math.sqrt(n * a * b * (size + n) / (size * size * (size + 1)))
        if deviation > _WIDE and _AWAY * deviation < min(self.mean, n - self.mean):
            skewness = (size + 2 * n) * (b - a) / (size + 2)
            skewness *= math.sqrt((1 + size) / (n * a * b * (size + n)))
            middle = self.mean + deviation * skewness * (QUANTILE**2 - 1) / 6
            half = QUANTILE * deviation
            return max(0.0, middle - half), min(float(n), middle + half)
        first, terms = self._terms()
        below, low, whole = 0.0, 0, sum(terms)
        for place, term in enumerate(terms):
            if below < 0.025 * whole:
                low = first + place
            below += term
            if below >= 0.975 * whole:
                return float(low), float(first + place)
        return float(low), float(first + len(terms) - 1)

    def p_value(self, successes: int) -> float:
        """How likely so unusual a number is, on either side; a tie counts half."""
        first, terms = self._terms()
        whole, place = sum(terms), successes - first
        if not 0 <= place < len(terms):
            return _NEGLIGIBLE
        below = sum(terms[:place]) + terms[place] / 2
        return min(1.0, 2 * min(below, whole - below) / whole)

    def _terms(self) -> tuple[int, list[float]]:
        """The first number that is not negligible, and how likely it and those after it are.

        Each is a multiple of the one before; from the most likely one there is no underflow.
        """
        mode = min(self.total, max(0, int(self.mean)))
        down = list(self._ratios(mode, -1))
        return mode - len(down), [*reversed(down), 1.0, *self._ratios(mode, 1)]

    def _ratios(self, mode: int, step: int) -> Iterator[float]:
        (a, b), n, x, term, largest = self._shape, self.total, mode, 1.0, 1.0
        while 0 <= x + step <= n:
            if step > 0:
                term *= (n - x) * (x + a) / ((x + 1) * (n - x - 1 + b))
            else:
                term *= x * (n - x + b) / ((n - x + 1) * (x - 1 + a))
            x += step
            largest = max(largest, term)
            if term < largest * _NEGLIGIBLE:
                return
            yield term
