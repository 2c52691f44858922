"""How good forecasts were: each complete week as forecast on earlier days, and what came."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from user_conversion.answer.forecast import PastForecast
from user_conversion.answer.statistics import percent
from user_conversion.outputs import words
from user_conversion.outputs.page import charts, scales, tips
from user_conversion.outputs.page.shapes import Estimate, Panel, PanelChart
from user_conversion.outputs.page.tables import Table, TableRow
from user_conversion.rules.weeks import monday_of

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# More would overlap.
MOST_CHARTED = 40


def lead(found: Sequence[PastForecast]) -> str:
    """How many of the intervals had the rate that came."""
    number = words.number_of(len(found), "forecast")
    covered = sum(each.covered for each in found)
    return (
        "Each complete week, forecast as of each earlier day from the weeks before it. "
        f"{words.count(covered)} of {number} had the rate that came within the interval "
        f"({words.rate(percent(covered, len(found)))}; 95\N{NO-BREAK SPACE}% are expected)."
    )


def chart(found: Sequence[PastForecast]) -> Markup:
    """The forecasts as of the earliest day, and the rate that came, of the latest weeks."""
    earliest = min(each.day for each in found)
    shown = [each for each in found if each.day == earliest][-MOST_CHARTED:]
    rates = [each.conversion_rate for each in shown]
    highest = scales.room(max([*rates, *(each.forecast.interval[1] for each in shown)]))
    panel = Panel(
        f"Forecast with {words.INTERVAL}, and the rate that came",
        200,
        highest,
        scales.percents(highest),
        forecasts=[
            Estimate.forecast(place, each.forecast, "forecast") for place, each in enumerate(shown)
        ],
        points=[Estimate(place, rate, rate, rate, "complete") for place, rate in enumerate(rates)],
    )
    mondays = [monday_of(each.registration_week) for each in shown]
    tooltips = [tips.past_forecast(each) for each in shown]
    return charts.draw("panels.svg", PanelChart([panel], scales.dates(mondays), tooltips))


def table(found: Sequence[PastForecast]) -> Table:
    """One row per day of the window, over all weeks."""
    rows = []
    for day in sorted({each.day for each in found}):
        of_day = [each for each in found if each.day == day]
        covered = sum(each.covered for each in of_day)
        widths = [each.forecast.interval[1] - each.forecast.interval[0] for each in of_day]
        errors = [abs(each.forecast.conversion_rate - each.conversion_rate) for each in of_day]
        cells = (
            words.count(len(of_day)),
            words.rate(percent(covered, len(of_day))),
            f"{sum(errors) / len(errors):.2f}",
            f"{sum(widths) / len(widths):.2f}",
        )
        rows.append(TableRow(f"Day {day + 1}", cells, note=_weekday(day)))
    headings = ("Observed through", "Weeks", "Within interval", "Mean error", "Mean width")
    return Table("Forecasts of complete weeks by day, in points", headings, tuple(rows), whole=True)


def _weekday(day: int) -> str:
    where = "the registration week" if day < len(WEEKDAYS) else "the week after"
    return f"{WEEKDAYS[day % len(WEEKDAYS)]} of {where}"


def note(found: Sequence[PastForecast]) -> str:
    """What the chart shows."""
    earliest = min(each.day for each in found)
    return (
        f"Diamonds and dashed lines: forecasts as of day {earliest + 1}, when the registration "
        "week was over. Dots: the rate that came. The table has the later days too."
    )
