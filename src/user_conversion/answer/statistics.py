"""Rates, their uncertainty, and whether segments differ: exact counts in, plain numbers out.

Without SciPy: importing it takes 0.8 seconds, about as long as the whole job.
Rates, intervals and outcomes of tests come rounded, so that the last bits of a machine's
mathematics library never show in a report.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

# A rate over fewer users needs a warning.
SMALL_SAMPLE = 30
SIGNIFICANCE_LEVEL = 0.05

# The two-sided 95 % quantile of the normal distribution; statistics.NormalDist is slow to import.
QUANTILE = 1.9599639845400536

Groups = Sequence[tuple[int, int]]


class IndependenceTest(Struct, frozen=True):
    """The outcome of `independence_test`.

    `groups` counts the groups that can be compared: those with users, or 0 if all users had the
    same outcome. The other fields are None if there are fewer than two such groups, or too few
    users to test them. `statistic` and `p_value` have six significant digits.
    """

    statistic: float | None
    degrees_of_freedom: int | None
    p_value: float | None
    groups: int

    @property
    def significant(self) -> bool:
        """Whether a difference is significant at the 5 % level."""
        return self.p_value is not None and self.p_value < SIGNIFICANCE_LEVEL


def percent(successes: int, total: int) -> float | None:
    """Return the rate in percent with two decimals, half up; None when total is 0."""
    return (20_000 * successes + total) // (2 * total) / 100 if total else None


def rounded(value: float) -> float:
    """A figure with two decimals, half up, as `percent` has it."""
    return math.floor(100 * value + 0.5) / 100


def wilson_interval(successes: int, total: int) -> tuple[float, float] | None:
    """Return the 95 % Wilson score interval of a rate, in percent with two decimals.

    None when total is 0. The formula is that of Wilson (1927), Journal of the American
    Statistical Association 22:209-212, without continuity correction.
    """
    if not total:
        return None
    square = QUANTILE * QUANTILE
    middle = successes + square / 2
    failures = total - successes
    half_width = QUANTILE * math.sqrt(successes * failures / total + square / 4)
    # The ends that are 0 and 100 by the formula, without its rounding errors.
    low = 100 * (middle - half_width) / (total + square) if successes else 0.0
    high = 100 * (middle + half_width) / (total + square) if failures else 100.0
    return round(low, 2), round(high, 2)


def independence_test(groups: Groups) -> IndependenceTest:
    """Test whether conversion differs between groups, each given as (converted, total).

    Pearson's chi-squared test, without continuity correction.
    """
    groups = [group for group in groups if group[1]]
    converted = sum(converted for converted, _ in groups)
    others = sum(total for _, total in groups) - converted
    if not converted or not others:
        return IndependenceTest(None, None, None, 0)
    if len(groups) < 2 or not _is_adequate(groups, converted, others):
        return IndependenceTest(None, None, None, len(groups))
    statistic = math.fsum(
        (count * others - (total - count) * converted) ** 2 / (total * converted * others)
        for count, total in groups
    )
    freedom = len(groups) - 1
    p_value = chi_squared_p_value(statistic, freedom)
    return IndependenceTest(_six_digits(statistic), freedom, _six_digits(p_value), len(groups))


def chi_squared_p_value(statistic: float, degrees_of_freedom: int) -> float:
    """Return the upper tail of the chi-squared distribution, for whole degrees of freedom.

    The finite sums are 26.4.4 and 26.4.5 of Abramowitz and Stegun. Their terms are positive, so
    nothing cancels, and are taken as logarithms, so nothing overflows.
    """
    half = statistic / 2
    if half <= 0:
        return 1.0
    odd = degrees_of_freedom % 2
    exponents = (term + odd / 2 for term in range(degrees_of_freedom // 2))
    terms = (math.exp(a * math.log(half) - half - math.lgamma(a + 1)) for a in exponents)
    return min(1.0, math.fsum(terms) + odd * math.erfc(math.sqrt(half)))


def describe(test: IndependenceTest) -> str:
    """Return the outcome of `independence_test` as one sentence."""
    if test.groups < 2:
        return (
            "Nothing to test: fewer than two segments are large enough, or all outcomes are equal."
        )
    if test.p_value is None:
        return "Too few users to test whether segments differ."
    finding = (
        "Conversion differs between segments"
        if test.significant
        else "No difference between segments shown"
    )
    return f"{finding} (chi-squared test, {format_p_value(test.p_value)})."


def format_p_value(p_value: float) -> str:
    """Return "p = 0.41", "p = 0.012" or "p < 0.001", never rounded onto the 5 % level."""
    if p_value < 0.001:
        return "p < 0.001"
    decimals = 2 if p_value >= 0.1 else 3
    while p_value != SIGNIFICANCE_LEVEL == round(p_value, decimals):
        decimals += 1
    return f"p = {p_value:.{decimals}f}"


def _is_adequate(groups: Groups, converted: int, others: int) -> bool:
    """Return whether the chi-squared test may be used, by the rule of Cochran (1954).

    All expected counts must be at least 1 and four in five at least 5: Biometrics 10:417-451.
    """
    users = converted + others
    # Expected counts times the number of users are whole numbers, so the limits hold exactly.
    expected = [total * outcome for _, total in groups for outcome in (converted, others)]
    below_five = sum(count < 5 * users for count in expected)
    return min(expected) >= users and 5 * below_five <= len(expected)


def _six_digits(number: float) -> float:
    return float(f"{number:.6g}")
