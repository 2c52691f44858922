"""Forecasts: the rules by hand, the arithmetic against SciPy, and truth that is known."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from support import oracle
from support.engines import DUCKDB
from support.logs import app_loaded, registered, write_log

from user_conversion.answer.beta_binomial import BetaBinomial, Share, next_share
from user_conversion.answer.forecast import Curve, Forecast, forecast
from user_conversion.answer.weekly_forecasts import Accuracy, accuracy
from user_conversion.answer.weeks import WeekResult

# How the conversions of a week spread over the days of the week after, Monday to Sunday.
DELAY = (0.3, 0.2, 0.14, 0.12, 0.1, 0.08, 0.06)


def curve(users: int, *conversions: int) -> Curve:
    """A week with so many conversions on the days 7, 8, … of its window."""
    return Curve.of("2020-45", users, dict(enumerate(conversions, 7)), 14)


# ---------------------------------------------------------------- by hand


def test_conversions_by_the_end_of_each_day() -> None:
    found = Curve.of("2020-45", 10, {0: 1, 3: 2, 13: 4}, 14)
    assert found.converted_by == (1, 1, 1, *[3] * 10, 7)
    # The clock was set back, so the window has an hour more.
    assert Curve.of("2020-45", 10, {13: 4, 14: 1}, 14).converted_by == (*[0] * 13, 5)


WEEKS = [curve(1000, 30, 20, 10, 10) for _ in range(6)]


def test_what_can_be_judged() -> None:
    week = curve(1000, 30, 20)
    assert forecast(week, 8, WEEKS[:3]) is None
    assert forecast(week, 8, WEEKS[:4])
    # On day 5, a Saturday, users still register; on day 13 nothing is left to forecast.
    assert [day for day in range(14) if forecast(week, day, WEEKS)] == [6, 7, 8, 9, 10, 11, 12]
    same_week = Curve.of("2020-45", 1000, {0: 70}, 7)
    assert not any(forecast(same_week, day, [same_week] * 9) for day in range(7))
    assert forecast(replace(week, total_registered=0, converted_by=(0,) * 14), 8, WEEKS) is None


def test_weeks_that_are_all_alike() -> None:
    """7 % in each, of which 5 points have come by Tuesday: 2 more are to come."""
    found = forecast(curve(1000, 30, 20), 8, WEEKS)
    assert found
    assert found.conversion_rate == pytest.approx(7, abs=0.1)
    low, high = found.interval
    assert 5 <= low < 6.5
    assert 7.5 < high < 9
    # On Sunday evening before it nothing has come, and the interval is that of a whole week.
    before = forecast(curve(1000), 6, WEEKS)
    assert before
    assert before.conversion_rate == pytest.approx(7, abs=0.1)
    assert before.interval[0] < low
    # A week that began better than the others will end better.
    better = forecast(curve(1000, 45, 30), 8, WEEKS)
    assert better
    assert better.conversion_rate > 9


def test_a_forecast_is_never_below_what_has_come() -> None:
    """The running day is not observed, but its conversions are there."""
    week = curve(1000, 30, 20, 60)
    found = forecast(week, 8, WEEKS, least=110)
    assert found
    assert found.interval[0] >= 11
    assert found.conversion_rate >= 11
    # A forecast that is tested on the past must not know them.
    assert forecast(week, 8, WEEKS) == forecast(curve(1000, 30, 20), 8, WEEKS)


def test_nobody_ever_converted() -> None:
    found = forecast(curve(1000), 9, [curve(1000)] * 5)
    assert found
    assert found.interval[0] == 0
    assert found.interval[1] < 0.6


def test_everybody_always_converts() -> None:
    found = forecast(curve(100, 100), 8, [curve(100, 100)] * 5)
    assert found == Forecast(100, (100, 100))


def test_accuracy_has_a_row_for_each_day_on_which_forecasts_are_possible() -> None:
    found = accuracy([curve(100, 7)] * 6)
    assert [each.day for each in found] == [6, 7, 8, 9, 10, 11, 12]
    # The first four weeks can have no forecast.
    assert {each.weeks for each in found} == {2}
    assert accuracy([curve(100, 7)] * 4) == accuracy([]) == ()
    # Only the latest 26 weeks are judged.
    assert {each.weeks for each in accuracy([curve(100, 7)] * 60)} == {26}


def test_accuracy_by_hand() -> None:
    """Four weeks of 7 %, a fifth of 7 % and a sixth of 20 % that all comes on the last day."""
    weeks = [*[curve(1000, 70)] * 5, curve(1000, 70, 0, 0, 0, 0, 0, 130)]
    fifth, sixth = (forecast(weeks[n], 12, weeks[:n]) for n in (4, 5))
    assert fifth and sixth
    assert fifth.interval[0] <= 7 <= fifth.interval[1] < sixth.interval[1] + 1 < 20
    *_, last = accuracy(weeks)
    errors = (abs(fifth.conversion_rate - 7) + 20 - sixth.conversion_rate) / 2
    widths = sum(each.interval[1] - each.interval[0] for each in (fifth, sixth)) / 2
    assert last == Accuracy(12, 2, 1, 50.0, round(errors, 2), round(widths, 2))


# ---------------------------------------------------------------- SciPy


@given(
    st.integers(1, 3000),
    st.floats(0.001, 0.999),
    st.floats(0.00001, 0.3),
)
def test_the_beta_binomial_is_scipys(total: int, mean: float, correlation: float) -> None:
    found = BetaBinomial(total, Share(mean, correlation * mean * (1 - mean)))
    size = 1 / correlation - 1
    exact = stats.betabinom(total, mean * size, (1 - mean) * size)
    low, high = found.interval()
    assert found.mean == pytest.approx(exact.mean())
    if exact.std() <= 12:
        assert exact.ppf(0.025 - 1e-9) <= low <= exact.ppf(0.025 + 1e-9)
        assert exact.ppf(0.975 - 1e-9) <= high <= exact.ppf(0.975 + 1e-9)
    else:
        # Some wide distributions are taken for a normal one with their skewness.
        assert low == pytest.approx(exact.ppf(0.025), abs=0.06 * exact.std() + 1)
        assert high == pytest.approx(exact.ppf(0.975), abs=0.06 * exact.std() + 1)


@given(st.integers(1, 300), st.floats(0.01, 0.99), st.floats(0.0001, 0.1), st.data())
def test_the_p_value_is_scipys(
    total: int, mean: float, correlation: float, data: st.DataObject
) -> None:
    successes = data.draw(st.integers(0, total))
    size = 1 / correlation - 1
    exact = stats.betabinom(total, mean * size, (1 - mean) * size)
    middle = exact.pmf(successes) / 2
    below, above = exact.cdf(successes) - middle, exact.sf(successes) + middle
    found = BetaBinomial(total, Share(mean, correlation * mean * (1 - mean)))
    assert found.p_value(successes) == pytest.approx(2 * min(below, above), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("deviation", [0.0, 0.1, 0.3])
def test_how_weeks_differ_is_found(deviation: float) -> None:
    """Weeks drawn from a beta distribution whose log odds have a standard deviation."""
    random = Random(3)
    correlation = deviation**2 * 0.1 * 0.9
    groups = []
    for _ in range(200):
        rate = 0.1
        if correlation:
            size = 1 / correlation - 1
            rate = random.betavariate(0.1 * size, 0.9 * size)
        sampled = random.gauss(5000 * rate, (5000 * rate * (1 - rate)) ** 0.5)
        groups.append((round(sampled), 5000))
    found = next_share(groups)
    assert found.mean == pytest.approx(0.1, abs=0.005)
    # The variance of the estimated mean is added.
    expected = (correlation + 1 / 1_000_000 + correlation / 200) * 0.09
    assert found.variance == pytest.approx(expected, rel=0.3, abs=1e-6)


# ---------------------------------------------------------------- a known truth


def synthetic(random: Random, users: int, rate: float, correlation: float) -> Curve:
    """A week whose users convert independently, with a rate that varies between weeks."""
    if correlation:
        size = 1 / correlation - 1
        rate = random.betavariate(rate * size, (1 - rate) * size)
    converted = sum(random.random() < rate for _ in range(users))
    days = Counter(random.choices(range(7, 14), DELAY, k=converted))
    return Curve.of("2020-45", users, days, 14)


@given(st.data(), st.integers(1, 3000), st.integers(4, 9), st.integers(6, 12))
def test_a_forecast_is_within_its_interval(
    data: st.DataObject, users: int, weeks: int, day: int
) -> None:
    """Whatever came before, however early or late."""

    def week() -> Curve:
        early, late = sorted(data.draw(st.tuples(*[st.integers(0, users)] * 2)))
        return Curve("2020-45", users, (0,) * 6 + (early,) * (day - 5) + (late,) * (13 - day))

    before = [week() for _ in range(weeks)]
    found = forecast(week(), day, before)
    assert found
    low, high = found.interval
    assert 0 <= low <= found.conversion_rate <= high <= 100


@pytest.mark.parametrize("users", [300, 1000, 3000])
@pytest.mark.parametrize("correlation", [0.0, 0.0005])
def test_intervals_cover_what_comes(users: int, correlation: float) -> None:
    """A rate of 7 %, twelve weeks before: intervals of 95 % cover at least 88 %, below 8 points."""
    random = Random(users)
    within, widths = [], []
    for _ in range(100):
        *before, week = (synthetic(random, users, 0.07, correlation) for _ in range(13))
        rate = 100 * week.converted_by[-1] / users
        for day in range(6, 13):
            found = forecast(week, day, before)
            assert found
            low, high = found.interval
            within.append(low - 0.005 <= rate <= high + 0.005)
            widths.append(high - low)
    assert sum(within) / len(within) >= 0.88
    assert sum(widths) / len(widths) < 8
    assert max(widths) < 10


# ---------------------------------------------------------------- from logs


@pytest.mark.parametrize(
    "zone", ["UTC", "America/New_York", "Pacific/Kiritimati", "Australia/Lord_Howe"]
)
@pytest.mark.parametrize("name", ["next-week", "any-load-next-week"])
def test_forecasts_from_a_log(tmp_path: Path, name: oracle.Definition, zone: str) -> None:
    """Conversions are counted by days of 24 hours; the test counts them from the oracle's users."""
    random, lines, events = Random(4), [], []
    start = datetime(2021, 3, 1, tzinfo=UTC)
    for user in range(700):
        moment = start + timedelta(minutes=random.randrange(7 * 7 * 24 * 60))
        times = [moment + timedelta(minutes=random.randrange(12 * 24 * 60)) for _ in range(2)]
        lines.append(registered(moment.isoformat(), user))
        events.append(oracle.Event("registered", moment, user))
        for when in times[: random.choice((0, 1, 2))]:
            lines.append(app_loaded(when.isoformat(), user))
            events.append(oracle.Event("app_loaded", when, user))
    as_of = date(2021, 4, 14)
    log = write_log(tmp_path / "log.json", lines)
    options = {"timezone": zone, "definition": name, "as_of": as_of}
    result = DUCKDB.run(tmp_path / "output", log, **options)
    users = oracle.measure(events, **options).users
    curves = {week.registration_week: by_hand(users, week, zone) for week in result.weeks}
    *_, week, last = result.weeks
    complete = [curves[each.registration_week] for each in result.weeks if each.complete]
    # 5 to 11 April, observed through Wednesday of the week after.
    assert week.registration_week == "2021-14"
    unfinished = curves["2021-14"]
    assert week.forecast == forecast(unfinished, 9, complete, unfinished.converted_by[-1])
    assert week.forecast
    assert last.forecast is None
    assert result.past_forecasts == accuracy(complete)
    same_week = DUCKDB.convert(tmp_path / "output", definition="same-week", as_of=as_of)
    assert not any(each.forecast for each in same_week.weeks)


def by_hand(users: tuple[oracle.User, ...], week: WeekResult, zone: str) -> Curve:
    start = datetime.combine(week.week_start, datetime.min.time(), ZoneInfo(zone)).astimezone(UTC)
    own = [user for user in users if user.registration_week == week.registration_week]
    # First loads that convert are in the week after, so both definitions count the same instant.
    times = [user.next_week_loaded_at for user in own if user.converted]
    days = Counter((time - start) // timedelta(days=1) for time in times if time)
    return Curve.of(week.registration_week, len(own), days, 14)
