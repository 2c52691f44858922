"""Published values, a brute-force oracle and properties for rates, intervals and tests."""

from __future__ import annotations

import subprocess
import sys
import time
from fractions import Fraction
from itertools import product
from math import comb, prod
from random import Random
from unittest.mock import patch

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from user_conversion.statistics import (
    IndependenceTest,
    chi_squared_p_value,
    describe,
    format_p_value,
    independence_test,
    is_small_sample,
    percent,
    whole_percent,
    wilson_interval,
)

counts = st.integers(1, 10**6).flatmap(
    lambda total: st.tuples(st.integers(0, total), st.just(total))
)


def group_lists(most: int, largest: int) -> st.SearchStrategy[list[tuple[int, int]]]:
    group = st.integers(1, largest).flatmap(
        lambda total: st.tuples(st.integers(0, total), st.just(total))
    )
    return st.lists(group, min_size=2, max_size=most)


@pytest.mark.parametrize(
    ("successes", "total", "expected"),
    [(1, 3, 33.33), (2, 3, 66.67), (266, 3887, 6.84), (0, 7, 0.0), (7, 7, 100.0), (0, 0, None)],
)
def test_percent_has_two_decimals(successes: int, total: int, expected: float | None) -> None:
    assert percent(successes, total) == expected


def test_rates_round_half_up_where_floats_round_half_to_even() -> None:
    assert whole_percent(1, 8) == 13  # 12.5
    assert whole_percent(1, 200) == 1  # 0.5
    assert whole_percent(3, 200) == 2  # 1.5
    assert percent(1, 20_000) == 0.01  # 0.005
    assert percent(201, 20_000) == 1.01  # 1.005, which no float can hold


@pytest.mark.parametrize(("successes", "total", "expected"), [(1, 3, 33), (2, 3, 67), (0, 0, None)])
def test_whole_percent(successes: int, total: int, expected: int | None) -> None:
    assert whole_percent(successes, total) == expected


def test_samples_are_small_below_thirty() -> None:
    assert is_small_sample(29)
    assert not is_small_sample(30)


@pytest.mark.parametrize(
    ("successes", "total", "low", "high"),
    [
        # Newcombe (1998), Statistics in Medicine 17:857-872, table I, method 3.
        (81, 263, 25.53, 36.62),
        (15, 148, 6.24, 16.05),
        (0, 20, 0.0, 16.11),
        (1, 29, 0.61, 17.18),
        # z^2 / (18 + z^2), by hand.
        (0, 18, 0.0, 17.59),
    ],
)
def test_wilson_interval_matches_published_values(
    successes: int, total: int, low: float, high: float
) -> None:
    assert wilson_interval(successes, total) == (low, high)


def test_wilson_interval_of_a_real_month_rounds_to_the_stated_one() -> None:
    assert wilson_interval(266, 3887) == (6.09, 7.68)


def test_wilson_interval_of_nobody_is_none() -> None:
    assert wilson_interval(0, 0) is None


def test_wilson_interval_widens_with_confidence() -> None:
    # z = 2.575829: 10 of 20 gives 0.5 +- z / (2 sqrt(20 + z^2)), by hand.
    assert wilson_interval(10, 20, confidence=0.99) == (25.04, 74.96)


def test_the_built_in_quantile_is_that_of_the_normal_distribution() -> None:
    nearby = 0.95 + 1e-15  # not the default, so computed
    for successes, total in [(0, 18), (266, 3887), (1, 29)]:
        assert wilson_interval(successes, total, nearby) == wilson_interval(successes, total)


@pytest.mark.parametrize("confidence", [0.0, 1.0, -0.5, 95.0])
def test_wilson_interval_refuses_an_impossible_confidence(confidence: float) -> None:
    with pytest.raises(ValueError, match="confidence"):
        wilson_interval(1, 2, confidence)


@pytest.mark.parametrize(("successes", "total"), [(2, 1), (-1, 1), (0, -1)])
def test_impossible_counts_are_refused(successes: int, total: int) -> None:
    for function in (percent, whole_percent, wilson_interval):
        with pytest.raises(ValueError, match="is not a share"):
            function(successes, total)
    with pytest.raises(ValueError, match="is not a share"):
        independence_test([(1, 2), (successes, total)])


@given(counts)
def test_wilson_interval_contains_the_rate_within_its_bounds(count: tuple[int, int]) -> None:
    rate, interval = percent(*count), wilson_interval(*count)
    assert rate is not None
    assert interval is not None
    assert 0 <= interval[0] <= rate <= interval[1] <= 100


@given(counts)
def test_wilson_interval_mirrors_successes_and_failures(count: tuple[int, int]) -> None:
    successes, total = count
    low, high = wilson_interval(successes, total) or (0, 0)
    mirrored = wilson_interval(total - successes, total)
    assert mirrored == pytest.approx((100 - high, 100 - low), abs=0.0101)


@given(counts)
def test_wilson_interval_grows_with_successes(count: tuple[int, int]) -> None:
    successes, total = count
    assume(successes < total)
    fewer, more = wilson_interval(successes, total), wilson_interval(successes + 1, total)
    assert fewer is not None
    assert more is not None
    assert fewer[0] <= more[0]
    assert fewer[1] <= more[1]


@given(counts, st.integers(2, 50))
def test_wilson_interval_narrows_with_more_users(count: tuple[int, int], times: int) -> None:
    successes, total = count
    few, many = wilson_interval(successes, total), wilson_interval(successes * times, total * times)
    assert few is not None
    assert many is not None
    assert few[0] <= many[0]
    assert many[1] <= few[1]


@pytest.mark.parametrize(
    ("critical_value", "degrees_of_freedom", "p_value"),
    [
        # NIST/SEMATECH e-Handbook of Statistical Methods, section 1.3.6.7.4.
        (3.841, 1, 0.05),
        (5.991, 2, 0.05),
        (7.815, 3, 0.05),
        (18.307, 10, 0.05),
        (67.505, 50, 0.05),
        (6.635, 1, 0.01),
        (11.345, 3, 0.01),
        (10.828, 1, 0.001),
        (149.449, 100, 0.001),
        (82.358, 100, 0.90),
    ],
)
def test_chi_squared_p_value_matches_published_critical_values(
    critical_value: float, degrees_of_freedom: int, p_value: float
) -> None:
    calculated = chi_squared_p_value(critical_value, degrees_of_freedom)
    assert calculated == pytest.approx(p_value, rel=1e-3)


def test_chi_squared_p_value_stays_finite_far_out_and_for_many_degrees_of_freedom() -> None:
    assert chi_squared_p_value(0, 5) == 1
    assert chi_squared_p_value(1e9, 3) == 0
    assert chi_squared_p_value(4998.3333, 4999) == pytest.approx(0.5, abs=1e-4)


@given(st.floats(0, 500), st.floats(0, 50), st.integers(1, 300))
def test_chi_squared_p_value_falls_with_the_statistic(
    statistic: float, more: float, degrees_of_freedom: int
) -> None:
    near = chi_squared_p_value(statistic, degrees_of_freedom)
    far = chi_squared_p_value(statistic + more, degrees_of_freedom)
    assert 0 <= far <= near * (1 + 1e-9) <= 1 + 1e-9


def test_chi_squared_of_four_groups_matches_published_values() -> None:
    # Fleiss (1981), Statistical Methods for Rates and Proportions, page 139, as in R's help
    # page for prop.test: X-squared = 12.6, df = 3, p-value = 0.005585.
    test = independence_test([(83, 86), (90, 93), (129, 136), (70, 82)])
    assert test is not None
    assert (test.name, test.degrees_of_freedom, test.groups, test.pooled) == (
        "chi-squared",
        3,
        4,
        0,
    )
    assert test.statistic == pytest.approx(12.6, abs=0.05)
    assert test.p_value == pytest.approx(0.005585, abs=5e-7)
    assert test.significant


def test_chi_squared_of_two_groups_matches_published_values() -> None:
    # Appleton et al. (1996), smokers and survival, as in R's summary of the table femsmoke:
    # Chisq = 9.121, df = 1, p-value = 0.002527.
    test = independence_test([(139, 139 + 443), (230, 230 + 502)])
    assert test is not None
    assert (test.name, test.degrees_of_freedom) == ("chi-squared", 1)
    assert test.statistic == pytest.approx(9.121, abs=5e-4)
    assert test.p_value == pytest.approx(0.002527, abs=5e-7)


@pytest.mark.parametrize(
    ("groups", "p_value"),
    [
        # Fisher (1935), The Design of Experiments, the lady tasting tea: 34 of 70 tables.
        ([(3, 4), (1, 4)], 0.4857),
        # Whales and sharks in two oceans, the example of scipy.stats.fisher_exact.
        ([(8, 10), (1, 6)], 0.03497),
        # Of the 28 = 9 + 6 + 6 + 3 + 3 + 1 ways, those of probability 6 of 28 or less, by hand.
        ([(1, 2), (1, 3), (0, 3)], 19 / 28),
    ],
)
def test_exact_p_value_matches_published_values(
    groups: list[tuple[int, int]], p_value: float
) -> None:
    test = independence_test(groups)
    assert test is not None
    assert (test.name, test.statistic, test.degrees_of_freedom) == ("Fisher's exact", None, None)
    assert test.p_value == pytest.approx(p_value, rel=2e-4)


def brute_force_p_value(groups: list[tuple[int, int]]) -> float:
    """Exact by definition: every table with these margins, in whole numbers."""
    observed = [converted for converted, _ in groups]
    tables = [
        table
        for table in product(*(range(total + 1) for _, total in groups))
        if sum(table) == sum(observed)
    ]

    def weight(table: tuple[int, ...]) -> int:
        return prod(comb(total, here) for (_, total), here in zip(groups, table, strict=True))

    weights = [weight(table) for table in tables]
    limit = weight(tuple(observed))
    return float(Fraction(sum(w for w in weights if w <= limit), sum(weights)))


def test_the_oracle_itself_matches_a_published_value() -> None:
    # Fisher (1962), convictions of like-sex twins, as in R's help page for fisher.test.
    assert brute_force_p_value([(2, 17), (10, 13)]) == pytest.approx(0.0005367, abs=5e-8)


@settings(deadline=None)
@given(group_lists(most=5, largest=6))
def test_exact_p_value_equals_brute_force(groups: list[tuple[int, int]]) -> None:
    test = independence_test(groups)
    assume(test is not None and test.name == "Fisher's exact")
    assert test is not None
    assert test.pooled == 0
    assert test.p_value == pytest.approx(brute_force_p_value(groups), rel=1e-5)


@settings(deadline=None)
@given(group_lists(most=7, largest=4))
def test_pooling_joins_the_smallest_groups_and_then_tests_exactly(
    groups: list[tuple[int, int]],
) -> None:
    with patch("user_conversion.statistics._MAX_EXACT_STEPS", 30):
        test = independence_test(groups)
    assume(test is not None and test.pooled and test.name == "Fisher's exact")
    assert test is not None
    by_size = sorted(groups, key=lambda group: group[1])
    smallest, others = by_size[: test.pooled], by_size[test.pooled :]
    joined = (sum(group[0] for group in smallest), sum(group[1] for group in smallest))
    assert test.groups == 1 + len(others)
    assert test.p_value == pytest.approx(brute_force_p_value([joined, *others]), rel=1e-5)


@pytest.mark.parametrize(
    ("groups", "name"),
    [
        ([(5, 50), (5, 50)], "chi-squared"),  # expected 5, 45, 5, 45
        ([(5, 50), (4, 50)], "Fisher's exact"),  # expected 4.5 in two of four cells
        # Expected conversions of 5 but for the last: 2 of 10 cells below 5 are allowed ...
        ([(5, 10), (5, 10), (5, 10), (5, 10), (1, 2)], "chi-squared"),
        # ... 2 of 8 are not ...
        ([(5, 10), (5, 10), (5, 10), (1, 2)], "Fisher's exact"),
        # ... nor is any below 1.
        ([(5, 11), (5, 11), (5, 11), (5, 11), (1, 1)], "Fisher's exact"),
    ],
)
def test_chi_squared_is_used_where_cochran_allows_it(
    groups: list[tuple[int, int]], name: str
) -> None:
    test = independence_test(groups)
    assert test is not None
    assert (test.name, test.pooled) == (name, 0)


@pytest.mark.parametrize(
    "groups",
    [
        [],
        [(3, 10)],
        [(3, 10), (0, 0)],
        [(0, 10), (0, 20)],
        [(10, 10), (20, 20)],
        [(0, 0), (0, 0)],
    ],
)
def test_there_is_no_test_without_two_groups_and_two_outcomes(
    groups: list[tuple[int, int]],
) -> None:
    assert independence_test(groups) is None


def test_empty_groups_change_nothing() -> None:
    groups = [(3, 40), (20, 60), (9, 55)]
    assert independence_test([(0, 0), *groups, (0, 0)]) == independence_test(groups)


@settings(deadline=None)
@given(group_lists(most=8, largest=60), st.randoms(use_true_random=False))
def test_order_of_groups_does_not_matter(groups: list[tuple[int, int]], random: Random) -> None:
    test = independence_test(groups)
    assume(test is None or not test.pooled)
    assert independence_test(random.sample(groups, len(groups))) == test


@settings(deadline=None)
@given(group_lists(most=8, largest=60))
def test_converted_and_not_converted_are_interchangeable(groups: list[tuple[int, int]]) -> None:
    mirrored = [(total - converted, total) for converted, total in groups]
    assert independence_test(mirrored) == independence_test(groups)


@settings(deadline=None)
@given(group_lists(most=12, largest=9), st.randoms(use_true_random=False))
def test_the_choice_of_test_never_looks_at_who_converted(
    groups: list[tuple[int, int]], random: Random
) -> None:
    users = [index for index, (_, total) in enumerate(groups) for _ in range(total)]
    converted = random.sample(users, sum(converted for converted, _ in groups))
    dealt = [(converted.count(index), total) for index, (_, total) in enumerate(groups)]
    with patch("user_conversion.statistics._MAX_EXACT_STEPS", 500):
        first, second = independence_test(groups), independence_test(dealt)
    assert (first is None) == (second is None)
    assume(first is not None and second is not None)
    assert first is not None
    assert second is not None
    choices = [(test.name, test.groups, test.pooled) for test in (first, second)]
    assert choices[0] == choices[1]


def test_equal_rates_in_equal_groups_show_no_difference() -> None:
    for groups in ([(100, 1000)] * 4, [(1, 5)] * 4):
        test = independence_test(groups)
        assert test is not None
        assert test.p_value == 1
        assert not test.significant


def test_many_tiny_groups_are_pooled_only_when_they_must_be() -> None:
    one_user_each = independence_test([(index % 3 == 0, 1) for index in range(60)])
    assert one_user_each == IndependenceTest("Fisher's exact", None, None, 1.0, 60, 0)
    two_large_and_a_crumb = independence_test([(1, 3), (50_000, 10**5), (50_900, 10**5)])
    assert two_large_and_a_crumb is not None
    assert (two_large_and_a_crumb.name, two_large_and_a_crumb.groups) == ("chi-squared", 2)
    assert two_large_and_a_crumb.pooled == 2


@pytest.mark.parametrize(
    "groups",
    [
        [(1000 + index, 30_000 + 7 * index) for index in range(200)],
        [(index % 40 == 0, 1 + index) for index in range(200)],
        [(int(2e6 / (index + 1) ** 3), int(4e6 / (index + 1) ** 2)) for index in range(200)],
        [(index % 3 == 0, 1) for index in range(5000)],
        [(3, 20_000_000), (5, 40_000_000)],
        [(10**6, 2 * 10**6), (10**6, 2 * 10**6 + 1), (1, 3), (0, 1)],
    ],
)
def test_many_groups_and_millions_of_users_stay_feasible(groups: list[tuple[int, int]]) -> None:
    began = time.process_time()
    test = independence_test(groups)
    assert time.process_time() - began < 5
    assert test is not None
    assert 0 <= test.p_value <= 1
    with_users = [group for group in groups if group[1]]
    assert test.groups == len(with_users) - max(0, test.pooled - 1)


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


def test_the_outcome_is_described_in_one_sentence() -> None:
    assert describe(independence_test([(100, 1000), (200, 1000)])) == (
        "Conversion differs between segments (chi-squared test, p < 0.001)."
    )
    assert describe(independence_test([(3, 4), (1, 4)])) == (
        "No difference between segments shown (Fisher's exact test, p = 0.49)."
    )
    assert describe(IndependenceTest("chi-squared", 8.2, 2, 0.0166, 3, 17)) == (
        "Conversion differs between segments "
        "(chi-squared test, p = 0.017; the 17 smallest segments pooled)."
    )
    assert describe(None).startswith("No test of a difference between segments")


def test_importing_it_loads_no_statistics_package() -> None:
    code = "import sys, user_conversion.statistics; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"scipy", "numpy", "statistics"} & set(modules)
