"""Rates, intervals and the test of segments against published values, by hand and SciPy."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, chi2, chi2_contingency

from user_conversion.answer.statistics import (
    IndependenceTest,
    chi_squared_p_value,
    describe,
    format_p_value,
    independence_test,
    percent,
    wilson_interval,
)


def counts(largest: int) -> st.SearchStrategy[tuple[int, int]]:
    """Return converted and all users, at least one of them."""
    return st.integers(1, largest).flatmap(
        lambda total: st.tuples(st.integers(0, total), st.just(total))
    )


group_lists = st.lists(counts(largest=60), min_size=2, max_size=8)


@pytest.mark.parametrize(
    ("successes", "total", "expected"),
    [
        *[
            (1, 3, 33.33),
            (2, 3, 66.67),
            (266, 3887, 6.84),
            (0, 7, 0.0),
            (7, 7, 100.0),
            (0, 0, None),
        ],
        # Half up: 0.005, and 1.005, which no float can hold.
        *[(1, 20_000, 0.01), (201, 20_000, 1.01)],
    ],
)
def test_percent_has_two_decimals(successes: int, total: int, expected: float | None) -> None:
    assert percent(successes, total) == expected


@pytest.mark.parametrize(
    ("successes", "total", "interval"),
    [
        # Newcombe (1998), Statistics in Medicine 17:857-872, table I, method 3.
        (81, 263, (25.53, 36.62)),
        (15, 148, (6.24, 16.05)),
        (0, 20, (0.0, 16.11)),
        (1, 29, (0.61, 17.18)),
        # z^2 / (18 + z^2), by hand.
        (0, 18, (0.0, 17.59)),
        (18, 18, (82.41, 100.0)),
        (266, 3887, (6.09, 7.68)),
        (0, 0, None),
    ],
)
def test_wilson_interval_matches_published_values(
    successes: int, total: int, interval: tuple[float, float] | None
) -> None:
    assert wilson_interval(successes, total) == interval


@given(counts(largest=10**6))
def test_wilson_interval_is_that_of_scipy_and_contains_the_rate(count: tuple[int, int]) -> None:
    low, high = wilson_interval(*count) or (0, 0)
    expected = binomtest(*count).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((100 * expected.low, 100 * expected.high), abs=0.00501)
    assert 0 <= low <= (percent(*count) or 0) <= high <= 100


@given(st.floats(0, 2000), st.integers(1, 300))
def test_chi_squared_p_value_is_that_of_scipy(statistic: float, degrees_of_freedom: int) -> None:
    expected = chi2.sf(statistic, degrees_of_freedom)
    calculated = chi_squared_p_value(statistic, degrees_of_freedom)
    assert calculated == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_chi_squared_p_value_stays_finite_far_out_and_for_many_degrees_of_freedom() -> None:
    assert chi_squared_p_value(0, 5) == 1
    assert chi_squared_p_value(1e9, 3) == 0
    assert chi_squared_p_value(4998.3333, 4999) == pytest.approx(0.5, abs=1e-4)


@pytest.mark.parametrize(
    ("groups", "statistic", "p_value"),
    [
        # Fleiss (1981), Statistical Methods for Rates and Proportions, page 139, as in R's help
        # page for prop.test: X-squared = 12.6, df = 3, p-value = 0.005585.
        ([(83, 86), (90, 93), (129, 136), (70, 82)], 12.6, 0.005585),
        # Appleton et al. (1996), smokers and survival, as in R's summary of the table femsmoke:
        # Chisq = 9.121, df = 1, p-value = 0.002527.
        ([(139, 139 + 443), (230, 230 + 502)], 9.121, 0.002527),
        ([(100, 1000)] * 4, 0, 1),
    ],
)
def test_independence_test_matches_published_values(
    groups: list[tuple[int, int]], statistic: float, p_value: float
) -> None:
    test = independence_test(groups)
    assert (test.degrees_of_freedom, test.groups) == (len(groups) - 1, len(groups))
    assert test.statistic == pytest.approx(statistic, abs=0.0005 if len(groups) == 2 else 0.05)
    assert test.p_value == pytest.approx(p_value, abs=5e-7)
    assert test.significant is (p_value < 0.05)


@given(group_lists)
def test_independence_test_is_that_of_scipy_where_cochran_allows_it(
    groups: list[tuple[int, int]],
) -> None:
    test = independence_test(groups)
    if test.groups == 0:
        assert sum(converted for converted, _ in groups) in (0, sum(total for _, total in groups))
        return
    table = [(converted, total - converted) for converted, total in groups]
    oracle = chi2_contingency(table, correction=False)
    cells = [round(float(cell), 9) for cell in oracle.expected_freq.flat]
    if min(cells) < 1 or sum(cell < 5 for cell in cells) > 0.2 * len(cells):
        assert test == IndependenceTest(None, None, None, len(groups))
    else:
        assert test.statistic == pytest.approx(oracle.statistic, rel=1e-5, abs=1e-9)
        assert test.p_value == pytest.approx(oracle.pvalue, rel=1e-5)


@pytest.mark.parametrize(
    ("groups", "tested"),
    [
        ([(5, 50), (5, 50)], True),  # expected 5, 45, 5, 45
        ([(5, 50), (4, 50)], False),  # expected 4.5 in two of four cells
        # Expected conversions of 5 but for the last: 2 of 10 cells below 5 are allowed ...
        ([(5, 10), (5, 10), (5, 10), (5, 10), (1, 2)], True),
        # ... 2 of 8 are not ...
        ([(5, 10), (5, 10), (5, 10), (1, 2)], False),
        # ... nor is any below 1.
        ([(5, 11), (5, 11), (5, 11), (5, 11), (1, 1)], False),
    ],
)
def test_there_is_no_test_of_too_few_users(groups: list[tuple[int, int]], tested: bool) -> None:
    test = independence_test(groups)
    assert (test.p_value is not None) is tested
    assert test.groups == len(groups)


@pytest.mark.parametrize(
    ("groups", "compared"),
    [([], 0), ([(3, 10), (0, 0)], 1), ([(0, 1000), (0, 2000)], 0), ([(10, 10), (20, 20)], 0)],
)
def test_there_is_no_test_without_two_groups_and_two_outcomes(
    groups: list[tuple[int, int]], compared: int
) -> None:
    assert independence_test(groups) == IndependenceTest(None, None, None, compared)


@given(group_lists, st.permutations(range(8)))
def test_order_and_empty_groups_and_the_name_of_the_outcome_do_not_matter(
    groups: list[tuple[int, int]], order: list[int]
) -> None:
    test = independence_test(groups)
    reordered = [groups[index] for index in order if index < len(groups)]
    assert independence_test([(0, 0), *reordered]) == test
    assert independence_test([(total - converted, total) for converted, total in groups]) == test


@pytest.mark.parametrize(
    ("p_value", "text"),
    [
        (0.0, "p < 0.001"),
        (0.000999, "p < 0.001"),
        (0.001, "p = 0.001"),
        (0.0123, "p = 0.012"),
        (0.0496, "p = 0.0496"),
        (0.04996, "p = 0.04996"),
        (0.05, "p = 0.050"),
        (0.0504, "p = 0.0504"),
        (0.4857, "p = 0.49"),
        (1.0, "p = 1.00"),
    ],
)
def test_p_values_are_written_without_crossing_the_level(p_value: float, text: str) -> None:
    assert format_p_value(p_value) == text


@pytest.mark.parametrize(
    ("test", "sentence"),
    [
        (
            IndependenceTest(6.3, 1, 0.0121, 2),
            "Conversion differs between segments (chi-squared test, p = 0.012).",
        ),
        (
            IndependenceTest(0.68, 1, 0.41, 2),
            "No difference between segments shown (chi-squared test, p = 0.41).",
        ),
        (
            IndependenceTest(None, None, None, 2),
            "Too few users to test whether segments differ.",
        ),
        (
            IndependenceTest(None, None, None, 0),
            "Nothing to test: fewer than two segments are large enough, or all outcomes are equal.",
        ),
    ],
)
def test_the_outcome_is_one_sentence(test: IndependenceTest, sentence: str) -> None:
    assert describe(test) == sentence


def test_importing_it_loads_no_statistics_package() -> None:
    code = "import sys, user_conversion.answer.statistics; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"scipy", "numpy", "statistics"} & set(modules)
