"""Rates, their uncertainty, and whether segments differ: exact counts in, plain numbers out.

Only the standard library: importing a statistics package takes longer than the whole job.
Rates, intervals and outcomes of tests come rounded, so that the last bits of a machine's
mathematics library never show in a report.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

SMALL_SAMPLE = 30
SIGNIFICANCE_LEVEL = 0.05

# Spelt out because importing the standard library's NormalDist takes longer than all intervals.
_NORMAL_QUANTILE_95 = 1.9599639845400536

_MAX_EXACT_STEPS = 50_000
_LOG_UNIT = 2.0**-40
# Tables this close count as equally probable, as in R and SciPy.
_SAME_PROBABILITY = math.log1p(1e-7) / _LOG_UNIT

Groups = Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class IndependenceTest:
    """The outcome of one test of whether conversion differs between groups.

    `statistic` and `degrees_of_freedom` are None for the exact test, which has neither. `groups`
    counts the groups compared; `pooled` says how many of the smallest were joined into one of
    them because they were too small to be told apart, 0 if none were. `statistic` and `p_value`
    carry six significant digits.
    """

    name: Literal["chi-squared", "Fisher's exact"]
    statistic: float | None
    degrees_of_freedom: int | None
    p_value: float
    groups: int
    pooled: int

    @property
    def significant(self) -> bool:
        """Whether the difference is significant at the 5 % level."""
        return self.p_value < SIGNIFICANCE_LEVEL


def percent(successes: int, total: int) -> float | None:
    """Return the rate in percent with two decimals, half up; None when total is 0."""
    _check_counts(successes, total)
    return (20_000 * successes + total) // (2 * total) / 100 if total else None


def whole_percent(successes: int, total: int) -> int | None:
    """Return the rate in whole percent, half up; None when total is 0."""
    _check_counts(successes, total)
    return (200 * successes + total) // (2 * total) if total else None


def is_small_sample(total: int) -> bool:
    """Return whether a rate over so few users needs a warning beside it."""
    return total < SMALL_SAMPLE


def wilson_interval(
    successes: int, total: int, confidence: float = 0.95
) -> tuple[float, float] | None:
    """Return the Wilson score interval of a rate, in percent with two decimals, within [0, 100].

    None when total is 0. The formula is that of Wilson (1927), Journal of the American
    Statistical Association 22:209-212, without continuity correction.
    Raises ValueError for impossible counts or a confidence outside (0, 1).
    """
    _check_counts(successes, total)
    quantile = _two_sided_normal_quantile(confidence)
    if not total:
        return None
    square = quantile * quantile
    middle = successes + square / 2
    failures = total - successes
    half_width = quantile * math.sqrt(successes * failures / total + square / 4)
    low = 100 * (middle - half_width) / (total + square) if successes else 0.0
    high = 100 * (middle + half_width) / (total + square) if failures else 100.0
    return max(0.0, round(low, 2)), min(100.0, round(high, 2))


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


def independence_test(groups: Groups) -> IndependenceTest | None:
    """Test whether conversion differs between groups, each given as (converted, total).

    Pearson's chi-squared test, without continuity correction, where Cochran (1954), Biometrics
    10:417-451, finds it adequate: all expected counts at least 1, four in five at least 5.
    Elsewhere Fisher's exact test in the form of Freeman and Halton (1951), Biometrika 38:141-149:
    the probability of all tables with these margins no more probable than the observed one.
    Where the tables are too many to go through, so many of the smallest groups are pooled that one
    of the two tests becomes possible. Which test runs on which groups depends on the margins
    alone, never on which group converted; of groups of one size, those given first are pooled
    first, so give them in an order that does not depend on their conversion.

    None when there is nothing to test: fewer than two groups with users, or nobody or everybody
    converted. Raises ValueError for impossible counts.
    """
    for converted, total in groups:
        _check_counts(converted, total)
    by_size = sorted((group for group in groups if group[1]), key=lambda group: group[1])
    all_converted = sum(converted for converted, _ in by_size)
    all_users = sum(total for _, total in by_size)
    if len(by_size) < 2 or all_converted in (0, all_users):
        return None
    unpooled = _run_test(by_size, 1)
    if unpooled is not None:
        return unpooled
    choices = range(2, len(by_size))
    fewest = bisect_left(choices, True, key=lambda n: _run_test(by_size, n) is not None)
    return _run_test(by_size, choices[fewest])


def describe(test: IndependenceTest | None) -> str:
    """Return the outcome of `independence_test` as one sentence."""
    if test is None:
        return (
            "No test of a difference between segments: that takes two segments with users, "
            "some of whom converted and some did not."
        )
    finding = (
        "Conversion differs between segments"
        if test.significant
        else "No difference between segments shown"
    )
    pooling = f"; the {test.pooled} smallest segments pooled" if test.pooled else ""
    return f"{finding} ({test.name} test, {format_p_value(test.p_value)}{pooling})."


def format_p_value(p_value: float) -> str:
    """Return "p = 0.41", "p = 0.012" or "p < 0.001", never rounded onto the 5 % level."""
    if p_value < 0.001:
        return "p < 0.001"
    decimals = 2 if p_value >= 0.1 else 3
    while p_value != SIGNIFICANCE_LEVEL == round(p_value, decimals):
        decimals += 1
    return f"p = {p_value:.{decimals}f}"


def _check_counts(successes: int, total: int) -> None:
    if not 0 <= successes <= total:
        raise ValueError(f"{successes} of {total} is not a share: give 0 <= successes <= total")


def _two_sided_normal_quantile(confidence: float) -> float:
    if confidence == 0.95:
        return _NORMAL_QUANTILE_95
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence of {confidence} is not between 0 and 1")
    from statistics import NormalDist

    return NormalDist().inv_cdf((1 + confidence) / 2)


def _six_digits(number: float) -> float:
    return float(f"{number:.6g}")


def _run_test(by_size: Groups, smallest: int) -> IndependenceTest | None:
    """Return the test with the `smallest` groups as one; None if neither test is possible."""
    converted = sum(group[0] for group in by_size[:smallest])
    total = sum(group[1] for group in by_size[:smallest])
    groups = sorted([(converted, total), *by_size[smallest:]], key=lambda group: group[1])
    pooled = smallest if smallest > 1 else 0
    if _chi_squared_is_adequate(groups):
        statistic, freedom = _chi_squared(groups), len(groups) - 1
        p_value = _six_digits(chi_squared_p_value(statistic, freedom))
        return IndependenceTest(
            "chi-squared", _six_digits(statistic), freedom, p_value, len(groups), pooled
        )
    exact = _exact_p_value(groups)
    if exact is None:
        return None
    return IndependenceTest("Fisher's exact", None, None, _six_digits(exact), len(groups), pooled)


def _chi_squared_is_adequate(groups: Groups) -> bool:
    users = sum(total for _, total in groups)
    converted = sum(converted for converted, _ in groups)
    margins = (converted, users - converted)
    expected_by_users = [total * margin for _, total in groups for margin in margins]
    below_five = sum(expected < 5 * users for expected in expected_by_users)
    return min(expected_by_users) >= users and 5 * below_five <= len(expected_by_users)


def _chi_squared(groups: Groups) -> float:
    users = sum(total for _, total in groups)
    converted = sum(converted for converted, _ in groups)
    scale = converted * (users - converted)
    return math.fsum(
        (count * users - total * converted) ** 2 / (total * scale) for count, total in groups
    )


def _exact_p_value(groups: Groups) -> float | None:
    """Return the exact p-value; None for more than two groups with too many tables.

    Groups are filled one after the other. Partial tables that leave equally many conversions to
    place and are equally probable are counted, not kept apart: logarithms of probabilities, up
    to a common constant, are whole multiples of a tiny unit, so that equal ones are equal.
    """
    users_left = sum(total for _, total in groups)
    tables = {(sum(converted for converted, _ in groups), 0): 1}
    observed = steps = 0
    for converted, total in groups:
        users_left -= total
        fills = {left: range(max(0, left - users_left), min(total, left) + 1) for left, _ in tables}
        steps += sum(len(fills[left]) for left, _ in tables)
        if steps > _MAX_EXACT_STEPS and len(groups) > 2:
            return None
        weights = _log_binomials(total, fills.values())
        observed += weights[converted]
        extended: defaultdict[tuple[int, int], int] = defaultdict(int)
        for (left, weight), count in tables.items():
            for here in fills[left]:
                extended[left - here, weight + weights[here]] += count
        tables = extended
    return _share_no_more_probable({weight: n for (_, weight), n in tables.items()}, observed)


def _log_binomials(total: int, fills: Collection[range]) -> dict[int, int]:
    """Return log(total choose k) in units, up to a constant, for each k in one of `fills`."""
    lowest = min(fill.start for fill in fills)
    span = range(lowest, max(fill.stop for fill in fills))
    ratios = (round(math.log((total - k) / (k + 1)) / _LOG_UNIT) for k in span[:-1])
    return dict(zip(span, accumulate(ratios, initial=0), strict=True))


def _share_no_more_probable(tables: dict[int, int], observed: int) -> float:
    """Return the share of the tables' probability that is no greater each than the observed."""
    logs = {weight: math.log(count) + weight * _LOG_UNIT for weight, count in tables.items()}
    highest = max(logs.values())
    limit = observed + _SAME_PROBABILITY
    probabilities = {weight: math.exp(log - highest) for weight, log in logs.items()}
    no_greater = math.fsum(p for weight, p in probabilities.items() if weight <= limit)
    return min(1.0, no_greater / math.fsum(probabilities.values()))
