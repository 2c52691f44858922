"""Forecasts: the rules by hand, the arithmetic against SciPy, and truth that is known."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
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
from user_conversion.answer.forecast import Curve, Forecast, forecast, past_forecasts
from user_conversion.rules.weeks import day_rows

# How the conversions of a week spread over the days of the week after, Monday to Sunday.
DELAY = (0.3, 0.2, 0.14, 0.12, 0.1, 0.08, 0.06)


def curve(users: int, *conversions: int) -> Curve:
    """A week with so many conversions on the days 7, 8, … of its window."""
    return Curve.of("2020-45", users, dict(enumerate(conversions, 7)), 14)


# ---------------------------------------------------------------- by hand


def test_conversions_by_the_end_of_each_day() -> None:
    found = Curve.of("2020-45", 10, {0: 1, 3: 2, 13: 4}, 14)
    assert found.converted_by == (1, 1, 1, *[3] * 10, 7)


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
    found = forecast(curve(1000, 30, 20, 60), 8, WEEKS)
    assert found
    assert found.interval[0] >= 11
    assert found.conversion_rate >= 11
    # A forecast that is tested on the past must not know them.
    *_, last = past_forecasts([*WEEKS, curve(1000, 30, 20, 60)])
    assert (last.day, last.conversion_rate) == (12, 11)
    ninth = [each for each in past_forecasts([*WEEKS, curve(1000, 30, 20, 60)]) if each.day == 8]
    assert ninth[-1].forecast == forecast(curve(1000, 30, 20), 8, WEEKS)
    assert not ninth[-1].covered


def test_nobody_ever_converted() -> None:
    found = forecast(curve(1000), 9, [curve(1000)] * 5)
    assert found
    assert found.interval[0] == 0
    assert found.interval[1] < 0.6


def test_everybody_always_converts() -> None:
    found = forecast(curve(100, 100), 8, [curve(100, 100)] * 5)
    assert found == Forecast(100, (100, 100))


def test_each_week_is_forecast_as_of_each_earlier_day() -> None:
    found = list(past_forecasts([curve(100, 7)] * 6))
    assert [each.day for each in found] == [6, 7, 8, 9, 10, 11, 12] * 2
    assert type(found[0]).from_json(found[0].as_json()) == found[0]


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
        assert (low, high) == (exact.ppf(0.025 + 1e-9), exact.ppf(0.975))
    elif correlation < 0.003 and 0.02 < mean < 0.98:
        # For wide distributions a normal one with their skewness.
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


@pytest.mark.parametrize("users", [300, 1000, 3000])
@pytest.mark.parametrize("correlation", [0.0, 0.0005])
def test_intervals_cover_what_comes(users: int, correlation: float) -> None:
    """A rate of 7 %, twelve weeks before: intervals of 95 % cover at least 88 %, below 8 points."""
    random = Random(users)
    covered, widths = [], []
    for _ in range(100):
        *before, week = (synthetic(random, users, 0.07, correlation) for _ in range(13))
        found = list(past_forecasts([*before, week]))[-7:]
        covered += [each.covered for each in found]
        widths += [each.forecast.interval[1] - each.forecast.interval[0] for each in found]
    assert sum(covered) / len(covered) >= 0.88
    assert sum(widths) / len(widths) < 8
    assert max(widths) < 10


# ---------------------------------------------------------------- from logs


@pytest.mark.parametrize(
    "zone", ["UTC", "America/New_York", "Pacific/Kiritimati", "Australia/Lord_Howe"]
)
@pytest.mark.parametrize("name", ["next-week", "any-load-next-week"])
def test_forecasts_from_a_log(tmp_path: Path, name: oracle.Definition, zone: str) -> None:
    """Conversions are counted by local day; the oracle counts them from its users."""
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
    curves = {week.registration_week: by_hand(users, events, week, zone) for week in result.weeks}
    *_, week, last = result.weeks
    complete = [curves[each.registration_week] for each in result.weeks if each.complete]
    # 5 to 11 April, observed through Wednesday of the week after.
    assert week.registration_week == "2021-14"
    assert week.forecast == forecast(curves["2021-14"], 9, complete)
    assert week.forecast
    assert last.forecast is None
    assert result.past_forecasts == tuple(past_forecasts(complete))
    same_week = DUCKDB.convert(tmp_path / "output", definition="same-week", as_of=as_of)
    assert not any(each.forecast for each in same_week.weeks)
    assert type(result).from_json(result.as_json()) == result


def by_hand(
    users: tuple[oracle.User, ...], events: list[oracle.Event], week: object, zone: str
) -> Curve:
    label, monday = week.registration_week, week.week_start  # type: ignore[attr-defined]
    own = [user for user in users if user.registration_week == label]
    days: Counter[int] = Counter()
    for user in own:
        if user.converted:
            local = [
                event.time.astimezone(ZoneInfo(zone)).date()
                for event in events
                if event.initiator_id == user.initiator_id
                and event.kind == "app_loaded"
                and event.time >= user.registered_at
            ]
            days[min((day - monday).days for day in local if (day - monday).days >= 7)] += 1
    return Curve.of(label, len(own), days, 14)


@given(
    st.dates(date(1990, 1, 1), date(2030, 1, 1)),
    st.sampled_from(["UTC", "America/Sao_Paulo", "Pacific/Apia", "Asia/Kathmandu"]),
)
def test_days_follow_one_another(first: date, zone: str) -> None:
    rows = day_rows(first, first + timedelta(days=9), ZoneInfo(zone))
    for (_, day, start, end), (_, next_day, next_start, _) in pairwise(rows):
        assert next_start == (start if day == next_day else end)
        place = start.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
        assert place.date() == day
        assert (end.replace(tzinfo=UTC) - timedelta(seconds=1)).astimezone(
            ZoneInfo(zone)
        ).date() == day
