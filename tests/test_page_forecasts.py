"""Forecasts on the page: marked in the weekly chart, and how good they were."""

from __future__ import annotations

import re
from datetime import date, timedelta
from xml.etree import ElementTree

import pytest

from user_conversion.answer.forecast import Curve, Forecast, PastForecast, past_forecasts
from user_conversion.answer.results import Figures, WeekResult
from user_conversion.outputs.page import charts, forecasts
from user_conversion.outputs.words import notes
from user_conversion.rules.weeks import week_label


def week(label: str, converted: int, expected: Forecast | None = None) -> WeekResult:
    reason = None if converted >= 70 else "unfinished"
    figures = Figures(1000, converted)
    return WeekResult(label, figures, reason is None, reason, forecast=expected)


def marks(svg: str, tag: str, style: str) -> list[dict[str, str]]:
    """The attributes of every mark that has a tag and both classes of a style."""
    root = ElementTree.fromstring(svg)
    return [e.attrib for e in root.iter(tag) if e.attrib.get("class") == style]


def test_a_forecast_is_marked_in_the_weekly_chart() -> None:
    weeks = [week(f"2020-{number}", 70) for number in range(40, 45)]
    plain = charts.weekly([*weeks, week("2020-45", 30)])
    assert not marks(plain, "path", "point forecast")
    drawn = charts.weekly([*weeks, week("2020-45", 30, Forecast(7.2, (5.1, 19.5)))])
    (diamond,) = marks(drawn, "path", "point forecast")
    (line,) = marks(drawn, "line", "interval forecast")
    (unfinished,) = marks(drawn, "circle", "point unfinished")
    x = float(re.match(r"M([\d.]+),", diamond["d"]).group(1))  # type: ignore[union-attr]
    assert x == float(line["x1"]) == float(line["x2"]) > float(unfinished["cx"])
    # The axis has room for the interval: its end is below the upper edge of the panel.
    assert 0 < float(line["y2"]) < float(line["y1"]) < float(unfinished["cy"])
    assert "forecast 7.20\xa0% (5.10–19.50)" in drawn
    assert "forecast" not in plain


def test_a_forecast_is_named_in_every_table() -> None:
    unfinished = week("2020-45", 30, Forecast(7.2, (5.1, 9.5)))
    assert notes(unfinished.figures, unfinished) == "unfinished, forecast 7.20\xa0% (5.10–9.50)"
    assert notes(unfinished.figures) == ""


HALF = [
    PastForecast("2020-45", day, Forecast(6.0, (5.0, 7.0)), rate)
    for day in (6, 7)
    for rate in (5.0, 7.5)
]


def test_how_good_forecasts_were() -> None:
    """Errors of 1 and 1.5 points; the second rate is outside of its interval."""
    assert "2 of 4 forecasts" in forecasts.lead(HALF)
    assert "50.00\xa0%" in forecasts.lead(HALF)
    first, second = forecasts.table(HALF).rows
    assert (first.head, first.note) == ("Day 7", "Sunday of the registration week")
    assert first.cells == ("2", "50.00\xa0%", "1.25", "2.00")
    assert (second.head, second.note) == ("Day 8", "Monday of the week after")


@pytest.mark.parametrize(("weeks", "shown"), [(9, 5), (60, 40)])
def test_the_chart_has_the_latest_forecasts(weeks: int, shown: int) -> None:
    curves = [
        Curve.of(week_label(date(2020, 1, 6) + timedelta(weeks=n)), 1000, {7: 40, 9: 30}, 14)
        for n in range(weeks)
    ]
    drawn = forecasts.chart(list(past_forecasts(curves)))
    assert len(marks(drawn, "path", "point forecast")) == shown
    assert len(marks(drawn, "circle", "point complete")) == shown
    assert "day 7" in forecasts.note(list(past_forecasts(curves)))
